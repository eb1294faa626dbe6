"""Where a recording lies outside of what a model learnt from: its length, its sample rate, its bandwidth.

A recording, the model's tile map and its `Domain` go in, sentences come out: one for each thing that differs in one
file, one for each thing over many files. What nothing tells of the training is not held against a recording. No
verdict is changed here, and nothing is printed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_swin.audio.bandwidth import LEFT_BY, Surveyed, survey
from spatial_swin.audio.sound_files import open_sound
from spatial_swin.audio.tiles import TileMap
from spatial_swin.errors import printable
from spatial_swin.evaluation.domain import Domain

MARGIN = 1.04  # an end this near the top of the pictures counts: a low-pass is not a line
SHOWN = 3  # names of files in one line


@dataclass(frozen=True)
class Outside:
    """One thing that differs: of `one` file as a predicate, and of many files as a predicate that holds for `all`."""

    one: str
    all: str


def outside(path: Path, tiles: TileMap, domain: Domain | None) -> list[Outside]:
    """What of a recording lies outside of what the model learnt from.

    Raises AudioError when the file cannot be read to the end of its first minute.
    """
    with open_sound(path) as sound:
        return outside_of(survey(sound), tiles, domain)


def outside_of(heard: Surveyed, tiles: TileMap, domain: Domain | None) -> list[Outside]:
    """The same of what a survey showed."""
    found = []
    if heard.seconds is not None and heard.seconds + 1e-6 < tiles.seconds:
        rest = f"silence fills the rest, and the model learnt from clips of {tiles.seconds:g} s"
        found.append(Outside(f"lasts {heard.seconds:.2f} s: {rest}", f"are shorter than a clip: {rest}"))
    top = max(tile.vertical_high for tile in tiles if tile.vertical == "frequency")
    looks = f"the model looks up to {_kilohertz(top)}"
    if heard.sample_rate / 2 <= MARGIN * top:
        what = f"{heard.sample_rate} Hz, so nothing above {_kilohertz(heard.sample_rate / 2)} ({looks}"
        what += f", and learnt from sound of {tiles.sample_rate} Hz)"
        found.append(Outside(f"has {what}", f"have {what}"))
    elif heard.bandwidth is not None and heard.bandwidth <= MARGIN * top and not _met(heard.bandwidth, domain):
        why = f"as the low-pass of a lossy codec leaves it ({looks}; {_training(domain)})"
        ends = [_kilohertz(end) for end in (heard.bandwidth, MARGIN * top)]
        found.append(Outside(f"holds nothing above {ends[0]}, {why}", f"hold nothing above {ends[1]}, {why}"))
    return found


def _met(bandwidth: float, domain: Domain | None) -> bool:
    """Whether training had a codec that ends a spectrum as low as this, within the width of two bands."""
    names = [] if domain is None else [name.partition(" ")[2] for name in domain.conditions or ()]
    return any(LEFT_BY[name] - 500 <= bandwidth for name in names if name in LEFT_BY)


def _training(domain: Domain | None) -> str:
    if domain is None or domain.conditions is None:
        return "whether it learnt from such sound is not known"
    return "no codec that it learnt from leaves so little" if domain.hears_codecs else "it learnt from no codec"


def _kilohertz(frequency: float) -> str:
    return f"{frequency / 1000:.1f}".removesuffix(".0") + " kHz"


def in_lines(found: Mapping[Path, Sequence[Outside]]) -> list[str]:
    """A sentence for each thing: of one file with its name, of many with their number and the first names."""
    by_kind: dict[str, list[tuple[Path, Outside]]] = {}
    for path, things in found.items():
        for thing in things:
            by_kind.setdefault(thing.all, []).append((path, thing))
    return [_line(members) for members in by_kind.values()]


def _line(members: Sequence[tuple[Path, Outside]]) -> str:
    if len(members) == 1:
        path, thing = members[0]
        return printable(f"{path}: {thing.one}")
    return f"{len(members)} files {members[0][1].all}: {_names(path for path, _ in members)}"


def _names(paths: Iterable[Path]) -> str:
    names = list(map(printable, paths))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
