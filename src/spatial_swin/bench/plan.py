"""What a benchmark is made of: programmes x listeners x conditions x layouts, checked before anything is rendered.

In goes an `Order` (words of the command line) and how the judges see sound, out comes a `Plan`: the same order gives
the same plan on every machine. What cannot be used is a problem, all of them at once; a condition that this machine
cannot make is skipped by name. Nothing is rendered here.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spatial_swin.audio import conditions as table
from spatial_swin.audio.clips import Cut
from spatial_swin.audio.conditions import Condition
from spatial_swin.audio.drawing import Settings
from spatial_swin.audio.hrtf import Listener, expand_listeners, usable_listeners
from spatial_swin.audio.kinds import KINDS, require_kinds
from spatial_swin.audio.paired import Synthetic
from spatial_swin.audio.programme import Programme, find_programmes, judge
from spatial_swin.errors import AudioError, Problem, raise_problems
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import LAYOUTS, Layout, find_layouts

SEED = 15_777_215  # of the programmes; far from the small seeds that people train with
WINDOWS = 3_200  # of a condition, where the clean one has not more: 40 listeners, 20 programmes, 4 layouts
SAME_HEAD = 0.98  # correlation of responses: another file of the same measurement has more, another head far less


@dataclass(frozen=True)
class Order:
    """What is asked for.

    listeners, brirs: as `expand_listeners` takes them. conditions: factors (`noise`) or single conditions
    (`noise:20`), or `all`; the clean one is always there. programmes: a folder of them, or None for so many
    `synthetic` ones, of `kinds` in turn. skip_bad: leave out what cannot be used, where something is left.
    """

    listeners: Sequence[str]
    conditions: Sequence[str] = ()
    brirs: Sequence[str] = ()
    programmes: Path | None = None
    synthetic: int = 20
    kinds: Sequence[str] = tuple(KINDS)
    seed: int = SEED
    skip_bad: bool = False


@dataclass(frozen=True)
class Task:
    """One programme in one condition, for all listeners and layouts: what is done, and kept, as a whole."""

    programme: Programme | Synthetic
    condition: Condition

    @property
    def file(self) -> str:
        """Where its answers are kept, below the folder of items."""
        return f"{self.programme.name}/{re.sub(r'[^A-Za-z0-9.+-]+', '-', self.condition.name)}.csv"


@dataclass(frozen=True)
class Plan:
    """settings: how the judges see sound. skipped: condition -> why this machine cannot make it."""

    settings: Settings
    layouts: tuple[Layout, ...]
    listeners: tuple[Listener, ...]
    programmes: tuple[Programme | Synthetic, ...]
    conditions: tuple[Condition, ...]
    seed: int
    skipped: dict[str, str]
    problems: tuple[Problem, ...] = ()

    def listeners_in(self, condition: Condition) -> tuple[Listener, ...]:
        """Who is asked: all; one where the room was measured with a head of its own; fewer where clips are long.

        A clip of 30 s is ten windows of 3 s. Where all listeners would make more than WINDOWS of them, as many are
        drawn as keep within, at least two, of all laboratories in turn.
        """
        if condition.has_own_listener:
            return self.listeners[:1]
        clean = len(self.programmes) * len(self.layouts)  # windows of a listener
        length = table.seconds(condition) or self.settings.cut.seconds
        windows = clean * max(1, int(length / self.settings.cut.seconds))
        count = max(2, max(WINDOWS, clean * len(self.listeners)) // windows)
        return self.listeners if count >= len(self.listeners) else self._drawn(count, condition)

    def _drawn(self, count: int, condition: Condition) -> tuple[Listener, ...]:
        """One of each laboratory in turn, until there are `count`: small ones are heard too."""
        order = keyed_generator(self.seed, condition.name, "listeners").permutation(len(self.listeners))
        turns, taken = Counter[str](), {}
        for k in map(int, order):
            laboratory = self.listeners[k].laboratory
            taken[k] = (turns[laboratory], laboratory)
            turns[laboratory] += 1
        chosen = sorted(taken, key=taken.__getitem__)[:count]
        return tuple(self.listeners[k] for k in sorted(chosen))

    @property
    def fewer(self) -> dict[str, int]:
        """Conditions for which listeners were drawn, and how many."""
        return {c.name: n for c in self.conditions if 1 < (n := len(self.listeners_in(c))) < len(self.listeners)}

    def tasks(self) -> list[Task]:
        """All tasks, condition by condition: a listener in a room is made once, and the clean figures come first."""
        return [Task(programme, condition) for condition in self.conditions for programme in self.programmes]

    def items(self, task: Task) -> int:
        return len(self.listeners_in(task.condition)) * len(self.layouts)


def make_plan(order: Order, settings: Settings, labels: Sequence[str]) -> Plan:
    """The plan of an order for judges that see sound with `settings` and know `labels`.

    Raises AudioError: a condition that there is not, fewer than two labels that are layouts, no listener usable, or
    anything else that cannot be used (all at once, unless `skip_bad`).
    """
    layouts = find_layouts([label for label in labels if label in LAYOUTS]) if _known(labels) else ()
    if len(layouts) < 2:
        raise AudioError(
            f"the classes are {', '.join(labels)}: fewer than two are layouts that can be rendered "
            f"({', '.join(sorted(LAYOUTS))}); give a model that tells layouts apart"
        )
    require_kinds(order.kinds)
    wanted = table.find_conditions(order.conditions, order.brirs)
    skipped = {one.name: why for one in wanted if (why := table.unavailable(one))}
    conditions = tuple(one for one in wanted if one.name not in skipped)
    listeners, problems = _listeners(order.listeners, settings.cut.sample_rate, layouts)
    problems += _rooms(conditions, listeners[:1], layouts)
    bad_rooms = {problem.where for problem in problems}
    conditions = tuple(one for one in conditions if one.name not in bad_rooms)
    programmes, bad = _programmes(order, layouts, settings.cut)
    problems += bad
    if not order.skip_bad or not listeners or not programmes:
        raise_problems(AudioError, problems, "Nothing was judged")
    return Plan(settings, layouts, listeners, programmes, conditions, order.seed, skipped, tuple(problems))


def _known(labels: Sequence[str]) -> bool:
    return any(label in LAYOUTS for label in labels)


def _listeners(
    names: Sequence[str], rate: int, layouts: Sequence[Layout]
) -> tuple[tuple[Listener, ...], list[Problem]]:
    """Those that serve all layouts, each head once, and a problem for every other."""
    expanded = expand_listeners(names)
    usable, problems = usable_listeners(tqdm(expanded, desc="listeners", disable=None, leave=False), rate, layouts)
    kept: dict[str, Listener] = {}
    for name, listener in usable.items():
        twin = next((other for other, one in kept.items() if is_same_head(one, listener, layouts)), None)
        if twin is None:
            kept[name] = listener
        else:
            problems.append(Problem(f"listener {name}", f"is the head of {twin}, measured once", "give one of them"))
    return tuple(kept.values()), problems


def is_same_head(one: Listener, other: Listener, layouts: Sequence[Layout]) -> bool:
    """Whether two listeners have the same responses to all loudspeakers, apart from delay, gain and length."""
    richest = max(layouts, key=lambda layout: len(layout.placed))
    first, second = one.responses(richest), other.responses(richest)
    size = 2 * max(first.shape[-1], second.shape[-1])
    product = np.fft.rfft(first, size) * np.fft.rfft(second, size).conj()
    energy = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    return bool((np.fft.irfft(product, size).max(axis=-1) / energy).min() > SAME_HEAD)


def _rooms(conditions: Sequence[Condition], listeners: Sequence[Listener], layouts: Sequence[Layout]) -> list[Problem]:
    """What is wrong with the files of BRIR conditions."""
    problems = []
    for condition in conditions:
        if condition.has_own_listener and listeners:
            try:
                table.listener_of(condition, listeners[0], layouts)
            except AudioError as error:
                reason = str(error).removeprefix(f"{condition.value}: ")
                problems.append(Problem(condition.name, reason, "or leave it out of --brirs"))
    return problems


def _programmes(
    order: Order, layouts: tuple[Layout, ...], cut: Cut
) -> tuple[tuple[Programme | Synthetic, ...], list[Problem]]:
    if order.programmes is None:
        kinds = order.kinds
        return tuple(Synthetic(k, order.seed, kinds[k % len(kinds)]) for k in range(order.synthetic)), []
    found, problems = find_programmes(order.programmes, order.seed)
    good = []
    for programme in tqdm(found, desc="programmes", disable=None, leave=False):
        wrong = list(judge(programme, layouts, cut))
        problems += wrong
        if not wrong:
            good.append(programme)
    return tuple(good), problems
