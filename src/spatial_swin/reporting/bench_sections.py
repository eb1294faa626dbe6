"""The sections of a benchmark's own page: what bench.json holds in, blocks of a document out.

Result, listeners, conditions, calibration, what training met, and how it was judged. Nothing is counted here.
"""

from typing import Any

from spatial_swin.reporting.chapters_bench import (
    SIZE,
    alone_blocks,
    difference_blocks,
    figure_blocks,
    figures_table,
    judge_name,
    listed,
    signed,
    size_of,
    summary_text,
    the_judge,
    title_of,
    warnings,
)
from spatial_swin.reporting.document import Block, Bullets, Table, Text, Warnings
from spatial_swin.reporting.figures_bench import entries_of
from spatial_swin.reporting.tables import with_interval


def result_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    """The headline in words and as a table, and the warnings."""
    questions = results["questions"]
    rows = [
        [
            entry["value"],
            judge_name(judge),
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
    return [*blocks, *difference_blocks(results), *figure_blocks("bench_confusion", made)]


def heads_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    laboratories, kinds = entries_of(results, "laboratory"), entries_of(results, "kind")
    judge = results["judges"][0]
    listeners = sorted(entries_of(results, "listener"), key=lambda e: e[judge]["accuracy"]["value"])
    blocks: list[Block] = []
    if len(listeners) > 1:
        worst, best = listeners[0], listeners[-1]
        blocks.append(
            Text(
                f"By listener {the_judge(judge)} is right on {worst[judge]['accuracy']['value']:.3f} "
                f"({worst['value']}) to {best[judge]['accuracy']['value']:.3f} ({best['value']})."
            )
        )
    blocks.append(figures_table(results, "By laboratory of the listener, clean", "Laboratory", laboratories))
    blocks.append(figures_table(results, "By kind of programme, clean", "Kind", kinds))
    blocks += alone_blocks(laboratories)
    return [*blocks, *figure_blocks("bench_groups", made), *figure_blocks("bench_listeners", made)]


def conditions_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    entries = entries_of(results, "condition")
    if len(entries) < 2:
        return [Text("Only the clean condition was judged; `spatial-swin bench --conditions all` judges the others.")]
    judge = results["judges"][0]
    rows = [
        [
            title_of(entry),
            *(with_interval(entry[judge][name]) for name in results["questions"]),
            signed(entry["change"][judge]["accuracy"]) if "change" in entry else "",
            size_of(entry),
        ]
        for entry in entries
    ]
    header = ["Condition", *results["questions"].values(), "Change from clean", SIZE]
    caption = f"By condition ({judge_name(judge)}); the change is of all layouts, on the same programmes and listeners"
    blocks: list[Block] = [Table(caption, header, rows), *figure_blocks("bench_conditions", made)]
    if not_paired := [
        e["value"] for e in entries if e.get("change", {}).get(judge, {}).get("accuracy", {}).get("reason")
    ]:
        blocks.append(
            Text(f"No interval or no change is given where nothing varies or nothing is shared: {listed(not_paired)}.")
        )
    return blocks


def calibration_blocks(results: dict[str, Any], made: set[str]) -> list[Block]:
    temperature = results["temperature"]
    how = "no temperature was fitted" if temperature is None else f"divided by the temperature {temperature:.3f}"
    text = f"Probabilities of the model are as `spatial-swin predict` gives them ({how})."
    entries, judges = entries_of(results, "condition"), results["judges"]
    rows = [
        [title_of(entry), *(with_interval(entry[judge][name]) for judge in judges for name in ("ece", "brier"))]
        for entry in entries
    ]
    header = [
        "Condition",
        *(f"{n} {judge_name(judge) if len(judges) > 1 else ''}".strip() for judge in judges for n in ("ECE", "Brier")),
    ]
    blocks: list[Block] = [Text(text)] if "model" in judges else []
    return [*blocks, Table("Calibration by condition", header, rows), *figure_blocks("bench_calibration", made)]


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
        trained = "not known" if counts is None else f"{len(counts)}: {listed([_value(v) for v in counts])}"
        here = judged[factor]
        new = "not known" if counts is None else str(sum(_new(results, factor, value, counts) for value in here))
        rows.append([factor, trained, f"{len(here)}: {listed(here)}", new])
    header = ["Factor", "In training", "In this benchmark", "Of these new"]
    statement: list[Block] = [Text(seen["statement"])] if seen.get("statement") else []
    table = Table("What training had, and what was judged", header, rows, texts=True)
    return [*statement, Text(f"The table is from {seen['origin']}."), table, *_untold(seen["counts"])]


def _untold(counts: dict[str, dict[str, int] | None]) -> list[Block]:
    """Why a factor is not known, and how the next training tells it; nothing where all or none are known."""
    untold = [factor for factor, of in counts.items() if of is None]
    if not untold or len(untold) == len(counts):
        return []
    columns = ", ".join(f"`{factor}`" for factor in untold)
    text = (
        f"Not known: {', '.join(untold)}. Training pictures are without it where their manifest has no column "
        f"{columns}, or has it empty for some. `spatial-swin render` writes them: then the next training tells."
    )
    return [Text(text)]


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
