"""`spatial-swin report` from the command line: exit codes and sentences."""

from pathlib import Path

import pytest
from made_up_runs import make_run

from spatial_swin.cli import main


def test_one_run_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    assert main(["report", str(run.path), "--resamples", "100"]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (run.thesis_results / "thesis_report.md").is_file()


def test_missing_pieces_are_said_and_change_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    run.predictions_file("test").write_text("path,group,label,prediction,p_100\na,b,100,100,oops\n")
    assert main(["report", str(run.path), "--resamples", "100", "--output_dir", str(tmp_path / "out")]) == 1
    assert "test.csv, line 2" in capsys.readouterr().out
    assert (tmp_path / "out" / "training_curves.png").is_file()


def test_two_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(tmp_path / name) for name in ("a", "b")]
    arguments = [
        "report",
        *(str(run.path) for run in runs),
        "--resamples",
        "100",
        "--output_dir",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    assert "McNemar" in capsys.readouterr().out
    assert (tmp_path / "out" / "comparison.html").is_file()


def test_no_run_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "not a run folder" in capsys.readouterr().err
