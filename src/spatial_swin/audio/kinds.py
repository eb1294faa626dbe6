"""Kinds of synthetic programmes: the scene of sounds, and four that are nearer to what people listen to.

In go (kind, seed, number, seconds, sample rate), out comes a `Scene`:

- `scene`: sounds of all sorts in front, around and above (`audio.synthesis`);
- `instruments`: a band that plays a piece, in front, partly around and above, in a room;
- `speech`: dialogue in the centre, ambience from everywhere, the room of the talkers;
- `stems`: a pop mix for loudspeakers, panned between pairs of them, reverberation from the surrounds and above;
- `upmix`: a stereo mix whose ambience an upmixer sends around and above.

Every draw is keyed by (kind, seed, number). The energy from around and from above are drawn shares, none below an
eighth, so that no two layouts sound alike.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import signal

from spatial_swin.audio import instruments, score
from spatial_swin.audio.mixing import drawn_place
from spatial_swin.audio.render import Scene, Stem
from spatial_swin.audio.reverberation import Room, returns
from spatial_swin.audio.score import Music, perform
from spatial_swin.audio.sounds import Draw, normalised, shaped_noise
from spatial_swin.audio.synthesis import BED, ambient_bed, resting, shared_out, synthetic_name, synthetic_scene
from spatial_swin.audio.upmix import upmixed
from spatial_swin.audio.voices import speech
from spatial_swin.errors import AudioError
from spatial_swin.keyed_random import keyed_generator

SCENE = "scene"
SURROUND_RETURNS, HEIGHT_RETURNS = ((110, 0), (-110, 0)), ((30, 30), (-30, 30), (110, 30), (-110, 30))
FRONT_PAIR, SURROUND_PAIR = ((30, 0), (-30, 0)), ((110, 0), (-110, 0))
HEIGHT_PAIRS = ((30, 30), (-30, 30)), ((110, 30), (-110, 30))
Tracks = list[tuple[str, np.ndarray]]  # role and sound of unit mean square
Mix = tuple[list[Stem], np.ndarray | None]  # stems and the LFE


def programme_name(kind: str, seed: int, number: int) -> str:
    """`speech0-000007`; a scene is called `synthetic0-000007`, as before there were kinds."""
    return synthetic_name(seed, number) if kind == SCENE else f"{kind}{seed}-{number:06d}"


def programme(kind: str, seed: int, number: int, seconds: float, sample_rate: int) -> Scene:
    """The `number`-th synthetic programme of a kind. Raises AudioError for a kind there is not."""
    require_kinds([kind])
    if kind == SCENE:
        return synthetic_scene(seed, number, seconds, sample_rate)
    draw = keyed_generator(seed, "synthetic programme", kind, number)
    stems, lfe = MIXES[kind](draw, round(seconds * sample_rate), sample_rate)
    return Scene(programme_name(kind, seed, number), sample_rate, shared_out(draw, stems), lfe)


def require_kinds(kinds: Sequence[str]) -> None:
    """Raise AudioError naming every kind that there is not, and those that there are."""
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise AudioError(f"there is no kind {', '.join(map(repr, unknown))}; the kinds are {', '.join(KINDS)}")


def _band(draw: Draw, count: int, sample_rate: int) -> Tracks:
    """A piece of music, one track an instrument: always a melody and a bass, often chords, arpeggios and drums."""
    music = Music.draw(draw, count / sample_rate)
    tuned = (instruments.plucked_string, instruments.held, instruments.struck_bar)
    parts = [("melody", score.melody, tuned), ("bass", score.bass, tuned[:2])]
    for role, part, chance in (
        ("chords", score.chords, 0.8),
        ("arpeggio", score.arpeggio, 0.6),
        ("counter", score.melody, 0.5),
    ):
        if draw.random() < chance:
            parts.append((role, part, tuned))
    tracks: Tracks = []
    for role, part, choice in parts:
        play = choice[draw.integers(len(choice))](draw, sample_rate)
        sound = perform(draw, part(draw, music), play, count, sample_rate)
        tracks.append((role, instruments.bodied(draw, sound, sample_rate)))
    if draw.random() < 0.65:
        for drum, build in (("kick", instruments.kick), ("snare", instruments.snare), ("cymbal", instruments.cymbal)):
            sound = perform(draw, score.beats(draw, music, drum), build(draw, sample_rate), count, sample_rate)
            tracks.append((drum, sound))
    return [(role, np.float32(_level(draw, 0, 8)) * normalised(sound)) for role, sound in tracks if sound.any()]


def _instruments(draw: Draw, count: int, sample_rate: int) -> Mix:
    tracks = _band(draw, count, sample_rate)
    stems = []
    for role, sound in tracks:
        if role in ("chords", "arpeggio", "counter"):
            place = drawn_place(draw)
            stems.append(resting(sound, (place.azimuth, place.elevation), role))
        else:
            stems.append(resting(sound, (draw.uniform(-35, 35), 0.0), role))
    dry = np.sum([sound for _, sound in tracks], axis=0)
    stems += _room(draw, dry, sample_rate, BED, draw.uniform(4, 16))
    return stems, _low(draw, dry, sample_rate) if draw.random() < 0.3 else None


def _speech(draw: Draw, count: int, sample_rate: int) -> Mix:
    talkers = [normalised(speech(draw, count, sample_rate))]
    stems = [resting(talkers[0], (draw.choice([0.0, 0.0, draw.uniform(-10, 10)]), 0.0), "talker")]
    if draw.random() < 0.4:
        talkers.append(np.float32(_level(draw, 2, 10)) * speech(draw, count, sample_rate))
        stems.append(resting(talkers[1], (draw.uniform(-35, 35), 0.0), "talker"))
    if draw.random() < 0.4:  # music under the dialogue
        tracks = _band(draw, count, sample_rate)[:2]
        under = np.float32(_level(draw, 6, 18)) * np.sum([sound for _, sound in tracks], axis=0)
        stems += [resting(under, place, "music") for place in FRONT_PAIR]
    stems += ambient_bed(
        draw, ("colour of the bed", int(draw.integers(1 << 31))), count, sample_rate, level_db=-draw.uniform(6, 24)
    )
    dry = np.sum(talkers, axis=0)
    stems += _room(draw, dry, sample_rate, BED, draw.uniform(8, 22))
    rumble = normalised(shaped_noise(draw, count, sample_rate, 25, 80, 0)) * np.float32(_level(draw, 3, 15))
    return stems, rumble if draw.random() < 0.2 else None


def _stems(draw: Draw, count: int, sample_rate: int) -> Mix:
    tracks = _band(draw, count, sample_rate)
    if draw.random() < 0.5:
        tracks.append(("voice", np.float32(_level(draw, 0, 4)) * speech(draw, count, sample_rate)))
    stems, centre = [], draw.random() < 0.5  # whether voice and bass stand in the centre loudspeaker
    for role, sound in tracks:
        if role in ("chords", "arpeggio", "counter") and draw.random() < 0.5:
            pair = (SURROUND_PAIR, *HEIGHT_PAIRS)[draw.integers(3)]
            stems += _panned(sound, pair, draw.uniform(0, 1), role)
        elif role in ("voice", "bass", "kick") and centre:
            stems.append(resting(sound, (0, 0), role))
        else:
            middle = role in ("voice", "bass", "kick", "snare", "melody")
            stems += _panned(sound, FRONT_PAIR, 0.5 if middle else draw.uniform(0, 1), role)
    dry = np.sum([sound for role, sound in tracks if role not in ("kick", "bass")], axis=0)
    places = (*FRONT_PAIR, *SURROUND_RETURNS, *HEIGHT_RETURNS)
    stems += _room(draw, dry, sample_rate, places, draw.uniform(4, 14))
    low = np.sum([sound for role, sound in tracks if role in ("kick", "bass")], axis=0)
    return stems, _low(draw, low, sample_rate) if draw.random() < 0.5 else None


def _upmix(draw: Draw, count: int, sample_rate: int) -> Mix:
    tracks = _band(draw, count, sample_rate)
    if draw.random() < 0.4:
        tracks.append(("voice", np.float32(_level(draw, 0, 6)) * speech(draw, count, sample_rate)))
    stereo = np.zeros((2, count), np.float32)
    for role, sound in tracks:
        pan = 0.5 if role in ("voice", "bass", "kick") else draw.uniform(0, 1)
        stereo += _pair_gains(pan)[:, None] * sound
    dry = np.sum([sound for _, sound in tracks], axis=0)
    room = _room(draw, dry, sample_rate, FRONT_PAIR, draw.uniform(3, 12))
    stereo += np.stack([stem.signal for stem in room])
    stems = [resting(sound, place, "upmix") for place, sound in upmixed(draw, stereo, sample_rate)]
    return stems, _low(draw, dry, sample_rate) if draw.random() < 0.4 else None


def _pair_gains(pan: float) -> np.ndarray:
    """Equal-power gains of a left and a right loudspeaker; pan 0 is left, 1 is right."""
    return np.array([np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2)], np.float32)


def _panned(sound: np.ndarray, pair: tuple[tuple[int, int], ...], pan: float, role: str) -> list[Stem]:
    return [resting(gain * sound, place, role) for gain, place in zip(_pair_gains(pan), pair, strict=True)]


def _room(
    draw: Draw, dry: np.ndarray, sample_rate: int, places: tuple[tuple[int, int], ...], below: float
) -> list[Stem]:
    """Returns of a drawn room, together `below` dB below the dry sound."""
    level = np.float32(10 ** (-below / 20) * np.sqrt(np.mean(dry**2) / len(places)))
    wet = returns(draw, Room.draw(draw), dry, sample_rate, len(places))
    return [resting(level * one, place, "room") for one, place in zip(wet, places, strict=True)]


def _low(draw: Draw, sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """What a bass manager sends to the LFE."""
    low = signal.sosfilt(signal.butter(2, 90, fs=sample_rate, output="sos"), sound)
    return np.float32(_level(draw, 0, 9)) * low.astype(np.float32)


def _level(draw: Draw, least: float, most: float) -> float:
    """A gain of minus `least` to minus `most` dB."""
    return float(10 ** (-draw.uniform(least, most) / 20))


MIXES: dict[str, Callable[[Draw, int, int], Mix]] = {
    "instruments": _instruments,
    "speech": _speech,
    "stems": _stems,
    "upmix": _upmix,
}
KINDS = (SCENE, *MIXES)
