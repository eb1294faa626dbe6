"""Prediction sets in a benchmark: coverage and mean size where bench.json has them, blocks of a document out.

A coverage is told for every laboratory and every condition (rooms, codecs and the others), not on average; where it
falls below what is promised, the condition is named. Nothing is counted here.
"""

from typing import Any

from spatial_swin.reporting.document import Block, Table, Text, Warnings, counted
from spatial_swin.reporting.figures_bench import Entry, entries_of
from spatial_swin.reporting.tables import with_interval

SHORT_OF = 0.02  # below the promised coverage a condition is named as one where it fails
JUDGE = "model"


def set_blocks(results: dict[str, Any]) -> list[Block]:
    """A sentence on the whole and the worst condition, what fails, and a table; nothing for a model without sets."""
    promised = (results.get("sets") or {}).get("coverage")
    entries = [entry for entry in _entries(results) if "coverage" in entry.get(JUDGE, {})]
    if promised is None or not entries:
        return []
    whole, others = entries[0], [entry for entry in entries[1:] if entry[JUDGE]["coverage"]["value"] is not None]
    text = (
        f"The {promised:.0%} sets of the model hold the true layout of {with_interval(whole[JUDGE]['coverage'])} of "
        f"the items, with {with_interval(whole[JUDGE]['set_size'], 2)} layouts a set (clean)."
    )
    if others:
        worst = min(others, key=_coverage)
        text += f" Least are covered in {_name(worst)}: {with_interval(worst[JUDGE]['coverage'])}."
    blocks: list[Block] = [Text(text)]
    if failing := [entry for entry in (whole, *others) if _coverage(entry) < promised - SHORT_OF]:
        named = ", ".join(f"{_name(entry)} ({_coverage(entry):.3f})" for entry in sorted(failing, key=_coverage))
        blocks.append(
            Warnings(
                [
                    f"The {promised:.0%} promised are not kept in {counted(len(failing), 'line')} of {len(entries)} "
                    f"(more than {SHORT_OF:g} below): {named}."
                ]
            )
        )
    caption = "Coverage of the sets by laboratory (clean) and by condition"
    header = ["Of", f"Coverage of the {promised:.0%} sets", "Mean size"]
    rows = [[_name(e), with_interval(e[JUDGE]["coverage"]), with_interval(e[JUDGE]["set_size"], 2)] for e in entries]
    return [*blocks, Table(caption, header, rows)]


def set_lines(results: dict[str, Any]) -> list[str]:
    """The sentences of `set_blocks`, for the terminal."""
    lines: list[str] = []
    for block in set_blocks(results):
        lines += [block.text] if isinstance(block, Text) else [*block.items] if isinstance(block, Warnings) else []
    return lines


def _entries(results: dict[str, Any]) -> list[Entry]:
    """The whole first, then laboratories, kinds and conditions."""
    conditions = [entry for entry in entries_of(results, "condition") if entry["value"] != "clean"]
    return [
        *entries_of(results, "all")[:1],
        *entries_of(results, "laboratory"),
        *entries_of(results, "kind"),
        *conditions,
    ]


def _name(entry: Entry) -> str:
    title = str(entry.get("title", entry["value"]))
    return title if entry["factor"] in ("all", "condition") else f"{entry['factor']} {title}"


def _coverage(entry: Entry) -> float:
    return float(entry[JUDGE]["coverage"]["value"])
