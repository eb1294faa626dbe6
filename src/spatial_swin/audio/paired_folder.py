"""A paired data set as a folder: what is asked for is checked, rendered job by job, recorded, and continued.

In goes an `Order`, out come OUTPUT/pictures and OUTPUT/sound with the manifest; `audio.paired` makes the single jobs.
All problems of listeners and programmes come at once, before anything is rendered. A stopped order continues from its
manifest, which is written every few seconds.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio import conditions, manifest, paired
from spatial_swin.audio.hrtf import expand_listeners, same_listener_name, usable_listeners, with_virtual_heads
from spatial_swin.audio.kinds import SCENE, require_kinds
from spatial_swin.audio.paired import Beside, Job, Settings, Synthetic
from spatial_swin.audio.programme import Programme, find_programmes, judge, programme_at
from spatial_swin.audio.songs import Songbook, find_songs, make_stems
from spatial_swin.audio.tiles import tile_map
from spatial_swin.audio.virtual_heads import virtual_name
from spatial_swin.errors import AudioError, Problem, raise_problems
from spatial_swin.layouts import Layout, find_layouts

SAVE_EVERY = 20.0  # s between writings of the manifest


@dataclass(frozen=True)
class Order:
    """What to render and where.

    layouts: codes. listeners: names, files or folders, as `expand_listeners` takes them; virtual_heads: how many are
    made from every measured one; listeners_each: how many of all these are drawn for each programme, all when None.
    programmes: a folder of them, or None for `songs`, or where these are None too, for the numbers in `synthetic`,
    dealt to `kinds` in turn. beside: programmes that are rendered after these. sound, arrivals: what is written beside
    the pictures. workers: processes, one per core when
    None. shard: do the i-th of n parts.
    """

    output: Path
    settings: Settings
    layouts: Sequence[str]
    listeners: Sequence[str]
    listeners_each: int | None = None
    virtual_heads: int = 0
    programmes: Path | None = None
    songs: Songbook | None = None
    synthetic: range = range(0)
    kinds: Sequence[str] = (SCENE,)
    beside: Sequence[Programme] = ()
    sound: bool = True
    arrivals: bool = False
    skip_bad: bool = False
    workers: int | None = None
    shard: tuple[int, int] = (1, 1)

    @property
    def pictures(self) -> Path:
        return self.output / manifest.PICTURES

    @property
    def wanted(self) -> Beside:
        return Beside(self.sound, self.arrivals)

    @property
    def processes(self) -> int:
        return self.workers or len(os.sched_getaffinity(0))


@dataclass
class Filled:
    """What was done: counts, whether manifest.csv is complete, and the problems that were left out.

    silent: how many of what was made lie below -50 LUFS and were not boosted.
    """

    programmes: int
    listeners: int
    made: int = 0
    silent: int = 0
    complete: bool = False
    problems: list[Problem] = field(default_factory=list)


def fill(order: Order, known: Sequence[Problem] = (), ready: Callable[[], object] = lambda: None) -> Filled:
    """Render all of this shard that is not there yet.

    known: what the caller has found wrong already, to be said with the rest. ready: called when all was found good,
    before anything is written.

    Raises AudioError: nothing can be rendered, something cannot (all at once, unless `skip_bad`), or the folder was
    begun with other settings.
    """
    cut = order.settings.cut
    require_kinds(order.kinds)
    layouts = find_layouts(order.layouts)
    tiles = tile_map(order.settings.arrangement, order.settings.size, cut.sample_rate, cut.seconds)
    impossible = _impossible(order.settings)
    usable, problems = _listeners(order, layouts)
    problems = [*known, *problems, *impossible]
    listeners = list(usable.items())
    programmes = _programmes(order, layouts, list(usable), problems)
    _refuse(order, problems, bool(listeners and programmes))
    ready()
    jobs = paired.make_jobs(programmes, listeners, order.listeners_each, order.settings)
    paired.begin(order.output, order.settings, usable)
    tiles.write(order.pictures / manifest.TILES)
    done = Filled(len(programmes), len(listeners), problems=problems)
    _render(order, jobs, [layout.code for layout in layouts], done)
    return done


def _listeners(order: Order, layouts: tuple[Layout, ...]) -> tuple[dict[str, str], list[Problem]]:
    """Name to load -> name in file names of an order's listeners, and a problem for each that cannot be one.

    Virtual heads come after the one they are made from. They serve what it serves, so that they are made where they
    are heard and not here.
    """
    usable, problems = usable_listeners(expand_listeners(order.listeners), order.settings.cut.sample_rate, layouts)
    names = {spec: listener.name for spec, listener in usable.items()}
    found: dict[str, str] = {}
    for spec in with_virtual_heads(names, order.virtual_heads):
        measured, _, number = spec.rpartition("~")
        name = names.get(spec) or virtual_name(names[measured], int(number))
        if twin := next((other for other, taken in found.items() if taken == name), None):
            problems.append(same_listener_name(spec, name, twin))
            continue
        found[spec] = name
    return found, problems


def _impossible(settings: Settings) -> list[Problem]:
    """The conditions that this machine cannot make; what it draws must not depend on the machine."""
    found = {one.name: conditions.unavailable(one) for one in conditions.of_one_length(settings.conditions)}
    return [Problem(name, why, "or name the conditions that you want") for name, why in found.items() if why]


def _refuse(order: Order, problems: list[Problem], something: bool) -> None:
    """Raise AudioError for `problems` unless they may be left out and something remains."""
    if not order.skip_bad or not something:
        raise_problems(AudioError, problems, "Nothing was rendered")


def _programmes(
    order: Order, layouts: tuple[Layout, ...], listeners: list[str], problems: list[Problem]
) -> list[Programme | Synthetic]:
    """The programmes that can be rendered; why others cannot is added to `problems`."""
    made: list[Programme | Synthetic] = []
    if order.songs is not None:
        found = _played(order, order.songs, listeners, problems)
    elif order.programmes is not None:
        try:
            found, wrong = find_programmes(order.programmes, order.settings.seed)
        except AudioError as error:  # said with what is wrong with the listeners
            what, _, do = str(error).removeprefix(f"{order.programmes}: ").partition("; ")
            found, wrong = [], [Problem(str(order.programmes), what, do)]
        problems += wrong
    else:
        kinds, found = order.kinds, []
        made += [Synthetic(number, order.settings.seed, kinds[number % len(kinds)]) for number in order.synthetic]
    judged = [*found, *order.beside]
    for programme in tqdm(judged, desc="checking", unit="programme", disable=None if judged else True):
        wrong = list(judge(programme, layouts, order.settings.cut))
        problems += wrong
        if not wrong:
            made.append(programme)
    return made


def _played(order: Order, book: Songbook, listeners: list[str], problems: list[Problem]) -> list[Programme]:
    """The songs as programmes, below OUTPUT/stems. Playing takes long: what is wrong so far is said before it."""
    songs, wrong = find_songs(book)
    problems += wrong
    _refuse(order, problems, bool(listeners and songs))
    paired.begin(order.output, order.settings, listeners)
    seed, rate = order.settings.seed, order.settings.cut.sample_rate
    folders = make_stems(songs, book, order.output / manifest.STEMS, seed, rate, order.processes)
    return [programme_at(folder, seed) for folder in folders]


def _render(order: Order, jobs: list[Job], codes: list[str], done: Filled) -> None:
    """Run this shard's jobs and complete `done`; what is made is recorded even when something stops it."""
    (part, parts), own = order.shard, order.pictures / manifest.shard_name(order.shard)
    growing = own if parts == 1 else own.with_suffix(".unfinished")  # no part passes for done before it is
    rows = _recorded(order, jobs, codes, [order.pictures / manifest.MANIFEST, own, growing])
    jobs = jobs[part - 1 :: parts]
    todo = [job for job in jobs if not paired.is_done(job, order.output, codes, rows.keys(), order.wanted)]
    _sweep(order, todo, codes, growing)
    saved, workers = time.monotonic(), order.processes
    already = len(jobs) - len(todo)
    try:
        with tqdm(total=len(jobs), initial=already, desc="rendering", unit="programme", disable=None) as bar:
            for result in paired.run_jobs(todo, order.output, codes, order.settings, order.wanted, workers):
                bar.update()
                if isinstance(result, Problem):
                    done.problems.append(result)
                    continue
                rows.update({row.path: row for row in result})
                done.made += len(result)
                done.silent += sum("silent" in row.flags.split("+") for row in result)
                if time.monotonic() - saved > SAVE_EVERY:
                    manifest.write_rows(growing, rows.values())
                    saved = time.monotonic()
    finally:
        manifest.write_rows(growing, rows.values())
    if not order.skip_bad:
        raise_problems(AudioError, done.problems, f"{done.made} renderings were made, these were not")
    if parts > 1:
        growing.replace(own)
    done.complete = parts == 1 or manifest.merge(order.pictures, parts)


def _sweep(order: Order, todo: list[Job], codes: list[str], manifest_file: Path) -> None:
    """Remove what a killed run left of files it had not finished, those of the jobs to do and the manifest."""
    pictures = {path for job in todo for path in job.pictures(codes)}
    ours = {order.output / paired.SETTINGS, order.pictures / manifest.TILES, manifest_file}
    ours |= {order.pictures / path for path in pictures}
    ours |= {file for path in pictures for file in order.wanted.files_of(order.output, path)}
    for folder in {path.parent for path in ours}:
        files.remove_leftovers(folder, ours.__contains__)


def _recorded(order: Order, jobs: list[Job], codes: list[str], records: list[Path]) -> dict[str, manifest.Row]:
    """Rows that earlier commands left for this shard, by path, as far as their pictures are still there."""
    known = {row.path: row for path in records if path.is_file() for row in manifest.read_rows(path)}
    part, parts = order.shard
    mine = {path for job in jobs[part - 1 :: parts] for path in job.pictures(codes)}
    if part == 1:  # which also looks after what earlier commands made
        mine |= known.keys() - {path for job in jobs for path in job.pictures(codes)}
    return {path: row for path, row in known.items() if path in mine and (order.pictures / path).is_file()}
