"""How long `spatial-swin report` takes: a made-up run with 750 test files, 10,000 bootstrap resamples, three times.

    python scripts/benchmark_report.py [--items 750] [--repeats 3]

Prints the seconds of each repeat, their median, and the seconds of the statistics alone. The run is made by the
factory of the tests; a fresh interpreter each time, so imports are counted.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKERS = Path(__file__).parents[1] / "tests" / "makers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=750, help="test files (750)")
    parser.add_argument("--repeats", type=int, default=3, help="how often (3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, str(MAKERS))
        from made_up_runs import make_run

        run = make_run(Path(folder) / "run", items=arguments.items, per_group=3, epochs=80, skill=2.5, pictures=True)
        seconds = []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            command = [sys.executable, "-m", "spatial_swin.cli", "report", str(run.path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        print(
            f"report, {arguments.items} test files: {', '.join(f'{s:.1f}' for s in seconds)} s; "
            f"median {statistics.median(seconds):.1f} s"
        )

        from spatial_swin.evaluation.metrics import summarise

        test = run.read_predictions("test")
        start = time.perf_counter()
        summarise(test.labels, test.probabilities, test.groups, test.class_names)
        spent = time.perf_counter() - start
        print(f"of which metrics and 10,000 resamples of {len(set(test.groups))} groups: {spent:.2f} s")


if __name__ == "__main__":
    main()
