"""The chapter "Where it holds": what bench.json holds in, blocks of a document out, for a run's report and its card.

Its words and tables serve the benchmark's own page too (`bench_sections`). No sentence claims what the figures do not
show: a difference counts where its interval leaves out 0.
"""

from collections.abc import Sequence
from typing import Any

from spatial_swin.reporting.bench_sets import set_blocks
from spatial_swin.reporting.document import Block, Picture, Section, Table, Text, Warnings, counted, sentence
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.figures_bench import JUDGES, Entry, entries_of
from spatial_swin.reporting.tables import with_interval

CAPTIONS = {
    "bench_confusion": "Confusion matrix of the clean condition: counts, and percent of each true class.",
    "bench_groups": "Share right by laboratory of the listener and by kind of programme, clean condition; 95 % "
    "intervals. The line is the value over all, the dotted one chance.",
    "bench_listeners": "Share right by listener, clean condition; a colour a laboratory, a square a listener met in "
    "training. Intervals are over programmes.",
    "bench_conditions": "Share right by condition, one thing different from the clean one each; the line is the clean "
    "condition, the dotted one chance.",
    "bench_calibration": "Calibration by condition: expected calibration error and Brier score.",
}
MADE = tuple(CAPTIONS)
SHOWN_VALUES = 12
SIZE = "Programmes x listeners"


def figure_blocks(stem: str, made: set[str], folder: str = "") -> list[Block]:
    return [Picture(f"{folder}{stem}", CAPTIONS[stem])] if stem in made else []


def judge_name(name: str) -> str:
    return JUDGES.get(name, name)


def summary_text(results: dict[str, Any]) -> str:
    """What the clean condition shows, in sentences."""
    judge, whole = results["judges"][0], entries_of(results, "all")[0]
    said, settings = whole[judge], results["settings"]
    text = (
        f"On {counted(whole['items'], 'item')} ({counted(whole['programmes'], 'programme')} heard by "
        f"{counted(whole['listeners'], 'listener')}, {_basis(results)}, in {len(settings['layouts'])} layouts, clean) "
        f"{the_judge(judge)} is right on {with_interval(said['accuracy'])}"
    )
    if "pair" in said:
        text += (
            f"; with 510 and 514 as one on {with_interval(said['merged'])}, and of 510 against 514 alone on "
            f"{with_interval(said['pair'])} (chance 0.5)"
        )
    return f"{text}. {_worst(results)}".rstrip()


def the_judge(judge: str) -> str:
    return "the model" if judge == "model" else judge_name(judge)


def _basis(results: dict[str, Any]) -> str:
    return str(results["basis"])


def _worst(results: dict[str, Any]) -> str:
    """The condition that costs most beyond its interval, in words."""
    judge = results["judges"][0]
    changed = [entry for entry in entries_of(results, "condition") if "change" in entry]
    changes = [(entry, entry["change"][judge]["accuracy"]) for entry in changed]
    lost = [(entry, change) for entry, change in changes if change["high"] is not None and change["high"] < 0]
    if not changed:
        return ""
    if not lost:
        return f"Of {counted(len(changed), 'other condition')} none costs accuracy beyond its interval."
    worst, change = min(lost, key=lambda pair: pair[1]["value"])
    return (
        f"Of {counted(len(changed), 'other condition')} {len(lost)} cost accuracy beyond the interval, most of all "
        f"{title_of(worst)} ({signed(change)})."
    )


def warnings(results: dict[str, Any]) -> list[str]:
    """What must not be overlooked: listeners met in training, what nothing tells, what was left out."""
    seen, lines = results["seen"], []
    if seen["listeners"]:
        named = [name if name == known else f"{name} (there {known})" for name, known in seen["listeners"].items()]
        lines.append(
            f"{counted(len(named), 'listener')} were met in training and are counted apart: {listed(named)}."
            if len(named) > 1
            else f"One listener was met in training and is counted apart: {named[0]}."
        )
    if seen["programmes"]:
        lines.append(
            f"{counted(len(seen['programmes']), 'programme')} met in training, counted apart: "
            f"{listed(seen['programmes'])}."
        )
    if seen["listeners"] is None or seen["programmes"] is None:
        what = " and ".join(name for name in ("listeners", "programmes") if seen[name] is None)
        lines.append(f"Nothing tells which {what} training had, so some of these may not be new to it.")
    if results["skipped"]:
        named = [f"{name} ({why})" for name, why in results["skipped"].items()]
        lines.append(f"Not judged, because this machine cannot make it: {listed(named)}.")
    if fewer := results.get("fewer_listeners"):  # benchmarks from before 2026-11-26 asked all
        named = [f"{name} ({count})" for name, count in fewer.items()]
        lines.append(f"Long clips are many windows, so that they were heard by fewer listeners: {listed(named)}.")
    if results["left_out"]:
        lines.append(f"Left out: {listed(results['left_out'])}.")
    return lines


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_VALUES} more" if len(names) > SHOWN_VALUES else ""
    return ", ".join(names[:SHOWN_VALUES]) + more


def difference_blocks(results: dict[str, Any]) -> list[Block]:
    """Each further judge against the first, on the same items."""
    first, *others = results["judges"]
    blocks: list[Block] = []
    for judge in others:
        difference = entries_of(results, "all")[0][judge]["difference"]
        parts = [f"{results['questions'][name]} {signed(entry)}" for name, entry in difference.items()]
        verdict = _verdict(difference["accuracy"], judge_name(judge), the_judge(first))
        blocks.append(
            Text(
                f"{judge_name(judge).capitalize()} minus {the_judge(first)} on the same items: {'; '.join(parts)}. "
                f"{verdict}"
            )
        )
    return blocks


def _verdict(entry: dict[str, Any], judge: str, first: str) -> str:
    if entry["low"] is None or entry["low"] <= 0 <= entry["high"]:
        return f"On these items {first} is not shown to be better or worse than {judge}."
    return sentence(f"{judge if entry['low'] > 0 else first} is better on these items beyond the interval")


def signed(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "–"
    text = f"{entry['value']:+.3f}"
    return text if entry["low"] is None else f"{text} [{entry['low']:+.3f}, {entry['high']:+.3f}]"


def title_of(entry: Entry) -> str:
    """What tables call an entry."""
    return str(entry.get("title", entry["value"]))


def size_of(entry: Entry) -> str:
    return f"{entry['programmes']} x {entry['listeners']}"


def figures_table(results: dict[str, Any], caption: str, first: str, entries: Sequence[Entry], *more: str) -> Table:
    """One line an entry and judge: the three questions, then `more` figures."""
    several, questions = len(results["judges"]) > 1, results["questions"]
    rows = [
        [
            title_of(entry),
            *([judge_name(judge)] if several else []),
            *(with_interval(entry[judge][name]) for name in (*questions, *more)),
            size_of(entry),
        ]
        for entry in entries
        for judge in results["judges"]
    ]
    titles = {"brier": "Brier", "ece": "ECE"}
    header = [first, *(["Judge"] if several else []), *questions.values(), *(titles[name] for name in more), SIZE]
    return Table(caption, header, rows)


def alone_blocks(laboratories: Sequence[Entry]) -> list[Block]:
    """The caution about laboratories of which one listener was asked."""
    if not (alone := [entry["value"] for entry in laboratories if entry["listeners"] == 1]):
        return []
    text = "one listener was asked: the interval is over programmes alone and speaks for no other listener"
    return [Text(f"Of {listed(alone)} {text}.")]


def where_it_holds(evidence: Evidence, _: Findings) -> Section:
    """The chapter of a run's report, with the figures of RUN/bench."""
    section = Section("Where it holds")
    if not evidence.bench:
        return section
    made = {stem for stem in MADE if (evidence.run.bench / f"{stem}.png").is_file()}
    section.blocks += _chapter(evidence.bench)
    if warned := warnings(evidence.bench):
        section.blocks.insert(1, Warnings(warned))
    for stem in ("bench_conditions", "bench_groups", "bench_listeners"):
        section.blocks += figure_blocks(stem, made, "../bench/")
    return section


def card_blocks(results: dict[str, Any]) -> list[Block]:
    """The chapter of a model card: measured rooms are numbered, because the names of a user's files can be private."""
    rooms = {e["value"]: f"measured room {k}" for k, e in enumerate(_measured_rooms(results), start=1)}
    entries = [
        entry | {"title": rooms[v]} if (v := entry["value"]) in rooms else entry for entry in results["figures"]
    ]
    return _chapter(results | {"figures": entries})


def _measured_rooms(results: dict[str, Any]) -> list[Entry]:
    return [entry for entry in entries_of(results, "condition") if entry["value"].startswith("brir ")]


def _chapter(results: dict[str, Any]) -> list[Block]:
    """Words and tables without figures, and without names of listeners or programmes."""
    blocks: list[Block] = [Text(summary_text(results))]
    entries = [*entries_of(results, "laboratory"), *entries_of(results, "kind")]
    blocks.append(
        figures_table(results, "Share right by laboratory of the listener and kind of programme", "Of", entries)
    )
    if len(entries_of(results, "condition")) > 1:
        blocks.append(
            figures_table(
                results,
                "Share right and calibration by condition",
                "Condition",
                entries_of(results, "condition"),
                "ece",
            )
        )
    blocks += [*alone_blocks(entries_of(results, "laboratory")), *difference_blocks(results), *set_blocks(results)]
    blocks.append(
        Text("`spatial-swin bench` made these; intervals draw programmes and listeners anew (crossed bootstrap).")
    )
    return blocks
