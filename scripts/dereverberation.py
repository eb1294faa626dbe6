"""What a second opinion that also hears sound without its late reverberation is worth: docs/cue_experiments.md.

    python scripts/dereverberation.py MODEL --listeners PEOPLE --conditions room noise:20 tilt codec --dry 0.5 1

The benchmark's recordings are judged by the model with a share of 0 for what its second opinion hears dry
(`audio.dereverberation`), which is what it would say without, and with each of --dry. Nothing is trained;
`scripts/pooled_network.py --save --dry 0.5` gives a new network such a share.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spatial_swin.audio.drawing import draw_dry
from spatial_swin.audio.workers import in_processes
from spatial_swin.bench.answering import one_thread
from spatial_swin.bench.judges import Source, open_judges
from spatial_swin.bench.plan import Order, Plan, Task, make_plan
from spatial_swin.bench.rendering import items_of
from spatial_swin.evaluation.calibration import item_nll
from spatial_swin.evaluation.factorial import Answers, figures

AS_IT_IS = "as it is"
Row = tuple[str, str, str, str, list[np.ndarray]]  # programme, listener, label, condition, probabilities by variant


@dataclass(frozen=True)
class Judging:
    """Judges the recordings of one task with every share; sent to every process."""

    plan: Plan
    source: Source
    shares: Sequence[float]

    def __call__(self, task: Task) -> list[Row]:
        with one_thread():
            return list(self._rows(task))

    def _rows(self, task: Task) -> Iterator[Row]:
        predictor, settings = self.source.predictor(), self.plan.settings
        assert predictor.second_opinion is not None, "main has looked"
        network = predictor.second_opinion.network
        for item in items_of(task, self.plan):
            window, said = item.windows[0], []
            seen = predictor.pixels([window.picture])
            dry = predictor.pixels([draw_dry(window, settings)])
            for share in self.shares:
                network.dry = share
                said.append(predictor.of_pixels(seen, dry=dry)[0])
            yield task.programme.name, item.listener, item.label, task.condition.name, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--listeners", nargs="+", required=True)
    parser.add_argument("--conditions", nargs="*", default=["room"])
    parser.add_argument("--programmes", type=Path, help="masters and folders of stems, as for `spatial-swin bench`")
    parser.add_argument("--synthetic", type=int, default=20, help="synthetic programmes instead")
    parser.add_argument("--dry", type=float, nargs="+", default=[0.5, 1], help="shares of what is heard dry")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=2_000)
    options = parser.parse_args()
    source, shares = Source(options.model), [0.0, *options.dry]
    judges = open_judges(source)
    if source.predictor().second_opinion is None:
        parser.error(f"{options.model} has no second opinion that could hear anything")
    order = Order(options.listeners, options.conditions, programmes=options.programmes, synthetic=options.synthetic)
    plan = make_plan(order, judges.settings, judges.class_names)
    judging, tasks = Judging(plan, source, shares), plan.tasks()
    answered = tqdm(in_processes(judging, tasks, options.workers), total=len(tasks), desc="judging", disable=None)
    rows = [row for found in answered for row in found]
    names = [AS_IT_IS, *(f"{share:g} of it dry" for share in options.dry)]
    print("| condition | recordings | " + " | ".join(f"{n}, accuracy | NLL" for n in names) + " |")
    print("| --- | ---: |" + " --- | ---: |" * len(names))
    for condition in dict.fromkeys(row[3] for row in rows):
        judged = [row for row in rows if row[3] == condition]
        print(line_of(condition, judged, names, judges.class_names, options.resamples))


def line_of(condition: str, rows: Sequence[Row], names: Sequence[str], classes: Sequence[str], resamples: int) -> str:
    """One line of the table: accuracy and NLL of every variant, and what it gains with its interval."""
    tables = {name: np.stack([row[4][k] for row in rows]) for k, name in enumerate(names)}
    programmes, listeners, labels = (np.array([row[k] for row in rows]) for k in range(3))
    answers = Answers(classes, np.array([classes.index(label) for label in labels]), programmes, listeners, tables)
    found = figures(answers, resamples, 0)
    cells = [condition, str(len(rows))]
    for name, table in tables.items():
        gain = found[name].get("difference", {}).get("accuracy")
        more = f" ({gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}])" if gain else ""
        cells += [
            f"{found[name]['accuracy']['value']:.3f}{more}",
            f"{float(item_nll(answers.labels, table).mean()):.3f}",
        ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
