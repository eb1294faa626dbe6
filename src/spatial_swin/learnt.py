"""What a training learnt from, read off its split, the manifest beside its pictures, and their tile map: a `Domain`.

Only the training and validation parts count, because nothing was chosen by the test part. No picture is opened and
nothing is written. It needs no torch.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_swin.audio.manifest import MANIFEST, read_rows
from spatial_swin.audio.tiles import TileMap
from spatial_swin.errors import AudioError, printable
from spatial_swin.evaluation.domain import CLEAN, NOT_STATED, OTHERS, Domain
from spatial_swin.runs import Sample

HELD_OUT = "test"
LEVEL = -23.0  # LUFS to which every clip is brought before it is drawn; audio.loudness, which is slow to import
MOST_NAMED = 12  # values of a factor; rarer ones are counted without their names
FACTS = ("listener", "laboratory", "programme", "content", "kind", "source", "condition")
RENDERED = re.compile(r", (nearest|interpolated) direction$")  # ends `source` of what `spatial-swin render` made
MODELLED = re.compile(r"parametric\d+")  # what a modelled listener is called
MEASURED_ROOM = re.compile(r"^brir\b.*")  # a condition that is called as somebody's file


def learnt_from(samples: Sequence[Sample], root: Path | None, tiles: TileMap | None, image_size: int) -> Domain:
    """The domain of a model that was trained by this split.

    Args:
        root: the folder of the pictures, whose manifest completes what split.csv tells; None when it is not here.
        tiles: how sound became the pictures, None when nothing says so.
        image_size: side of the pictures that the model sees, in pixels.
    """
    heard = [sample for sample in samples if sample.split != HELD_OUT]
    told = _manifest(root)
    rows = [{**told.get(s.path, {}), **{k: v for k, v in s.factors.items() if k in FACTS and v}} for s in heard]
    programmes = _column(rows, "programme") or _column(rows, "content")
    rendered = bool(rows) and all(RENDERED.search(row.get("source", "")) for row in rows)
    facts: dict[str, Any] = {}
    if tiles is not None:
        axes = [tile.vertical_high for tile in tiles if tile.vertical == "frequency"]
        facts = {"seconds": tiles.seconds, "sample_rate": tiles.sample_rate, "level": LEVEL}
        facts |= {"drawn": tiles.size[0], "highest": max(axes, default=None)}
    return Domain(
        pictures=len(heard),
        layouts=dict(sorted(Counter(sample.label for sample in heard).items())),
        programmes=len(set(programmes)) if programmes else None,
        kinds=_kinds(rows, programmes),
        conditions=_conditions(rows, rendered),
        size=image_size,
        **_listeners(rows, rendered),
        **facts,
    )


def _manifest(root: Path | None) -> dict[str, dict[str, str]]:
    """path -> what the manifest beside the pictures tells; empty without one that can be read."""
    file = None if root is None else root / MANIFEST
    try:
        rows = read_rows(file) if file is not None and file.is_file() else []
    except (AudioError, OSError):  # one of the user's own, with other columns: the split has what it told
        return {}
    return {row.path: {name: getattr(row, name, "") for name in FACTS} for row in rows}


def _column(rows: Sequence[Mapping[str, str]], name: str) -> list[str] | None:
    """The values of one factor, None when a row does not tell it."""
    values = [row.get(name, "") for row in rows]
    return values if values and all(values) else None


def _kinds(rows: Sequence[Mapping[str, str]], programmes: list[str] | None) -> dict[str, int] | None:
    kinds = _column(rows, "kind")
    if kinds is None or programmes is None:
        return None
    return _counted(kind for kind, _ in dict.fromkeys(zip(kinds, programmes, strict=True)))


def _listeners(rows: Sequence[Mapping[str, str]], rendered: bool) -> dict[str, Any]:
    """How many listeners of which sort, and of which laboratories.

    A name tells a virtual head and a modelled one; that all others were measured is known where `render` made them.
    """
    from spatial_swin.audio.virtual_heads import measured_name  # scipy and soxr, for who only reads a statement

    names = _column(rows, "listener")
    if names is None:
        return {}
    whole = {name: row.get("laboratory", "") for name, row in zip(names, rows, strict=True)}
    modelled = {name for name in whole if MODELLED.fullmatch(measured_name(name))}
    virtual = {name for name in whole if name != measured_name(name)} - modelled
    facts: dict[str, Any] = {"listeners": len(whole)}
    if rendered:
        facts |= {"measured": len(whole.keys() - virtual - modelled), "virtual": len(virtual)}
        facts |= {"modelled": len(modelled)}
    people = {measured_name(name): laboratory for name, laboratory in whole.items() if name not in modelled}
    if any(people.values()):
        facts["laboratories"] = _counted(laboratory or NOT_STATED for laboratory in people.values())
    return facts


def _conditions(rows: Sequence[Mapping[str, str]], rendered: bool) -> dict[str, int] | None:
    """Pictures by condition; without any, what `render` made is clean, and of other sound nothing is known."""
    named = [row.get("condition", "") for row in rows]
    if not any(named) and not rendered:
        return None
    return _counted((MEASURED_ROOM.sub("measured room", name or CLEAN) for name in named), most=10 * MOST_NAMED)


def _counted(values: Iterable[str], most: int = MOST_NAMED) -> dict[str, int]:
    """Counts, the greatest first; what comes after the `most` greatest is counted without its names."""
    counts = Counter(values)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = {printable(name): count for name, count in ordered[:most]}
    rest = sum(count for _, count in ordered[most:])
    return {**kept, OTHERS: rest} if rest else kept
