"""What late reverberation taken away before the picture is worth to a finished model: docs/cue_experiments.md.

    python scripts/dereverberation.py MODEL --listeners PEOPLE --conditions room noise:20 tilt codec --taps 3 5

The benchmark's recordings are judged as they are and, by the same model, after what follows from a window's own past
was taken away: weighted prediction error (Nakatani, Yoshioka, Kinoshita, Miyoshi and Juang 2010), the ears together,
so that what differs between them stays. In every bin of a short-time spectrum, `taps` frames from `delay` frames ago
predict the present one, frames weighted by the inverse of their power. The model is not trained again.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal
from tqdm import tqdm

from spatial_swin.audio.workers import in_processes
from spatial_swin.bench.answering import one_thread
from spatial_swin.bench.judges import Source, open_judges
from spatial_swin.bench.plan import Order, Plan, Task, make_plan
from spatial_swin.bench.rendering import items_of, windows_of
from spatial_swin.evaluation.calibration import item_nll
from spatial_swin.evaluation.factorial import Answers, figures

FRAME, HOP = 2_048, 512  # samples at 48 kHz: 43 and 11 ms
FLOOR = 1e-10  # of a frame's power, against the strongest bin
LOADING = 1e-6  # of the mean power, so that two equal channels can be solved for
AS_IT_IS = "as it is"
Row = tuple[str, str, str, str, list[np.ndarray]]  # programme, listener, label, condition, probabilities by variant


def dereverberated(ears: np.ndarray, delay: int, taps: int) -> np.ndarray:
    """Sound [2, N] at 48 kHz less what its past predicts: float32 [2, N]. One pass; a second one was no better."""
    _, _, spectra = signal.stft(ears, nperseg=FRAME, noverlap=FRAME - HOP)
    now = spectra.transpose(1, 2, 0).astype(np.complex64)  # [bins, frames, ears]
    bins, frames, count = now.shape
    past = np.zeros((bins, frames, taps * count), np.complex64)
    for tap in range(taps):
        past[:, delay + tap :, tap * count : (tap + 1) * count] = now[:, : frames - delay - tap]
    least = max(FLOOR * float(np.abs(now).max()) ** 2, float(np.finfo(np.float32).tiny))  # silence divides by it too
    power = np.maximum((np.abs(now) ** 2).mean(axis=2, keepdims=True), least)
    weighted = (past / power).conj().transpose(0, 2, 1)
    correlation = weighted @ past
    loading = LOADING * np.trace(correlation, axis1=1, axis2=2).real / (taps * count)
    correlation += np.maximum(loading, np.finfo(np.float32).tiny)[:, None, None] * np.eye(taps * count)
    late = past @ np.linalg.solve(correlation, weighted @ now)
    _, sound = signal.istft((now - late).transpose(2, 0, 1), nperseg=FRAME, noverlap=FRAME - HOP)
    return sound[:, : ears.shape[1]].astype(np.float32)


@dataclass(frozen=True)
class Judging:
    """Judges the recordings of one task in all variants; sent to every process."""

    plan: Plan
    source: Source
    delay: int
    taps: Sequence[int]

    def __call__(self, task: Task) -> list[Row]:
        with one_thread():
            return list(self._rows(task))

    def _rows(self, task: Task) -> Iterator[Row]:
        settings, predictor = self.plan.settings, self.source.predictor()
        for item in items_of(task, self.plan):
            window = item.windows[0]
            variants = [window]
            for taps in self.taps:
                sound = dereverberated(window.sound, self.delay, taps)
                variants.append(windows_of(sound, settings.cut.sample_rate, settings)[0])
            said = list(predictor.of_windows(variants))
            yield task.programme.name, item.listener, item.label, task.condition.name, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--listeners", nargs="+", required=True)
    parser.add_argument("--conditions", nargs="+", default=["room"])
    parser.add_argument("--synthetic", type=int, default=20)
    parser.add_argument("--delay", type=int, default=3, help="frames")
    parser.add_argument("--taps", type=int, nargs="+", default=[3])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=2_000)
    options = parser.parse_args()
    source = Source(options.model)
    judges = open_judges(source)
    plan = make_plan(
        Order(options.listeners, options.conditions, synthetic=options.synthetic), judges.settings, judges.class_names
    )
    judging, tasks = Judging(plan, source, options.delay, options.taps), plan.tasks()
    answered = tqdm(in_processes(judging, tasks, options.workers), total=len(tasks), desc="judging", disable=None)
    rows = [row for found in answered for row in found]
    names = [AS_IT_IS, *(f"{taps} taps" for taps in options.taps)]
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
