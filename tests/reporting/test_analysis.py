"""Thesis results from made-up runs: all pieces there, text from the run, and a sentence for whatever is missing."""

import csv
import errno
import io
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import spatial_swin
from spatial_swin import ThesisResultsAnalyzer, files
from spatial_swin.errors import RunError, WriteError
from spatial_swin.evaluation.calibration import apply_temperature, fit_temperature, item_nll
from spatial_swin.reporting import style
from spatial_swin.reporting.analysis import FIGURES
from spatial_swin.reporting.evidence import gather
from spatial_swin.runs import BASELINE, RunFolder

MakeRun = Callable[..., RunFolder]


def analyse(run: RunFolder) -> tuple[Path, ThesisResultsAnalyzer, str]:
    analyzer = ThesisResultsAnalyzer(run.path, resamples=200)
    folder = analyzer.run_complete_analysis()
    return folder, analyzer, (folder / "thesis_report.md").read_text()


def test_complete_run_gives_every_figure_table_and_report(made_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(style.RC, "savefig.dpi", 300)
    folder, analyzer, text = analyse(made_run(pictures=True, skill=2.0, baseline=True))
    for stem in FIGURES:
        with Image.open(folder / f"{stem}.png") as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert 1000 < picture.width <= 1900, "no wider than a thesis page"
            assert np.asarray(picture.convert("L")).std() > 5, f"{stem} is empty"
        assert (folder / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
        assert f"]({stem}.png)" in text
    assert analyzer.problems == []
    with open(folder / "performance_summary.csv", newline="") as file:
        rows = {(row["scope"], row["metric"]): row for row in csv.DictReader(file)}
    accuracy = float(rows["all classes", "accuracy"]["value"])
    predictions = RunFolder(analyzer.run_dir).read_predictions("test")
    assert accuracy == pytest.approx(np.mean(predictions.predicted == predictions.labels))
    assert f"{accuracy:.3f} [" in text, "the text says what this run reached"
    assert "The model learnt from 18 programmes heard by 2 listeners" in text[text.index("## Limits") :]
    assert text.count("Not known: ") == 1, "the whole statement has a section of its own"
    held = RunFolder(analyzer.run_dir).read_predictions("validation")
    after = apply_temperature(predictions.probabilities, fit_temperature(held.labels, held.probabilities).value)
    expected = item_nll(predictions.labels, after).mean()
    assert float(rows["after temperature", "nll"]["value"]) == pytest.approx(expected)


def test_html_page_needs_nothing_from_elsewhere(made_run: MakeRun) -> None:
    folder, _, _ = analyse(made_run(class_names=("a&b", "<script>alert(1)</script>", "c")))
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 6
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "http" not in page
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page


def test_tex_tables_balance_and_escape(made_run: MakeRun) -> None:
    folder, _, _ = analyse(made_run(class_names=("a_b", "50%", "c&d")))
    tex = (folder / "performance_summary.tex").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == tex.count(r"\toprule") == 2
    assert r"a\_b" in tex
    assert r"50\%" in tex
    assert r"c\&d" in tex
    widths = {line.count(" & ") for line in tex.splitlines() if line.strip().startswith((r"a\_b", "Class"))}
    assert widths == {4}


def test_report_is_the_same_bytes_twice(made_run: MakeRun) -> None:
    run = made_run()
    folder, _, _ = analyse(run)
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    analyse(run)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first


@pytest.mark.parametrize(
    ("count", "items"),
    [(2, 24), pytest.param(30, 240, marks=pytest.mark.slow), pytest.param(100, 300, marks=pytest.mark.slow)],
)
def test_two_to_a_hundred_classes_with_long_names(made_run: MakeRun, count: int, items: int) -> None:
    names = tuple(f"a_rather_long_class_name_number_{k:03d}" for k in range(count))
    warnings.simplefilter("error", UserWarning)  # a figure without room for its names says so in a warning
    folder, analyzer, _ = analyse(made_run(class_names=names, items=items, per_group=1))
    assert analyzer.problems == []
    assert (folder / "confusion_matrix.png").is_file()


def test_without_test_predictions_validation_is_shown_and_called_flattering(made_run: MakeRun) -> None:
    run = made_run()
    run.predictions_file("test").unlink()
    folder, analyzer, text = analyse(run)
    assert any("no test predictions" in problem for problem in analyzer.problems)
    assert "validation part" in text
    assert "flattering" in text
    assert (folder / "confusion_matrix.png").is_file()


def test_run_without_any_predictions_still_has_curves(made_run: MakeRun) -> None:
    run = made_run()
    for part in ("validation", "test"):
        run.predictions_file(part).unlink()
    folder, _, text = analyse(run)
    assert (folder / "training_curves.png").is_file()
    assert not (folder / "confusion_matrix.png").exists()
    assert "no results to report" in text


def test_unfinished_run_says_how_far_it_got(made_run: MakeRun) -> None:
    run = made_run()
    run.write_progress({"state": "stopped", "epoch": 3, "epochs": 80})
    _, analyzer, text = analyse(run)
    assert any("state: stopped, epoch 3 of 80" in problem for problem in analyzer.problems)
    assert "not finished" in text


def test_damaged_files_are_named_and_the_rest_is_made(made_run: MakeRun) -> None:
    run = made_run()
    analyse(run)
    run.history_file.write_text("epoch,phase,step\n1,1\n")
    run.environment_file.write_text("{")
    folder, analyzer, text = analyse(run)
    assert any("history.csv, line 2" in problem for problem in analyzer.problems)
    assert any("environment.json" in problem for problem in analyzer.problems)
    assert not (folder / "training_curves.png").exists(), "an earlier figure would contradict the report"
    assert "no readable history" in text
    assert (folder / "confusion_matrix.pdf").is_file()
    assert str(run.path) not in text


def test_the_simple_model_is_compared_on_the_same_items_and_its_absence_has_a_reason(made_run: MakeRun) -> None:
    run = made_run(baseline=True)
    _, _, text = analyse(run)
    said, test = run.read_predictions(BASELINE), run.read_predictions("test")
    difference = np.mean(test.predicted == test.labels) - np.mean(said.predicted == said.labels)
    chapter = text[text.index("## Beside a simple model") : text.index("## Errors")]
    assert f"minus that of the simple model is {difference:.4f} [" in chapter
    assert "smallest difference in accuracy between two models that 96 items in 24 groups show" in chapter
    run.baseline_file.unlink()
    analyzer = ThesisResultsAnalyzer(run.path, resamples=50, no_baseline="the pictures are gone")
    text = (analyzer.run_complete_analysis() / "thesis_report.md").read_text()
    assert "No simple model stands beside this run: the pictures are gone." in text
    assert not (run.thesis_results / "baseline.png").exists()


def test_advice_on_withholding_is_calibrated_and_its_threshold_is_of_the_validation_part(made_run: MakeRun) -> None:
    run = made_run()
    _, analyzer, text = analyse(run)
    held, test = run.read_predictions("validation"), run.read_predictions("test")
    value = fit_temperature(held.labels, held.probabilities).value
    threshold = float(re.search(r"--minimum_confidence ([\d.]+)", text)[1])
    sure = apply_temperature(held.probabilities, value).max(axis=1)
    assert np.mean(sure >= threshold) == pytest.approx(0.9, abs=0.02)
    kept = apply_temperature(test.probabilities, value).max(axis=1) >= threshold
    accuracy = np.mean((test.predicted == test.labels)[kept])
    assert f"answers {kept.mean():.0%} of the test part with an accuracy of {accuracy:.3f}" in text
    assert any("fitted on 96 validation items of 24 groups only" in note for note in analyzer.notes)


def test_history_with_and_without_the_newer_columns_is_drawn_and_told(made_run: MakeRun) -> None:
    run = made_run()
    old = analyse(run)[2]
    assert "While learning" not in old
    rows = run.read_history()
    newer = [row | {"train_accuracy": 0.75, "validation_cross_entropy": row["validation_loss"] / 2} for row in rows]
    run.write_history(newer)
    text = analyse(run)[2]
    assert "While learning, 0.7500 of the training answers" in text
    assert "without label smoothing is" in text


def test_one_epoch_is_said_and_drawn(made_run: MakeRun) -> None:
    folder, analyzer, _ = analyse(made_run(epochs=1, head_only_epochs=0))
    assert any("one epoch" in note for note in analyzer.notes)
    assert (folder / "training_curves.png").is_file()


def test_one_group_has_no_interval_and_the_report_says_why(made_run: MakeRun) -> None:
    _, analyzer, text = analyse(made_run(items=8, per_group=8, class_names=("a", "b")))
    assert any("one group" in note for note in analyzer.notes)
    assert any("no item of class b" in note for note in analyzer.notes)
    assert "Where no interval is given: " in text


def test_group_in_two_parts_twins_and_confounds_are_warned_of(made_run: MakeRun) -> None:
    from dataclasses import replace

    run = made_run()
    samples = run.read_split()
    train = next(s for s in samples if s.split == "train")
    leaking = [
        replace(s, group=train.group, sha256=train.sha256) if s.split == "test" and k % 5 == 0 else s
        for k, s in enumerate(samples)
    ]
    tied = [replace(s, factors={**s.factors, "programme": f"{s.label} {s.group[:3]}"}) for s in leaking]
    run.write_split(tied)
    _, analyzer, text = analyse(run)
    notes = " ".join(analyzer.notes)
    assert "more than one part" in notes
    assert "byte for byte the same" in notes
    assert "programme alone gives the class away" in notes
    assert "No group is in more than one part" not in text


HOSTILE = ("=1+1", "a|b\n# c", "<img src=x>\x1b[31m", "\u202eevil*_`")


@pytest.fixture
def hostile_texts(made_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every text of the report on a run with hostile class names and a data folder with an odd name, by file."""
    run = made_run(class_names=HOSTILE, items=32, skill=1.0)
    monkeypatch.setattr(style, "save", lambda figure, stem: figure.canvas.draw() or stem.with_suffix(".png").touch())
    folder, _, _ = analyse(run)
    return {file.name: file.read_bytes().decode() for file in folder.iterdir() if file.suffix != ".png"}


def test_names_break_no_table_and_reach_no_terminal(hostile_texts: dict[str, str]) -> None:
    shown = r"a\|b\\n# c"
    assert f"| {shown} |" in hostile_texts["thesis_report.md"]
    assert r"| \<img src=x>\\x1b[31m |" in hostile_texts["thesis_report.md"]
    assert r"<td>a|b\n# c</td>" in hostile_texts["report.html"]
    assert "<img src=x" not in hostile_texts["report.html"]
    assert r"a|b\textbackslash{}n\# c &" in hostile_texts["performance_summary.tex"]
    for name in ("thesis_report.md", "report.html", "performance_summary.tex"):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", hostile_texts[name]), name


def test_csv_tables_hold_no_formula_and_read_back(hostile_texts: dict[str, str], tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(hostile_texts["most_confused.csv"])))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@"))]
    (tmp_path / "again.csv").write_text(hostile_texts["most_confused.csv"])
    assert {row["true"] for row in files.read_csv(tmp_path / "again.csv")} <= set(HOSTILE)


def test_a_full_disk_leaves_the_older_report_whole(made_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made_run(items=24)
    folder = run.thesis_results
    files.write_text(folder / "thesis_report.md", "old")
    files.write_csv(folder / "performance_summary.csv", [{"a": 1}], ["a"])

    def full(figure: Figure, path: Path, **_: object) -> None:
        if path.suffix == ".pdf":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(WriteError) as caught:
        analyse(run)
    said = f"{folder}/training_curves.pdf: cannot be written (No space left on device); free some space"
    assert str(caught.value).startswith(said)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "thesis_report.md": "old",
        "performance_summary.csv": "a\n1\n",
    }
    assert not list(run.path.glob(".thesis*"))


def test_without_a_home_the_report_works_and_without_any_folder_it_names_the_variable(made_run: MakeRun) -> None:
    run = made_run(items=24)
    run.history_file.unlink()
    for part in ("test", "validation"):
        run.predictions_file(part).unlink()
    environment = {
        **os.environ,
        "HOME": "/dev/null",
        "XDG_CACHE_HOME": "/dev/null/c",
        "XDG_CONFIG_HOME": "/dev/null/c",
    }
    environment.pop("MPLCONFIGDIR", None)
    report = f"from spatial_swin.cli import main; sys.exit(main(['report', {str(run.path)!r}]))"
    no_tmp = "def full(*a, **k): raise OSError(28, 'No space left on device')\ntempfile.mkdtemp = full\n"
    for broken, said in (("", "open "), (no_tmp, "set MPLCONFIGDIR")):
        command = [sys.executable, "-c", f"import sys, tempfile\n{broken}{report}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_what_one_file_has_and_another_lacks_is_said(made_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made_run(items=24)
    for file in (run.predictions_file("test"), run.history_file):
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-2]))
    evidence = gather(run.path, resamples=20)
    assert any("differ in 2 pictures of that part" in problem for problem in evidence.problems)
    assert "history.csv lacks 2 epochs of 6, the first is 5" in evidence.problems


def test_reports_are_utf_8_whatever_the_locale_says(made_run: MakeRun) -> None:
    run = made_run(class_names=("Ton", "Größe"), items=24)
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = (
        "import sys; from spatial_swin.cli import main; from spatial_swin.reporting import style; "
        f"style.save = lambda *_: None; main(['report', {str(run.path)!r}, '--resamples=20', '--baseline=false']); "
        "print('slow:', *({'sklearn', 'scipy.stats', 'torch', 'pandas'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("thesis_report.md", "report.html", "performance_summary.csv", "performance_summary.tex"):
        assert "Größe" in (run.thesis_results / name).read_bytes().decode()
    assert done.stdout.decode().splitlines()[-1] == "slow:", "a report waits for no library that it can do without"


def test_clean_split_has_no_warning(made_run: MakeRun) -> None:
    _, analyzer, text = analyse(made_run(pictures=True, items=100))
    assert analyzer.notes == []
    assert "No group is in more than one part" in text


def test_changed_or_missing_pictures_are_not_shown(made_run: MakeRun) -> None:
    run = made_run(pictures=True, skill=1.0)
    data = Path(run.read_recipe()["Data"]["data_dir"])
    for file in data.rglob("*.png"):
        Image.new("L", (32, 32)).save(file)
    folder, analyzer, _ = analyse(run)
    assert any("missing or have changed" in note for note in analyzer.notes)
    assert not (folder / "most_confused.png").exists()
    assert (folder / "most_confused.csv").is_file(), "the rows remain"


def test_stale_metrics_are_told_apart_from_the_predictions(made_run: MakeRun) -> None:
    run = made_run()
    run.write_metrics({"test": {"accuracy": {"value": 0.1}}, "test_openings": [{"when": "a"}, {"when": "b"}]})
    _, analyzer, _ = analyse(run)
    assert any("metrics.json says accuracy 0.1000" in note for note in analyzer.notes)
    assert any("predicted 2 times" in note for note in analyzer.notes)


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        ThesisResultsAnalyzer(tmp_path).run_complete_analysis()


def test_importing_the_package_is_light_and_reports_load_no_torch(made_run: MakeRun) -> None:
    run = made_run(items=24)
    code = (
        "import sys, spatial_swin\n"
        "assert not {'matplotlib', 'numpy', 'torch'} & set(sys.modules)\n"
        f"spatial_swin.ThesisResultsAnalyzer({str(run.path)!r}, resamples=50).run_complete_analysis()\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        spatial_swin.nothing_of_ours  # noqa: B018
