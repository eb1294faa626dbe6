"""How long `spatial-swin report` takes: a made-up run with 750 test files, 10,000 bootstrap resamples, three times.

    python scripts/benchmark_report.py [--items 750] [--repeats 3]

Prints the seconds of the command, and of the statistics alone: median and quartiles. The run is made by the factory of
the tests; a fresh interpreter runs each repeat, so imports are counted.
"""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from measuring import parser_of, seconds_of, spread

from spatial_swin.evaluation.metrics import summarise

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "makers"))
from made_up_runs import make_run


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--items", type=int, default=750, help="test files (750)")
    parser.add_argument("--repeats", type=int, default=3, help="how often (3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", items=options.items, per_group=3, epochs=80, skill=2.5, pictures=True)
        command = [sys.executable, "-m", "spatial_swin.cli", "report", str(run.path)]
        report = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
        print(f"report, {options.items} test files: {spread(seconds_of(report, options.repeats, warm_up=0), 's')}")
        test = run.read_predictions("test")
        statistics = partial(summarise, test.labels, test.probabilities, test.groups, test.class_names)
        seconds = seconds_of(statistics, options.repeats, warm_up=0)
        print(f"of which metrics and 10,000 resamples of {len(set(test.groups))} groups: {spread(seconds, 's')}")


if __name__ == "__main__":
    main()
