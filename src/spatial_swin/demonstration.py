"""The demonstration: render, fine-tune, evaluate, judge elsewhere and report, each step continued when it is begun.

In go a folder and what to render, out come OUTPUT/data and OUTPUT/run with its report, and what it and the detector
that ships are worth on people whom neither learnt from. The steps are the verbs that a person would type; how a verb
is called is given, so that nothing here knows the command line.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_swin.making import begin, require_space, show_test
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import detector, people, recipes

NEEDED_BYTES = 1_000_000_000  # pictures and checkpoints take less
SHORT = (
    "--num_train_epochs 6 --warmup_epochs 1 --head_only_epochs 1 "
    "--train_share 0.6 --validation_share 0.2 --test_share 0.2"
)
RECIPE = "swin-nano-192/demo"
NOTED = "demo.json"  # in the folder: what the demo was begun with
QUESTIONS = {"accuracy": "four layouts", "merged": "5.1, 5.1.4 as one", "pair": "5.1 against 5.1.4"}
Call = Callable[[list[str]], int]  # a verb with its options -> exit code


@dataclass(frozen=True)
class Demonstration:
    """One demonstration, in `output`: so many synthetic programmes of `seed`; `short` trains for minutes, not ten."""

    output: Path
    programmes: int
    seed: int
    short: bool

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.output / "run")

    def make(self, call: Call, workers: int | None = None, overwrite: bool = False) -> int:
        """All steps; returns the exit code of the first that fails, else 0.

        Raises RunError: no room, no permission, in use, or begun with other options.
        """
        require_space(self.output, NEEDED_BYTES, "the demo")
        with RunFolder(self.output).lock():
            if overwrite:
                self._clear()
            begin(self.output / NOTED, self._options(), "this demo")
            if (self.run.thesis_results / "report.html").is_file():  # its test part was opened once, and stays so
                print(f"{self.output}: this demo is done; --overwrite true starts again", flush=True)
                show_result(self.run)
                return 0
            began = time.monotonic()
            for heading, words in self._steps(workers):
                print(heading, end="", flush=True)
                if words and (code := call(words)):
                    return code
            shutil.rmtree(self.output / "trunk_cache", ignore_errors=True)
            self._draw_people()
            show_result(self.run, time.monotonic() - began)
        return 0

    def _steps(self, workers: int | None) -> Iterator[tuple[str, list[str]]]:
        """What is said before each step, and the verb with its options; no words for what is done already."""
        data, run = self.output / "data", str(self.run.path)
        render = f"render --synthetic {self.programmes} --seed {self.seed} --listeners kemar --seconds 3 --size 192"
        threads = [] if workers is None else ["--workers", str(workers)]
        yield (
            f"1/4  {self.programmes} programmes in mono, stereo, 5.1 and 5.1.4\n",
            [*render.split(), "--sound", "false", "--output_dir", str(data), *threads],
        )
        recipe = recipes()[RECIPE]  # by its path: a file of that name in the working folder is not meant
        train = ["train", "--config", str(recipe), "--data_dir", str(data / "pictures"), "--output_dir", run]
        train += ["--seed", str(self.seed), "--trunk_cache_dir", str(self.output / "trunk_cache")]
        yield (
            "\n2/4  fine-tune the shipped Swin in two phases, programmes kept apart\n"
            f"     ears exchanged and time shifted at random; why, and what it is worth: {recipe}\n",
            [] if self.run.state() == "finished" else [*train, *(SHORT.split() if self.short else [])],
        )
        yield "\n3/4  evaluate on programmes never heard\n", ["evaluate", run]
        bench = ["--listeners", str(people()), "--synthetic", "5" if self.short else "10", "--resamples", "1000", "-q"]
        yield (
            "\n4/4  judge it, and the detector that ships, on people whom neither learnt from; then report\n",
            ["bench", run, *bench, *threads],
        )
        elsewhere = ["bench", str(detector()), *bench, *threads, "--output_dir", str(self.detector_bench)]
        yield "", elsewhere if detector().is_dir() else []
        yield "", ["report", run]

    @property
    def detector_bench(self) -> Path:
        return self.output / "detector_bench"

    def _draw_people(self) -> None:
        """OUTPUT/people.png and .pdf: both models on people whom neither learnt from."""
        from spatial_swin.reporting.figures_bench import models_figure
        from spatial_swin.reporting.style import save, thesis_style

        with thesis_style():
            entries = judged_elsewhere(self.run)
            save(models_figure({name: entry["model"] for name, entry in entries.items()}), self.output / "people")

    def _clear(self) -> None:
        for folder in ("data", "trunk_cache", "run", "detector_bench"):
            shutil.rmtree(self.output / folder, ignore_errors=True)
        for name in (NOTED, "people.png", "people.pdf"):
            (self.output / name).unlink(missing_ok=True)

    def _options(self) -> dict[str, object]:
        return {"programmes": self.programmes, "seed": self.seed, "short": self.short}


def show_result(run: RunFolder, seconds: float | None = None) -> None:
    """Accuracy on programmes never heard, the confusion matrix, and what to open."""
    show_test(run)
    if elsewhere := judged_elsewhere(run):
        entry = next(iter(elsewhere.values()))
        clips = f"{entry['items']} clips of {entry['programmes']} programmes of all kinds"
        print(f"\n{clips}, heard by {entry['listeners']} people of CIPIC whom neither model learnt from:\n")
        print(f"  {'':<28}" + "".join(f"{title:>24}" for title in QUESTIONS.values()))
        for name, entry in elsewhere.items():
            cells = (entry["model"].get(question) for question in QUESTIONS)
            print(f"  {name:<28}" + "".join(f"{_share(cell):>24}" for cell in cells))
        print(f"\n{run.path.parent / 'people.png'}: the same as a figure")
    took = "" if seconds is None else f"{seconds:.0f} s; "
    print(f"\n{took}report: {run.thesis_results / 'report.html'}")


def _share(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    interval = "" if figure.get("low") is None else f" [{figure['low']:.2f}, {figure['high']:.2f}]"
    return f"{figure['value']:.3f}{interval}"


def judged_elsewhere(run: RunFolder) -> dict[str, dict[str, Any]]:
    """{who judges: the clean figures of its benchmark on people}, as far as they are there."""
    found = {}
    benches = {"this run": run.path / "bench", "the detector that ships": run.path.parent / "detector_bench"}
    for name, folder in benches.items():
        if (file := folder / "bench.json").is_file():
            found[name] = json.loads(file.read_text())["figures"][0]
    return found
