"""Thesis results of a run, from its run folder alone: figures (png, pdf), tables (csv, tex), thesis_report.md,
report.html.

    spatial-swin report runs/first                # runs/first/thesis_results/
    spatial-swin report runs/a runs/b             # comparison on the same test items, with tests
    spatial-swin report runs/first_seeds          # of `train --seeds`: mean, SD, every seed
    spatial-swin report runs/a_crossval runs/b_crossval    # comparison fold by fold, with the corrected t

The first report of a run fits gradient boosting on its training pictures (RUN/baseline.json; of several seeds in the
folder of the first) and sets it beside the Swin on the same test items. No deep model is loaded. What is missing or
damaged in a run folder is named, and the rest of the report is made; the exit code is then 1.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from spatial_swin.commands import values
from spatial_swin.errors import UsageError, printable

if TYPE_CHECKING:
    from spatial_swin.runs import RunFolder


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", help="one run folder, or several to compare (runs, or cross-validations)"
    )
    parser.add_argument(
        "--output_dir", type=Path, help="where to write (default: RUN/thesis_results; comparison/ for several)"
    )
    parser.add_argument(
        "--data_dir", type=Path, help="where the pictures are now, for the baseline and the wrong answers"
    )
    parser.boolean_option("--baseline", "fit gradient boosting on the same pictures, once, to stand beside", True)
    parser.add_argument("--resamples", type=values.resamples, default=10_000, help="of the bootstrap")
    parser.add_argument("--seed", type=values.seed, default=0, help="of the bootstrap")


def run(arguments: argparse.Namespace) -> int:
    if arguments.output_dir and arguments.data_dir:
        values.require_outside(arguments.output_dir, arguments.data_dir)
    from spatial_swin.reporting.fold_comparison import compare_crossvals, is_crossval
    from spatial_swin.reporting.seeds import finished_seeds, in_short, is_seeds
    from spatial_swin.reporting.seeds_page import report_seeds

    seeded = [path for path in arguments.runs if is_seeds(path)]
    if seeded and len(arguments.runs) > 1:
        raise UsageError(
            f"{seeded[0]} is a folder of several seeds: give it alone; runs within it can be compared like all runs "
            f"({seeded[0]}/seed_...)"
        )
    if seeded:
        output = arguments.output_dir or seeded[0] / "thesis_results"
        missing = _baseline_of(next(iter(finished_seeds(seeded[0]).values()), None), arguments)
        report = report_seeds(seeded[0], output, arguments.resamples, arguments.seed, missing)
        lines = [f"missing: {problem}" for problem in report.problems] + ["", f"open {output / 'report.html'}"]
        print("\n".join([in_short(report), *map(printable, lines)]))
        return 1 if report.problems else 0
    folded = [path for path in arguments.runs if is_crossval(path)]
    if folded:
        if len(folded) < len(arguments.runs) or len(folded) == 1:
            raise UsageError(
                f"{folded[0]} is a cross-validation: give two or more of them to compare; its own summary is "
                f"{folded[0] / 'summary.json'} and crossval.png, and each of its folds is a run of its own"
            )
        print(compare_crossvals(folded, arguments.output_dir or Path("comparison")))
        return 0
    if len(arguments.runs) > 1:
        from spatial_swin.reporting.comparison import compare_runs

        output = arguments.output_dir or Path("comparison")
        print(compare_runs(arguments.runs, output, arguments.resamples, arguments.seed))
        return 0
    from spatial_swin.reporting.analysis import ThesisResultsAnalyzer
    from spatial_swin.runs import RunFolder

    run = RunFolder(arguments.runs[0]).require()
    missing = _baseline_of(run, arguments)
    analyzer = ThesisResultsAnalyzer(
        run.path, arguments.output_dir, arguments.data_dir, arguments.resamples, arguments.seed, missing
    )
    folder = analyzer.run_complete_analysis()
    lines = [f"missing: {problem}" for problem in analyzer.problems] + [f"note: {note}" for note in analyzer.notes]
    print("\n".join(map(printable, [*lines, f"open {folder / 'report.html'}"])))
    return 1 if analyzer.problems else 0


def _baseline_of(run: "RunFolder | None", arguments: argparse.Namespace) -> str:
    """Fit the baseline that is asked for; why there is none, empty when there is one or no run."""
    from spatial_swin.boosting import add_baseline

    if not arguments.baseline:
        return "it was not asked for"
    return "" if run is None else add_baseline(run, arguments.data_dir)
