"""A paired data set: every programme in every layout for its listeners, as sound, pictures and rows of the manifest.

In go programmes, listeners and `Settings`, out come OUTPUT/pictures/<label>/*.png, and `Beside` them
OUTPUT/sound/<label>/*.flac and OUTPUT/arrivals/<label>/*.npy.
One job is one chunk of one programme: its renderings share everything but the layout and stand at one loudness. Jobs
run in processes (spawned, one torch thread each); what a job writes depends on the job and the settings alone, so
neither workers nor shards nor a restart change a byte.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from spatial_swin import files
from spatial_swin.audio import conditions, kinds, parametric, spoiling
from spatial_swin.audio.clips import Cut
from spatial_swin.audio.conditions import CLEAN, Condition
from spatial_swin.audio.hrtf import Listener, is_parametric, load_listener
from spatial_swin.audio.loudness import Level, match_loudness
from spatial_swin.audio.manifest import PICTURES, SOUND, Row, arrivals_file, lufs
from spatial_swin.audio.programme import Programme, chunk_starts
from spatial_swin.audio.render import Scene, render_layouts
from spatial_swin.audio.workers import in_processes
from spatial_swin.errors import AudioError, Problem, WriteError
from spatial_swin.keyed_random import Key, keyed_generator
from spatial_swin.layouts import Layout, find_layouts

SETTINGS = "render.json"
MODELLED = "parametric_listeners"  # in it: their version
PREROLL = 1.0  # s rendered before a chunk and dropped, so that what rings on from the chunk before is heard


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of sound and pictures, beside programme, layout and listener.

    conditions: words of `conditions.of_one_length`; of the pairs of programme and listener the share
    `conditions_share` is heard in one of them, drawn, the others as they are.
    """

    cut: Cut
    seed: int = 0
    directions: str = "nearest"
    arrangement: str = "4x4"
    size: int = 384
    conditions: tuple[str, ...] = ()
    conditions_share: float = 0.5

    def condition_of(self, programme: str, listener: str) -> Condition:
        """The condition in which a listener hears a programme, the same for all layouts so that it tells none."""
        found = conditions.of_one_length(self.conditions)
        draw = keyed_generator(self.seed, "condition", programme, listener)
        if not found or draw.random() < 1 - self.conditions_share:
            return CLEAN
        factors = list(dict.fromkeys(one.factor for one in found))  # each as often as another, however many values
        factor = factors[draw.integers(len(factors))]
        values = [one for one in found if one.factor == factor]
        return values[draw.integers(len(values))]


@dataclass(frozen=True)
class Synthetic:
    """The number-th synthetic programme of a seed, of a kind of `audio.kinds`."""

    number: int
    seed: int
    kind: str = kinds.SCENE

    @property
    def name(self) -> str:
        return kinds.programme_name(self.kind, self.seed, self.number)


@dataclass(frozen=True)
class Job:
    """One chunk of a programme for its listeners: (name to load, name in file names) each. start in samples."""

    programme: Programme | Synthetic
    chunk: int
    start: int
    short: bool
    listeners: tuple[tuple[str, str], ...]

    def stem(self, listener: str, label: str) -> str:
        return f"{self.programme.name}_{listener}_{label}_chunk{self.chunk:04d}"

    def pictures(self, layouts: Sequence[str]) -> list[str]:
        """Paths below the folder of pictures of all that this job makes."""
        return [f"{label}/{self.stem(name, label)}.png" for _, name in self.listeners for label in layouts]


@dataclass(frozen=True)
class Beside:
    """What is written beside pictures: the sound, and where it comes from, given the head (`audio.arrivals`)."""

    sound: bool = False
    arrivals: bool = False

    def files_of(self, output: Path, picture: str) -> list[Path]:
        """The files beside a picture, which is given by its path below the folder of pictures."""
        sound = (output / SOUND / picture).with_suffix(".flac")
        shares = arrivals_file(output / PICTURES, picture)
        return [sound] * self.sound + [shares] * self.arrivals


def is_done(job: Job, output: Path, layouts: Sequence[str], recorded: Collection[str], beside: Beside) -> bool:
    """Whether all pictures of a job are recorded, and what is wanted beside them is there."""
    pictures = job.pictures(layouts)
    if not all(path in recorded for path in pictures):
        return False
    return all(file.is_file() for path in pictures for file in beside.files_of(output, path))


def make_jobs(
    programmes: Sequence[Programme | Synthetic],
    listeners: Sequence[tuple[str, str]],
    each: int | None,
    settings: Settings,
) -> list[Job]:
    """Jobs in the order of the programmes; with `each`, a programme gets so many listeners, drawn by seed and name."""
    jobs = []
    for programme in programmes:
        chosen = _drawn(listeners, each, settings.seed, programme.name)
        length = (
            settings.cut.frames if isinstance(programme, Synthetic) else programme.length(settings.cut.sample_rate)
        )
        for chunk, (start, short) in enumerate(chunk_starts(length, settings.cut)):
            jobs.append(Job(programme, chunk, start, short, chosen))
    return jobs


def _drawn(
    listeners: Sequence[tuple[str, str]], each: int | None, seed: int, programme: str
) -> tuple[tuple[str, str], ...]:
    if each is None or each >= len(listeners):
        return tuple(listeners)
    order = keyed_generator(seed, "listeners of a programme", programme).permutation(len(listeners))
    return tuple(listeners[k] for k in sorted(order[:each]))


def _scene(job: Job, settings: Settings) -> tuple[Scene, int]:
    """The scene of a job and how many samples at its beginning are only there to ring on."""
    cut = settings.cut
    if isinstance(job.programme, Synthetic):
        made = job.programme
        return kinds.programme(made.kind, made.seed, made.number, cut.seconds, cut.sample_rate), 0
    before = min(job.start, round(PREROLL * cut.sample_rate))
    return job.programme.scene(job.start - before, before + cut.frames, cut.sample_rate), before


def run_job(job: Job, output: Path, layouts: Sequence[str], settings: Settings, beside: Beside) -> list[Row] | Problem:
    """Write the pictures of one job and what is wanted beside them; return their rows, or what is wrong with this job.

    Raises WriteError when the disk is full or read-only, which no other job would survive.
    """
    try:
        return _run(job, output, layouts, settings, beside)
    except WriteError:
        raise
    except (AudioError, soundfile.SoundFileError, OSError) as error:
        where = f"{job.programme.name}, chunk {job.chunk}"
        return Problem(where, str(error), "repair it and run the same command again")


def _run(job: Job, output: Path, layouts: Sequence[str], settings: Settings, beside: Beside) -> list[Row]:
    import torch

    from spatial_swin.audio.arrivals import arrivals, as_bytes, ear_patterns
    from spatial_swin.audio.drawing import encode_png
    from spatial_swin.audio.mosaic import mosaic

    rate = settings.cut.sample_rate
    origin = "synthetic" if isinstance(job.programme, Synthetic) else job.programme.kind
    rows = []
    for listener, condition, matched in _heard(job, layouts, settings):
        stack = torch.from_numpy(np.stack([ears for ears, _ in matched]))
        pictures = mosaic(stack, rate, settings.arrangement, settings.size).numpy()
        for label, (ears, level), picture in zip(layouts, matched, pictures, strict=True):
            stem = job.stem(listener.name, label)
            files.write_bytes(output / PICTURES / label / f"{stem}.png", encode_png(picture))
            if beside.sound:
                _write_sound(output / SOUND / label / f"{stem}.flac", ears, rate)
            if beside.arrivals:
                shares = arrivals(ears, rate, ear_patterns(listener))
                files.write_bytes(arrivals_file(output / PICTURES, f"{label}/{stem}.png"), as_bytes(shares))
            flags = "+".join((*level.flags, *(["short"] if job.short else [])))
            rows.append(
                Row(
                    path=f"{label}/{stem}.png",
                    label=label,
                    programme=job.programme.name,
                    listener=listener.name,
                    source=f"{origin}, {settings.directions} direction",
                    chunk=str(job.chunk),
                    recording=job.programme.name,
                    seed=str(settings.seed),
                    loudness_before=lufs(level.before),
                    loudness_after=lufs(level.after),
                    flags=flags,
                    laboratory=listener.laboratory,
                    kind=job.programme.kind,
                    condition=condition.name,
                )
            )
    return rows


def _heard(
    job: Job, layouts: Sequence[str], settings: Settings
) -> Iterator[tuple[Listener, Condition, list[tuple[np.ndarray, Level]]]]:
    """Each listener of a job, how it hears the programme, and in every layout its ears, float32 [2, N], and level."""
    scene, before = _scene(job, settings)
    found, rate = find_layouts(layouts), settings.cut.sample_rate
    listeners = [load_listener(spec, rate) for spec, _ in job.listeners]
    asked = [(listener, settings.condition_of(job.programme.name, listener.name)) for listener in listeners]
    clean = [listener for listener, condition in asked if condition == CLEAN]
    together = render_layouts(scene, found, clean, settings.directions) if clean else {}
    for listener, condition in asked:
        spoilt = condition != CLEAN
        rendered = _elsewhere(scene, found, listener, condition, settings) if spoilt else together
        matched = [match_loudness(rendered[code, listener.name][:, before:], rate) for code in layouts]
        if spoilt:
            key = (settings.seed, job.programme.name, listener.name)
            matched = _spoilt(condition, [ears for ears, _ in matched], settings.cut, key)
        yield listener, condition, matched


def _elsewhere(
    scene: Scene, layouts: Sequence[Layout], listener: Listener, condition: Condition, settings: Settings
) -> dict[tuple[str, str], np.ndarray]:
    """What `render_layouts` gives for a listener in a condition; every programme has a room or places of its own."""
    changed = [conditions.layout_of(condition, layout) for layout in layouts]
    own = int(keyed_generator(settings.seed, "place", scene.name).integers(2**31))
    ears = conditions.listener_of(condition, listener, changed, own)
    rendered = render_layouts(scene, changed, [ears], settings.directions)
    return {(code, listener.name): sound for (code, _), sound in rendered.items()}


def _spoilt(
    condition: Condition, renderings: Sequence[np.ndarray], cut: Cut, key: Sequence[Key]
) -> list[tuple[np.ndarray, Level]]:
    """Renderings as files in the condition, read again: at the rate and length of `cut`, their loudness matched."""
    made = conditions.spoil_each(condition, [(ears, key) for ears in renderings], cut.sample_rate)
    return [_read_again(*one, cut, ears.shape[1]) for ears, one in zip(renderings, made, strict=True)]


def _read_again(ears: np.ndarray, rate: int, cut: Cut, count: int) -> tuple[np.ndarray, Level]:
    if rate != cut.sample_rate:
        ears = spoiling.resampled(ears, rate, cut.sample_rate)
    missing = max(0, count - ears.shape[1])
    return match_loudness(np.pad(ears[:, :count], ((0, 0), (0, missing))), cut.sample_rate)


def _write_sound(path: Path, ears: np.ndarray, sample_rate: int) -> None:
    content = BytesIO()  # libsndfile would not say why it cannot write
    soundfile.write(content, ears.T, sample_rate, format="FLAC", subtype="PCM_24")
    files.write_bytes(path, content.getvalue())


def run_jobs(
    jobs: Sequence[Job], output: Path, layouts: Sequence[str], settings: Settings, beside: Beside, workers: int
) -> Iterator[list[Row] | Problem]:
    """Results in the order of `jobs`, from `workers` processes (1: this one). Raises AudioError when one dies."""
    work = partial(run_job, output=output, layouts=tuple(layouts), settings=settings, beside=beside)
    return in_processes(work, jobs, workers)


def begin(output: Path, settings: Settings, listeners: Iterable[str] = ()) -> None:
    """Keep the settings at OUTPUT/render.json. Raises AudioError when it cannot be, or was begun with others.

    With parametric ones among the `listeners` (names to load), their version is kept too: a seed of another version
    is another head under the same name.
    """
    path = output / SETTINGS
    wanted = {**asdict(settings), **asdict(settings.cut), "conditions": list(settings.conditions)}
    del wanted["cut"]
    if any(is_parametric(name) for name in listeners):
        wanted[MODELLED] = parametric.VERSION
    begun = wanted
    if path.is_file():
        try:
            begun = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise AudioError(f"{path}: is damaged; remove it to go on, with the options it was begun with") from None
        begun.setdefault("conditions", [])  # begun before there were any
        begun.setdefault("conditions_share", 0.5)  # begun when it was always half
        if MODELLED in wanted and MODELLED not in begun:  # begun without such listeners, or before they had a version
            old = any((output / PICTURES).glob("*/*_parametric[0-9]*_chunk*.png"))
            begun[MODELLED] = 1 if old else parametric.VERSION
    other = [f"{key} {begun.get(key)!r}, now {value!r}" for key, value in wanted.items() if begun.get(key) != value]
    if other:
        raise AudioError(f"{output} was begun with {'; '.join(other)}; use the same options or another --output_dir")
    files.write_json(path, begun | wanted)
