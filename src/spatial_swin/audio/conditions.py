"""Conditions under which a model is judged: one thing different from the clean rendering each, in one table.

In goes a `Condition`, out come the listener, the layout and the sound as this condition has them: `listener_of` and
`layout_of` before rendering, `spoil` after the loudness was matched. Whatever is drawn depends on a key alone, never
on what was judged before. What this machine cannot make is said by `unavailable`. It judges nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatial_swin.audio import codecs, spoiling
from spatial_swin.audio.hrtf import Listener, expand_listeners, load_listener
from spatial_swin.audio.placement import moved
from spatial_swin.audio.rooms import draw_room, in_room
from spatial_swin.errors import AudioError
from spatial_swin.keyed_random import Key
from spatial_swin.layouts import Layout

LENGTH = "seconds"
BRIR = "brir"  # a factor without values of its own: each is a file that the user gives


@dataclass(frozen=True)
class Factor:
    """One row of the table. title: of a condition, with {} for its value; what: is done to the sound, for people."""

    name: str
    values: tuple[str, ...]
    title: str
    what: str


TABLE = (
    Factor("room", ("0.15", "0.3", "0.6"), "room, RT60 {} s", "heard in a shoebox room of this RT60 in s"),
    Factor(
        "codec",
        tuple(f"{codec}-{bit_rate}" for codec in codecs.CODECS for bit_rate in codecs.BIT_RATES),
        "codec {} kbit/s",
        "encoded and decoded: MP3, Opus and Vorbis by libsndfile, AAC by ffmpeg; kbit/s of both channels",
    ),
    Factor(
        "noise", ("30", "20", "10"), "noise {} dB below", "diffuse pink noise, so many dB (BS.1770) below the clip"
    ),
    Factor(LENGTH, ("1", "3", "10", "30"), "{} s", "clips of this length; windows of the model's length averaged"),
    Factor("rate", ("44100",), "{} Hz", "a file of this sample rate"),
    Factor("bits", ("16",), "{} bit", "a file of so many bits, rounded without dither"),
    Factor("level", ("-12", "+6"), "level {} dB", "louder or quieter; what exceeds full scale is clipped"),
    Factor("tilt", ("-6", "-3", "+3", "+6"), "tilt {} dB", "a headphone's spectrum: so many dB from 100 Hz to 10 kHz"),
    Factor("moved", ("bs2051",), "loudspeakers moved", "loudspeakers where BS.2051 still allows them"),
    Factor("lfe", ("off",), "LFE {}", "the LFE channel is not heard; layouts without one stay as they are"),
    Factor("ears", ("exchanged",), "ears {}", "left and right exchanged"),
)
FACTORS = {factor.name: factor for factor in TABLE}


@dataclass(frozen=True)
class Condition:
    """factor: `clean`, `brir`, or a name of FACTORS; value: one of its values, or the path of a BRIR file."""

    factor: str
    value: str = ""

    @property
    def name(self) -> str:
        """What results call it: `clean`, `noise 20`, `brir studio`."""
        return f"{self.factor} {Path(self.value).stem if self.factor == BRIR else self.value}".strip()

    @property
    def title(self) -> str:
        """What figures and tables call it."""
        return FACTORS[self.factor].title.format(self.value) if self.factor in FACTORS else self.name

    @property
    def has_own_listener(self) -> bool:
        """Whether `listener_of` gives the same listener whoever listens: the head with which a room was measured."""
        return self.factor == BRIR


CLEAN = Condition("clean")


def conditions(factors: Sequence[str] | None = None, brirs: Sequence[str] = ()) -> tuple[Condition, ...]:
    """The clean condition, then one condition for every value of `factors` (None: all) and every BRIR file.

    factors: names of FACTORS; brirs: SOFA files, or folders of them. Raises AudioError for a factor that there is
    not, and for two BRIR files of one name.
    """
    wanted = list(FACTORS) if factors is None else list(dict.fromkeys(factors))
    unknown = [name for name in wanted if name not in FACTORS and name != CLEAN.factor]
    if unknown:
        raise AudioError(f"there is no factor {', '.join(map(repr, unknown))}; the factors are {', '.join(FACTORS)}")
    chosen = [Condition(name, value) for name in FACTORS if name in wanted for value in FACTORS[name].values]
    rooms = [Condition(BRIR, path) for path in expand_listeners(brirs)]
    by_name: dict[str, Condition] = {}
    for room in rooms:
        if (twin := by_name.setdefault(room.name, room)) is not room:
            raise AudioError(f"{room.value} would be called {room.name!r}, as {twin.value} is; rename one of the two")
    return CLEAN, *chosen, *rooms


def find_conditions(words: Sequence[str], brirs: Sequence[str] = ()) -> tuple[Condition, ...]:
    """The clean condition and those that `words` name: `noise`, `noise:20`, `all`. Raises AudioError for others."""
    if "all" in words:
        return conditions(None, brirs)
    factors = list(dict.fromkeys(word.partition(":")[0] for word in words))
    found = conditions([factor for factor in factors if factor != CLEAN.factor], brirs)
    only = {factor: {w.partition(":")[2] for w in words if w.partition(":")[0] == factor} for factor in factors}
    unknown = [
        f"{factor}:{value} (its values are {', '.join(FACTORS[factor].values)})"
        for factor, values in only.items()
        for value in sorted(values)
        if value and factor in FACTORS and value not in FACTORS[factor].values
    ]
    if unknown:
        raise AudioError(f"there is no condition {'; '.join(unknown)}")
    return tuple(
        one
        for one in found
        if one in (CLEAN,) or one.factor == BRIR or "" in only[one.factor] or one.value in only[one.factor]
    )


def of_one_length(words: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions that `words` name, without the clean one and those that change the length of a clip.

    Raises AudioError for words that name nothing, or the length itself.
    """
    if any(word.partition(":")[0] == LENGTH for word in words):
        raise AudioError(f"the condition {LENGTH!r} changes the length of clips, which is one for a folder")
    return tuple(one for one in find_conditions(words) if one != CLEAN and one.factor != LENGTH)


def unavailable(condition: Condition) -> str | None:
    """Why this machine cannot make a condition, for people; None when it can."""
    found = codec_of(condition)
    return None if found is None else codecs.missing(found[0])


def codec_of(condition: Condition) -> tuple[str, int] | None:
    """The codec of a condition and its kbit/s, None where there is none."""
    if condition.factor != "codec":
        return None
    codec, _, bit_rate = condition.value.partition("-")
    return codec, int(bit_rate)


def seconds(condition: Condition) -> float | None:
    """The length of the clips in s; None: as the model was trained."""
    return float(condition.value) if condition.factor == LENGTH else None


def listener_of(condition: Condition, listener: Listener, layouts: Sequence[Layout], seed: int = 0) -> Listener:
    """Who listens: `listener`, or what its ears receive in the room or from the places that the condition has.

    The seed and the listener's name draw the room, or the places of the loudspeakers. The same arguments give the
    same object, so that `render` transforms its responses once. Raises AudioError when a loudspeaker of `layouts` has
    no direction.
    """
    if condition.factor not in ("room", "moved", BRIR):
        return listener
    return _elsewhere(condition, listener, tuple(layouts), seed)


@lru_cache(maxsize=128)  # a head in a room of 0.6 s is 2 MB
def _elsewhere(condition: Condition, listener: Listener, layouts: tuple[Layout, ...], seed: int) -> Listener:
    if condition.factor == "moved":
        return moved(listener, layouts, seed)
    if condition.factor == "room":
        key = (seed, listener.name)
        return in_room(listener, draw_room(float(condition.value), key), layouts, key)
    measured = load_listener(condition.value, listener.sample_rate)
    for layout in layouts:
        measured.check(layout)
    return measured


def layout_of(condition: Condition, layout: Layout) -> Layout:
    """The loudspeakers that are heard; code and order stay."""
    if condition.factor != "lfe":
        return layout
    return replace(layout, loudspeakers=layout.placed)


def spoil(condition: Condition, ears: np.ndarray, sample_rate: int, key: Sequence[Key]) -> tuple[np.ndarray, int]:
    """Sound [2, N] at the level of a file, and its rate, as they are after the condition: float32 [2, N], Hz.

    key: of the item; without the layout in it, all layouts of a programme get the same noise. Conditions that are of
    the listener, the layout or the length leave the sound as it is.
    """
    return next(spoil_each(condition, [(ears, key)], sample_rate))


def spoil_each(
    condition: Condition, sounds: Iterable[tuple[np.ndarray, Sequence[Key]]], sample_rate: int
) -> Iterator[tuple[np.ndarray, int]]:
    """What `spoil` gives for each of many sounds and their keys, bit for bit and in order.

    Quicker than one after the other where a codec takes several at once. Sounds are taken as results are asked for.
    """
    if (codec := codec_of(condition)) is not None:
        yield from codecs.each_through_codec((ears for ears, _ in sounds), sample_rate, *codec)
        return
    change = _CHANGES.get(condition.factor)
    for ears, key in sounds:
        yield change(condition.value, ears, sample_rate, key) if change else (ears, sample_rate)


Change = Callable[[str, np.ndarray, int, Sequence[Key]], tuple[np.ndarray, int]]


_CHANGES: dict[str, Change] = {
    "noise": lambda value, ears, rate, key: (spoiling.with_noise(ears, rate, float(value), key), rate),
    "rate": lambda value, ears, rate, key: (spoiling.resampled(ears, rate, int(value)), int(value)),
    "bits": lambda value, ears, rate, key: (spoiling.rounded(ears, int(value)), rate),
    "level": lambda value, ears, rate, key: (spoiling.at_level(ears, float(value)), rate),
    "tilt": lambda value, ears, rate, key: (spoiling.tilted(ears, rate, float(value)), rate),
    "ears": lambda value, ears, rate, key: (np.ascontiguousarray(ears[::-1]), rate),
}
