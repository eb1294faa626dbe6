"""Adapt the shipped model to a renderer: its heads in, a finished and calibrated run folder out.

Whoever knows the impulse responses that a recording was rendered with need not ask a model of all heads. Programmes
and composed songs are rendered for these responses, stage 4 and the head are trained from the shipped trunk, the
second opinion of the shipped model learns these heads too, and its domain score gets a threshold for them. Of one
head alone it is noted, too, from which loudspeakers it hears every sound, and what that says of layouts. The
temperature is fitted on the programmes that chose the epoch, and other programmes say what came out. Each step is
continued when it is begun, and skipped when it is done. The shipped files stay as they are.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatial_swin import files
from spatial_swin.audio import parametric
from spatial_swin.audio.clips import Cut
from spatial_swin.audio.composed import COUNT, composed_songs
from spatial_swin.audio.hrtf import (
    KEMAR,
    KEMAR_ASSET,
    Listener,
    expand_listeners,
    is_parametric,
    load_listener,
    usable_listeners,
)
from spatial_swin.audio.kinds import KINDS
from spatial_swin.audio.manifest import MANIFEST, read_rows
from spatial_swin.audio.paired import Settings
from spatial_swin.audio.paired_folder import Order, fill
from spatial_swin.audio.programme import Programme, find_programmes
from spatial_swin.audio.tiles import tile_map
from spatial_swin.errors import AudioError, Problem, raise_problems
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.evaluation.opinions import KNOWN_HEAD, SECOND_OPINION
from spatial_swin.files import lies_in
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts
from spatial_swin.making import begin, require_space, show_test
from spatial_swin.recipe_keys import Given, heading_of, read_recipe
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import ASSETS, find_recipe, locate_model

if TYPE_CHECKING:  # it brings torch, which a mistyped file need not wait for
    from spatial_swin.second_opinion import SecondOpinion

RECIPE = "swin-nano-192/adapt"
PROGRAMMES = 240  # rendered; the recipe's shares say how many of them train, choose the epoch and calibrate, and test
FEWEST = 8  # programmes of one's own: fewer cannot be divided into three parts that say something
SECONDS, SAMPLE_RATE = 3.0, 48_000  # of a clip, as the shipped model has learnt from
ARRANGEMENT = "4x4"  # of the tiles
SEED = 77  # of programmes, split and training; neither the demo's, nor the pretraining's, nor the benchmark's
NEEDED_BYTES = 500_000_000  # pictures, what the trunk made of them, and checkpoints
NOTED, DATA, TRUNK = "adapt.json", "data", "trunk_cache"  # in the run folder
IN_ROOMS = "in_rooms"  # in its data: what teaches the known head what a room does
ROOM_SHARE = 6  # one programme in rooms for so many others


@dataclass(frozen=True)
class Adaptation:
    """To what a model is adapted, and with what.

    listeners: SOFA files or folders of them, `kemar`, `parametric:SEED`. programmes: a folder of channel masters, ADM
    masters and stems, or None for synthetic programmes of all kinds and composed songs. count: clips to render of the
    folder, or of synthetic programmes. songs: how many of those that ship. recipe: a file or a name.
    """

    listeners: Sequence[str]
    programmes: Path | None = None
    count: int = PROGRAMMES
    songs: int = COUNT
    seed: int = SEED
    recipe: str = RECIPE

    def beside(self) -> list[Programme]:
        """The songs to render; none beside programmes of one's own. Without songs a model that learns a head forgets
        music (docs/adapt.md)."""
        if self.programmes is not None or not self.songs:
            return []
        return composed_songs(self.songs)

    def heads(self) -> list[str]:
        """What tells each head from all others. Raises AudioError for one that is no file."""
        return [identity(name) for name in expand_listeners(self.listeners)]

    @property
    def knows_the_head(self) -> bool:
        """Whether there is one head, so that it is known which one has heard a sound."""
        return len(expand_listeners(self.listeners)) == 1

    @property
    def in_rooms(self) -> int:
        """How many programmes more the known head hears in rooms, lest it takes a room for loudspeakers above."""
        return -(-self.count // ROOM_SHARE) if self.knows_the_head else 0

    def made_of(self) -> dict[str, object]:
        """What decides the result, by option: contents of files by their SHA-256, not by their names.

        Raises AudioError for a listener that is no file.
        """
        given = read_recipe(find_recipe(self.recipe))
        weights = Path(locate_model(str(given["Model"]["model_name_or_path"])))
        return {
            "hrtf": self.heads(),
            "programmes": None if self.programmes is None else str(self.programmes.resolve()),
            "synthetic": self.count,
            "songs": [files.sha256_of(song.tracks[0].path)[:16] for song in self.beside()],
            "seed": self.seed,
            "config": files.sha256_of(find_recipe(self.recipe))[:16],
            "model": next((files.sha256_of(file)[:16] for file in _weights(weights)), str(weights)),
            "opinion": files.sha256_of(opinion)[:16] if (opinion := weights / SECOND_OPINION).is_file() else None,
            "in_rooms": self.in_rooms,
        }


@dataclass(frozen=True)
class Heritage:
    """What an adapted model takes over from the one it begins from: its domain score, and a second opinion."""

    score: DomainScore | None = None
    opinion: "SecondOpinion | None" = None

    def give(self, run: RunFolder, seed: int) -> bool:
        """Teach the second opinion the heads and lay it beside the weights of `run`; return whether there is one."""
        if self.opinion is None:
            return False
        from spatial_swin.second_opinion import learn_more

        learnt = [sample for sample in run.read_split() if sample.split == "train"]
        paths = [run.path / DATA / "pictures" / sample.path for sample in learnt]
        size = int(run.read_recipe()["Model"]["image_size"])
        learn_more(self.opinion, paths, [sample.label for sample in learnt], size, seed).save(
            run.model / SECOND_OPINION
        )
        return True


def _weights(model: Path) -> list[Path]:
    return [file for file in (model / "model.safetensors", model) if file.is_file()]


def identity(listener: str) -> str:
    """What tells a listener from all others: the SHA-256 of the file, or the seed and version of a modelled one.

    Raises AudioError for what is no file.
    """
    if is_parametric(listener):
        return f"{listener} version {parametric.VERSION}"
    path = ASSETS / KEMAR_ASSET if listener == KEMAR else Path(listener)
    try:
        return files.sha256_of(path)
    except OSError as error:
        raise AudioError(
            f"{listener}: cannot be read ({error.strerror}); give a SOFA file, kemar or parametric:SEED"
        ) from None


def require_heads(listeners: Sequence[str]) -> None:
    """Raise AudioError naming all that is wrong with the heads; nothing is rendered."""
    _, problems = usable_listeners(expand_listeners(listeners), SAMPLE_RATE, find_layouts(DEFAULT_LAYOUTS))
    raise_problems(AudioError, problems, "These heads cannot be used")


def adapt(wish: Adaptation, output: Path, workers: int | None = None, overwrite: bool = False) -> RunFolder:
    """Make the run folder `output`, or continue it; return it. What is done already is only shown again.

    Args:
        workers: processes that render, one per core when None.
        overwrite: start again from nothing.

    Raises:
        AudioError: heads or programmes that cannot be used, all at once, before anything is rendered.
        RecipeError: the recipe cannot be used. RunError: no room, in use, begun with other options, or the model to
            begin from is damaged.
        Stopped: SIGTERM; the same call continues.
    """
    run = RunFolder(output)
    heritage = _heritage(wish)  # a damaged one is said before the minutes of rendering
    order, problems = _order(wish, output, workers)
    require_space(output, NEEDED_BYTES, "adapting")
    try:
        with RunFolder(output / DATA).lock():  # training takes the lock of the run folder itself
            if overwrite:
                _clear(run)

            def render(ready: Callable[[], None]) -> None:
                fill(order, problems, ready)
                if in_rooms := _order_in_rooms(wish, order):
                    fill(in_rooms)

            _make(wish, heritage, run, render)
    finally:
        with suppress(OSError):  # nothing was rendered: then nothing is left
            output.rmdir()
    return run


def _make(
    wish: Adaptation, heritage: Heritage, run: RunFolder, render: Callable[[Callable[[], None]], object]
) -> None:
    """All steps; imports follow as they are needed, so that a mistyped file is not waited for."""
    began = time.monotonic()

    def ready() -> None:
        begin(run.path / NOTED, wish.made_of(), "this model")

    if _is_calibrated(run) and (heritage.score is None or _has_score(run)):
        ready()
        print(f"{run.path}: this model is adapted; --overwrite true starts again", flush=True)
    else:
        if run.state() != "finished":
            print(f"1/3  programmes in mono, stereo, 5.1 and 5.1.4, heard by {_in_words(wish)}", flush=True)
            render(ready)
            _train(wish, run)
        print("\n3/3  calibrate and test", flush=True)
        from spatial_swin.evaluating import evaluate

        taught, known = heritage.give(run, wish.seed), _know_head(wish, run)
        evaluate(run, repredict=taught or known, inherited=heritage.score)
        shutil.rmtree(run.path / TRUNK, ignore_errors=True)
    show_test(run)
    metrics = run.read_metrics()
    if doubt := metrics.get("temperature_caution"):
        print(f"\nWARNING: {doubt}")
    print(
        f"\nadapted to {_in_words(wish)} in {time.monotonic() - began:.0f} s; spatial-swin predict {run.path} take.wav"
    )


def _train(wish: Adaptation, run: RunFolder) -> None:
    print("\n2/3  train stage 4 and the head from the shipped trunk, programmes kept apart", flush=True)
    from spatial_swin.config import resolve
    from spatial_swin.training import fine_tune

    given = _recipe(wish)
    data, trunk = run.path / DATA / "pictures", run.path / TRUNK
    keys = {"data_dir": data, "output_dir": run.path, "trunk_cache_dir": trunk, "seed": wish.seed}
    for key, value in keys.items():
        given[heading_of(key)][key] = value if key == "seed" else str(value)
    fine_tune(resolve(given, "adapt"))


def _know_head(wish: Adaptation, run: RunFolder) -> bool:
    """Lay what is known of the one head beside the weights of `run`; return whether that was of use.

    It is learnt from the train part, and left out when it makes the validation part less likely, as may be in a room
    whose responses are longer than its windows.
    """
    (run.model / KNOWN_HEAD).unlink(missing_ok=True)  # of a run that was stopped
    if not wish.knows_the_head:
        return False
    from spatial_swin.audio.arrivals import ear_patterns, read_arrivals
    from spatial_swin.evaluating import of_pictures
    from spatial_swin.evaluation.calibration import item_nll, softmax
    from spatial_swin.finished import open_finished
    from spatial_swin.known_head import learn_head

    pictures, samples = run.path / DATA / "pictures", run.read_split()
    learnt, held = ([s for s in samples if s.split == part] for part in ("train", "validation"))
    heard, labels = read_arrivals(pictures, [s.path for s in learnt]), [s.label for s in learnt]
    rooms = run.path / DATA / IN_ROOMS / "pictures"
    if (rooms / MANIFEST).is_file():
        rows = read_rows(rooms / MANIFEST)
        heard = np.concatenate([heard, read_arrivals(rooms, [row.path for row in rows])])
        labels += [row.label for row in rows]
    head = learn_head(ear_patterns(_the_head(wish)), heard, labels, SAMPLE_RATE)
    finished = open_finished(run.path, refit=True)
    before = of_pictures(finished, finished.load(), finished.load_second_opinion(), [pictures / s.path for s in held])
    after = head.decide(before, read_arrivals(pictures, [s.path for s in held]), finished.class_names)
    answers = np.array([finished.class_names.index(s.label) for s in held])
    if item_nll(answers, softmax(after)).mean() >= item_nll(answers, softmax(before)).mean():
        return False
    head.save(run.model)
    return True


def _the_head(wish: Adaptation) -> Listener:
    (name,) = expand_listeners(wish.listeners)
    return load_listener(name, SAMPLE_RATE)


def _recipe(wish: Adaptation) -> Given:
    return read_recipe(find_recipe(wish.recipe))


def _is_calibrated(run: RunFolder) -> bool:
    from spatial_swin.finished import TEMPERATURE

    return run.state() == "finished" and (run.model / TEMPERATURE).is_file() and run.metrics_file.is_file()


def _heritage(wish: Adaptation) -> Heritage:
    """What there is to take over: nothing from a model that is not finished, or whose pictures are drawn otherwise.

    Raises RunError when it is damaged.
    """
    from spatial_swin.finished import DOMAIN_SCORE, open_finished

    model = _recipe(wish)["Model"]
    folder = Path(locate_model(str(model["model_name_or_path"])))
    places = (folder, RunFolder(folder).model)
    if not any((place / name).is_file() for place in places for name in (DOMAIN_SCORE, SECOND_OPINION)):
        return Heritage()
    finished, size = open_finished(folder), int(model["image_size"])
    if finished.tiles != tile_map(ARRANGEMENT, size, SAMPLE_RATE, SECONDS) or finished.image_size != size:
        return Heritage()
    return Heritage(finished.domain_score, finished.load_second_opinion())


def _has_score(run: RunFolder) -> bool:
    from spatial_swin.finished import DOMAIN_SCORE

    return (run.model / DOMAIN_SCORE).is_file()


def _clear(run: RunFolder) -> None:
    """Remove all that adapting left, but the lock that is held."""
    for path in run.path.iterdir():
        if path.name != DATA:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (run.path / DATA).iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _in_words(wish: Adaptation) -> str:
    """`renderer.sofa`, or how many heads."""
    names = [os.path.basename(name) for name in expand_listeners(wish.listeners)]
    return names[0] if len(names) == 1 else f"{len(names)} heads"


# -- what is rendered --


def _order(wish: Adaptation, output: Path, workers: int | None) -> tuple[Order, list[Problem]]:
    """What to render, and what is wrong with the folders; heads and programmes are judged when it is rendered."""
    listeners, problems, hop = expand_listeners(wish.listeners), [], SECONDS
    if wish.programmes is not None:
        if lies_in(output, wish.programmes):
            what = f"lies in the folder of programmes {wish.programmes}"
            problems.append(Problem(f"--output_dir {output}", what, "choose a folder outside of it"))
        with suppress(AudioError):  # said when it is rendered
            found, _ = find_programmes(wish.programmes, wish.seed)
            if len(found) < FEWEST:
                what = f"holds {len(found)} programme{'' if len(found) == 1 else 's'}"
                do = f"give {FEWEST} or more, so that others test than train, or leave --programmes out"
                problems.append(Problem(str(wish.programmes), what, do))
            hop = max(SECONDS, sum(p.length(SAMPLE_RATE) for p in found) / SAMPLE_RATE / wish.count)
    size = int(_recipe(wish)["Model"]["image_size"])
    cut = Cut.of(SECONDS, round(hop, 3), None, SAMPLE_RATE)
    order = Order(
        output=output / DATA,
        settings=Settings(cut, wish.seed, arrangement=ARRANGEMENT, size=size),
        layouts=DEFAULT_LAYOUTS,
        listeners=listeners,
        listeners_each=1,  # several heads share the programmes, so that they take no longer than one
        programmes=wish.programmes,
        synthetic=range(wish.count),
        kinds=tuple(KINDS),
        beside=wish.beside(),
        sound=False,
        arrivals=wish.knows_the_head,
        workers=workers,
    )
    return order, problems


def _order_in_rooms(wish: Adaptation, order: Order) -> Order | None:
    """Other programmes, heard by the one head in rooms; None where its responses have a room of their own."""
    from spatial_swin.audio.arrivals import WINDOW

    if not wish.knows_the_head or _the_head(wish).impulse_responses.shape[-1] > WINDOW // 2:
        return None
    cut = Cut.of(SECONDS, SECONDS, None, SAMPLE_RATE)
    return replace(
        order,
        output=order.output / IN_ROOMS,
        settings=replace(order.settings, cut=cut, conditions=("room",), conditions_share=1.0),
        programmes=None,
        synthetic=range(wish.count, wish.count + wish.in_rooms),
        beside=(),
    )
