"""The chapter on where the model looks: from explanations.json as `spatial-swin explain` writes it, or absent."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from spatial_swin import ThesisResultsAnalyzer, files
from spatial_swin.runs import RunFolder

MakeRun = Callable[..., RunFolder]


def told(relevance: Sequence[float], falls: Sequence[float] | None, rho: float | None = None) -> dict[str, Any]:
    """explanations.json of a run with as many tiles as `relevance`."""
    tiles = [
        {
            "tile": f"t{k}",
            "title": f"Tile number {k}",
            "area": 1 / len(relevance),
            "relevance": value,
            "likelihood_fall": None if falls is None else falls[k],
            "accuracy_fall": None if falls is None else falls[k] / 10,
        }
        for k, value in enumerate(relevance)
    ]
    return {
        "part": "test",
        "relevance": "attention rollout",
        "occlusion": falls is not None,
        "items": 12,
        "notes": ["the regions are cells"],
        "tiles": tiles,
        "samples": [],
        "rank_correlation": None if rho is None else {"rho": rho, "n": len(relevance), "reason": None},
    }


def report_of(run: RunFolder) -> tuple[str, ThesisResultsAnalyzer]:
    analyzer = ThesisResultsAnalyzer(run.path, resamples=50)
    return (analyzer.run_complete_analysis() / "thesis_report.md").read_text(), analyzer


def test_report_tells_relevance_beside_the_cost_of_hiding(made_run: MakeRun) -> None:
    run = made_run()
    files.write_json(run.explanations_file, told([0.2, 0.5, 0.3], [0.9, 0.1, 0.4], rho=-0.5))
    text, analyzer = report_of(run)
    assert "Most relevance falls on Tile number 1 (50.0%" in text
    assert "costs most for Tile number 0: 0.900 nats" in text
    assert "-0.50: the maps do not say what the model needs" in text
    assert "The regions are cells." in text
    assert analyzer.problems == []


@pytest.mark.parametrize(("rho", "words"), [(0.8, "the maps agree with"), (0.3, "only loosely")])
def test_verdict_on_the_maps_follows_the_rank_correlation(made_run: MakeRun, rho: float, words: str) -> None:
    run = made_run()
    files.write_json(run.explanations_file, told([0.4, 0.6], [0.1, 0.2], rho=rho))
    assert words in report_of(run)[0]


def test_figures_of_the_explanation_are_shown_where_they_lie(made_run: MakeRun) -> None:
    run = made_run(pictures=True)
    files.write_json(run.explanations_file, told([0.4, 0.6], None))
    first = report_of(run)[0]
    assert "Nothing was hidden" in first
    assert "../explanations/mean_maps.png" not in first, "a figure that is not there is not referred to"
    (run.thesis_results / "confusion_matrix.png").rename(run.explanations / "mean_maps.png")
    text, analyzer = report_of(run)
    assert "../explanations/mean_maps.png" in text
    page = (analyzer.output_dir / "report.html").read_text()
    assert page.count("data:image/png") == first.count(".png)") + 1


def test_run_without_explanations_has_no_such_chapter(made_run: MakeRun) -> None:
    assert "Where the model looks" not in report_of(made_run())[0]


def test_damaged_explanations_are_named_and_the_rest_is_made(made_run: MakeRun) -> None:
    run = made_run()
    files.write_text(run.explanations_file, "{")
    text, analyzer = report_of(run)
    assert any("explanations.json" in problem for problem in analyzer.problems)
    assert "## Results" in text
