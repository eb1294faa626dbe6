"""The workings of `spatial-swin bench`, read from top to bottom: open, plan, judge what is missing, count, write.

An `Order` and a `Source` go in; OUTPUT/items grows task by task and survives a stop; once every task of every shard is
there, bench.json, bench.csv, figures and the page are written. Neither workers nor shards nor a restart change a
number.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio.workers import in_processes
from spatial_swin.bench import items
from spatial_swin.bench.answering import Answering
from spatial_swin.bench.judges import Judges, Source, open_judges
from spatial_swin.bench.plan import Order, Plan, Task, make_plan
from spatial_swin.bench.results import results_of, with_seen
from spatial_swin.errors import AudioError, Problem, raise_problems
from spatial_swin.reporting import bench_page
from spatial_swin.reporting.card import model_card
from spatial_swin.runs import RunFolder


@dataclass
class Done:
    """What a call did: items judged now, tasks of other shards still missing, the results once nothing is."""

    plan: Plan
    judged: int = 0
    waiting: int = 0
    results: dict[str, Any] | None = None
    problems: list[Problem] = field(default_factory=list)


def bench(
    order: Order,
    source: Source,
    output: Path,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
    resamples: int = 2_000,
) -> Done:
    """Judge this shard's tasks that are not there yet; with the last of them write the results.

    Raises AudioError, RunError, DataError: as `open_judges` and `make_plan`, for a folder with another benchmark, and
    for tasks that could not be judged (all at once; the others are kept).
    """
    judges = open_judges(source)
    plan = make_plan(order, judges.settings, judges.class_names)
    items.begin(output, items.settings_of(plan, judges))
    tasks = plan.tasks()
    done = Done(plan, problems=list(plan.problems))
    part, parts = shard
    _judge(tasks[part - 1 :: parts], plan, judges, output, workers, done)
    done.waiting = len(items.missing(tasks, plan, judges, output))
    if not done.waiting:
        done.results = write_results(tasks, plan, judges, output, resamples)
    return done


def _judge(tasks: Sequence[Task], plan: Plan, judges: Judges, output: Path, workers: int | None, done: Done) -> None:
    """Answer the tasks that are missing, each kept as soon as it is there."""
    todo = items.missing(tasks, plan, judges, output)
    ours = {output / items.ITEMS / task.file for task in todo}
    for folder in {path.parent for path in ours}:  # what a killed call had not finished writing
        files.remove_leftovers(folder, ours.__contains__)
    total = sum(map(plan.items, tasks))
    answering = Answering(plan, judges.source, len(judges.class_names))
    count = workers or len(os.sched_getaffinity(0))
    problems = []
    with tqdm(
        total=total, initial=total - sum(map(plan.items, todo)), desc="judging", unit="item", disable=None
    ) as bar:
        for task, answers in zip(todo, in_processes(answering, todo, count), strict=True):
            bar.set_postfix_str(task.condition.name, refresh=False)
            bar.update(plan.items(task))
            if isinstance(answers, Problem):
                problems.append(answers)
                continue
            items.write_rows(output / items.ITEMS / task.file, [items.row_of(a, judges) for a in answers], judges)
            done.judged += len(answers)
    raise_problems(AudioError, problems, f"{done.judged} items were judged, these could not be")


def write_results(tasks: Sequence[Task], plan: Plan, judges: Judges, output: Path, resamples: int) -> dict[str, Any]:
    """bench.csv, bench.json, the figures and the page of all tasks, and the card of a run that keeps them in itself.

    Returns what bench.json holds.
    """
    rows = []
    for task in tasks:
        read = items.read_rows(output / items.ITEMS / task.file, judges, plan.items(task))
        assert read is not None, "nothing is missing"
        rows += read
    rows = with_seen(rows, plan, judges)
    results = results_of(rows, plan, judges, resamples)
    files.write_csv(output / "bench.csv", rows, list(rows[0]))
    files.write_json(output / "bench.json", results)
    bench_page.write(results, output)
    if (model := judges.source.model) is not None:
        run = RunFolder(model)
        if run.model.is_dir() and run.recipe_file.is_file() and output.resolve() == run.bench.resolve():
            files.write_text(run.model / "README.md", model_card(run))  # with the chapter "Where it holds"
    return results
