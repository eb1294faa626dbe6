"""A task of the benchmark as pictures: a programme in one condition, for every listener and layout, in memory.

The way of an item is that of a file which somebody made and somebody else judges: the scene is rendered for the layout
and the listener, brought to -23 LUFS (the file that is delivered), changed as the condition says, and then read as
`spatial-swin predict` reads a file: resampled, cut into windows, loudness matched, drawn. Nothing is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from spatial_swin.audio import conditions, kinds
from spatial_swin.audio.clips import Cut, clips_of
from spatial_swin.audio.drawing import Drawn, Settings, draw
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.paired import PREROLL, Synthetic
from spatial_swin.audio.programme import Programme
from spatial_swin.audio.render import Scene, binaural, loudspeaker_feeds
from spatial_swin.audio.sound_files import in_memory
from spatial_swin.bench.plan import Plan, Task
from spatial_swin.keyed_random import Key

SLACK = 0.05  # s that a codec or a resampler may take from the end of a clip
SHORTEST = 0.25  # s of sound that the cues need


@dataclass(frozen=True)
class Item:
    """One rendering and how long it lasts in s, drawn window by window."""

    listener: str
    laboratory: str
    label: str
    windows: list[Drawn]


def items_of(task: Task, plan: Plan) -> Iterator[Item]:
    """The items of a task: listener by listener, in the order of the plan, each in all layouts.

    Raises AudioError for a listener that lacks a direction, or a programme that cannot be read.
    """
    condition, cut = task.condition, plan.settings.cut
    seconds = conditions.seconds(condition) or cut.seconds
    scene, before = scene_of(task.programme, seconds, cut.sample_rate)
    layouts = [conditions.layout_of(condition, layout) for layout in plan.layouts]
    asked = plan.listeners_in(condition)
    heard = [conditions.listener_of(condition, listener, layouts, plan.seed) for listener in asked]
    longest = max(listener.impulse_responses.shape[-1] for listener in heard)
    feeds = [loudspeaker_feeds(scene, layout, longest) for layout in layouts]
    known = heard if condition.has_own_listener else asked

    def delivered() -> Iterator[tuple[np.ndarray, Sequence[Key]]]:
        for ears_of, known_as in zip(heard, known, strict=True):
            key = (plan.seed, task.programme.name, known_as.name)  # the same for all layouts, so that it tells none
            for feed in feeds:
                yield match_loudness(binaural(feed, ears_of)[:, before:], cut.sample_rate)[0], key

    spoilt = conditions.spoil_each(condition, delivered(), cut.sample_rate)
    for (known_as, layout), (ears, rate) in zip(product(known, plan.layouts), spoilt, strict=True):
        yield Item(known_as.name, known_as.laboratory, layout.code, windows_of(ears, rate, plan.settings))


def scene_of(programme: Programme | Synthetic, seconds: float, sample_rate: int) -> tuple[Scene, int]:
    """`seconds` of a programme, and how many samples at its beginning are only there to ring on.

    Of a programme with material the middle; a synthetic one is made at that length.
    """
    if isinstance(programme, Synthetic):
        return kinds.programme(programme.kind, programme.seed, programme.number, seconds, sample_rate), 0
    count = round(seconds * sample_rate)
    start = max(0, (programme.length(sample_rate) - count) // 2)
    before = min(start, round(PREROLL * sample_rate))
    return programme.scene(start - before, before + count, sample_rate), before


def windows_of(ears: np.ndarray, sample_rate: int, settings: Settings) -> list[Drawn]:
    """Sound [2, N] at its own rate as `predict` draws the windows of such a file.

    A sound shorter than a window is one window, filled with silence; what is left after the last whole one is not
    used.
    """
    cut, seconds = settings.cut, ears.shape[1] / sample_rate
    least = max(SHORTEST, min(cut.seconds, seconds) - SLACK)
    exact = replace(settings, cut=Cut(cut.seconds, cut.seconds, least, cut.sample_rate))
    return [draw(clip, exact) for clip in clips_of(in_memory(ears, sample_rate), exact.cut)]
