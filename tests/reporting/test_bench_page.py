"""A benchmark for people: its page, the chapter of a report, the chapter of a card, and what each leaves out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_benches import make_bench

from spatial_swin import ThesisResultsAnalyzer, files
from spatial_swin.reporting.bench_page import bench_document, console_text, write
from spatial_swin.reporting.card import model_card
from spatial_swin.reporting.chapters_bench import MADE
from spatial_swin.reporting.document import to_markdown
from spatial_swin.runs import RunFolder

MakeRun = Callable[..., RunFolder]


def page(**changes: object) -> str:
    return to_markdown(bench_document(make_bench(**changes), set(MADE)))


def test_the_page_and_its_figures_are_made_and_stale_ones_go(tmp_path: Path) -> None:
    results = make_bench()
    write(results, tmp_path)
    assert {path.stem for path in tmp_path.glob("*.png")} == set(MADE)
    assert {path.stem for path in tmp_path.glob("*.pdf")} == set(MADE)
    html = (tmp_path / "bench.html").read_text()
    assert html.count("data:image/png;base64,") == len(MADE)
    write(make_bench(conditions=1, judges=1), tmp_path)
    assert {path.stem for path in tmp_path.glob("*.p*")} == set(MADE) - {"bench_conditions", "bench_calibration"}
    assert "Only the clean condition was judged" in (tmp_path / "bench.md").read_text()


def test_the_summary_says_what_the_figures_say() -> None:
    text = page()
    clean = make_bench()["figures"][0]["model"]
    assert f"the model is right on {clean['accuracy']['value']:.3f} [{clean['accuracy']['low']:.3f}, " in text
    assert "with 510 and 514 as one" in text
    assert "Of 2 other conditions 2 cost accuracy beyond the interval, most of all noise 10 (-0." in text
    assert "Gradient boosting minus the model on the same items: all layouts -0." in text
    assert "The model is better on these items beyond the interval." in text
    assert "Not known: laboratory. Training pictures are without it" in text


def test_a_difference_within_its_interval_is_no_verdict() -> None:
    results = make_bench()
    results["figures"][0]["baseline"]["difference"]["accuracy"] = {"value": 0.01, "low": -0.02, "high": 0.04}
    for entry in results["figures"]:
        if "change" in entry:
            entry["change"]["model"]["accuracy"] = {"value": -0.01, "low": -0.05, "high": 0.02}
    text = to_markdown(bench_document(results, set()))
    assert "the model is not shown to be better or worse than gradient boosting" in text
    assert "Of 2 other conditions none costs accuracy beyond its interval." in text


def test_what_training_met_is_a_table_and_a_warning() -> None:
    text = page()
    assert "One listener was met in training and is counted apart: head-5." in text
    assert "| listener | 1: head-5 | 6: head-0, head-1, head-2, head-3, head-4, head-5 | 5 |" in text
    assert "| laboratory | not known | 2: A, B | not known |" in text
    assert "The model learnt from 1 programme heard by 1 listener." in text[text.index("## What training had") :]
    assert "| kind | 1: scene | 2: scene, speech | 1 |" in text
    assert "Not judged, because this machine cannot make it: codec aac-64 (ffmpeg is not installed)." in text
    assert "Long clips are many windows, so that they were heard by fewer listeners: seconds 30 (2)." in text
    unknown = {"origin": "nothing", "counts": dict.fromkeys(("listener", "kind")), "listeners": None, "programmes": []}
    assert "Nothing tells which listeners training had" in page(seen=unknown)


def test_how_many_stand_behind_a_line_is_said_and_one_head_speaks_for_no_other() -> None:
    text = page()
    assert "| speech | model | " in text
    assert "| 3 x 6 |" in text  # programmes of that kind, listeners
    assert "one listener was asked" not in text
    results = make_bench()
    next(entry for entry in results["figures"] if entry["value"] == "B")["listeners"] = 1
    assert "Of B one listener was asked" in to_markdown(bench_document(results, set()))


def test_the_terminal_gets_one_line_an_entry_and_judge_but_not_every_head() -> None:
    lines = console_text(make_bench()).splitlines()
    assert lines[0].split("  ")[0] == ""
    assert sum("baseline" in line for line in lines) == 1 + 3 + 4
    assert not any(line.startswith("listener") for line in lines)
    assert len({line.index("[") for line in lines if "never met" in line or line.startswith("clean")}) == 1
    assert "laboratory A " in console_text(make_bench(judges=1))


@pytest.mark.parametrize("with_bench", [True, False])
def test_reports_and_cards_have_the_chapter_when_there_is_a_benchmark(made_run: MakeRun, with_bench: bool) -> None:
    run = made_run()
    if with_bench:
        results = make_bench()
        write(results, run.bench)
        files.write_json(run.bench_file, results)
    analyzer = ThesisResultsAnalyzer(run.path, resamples=50)
    report = (analyzer.run_complete_analysis() / "thesis_report.md").read_text()
    card = model_card(run, resamples=50)
    assert analyzer.problems == []
    assert ("## Where it holds" in report) is with_bench
    assert ("## Where it holds" in card) is with_bench
    assert ("(../bench/bench_conditions.png)" in report) is with_bench
    assert ("brir Anna's bedroom" in report) is with_bench
    assert ("head-5" in report) is with_bench  # who was met in training
    assert ("measured room 1" in card) is with_bench
    assert "bedroom" not in card  # names of a user's files can be private, as those of heads
    assert "head-" not in card


def test_coverage_is_told_by_laboratory_and_condition_and_where_it_fails_it_is_named() -> None:
    text = page()
    assert "## Prediction sets" in text
    assert "| Of | Coverage of the 90% sets | Mean size |" in text
    for line in ("| laboratory A | ", "| noise 10 | ", "| brir Anna's bedroom | "):
        assert line in text
    assert "The 90% promised are not kept in 1 line of 7 (more than 0.02 below): noise 10 (0." in text
    assert "Least are covered in noise 10: 0." in console_text(make_bench())
    without = make_bench(sets=None)
    assert "Prediction sets" not in to_markdown(bench_document(without, set()))


def test_a_damaged_benchmark_is_a_problem_and_not_the_end(made_run: MakeRun) -> None:
    run = made_run()
    files.write_json(run.bench_file, {"version": 99, "figures": []})
    analyzer = ThesisResultsAnalyzer(run.path, resamples=50)
    report = (analyzer.run_complete_analysis() / "thesis_report.md").read_text()
    (problem,) = analyzer.problems
    assert problem.startswith("bench/bench.json: has no figures of version 1; run `spatial-swin bench`")
    assert "## Where it holds" not in report
