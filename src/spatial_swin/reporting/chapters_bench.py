"""The words and tables of a benchmark: what bench.json holds in, blocks of a document out.

They serve the benchmark's own page, the chapter "Where it holds" of a run's report, and the model card. No sentence
claims what the figures do not show: a difference counts where its interval leaves out 0.
"""

from collections.abc import Sequence
from typing import Any

from spatial_swin.reporting.document import Block, Bullets, Picture, Section, Table, Text, Warnings, counted, sentence
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


def _figure(stem: str, made: set[str], folder: str = "") -> list[Block]:
    return [Picture(f"{folder}{stem}", CAPTIONS[stem])] if stem in made else []


def _judge(name: str) -> str:
    return JUDGES.get(name, name)


def result_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    """The headline in words and as a table, and the warnings."""
    questions = results["questions"]
    rows = [
        [
            entry["value"],
            _judge(judge),
            *(with_interval(entry[judge][name]) for name in questions),
            str(entry["items"]),
        ]
        for entry in entries_of(results, "all")
        for judge in results["judges"]
    ]
    header = ["Listeners and programmes", "Judge", *questions.values(), "Items"]
    blocks: list[Block] = [Text(summary_text(results))]
    if warned := warnings(results):
        blocks.append(Warnings(warned))
    blocks.append(Table("Share right in the clean condition, with 95 % intervals", header, rows))
    return [*blocks, *_difference_blocks(results), *_figure("bench_confusion", made)]


def summary_text(results: dict[str, Any]) -> str:
    """What the clean condition shows, in sentences."""
    judge, whole = results["judges"][0], entries_of(results, "all")[0]
    said, settings = whole[judge], results["settings"]
    text = (
        f"On {counted(whole['items'], 'item')} ({counted(whole['programmes'], 'programme')} heard by "
        f"{counted(whole['listeners'], 'listener')}, {_basis(results)}, in {len(settings['layouts'])} layouts, clean) "
        f"{_the(judge)} is right on {with_interval(said['accuracy'])}"
    )
    if "pair" in said:
        text += (
            f"; with 510 and 514 as one on {with_interval(said['merged'])}, and of 510 against 514 alone on "
            f"{with_interval(said['pair'])} (chance 0.5)"
        )
    return f"{text}. {_worst(results)}".rstrip()


def _the(judge: str) -> str:
    return "the model" if judge == "model" else _judge(judge)


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
        f"{worst.get('title', worst['value'])} ({_signed(change)})."
    )


def warnings(results: dict[str, Any]) -> list[str]:
    """What must not be overlooked: listeners met in training, what nothing tells, what was left out."""
    seen, lines = results["seen"], []
    if seen["listeners"]:
        named = [name if name == known else f"{name} (there {known})" for name, known in seen["listeners"].items()]
        lines.append(
            f"{counted(len(named), 'listener')} were met in training and are counted apart: {_shown(named)}."
            if len(named) > 1
            else f"One listener was met in training and is counted apart: {named[0]}."
        )
    if seen["programmes"]:
        lines.append(
            f"{counted(len(seen['programmes']), 'programme')} met in training, counted apart: "
            f"{_shown(seen['programmes'])}."
        )
    if seen["listeners"] is None or seen["programmes"] is None:
        what = " and ".join(name for name in ("listeners", "programmes") if seen[name] is None)
        lines.append(f"Nothing tells which {what} training had, so some of these may not be new to it.")
    if results["skipped"]:
        named = [f"{name} ({why})" for name, why in results["skipped"].items()]
        lines.append(f"Not judged, because this machine cannot make it: {_shown(named)}.")
    if results["left_out"]:
        lines.append(f"Left out: {_shown(results['left_out'])}.")
    return lines


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_VALUES} more" if len(names) > SHOWN_VALUES else ""
    return ", ".join(names[:SHOWN_VALUES]) + more


def _difference_blocks(results: dict[str, Any]) -> list[Block]:
    """Each further judge against the first, on the same items."""
    first, *others = results["judges"]
    blocks: list[Block] = []
    for judge in others:
        difference = entries_of(results, "all")[0][judge]["difference"]
        parts = [f"{results['questions'][name]} {_signed(entry)}" for name, entry in difference.items()]
        verdict = _verdict(difference["accuracy"], _judge(judge), _the(first))
        blocks.append(
            Text(f"{_judge(judge).capitalize()} minus {_the(first)} on the same items: {'; '.join(parts)}. {verdict}")
        )
    return blocks


def _verdict(entry: dict[str, Any], judge: str, first: str) -> str:
    if entry["low"] is None or entry["low"] <= 0 <= entry["high"]:
        return f"On these items {first} is not shown to be better or worse than {judge}."
    return sentence(f"{judge if entry['low'] > 0 else first} is better on these items beyond the interval")


def _signed(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "–"
    text = f"{entry['value']:+.3f}"
    return text if entry["low"] is None else f"{text} [{entry['low']:+.3f}, {entry['high']:+.3f}]"


def _size(entry: Entry) -> str:
    return f"{entry['programmes']} x {entry['listeners']}"


def _table(results: dict[str, Any], caption: str, first: str, entries: Sequence[Entry], *more: str) -> Table:
    """One line an entry and judge: the three questions, then `more` figures."""
    several, questions = len(results["judges"]) > 1, results["questions"]
    rows = [
        [
            entry.get("title", entry["value"]),
            *([_judge(judge)] if several else []),
            *(with_interval(entry[judge][name]) for name in (*questions, *more)),
            _size(entry),
        ]
        for entry in entries
        for judge in results["judges"]
    ]
    titles = {"brier": "Brier", "ece": "ECE"}
    header = [first, *(["Judge"] if several else []), *questions.values(), *(titles[name] for name in more), SIZE]
    return Table(caption, header, rows)


def _alone(laboratories: Sequence[Entry]) -> list[Block]:
    """The caution about laboratories of which one listener was asked."""
    if not (alone := [entry["value"] for entry in laboratories if entry["listeners"] == 1]):
        return []
    text = "one listener was asked: the interval is over programmes alone and speaks for no other listener"
    return [Text(f"Of {_shown(alone)} {text}.")]


def heads_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    laboratories, kinds = entries_of(results, "laboratory"), entries_of(results, "kind")
    judge = results["judges"][0]
    listeners = sorted(entries_of(results, "listener"), key=lambda e: e[judge]["accuracy"]["value"])
    blocks: list[Block] = []
    if len(listeners) > 1:
        worst, best = listeners[0], listeners[-1]
        blocks.append(
            Text(
                f"By listener {_the(judge)} is right on {worst[judge]['accuracy']['value']:.3f} ({worst['value']}) to "
                f"{best[judge]['accuracy']['value']:.3f} ({best['value']})."
            )
        )
    blocks.append(_table(results, "By laboratory of the listener, clean", "Laboratory", laboratories))
    blocks.append(_table(results, "By kind of programme, clean", "Kind", kinds))
    blocks += _alone(laboratories)
    return [*blocks, *_figure("bench_groups", made), *_figure("bench_listeners", made)]


def conditions_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    entries = entries_of(results, "condition")
    if len(entries) < 2:
        return [Text("Only the clean condition was judged; `spatial-swin bench --conditions all` judges the others.")]
    judge = results["judges"][0]
    rows = [
        [
            entry.get("title", entry["value"]),
            *(with_interval(entry[judge][name]) for name in results["questions"]),
            _signed(entry["change"][judge]["accuracy"]) if "change" in entry else "",
            _size(entry),
        ]
        for entry in entries
    ]
    header = ["Condition", *results["questions"].values(), "Change from clean", SIZE]
    caption = f"By condition ({_judge(judge)}); the change is of all layouts, on the same programmes and listeners"
    blocks: list[Block] = [Table(caption, header, rows), *_figure("bench_conditions", made)]
    if not_paired := [
        e["value"] for e in entries if e.get("change", {}).get(judge, {}).get("accuracy", {}).get("reason")
    ]:
        blocks.append(
            Text(f"No interval or no change is given where nothing varies or nothing is shared: {_shown(not_paired)}.")
        )
    return blocks


def calibration_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    temperature = results["temperature"]
    how = "no temperature was fitted" if temperature is None else f"divided by the temperature {temperature:.3f}"
    text = f"Probabilities of the model are as `spatial-swin predict` gives them ({how})."
    entries, judges = entries_of(results, "condition"), results["judges"]
    rows = [
        [
            entry.get("title", entry["value"]),
            *(with_interval(entry[judge][name]) for judge in judges for name in ("ece", "brier")),
        ]
        for entry in entries
    ]
    header = [
        "Condition",
        *(f"{n} {_judge(judge) if len(judges) > 1 else ''}".strip() for judge in judges for n in ("ECE", "Brier")),
    ]
    blocks: list[Block] = [Text(text)] if "model" in judges else []
    return [*blocks, Table("Calibration by condition", header, rows), *_figure("bench_calibration", made)]


def seen_blocks(results: dict[str, Any]) -> list[Block]:
    """Which listeners, laboratories, programmes and kinds training had, beside those of the benchmark."""
    seen, settings = results["seen"], results["settings"]
    judged = {
        "listener": settings["listeners"],
        "laboratory": sorted({entry["laboratory"] for entry in entries_of(results, "listener")}),
        "programme": settings["programmes"],
        "kind": [entry["value"] for entry in entries_of(results, "kind")],
    }
    rows = []
    for factor, counts in seen["counts"].items():
        trained = "not known" if counts is None else f"{len(counts)}: {_shown([_value(v) for v in counts])}"
        here = judged[factor]
        new = "not known" if counts is None else str(sum(_new(results, factor, value, counts) for value in here))
        rows.append([factor, trained, f"{len(here)}: {_shown(here)}", new])
    header = ["Factor", "In training", "In this benchmark", "Of these new"]
    return [Text(f"From {seen['origin']}."), Table("What training had, and what was judged", header, rows, texts=True)]


def _value(text: str) -> str:
    return text or "(empty)"


def _new(results: dict[str, Any], factor: str, value: str, counts: dict[str, int]) -> bool:
    met = results["seen"]["listeners"] or {}
    return value not in (met if factor == "listener" else counts)


def how_blocks(results: dict[str, Any]) -> list[Block]:
    settings = results["settings"]
    items = [
        "An item is a programme, a layout and a listener in one condition: rendered in memory, brought to -23 LUFS, "
        "changed as the condition says, and judged as `spatial-swin predict` judges a file: windows of "
        f"{settings['seconds']:g} s at {settings['sample_rate']} Hz, cues {settings['arrangement']}, "
        f"{settings['size']} pixels, the mean over windows that are not silent.",
        f"Intervals are at the 95 % level, of {results['resamples']} resamples that draw programmes and listeners "
        "anew (Owen 2007, the pigeonhole bootstrap): they speak for other programmes and listeners of these kinds.",
        "One thing differs from the clean condition at a time; nothing is said of two at once.",
        f"Seed {settings['seed']}. The same command gives the same numbers with any number of workers and shards.",
        "This is one training. How much another seed would vary is not in these intervals.",
    ]
    return [Bullets(items)]


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
        section.blocks += _figure(stem, made, "../bench/")
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
    blocks.append(_table(results, "Share right by laboratory of the listener and kind of programme", "Of", entries))
    if len(entries_of(results, "condition")) > 1:
        blocks.append(
            _table(
                results,
                "Share right and calibration by condition",
                "Condition",
                entries_of(results, "condition"),
                "ece",
            )
        )
    blocks += [*_alone(entries_of(results, "laboratory")), *_difference_blocks(results)]
    blocks.append(
        Text("`spatial-swin bench` made these; intervals draw programmes and listeners anew (crossed bootstrap).")
    )
    return blocks
