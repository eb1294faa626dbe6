"""Programmes that a user has: channel masters and folders of stems, judged, then read piece by piece as scenes.

In goes a folder; what lies directly in it is a programme each:

- a sound file of 10 channels (5.1.4) or 12 (7.1.4), in the order of `layouts`; 8, 6, 2 or 1 for the layouts that
  those hold;
- an ADM master, a BW64 file whose metadata say what its channels are (`adm`): beds and objects;
- a folder of mono files named by loudspeaker (M+030, U-110, or L R C LFE Ls Rs Ltf Rtf Ltr Rtr), alone or after a
  `_`;
- a folder of mono stems, with places in `stems.csv` (columns file, azimuth, elevation, and gain_db if wanted), or in
  their names (`violin_az+030_el+15.wav`), or drawn by the seed.

A channel of a master is a stem at the place of its loudspeaker, so that one rule (`panning`) makes every downmix. It
never pans.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from spatial_swin import files
from spatial_swin.audio import adm, bw64
from spatial_swin.audio.clips import Cut, shorter_minimum
from spatial_swin.audio.render import Scene, Stem
from spatial_swin.audio.sound_files import READABLE, SOUND_ENDINGS, open_sound, silence
from spatial_swin.audio.tracks import Track
from spatial_swin.errors import AudioError, BadSound, Problem, SpatialSwinError
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import ALIASES, LAYOUTS, Layout, Loudspeaker, loudspeaker

MASTER_LAYOUTS = {len(LAYOUTS[code].loudspeakers): code for code in ("100", "200", "510", "710", "514", "714")}
STEMS_TABLE = "stems.csv"
SONG = "song.json"  # in a folder of stems that were played from a MIDI file (`audio.songs`)
PLACE_IN_NAME = re.compile(r"_az(?P<azimuth>[+-]?\d+(?:\.\d+)?)(?:_el(?P<elevation>[+-]?\d+(?:\.\d+)?))?$")
MARGIN = 4096  # output samples of context on either side of a piece that is resampled
SPEAKERS_BY_ALIAS = {alias.lower(): name for alias, name in ALIASES.items()}


@dataclass(frozen=True)
class Programme:
    """kind: master, adm, stems or midi; frames and sample_rate as in the files.

    layout: of the master; None for stems, and for an ADM master with objects or a bed that `layouts` does not have.
    """

    name: str
    kind: str
    tracks: tuple[Track, ...]
    frames: int
    sample_rate: int
    layout: str | None = None

    @property
    def bed(self) -> tuple[str, ...]:
        """The loudspeakers of its channels."""
        return tuple(track.label for track in self.tracks if track.label)

    @property
    def objects(self) -> int:
        return len(self.tracks) - len(self.bed)

    def length(self, sample_rate: int) -> int:
        """Samples at another rate."""
        return int(self.frames * sample_rate / self.sample_rate)

    def scene(self, start: int, count: int, sample_rate: int) -> Scene:
        """The `count` samples from `start` on, both at `sample_rate`; silence where the files have ended."""
        by_file: dict[Path, np.ndarray] = {}
        stems, lfe = [], None
        for track in self.tracks:
            if track.path not in by_file:
                by_file[track.path] = read_piece(track.path, start, count, sample_rate)
            signal = np.float32(track.gain) * by_file[track.path][track.channel]
            if track.lfe:
                signal = track.heard(signal, start, sample_rate)
                lfe = signal if lfe is None else lfe + signal
            else:
                stems.append(_stem(track, signal, start, sample_rate, self.kind))
        return Scene(self.name, sample_rate, tuple(stems), lfe)


def _stem(track: Track, signal: np.ndarray, start: int, sample_rate: int, kind: str) -> Stem:
    if track.motion is None:
        return Stem(signal, np.array([track.azimuth]), np.array([track.elevation]), kind)
    knots = track.motion.between(start, len(signal), sample_rate)
    return Stem(signal, knots.azimuth, knots.elevation, kind, knots.at, knots.gain)


def chunk_starts(length: int, cut: Cut) -> list[tuple[int, bool]]:
    """(first sample, whether it is short) of the chunks of `length` samples at the rate of `cut`."""
    hop, minimum = round(cut.hop_seconds * cut.sample_rate), round(cut.minimum_seconds * cut.sample_rate)
    full = max(0, (length - cut.frames) // hop + 1)
    starts = [(k * hop, False) for k in range(full)]
    rest, covered = length - full * hop, full > 0 and length <= (full - 1) * hop + cut.frames
    return [*starts, (full * hop, True)] if minimum <= rest < cut.frames and not covered else starts


def read_piece(path: Path, start: int, count: int, sample_rate: int) -> np.ndarray:
    """float32 [channels, count] of a file from sample `start` on, both at `sample_rate`; zeros after its end."""
    with bw64.opened(path) as file:
        if file.samplerate == sample_rate:
            piece = _read(file, start, count)
        else:  # begin where samples of file and output fall together, so that every piece fits the others
            common = math.gcd(file.samplerate, sample_rate)
            up, down = sample_rate // common, file.samplerate // common
            first = max(0, start // up - -(-MARGIN // up))  # in units of `up` output samples
            wanted = math.ceil((start + count + MARGIN) * down / up) - first * down
            piece = soxr.resample(_read(file, first * down, wanted), file.samplerate, sample_rate, quality="VHQ")
            piece = piece[start - first * up : start - first * up + count]
    result = np.zeros((piece.shape[1], count), np.float32)
    result[:, : len(piece)] = piece.T
    return result


def _read(file: soundfile.SoundFile, start: int, count: int) -> np.ndarray:
    if start >= file.frames:
        return np.zeros((0, file.channels), np.float32)
    file.seek(start)
    return file.read(count, dtype="float32", always_2d=True)


def find_programmes(root: Path, seed: int) -> tuple[list[Programme], list[Problem]]:
    """The programmes of a folder by name, and what keeps others from being one; files are opened, samples not read.

    Raises AudioError for a path that is no folder, and for a folder without any sound.
    """
    if not root.is_dir():
        raise AudioError(f"{root}: not a folder; give the one that holds the programmes")
    programmes: list[Programme] = []
    problems: list[Problem] = []
    for entry in files.entries_of(root):
        if not entry.is_dir() and entry.suffix.lower() not in SOUND_ENDINGS:
            continue
        try:
            programme = programme_at(entry, seed)
        except adm.BadMaster as error:
            problems += error.problems
            continue
        except SpatialSwinError as error:
            where = str(error).partition(": ")[0]  # a file of a folder of stems
            problems.append(Problem.of(where, error, "mend it, or take it out of the folder"))
            continue
        twin = next((p for p in programmes if p.name == programme.name), None)
        if twin is None:
            programmes.append(programme)
        else:
            problems.append(same_name(entry, programme.name, twin.tracks[0].path))
    if not programmes and not problems:
        raise AudioError(f"{root}: no programme in it; put 10-channel (5.1.4) files or folders of stems there")
    return programmes, problems


def programme_at(path: Path, seed: int) -> Programme:
    """The programme that a folder or a sound file is. Raises AudioError for one that is none."""
    return _folder(path, seed) if path.is_dir() else _master_file(path)


def same_name(path: Path, name: str, twin: Path) -> Problem:
    """What is wrong with `path`, which would get the name that `twin` has."""
    return Problem(str(path), f"would be called {name}, as {twin.name} is", "rename one of the two")


def name_of(path: Path) -> str:
    """The name of a programme: what a file name and the pattern of ours can carry (no `_`, which parts the name)."""
    stem = path.name if path.is_dir() else path.stem
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", stem).strip("-.") or "programme"


def _opened(path: Path) -> tuple[int, int, int]:
    """(channels, frames, sample rate) of a file; raises AudioError for one that cannot be used."""
    with open_sound(path) as sound:
        assert sound.frames is not None, "only what libsndfile reads is a programme"
        return sound.channels, sound.frames, sound.sample_rate


def _master_file(path: Path) -> Programme:
    if path.suffix.lower() not in READABLE:
        raise AudioError(f"{path}: cannot be read piece by piece; convert it to WAV or FLAC")
    channels, frames, rate = _opened(path)
    if (chunks := adm.find_master(path)) is not None:
        return _adm_master(chunks, channels, frames, rate)
    if channels not in MASTER_LAYOUTS:
        known = ", ".join(f"{count} ({LAYOUTS[code].title})" for count, code in sorted(MASTER_LAYOUTS.items()))
        raise AudioError(f"{path}: has {channels} channels; a master has one of {known}")
    layout = LAYOUTS[MASTER_LAYOUTS[channels]]
    tracks = tuple(_channel(path, index, speaker) for index, speaker in enumerate(layout.loudspeakers))
    return Programme(name_of(path), "master", tracks, frames, rate, layout.code)


def _adm_master(chunks: bw64.Chunks, channels: int, frames: int, rate: int) -> Programme:
    tracks = adm.read_tracks(chunks, channels, frames / rate)
    if not any(track.label == "" or not track.lfe for track in tracks):
        raise AudioError(f"{chunks.path}: holds nothing but LFE channels; export the bed too")
    programme = Programme(name_of(chunks.path), "adm", tracks, frames, rate)
    bed = sorted(programme.bed)
    match = next((layout.code for layout in LAYOUTS.values() if sorted(layout.names) == bed), None)
    return replace(programme, layout=None if programme.objects else match)


def _channel(path: Path, index: int, speaker: Loudspeaker) -> Track:
    return Track(path, index, speaker.azimuth, speaker.elevation, speaker.lfe, label=speaker.name)


def _folder(folder: Path, seed: int) -> Programme:
    sounds = [path for path in files.entries_of(folder) if path.suffix.lower() in READABLE]
    if not sounds:
        raise AudioError(f"{folder}: holds no sound; put mono files into it")
    opened = {path: _opened(path) for path in sounds}
    if many := [path.name for path in sounds if opened[path][0] != 1]:
        raise AudioError(
            f"{folder}: {', '.join(many)} {'are' if len(many) > 1 else 'is'} not mono; split it into mono files"
        )
    rates = sorted({rate for _, _, rate in opened.values()})
    if len(rates) > 1:
        raise AudioError(f"{folder}: sample rates differ ({', '.join(map(str, rates))} Hz); export all at one rate")
    speakers = {path: _speaker_of(path) for path in sounds}
    if all(speakers.values()) and not (folder / STEMS_TABLE).exists():
        return _mono_master(folder, {path: name for path, name in speakers.items() if name}, opened)
    places = _given_places(folder, sounds)
    tracks = tuple(Track(path, 0, *(places.get(path.name) or _place(path, folder, seed))) for path in sounds)
    kind = "midi" if (folder / SONG).is_file() else "stems"
    return Programme(name_of(folder), kind, tracks, max(frames for _, frames, _ in opened.values()), rates[0])


def _speaker_of(path: Path) -> str | None:
    last = re.split(r"[_ ]", path.stem)[-1]
    if last.lower() in SPEAKERS_BY_ALIAS:
        return SPEAKERS_BY_ALIAS[last.lower()]
    return last.upper() if re.fullmatch(r"[MU][+-]\d{3}|LFE1", last.upper()) else None


def _mono_master(folder: Path, speakers: dict[Path, str], opened: dict[Path, tuple[int, int, int]]) -> Programme:
    names = list(speakers.values())
    match = next((layout for layout in LAYOUTS.values() if sorted(layout.names) == sorted(names)), None)
    if match is None:
        likely = max(
            LAYOUTS.values(), key=lambda layout: len(set(layout.names) & set(names)) - len(layout.names) / 100
        )
        missing = ", ".join(sorted(set(likely.names) - set(names))) or "none"
        more = ", ".join(sorted(name for name in names if name not in likely.names or names.count(name) > 1)) or "none"
        raise AudioError(
            f"{folder}: its loudspeakers are of no layout, for {likely.title} missing {missing}, too many {more}; "
            "name one mono file a loudspeaker"
        )
    lengths = sorted({opened[path][1] for path in speakers})
    if len(lengths) > 1:
        raise AudioError(f"{folder}: channels of {lengths[0]} to {lengths[-1]} samples; export all at one length")
    tracks = tuple(_channel(path, 0, loudspeaker(name)) for path, name in speakers.items())
    return Programme(name_of(folder), "master", tracks, lengths[0], next(iter(opened.values()))[2], match.code)


def _given_places(folder: Path, sounds: Sequence[Path]) -> dict[str, tuple[float, float, bool, float]]:
    """Places by file name from stems.csv, as Track takes them; raises AudioError for a line that is wrong."""
    table = folder / STEMS_TABLE
    if not table.is_file():
        return {}
    places = {}
    known = {path.name for path in sounds}
    for number, row in enumerate(files.read_csv(table), start=2):
        where = f"{table}, line {number}"
        if row.get("file") not in known:
            raise AudioError(f"{where}: there is no file {row.get('file')!r}; name one of {', '.join(sorted(known))}")
        try:
            azimuth, elevation = float(row["azimuth"]), float(row["elevation"])
            gain_db = float(row.get("gain_db") or 0.0)
        except (KeyError, TypeError, ValueError):
            raise AudioError(f"{where}: azimuth, elevation or gain_db is no number; write degrees and dB") from None
        if not (-360 <= azimuth <= 360 and -90 <= elevation <= 90 and -120 <= gain_db <= 60):
            place = f"{azimuth:g}, {elevation:g}, {gain_db:g}"
            raise AudioError(f"{where}: {place} lies outside +-360 and +-90 degrees, -120 to 60 dB; correct it")
        places[row["file"]] = (azimuth, elevation, False, 10 ** (gain_db / 20))
    return places


def _place(path: Path, folder: Path, seed: int) -> tuple[float, float]:
    """The place in a stem's name, or one drawn: half of the stems in front, a quarter around, a quarter above."""
    if named := PLACE_IN_NAME.search(path.stem):
        return float(named["azimuth"]), float(named["elevation"] or 0)
    draw = keyed_generator(seed, "place of a stem", folder.name, path.name)
    where = draw.random()
    if where < 0.5:
        return float(draw.uniform(-45, 45)), 0.0
    return float(draw.uniform(60, 300)), (0.0 if where < 0.75 else float(draw.uniform(25, 70)))


def judge(programme: Programme, layouts: Sequence[Layout], cut: Cut) -> Iterator[Problem]:
    """What keeps a programme from being rendered in `layouts`; reads every sample once."""
    paths = sorted({track.path for track in programme.tracks})
    where = str(paths[0] if len(paths) == 1 else paths[0].parent)
    if programme.layout is not None:
        master = LAYOUTS[programme.layout]
        poor = [
            layout.code
            for layout in layouts
            if len(layout.placed) > len(master.placed) or layout.has_heights > master.has_heights
        ]
        if poor:
            do = f"leave {', '.join(poor)} out with --layouts, or give a richer master"
            yield Problem(where, f"is a master of {master.title}, which holds less than {', '.join(poor)}", do)
    seconds = programme.frames / programme.sample_rate
    if not chunk_starts(programme.length(cut.sample_rate), cut):
        what = f"lasts {seconds:.3f} s, less than a chunk of {cut.minimum_seconds:g} s"
        yield Problem(where, what, shorter_minimum(seconds))
    peak = 0.0
    for path in paths:
        try:
            with open_sound(path) as sound:
                peak = max(peak, sound.peak()[0])
        except BadSound as error:
            yield error.problem
            peak = 1.0
    if level := silence(peak):
        yield Problem(where, level, "leave it out")
