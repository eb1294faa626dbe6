"""A task judged: its pictures drawn and shown to the judges, one row an item out.

This is what a worker process does; it depends on the task, the plan and the judges alone. Windows that are silent have
no say, as in `predict`; an item without a window that has one gets equal probabilities.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch

from spatial_swin.audio.drawing import Drawn
from spatial_swin.bench.judges import Source
from spatial_swin.bench.plan import Plan, Task
from spatial_swin.bench.rendering import Item, items_of
from spatial_swin.data.pooled_tiles import pooled_picture
from spatial_swin.errors import AudioError, Problem
from spatial_swin.evaluation.combining import combined
from spatial_swin.prediction.predictor import BATCH


@dataclass
class Answer:
    """One item, and what was said of it.

    windows: of any loudness; flags joined by `+`, of any window; probabilities float64 [K] of the model, None without
    one; features float32 [W, F] of the windows that have a say, None when boosting does not judge.
    """

    programme: str
    kind: str
    listener: str
    laboratory: str
    condition: str
    label: str
    windows: int = 0
    flags: str = ""
    probabilities: np.ndarray | None = None
    features: np.ndarray | None = None


@dataclass
class _Waiting:
    """What is collected of an item until all its windows are judged."""

    answer: Answer
    said: list[np.ndarray] = field(default_factory=list)
    pooled: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Answering:
    """What every task is answered with; sent once to every process."""

    plan: Plan
    source: Source
    class_count: int

    def __call__(self, task: Task) -> list[Answer] | Problem:
        """The answers of a task in the order of its items, or what keeps it from being judged."""
        try:
            with one_thread():
                return self._answers(task)
        except (AudioError, OSError) as error:
            where = f"{task.programme.name}, {task.condition.name}"
            return Problem(where, str(error), "repair it and run the same command again")

    def _answers(self, task: Task) -> list[Answer]:
        waiting: list[_Waiting] = []
        drawn = self._windows(task, waiting)
        while batch := list(islice(drawn, BATCH)):
            self._judge(batch)
        return [self._answer(one) for one in waiting]

    def _windows(self, task: Task, waiting: list[_Waiting]) -> Iterator[tuple[_Waiting, Drawn]]:
        """The windows that have a say with their item; every item is put into `waiting`."""
        for item in items_of(task, self.plan):
            one = _Waiting(_blank(item, task))
            waiting.append(one)
            yield from ((one, window) for window in item.windows if "silent" not in window.flags)

    def _judge(self, batch: list[tuple[_Waiting, Drawn]]) -> None:
        if self.source.model is not None:
            said = self.source.predictor().of_windows([window for _, window in batch])
            for (one, _), row in zip(batch, said, strict=True):
                one.said.append(row)
        if self.source.baseline:
            tiles = self.plan.settings.tiles
            for one, window in batch:
                one.pooled.append(pooled_picture(window.picture, tiles))

    def _answer(self, one: _Waiting) -> Answer:
        classes = self.class_count
        if self.source.model is not None:
            rule = self.source.predictor().rule
            said = combined(np.stack(one.said), rule) if one.said else np.full(classes, 1 / classes)
            one.answer.probabilities = said
        if self.source.baseline:
            one.answer.features = np.stack(one.pooled) if one.pooled else np.zeros((0, 0), np.float32)
        return one.answer


def _blank(item: Item, task: Task) -> Answer:
    flags = "+".join(dict.fromkeys(flag for window in item.windows for flag in window.flags))
    return Answer(
        programme=task.programme.name,
        kind=task.programme.kind,
        listener=item.listener,
        laboratory=item.laboratory,
        condition=task.condition.name,
        label=item.label,
        windows=len(item.windows),
        flags=flags,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread, as the worker processes have: a sum over more of them may end in another last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
