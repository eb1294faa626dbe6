"""`spatial-swin baseline`: figures by group from a folder of pictures."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from spatial_swin.audio.manifest import Row, write_rows
from spatial_swin.audio.tiles import tile_map
from spatial_swin.cli import main
from spatial_swin.data.factors import find_factors
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.preflight import preflight
from spatial_swin.data.splits import fold_samples, split_samples


@pytest.fixture
def data(tmp_path):
    """Two classes, 6 programmes with 2 chunks each; the ILD tile tells the class."""
    tiles = tile_map("4x4", 192, 48_000, 3.0)
    generator = np.random.default_rng(0)
    rows = []
    for label, offset in (("100", 0), ("514", 90)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for programme in range(6):
            for chunk in range(2):
                picture = generator.integers(0, 120, (192, 192), dtype=np.uint8)
                picture[tiles["ild"].rows, tiles["ild"].columns] += offset
                path = f"{label}/p{programme}_chunk{chunk:04d}.png"
                Image.fromarray(picture).save(tmp_path / "data" / path)
                recording = f"{label}/p{programme}"
                rows.append(
                    Row(path, label, f"p{programme}", "kemar", "made", str(chunk), recording, "0", "-23", "-23")
                )
    write_rows(tmp_path / "data" / "manifest.csv", rows)
    tiles.write(tmp_path / "data" / "tiles.json")
    return tmp_path / "data"


def test_figures_and_files_come_by_programme(data, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(["baseline", str(data), "--folds", "3", "--output_dir", str(output)]) == 0
    said = capsys.readouterr().out
    assert "24 pictures, 6 groups (programme)" in said
    assert f"open {output / 'baseline.json'}" in said
    found = json.loads((output / "baseline.json").read_text())
    assert found["class_names"] == ["100", "514"]
    assert found["groups"] == 6
    assert set(found["importance"]) == {tile.name for tile in tile_map("4x4", 192, 48_000, 3.0)}
    with (output / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {row["fold"] for row in rows if row["group"] == "p0"} == {
        next(r["fold"] for r in rows if r["group"] == "p0")
    }
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert found["accuracy"]["value"] == pytest.approx(right / 24)
    assert {file.name for file in output.iterdir()} >= {"folds.csv", "confusion.csv", "cues.csv"}


def test_the_factor_kept_whole_can_be_chosen(data, tmp_path, capsys):
    assert (
        main(["baseline", str(data), "--split_by", "recording", "--folds", "3", "--output_dir", str(tmp_path / "o")])
        == 0
    )
    assert "12 groups (recording)" in capsys.readouterr().out
    assert (
        main(["baseline", str(data), "--split_by", "none", "--folds", "3", "--output_dir", str(tmp_path / "o")]) == 0
    )
    assert "24 groups (none)" in capsys.readouterr().out


def test_the_folds_are_those_of_crossval(data, tmp_path):
    assert main(["baseline", str(data), "--folds", "3", "--seed", "4", "--output_dir", str(tmp_path / "o")]) == 0
    folder = scan_folder(data)
    factors = find_factors(data, [picture.path for picture in folder.pictures])
    samples = split_samples(folder, preflight(folder, 1), factors, split_by="programme")
    expected = {
        sample.path: str(number)
        for number, fold in enumerate(fold_samples(samples, 3, 4, by_group=True), start=1)
        for sample in fold
        if sample.split == "test"
    }
    with (tmp_path / "o" / "predictions.csv").open() as file:
        assert {row["path"]: row["fold"] for row in csv.DictReader(file)} == expected


def test_without_programmes_the_recording_is_the_group(data, tmp_path, capsys):
    (data / "manifest.csv").unlink()
    assert main(["baseline", str(data), "--folds", "3", "--output_dir", str(tmp_path / "o")]) == 0
    assert "(recording)" in capsys.readouterr().out


def test_too_few_groups_and_an_unknown_factor_are_said(data, tmp_path, capsys):
    assert main(["baseline", str(data), "--split_by", "listener", "--output_dir", str(tmp_path / "o")]) == 1
    assert "class 100: 1 groups for 5 parts" in capsys.readouterr().err
    assert main(["baseline", str(data), "--split_by", "listner", "--output_dir", str(tmp_path / "o")]) == 1
    assert "listener" in capsys.readouterr().err
