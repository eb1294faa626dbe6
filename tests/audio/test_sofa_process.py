"""SOFA files of anyone: read as named, within limits; a bad one costs its own process and nothing else."""

import os
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from spatial_swin.audio import sofa_process
from spatial_swin.audio.sofa import read_here
from spatial_swin.audio.sofa_process import read_measured
from spatial_swin.errors import AudioError


def write_sofa(
    path: Path, level: float = 1.0, shape: tuple[int, int, int] | None = None, delay: float = 0.0, **attributes: str
) -> Path:
    """A file with responses of `level`, or one that only claims responses of `shape`."""
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        for name, size in zip("MRNC", (*(shape or (3, 2, 16)), 3), strict=True):
            file.createDimension(name, size)
        file.createDimension("I", 1)
        for name, value in {"Organization": "House of Ears", **attributes}.items():
            file.setncattr(name, value)
        responses = file.createVariable("Data.IR", "f8", ("M", "R", "N"), zlib=True, chunksizes=(1, 2, 16))
        file.createVariable("Data.SamplingRate", "f8", ("I",))[:] = 48_000
        file.createVariable("Data.Delay", "f8", ("I", "R"))[:] = delay
        if shape is None:
            responses[:] = level
            positions = file.createVariable("SourcePosition", "f8", ("M", "C"))
            positions[:] = [(0, 0, 1), (90, 0, 1), (270, 30, 1)]
            positions.Type = "spherical"
    return path


def test_the_path_that_is_given_is_the_one_that_is_read(tmp_path: Path) -> None:
    write_sofa(tmp_path / "head.sofa", 1.0)
    for level, name in ((2.0, "head.txt"), (3.0, "head.SOFA"), (4.0, "head")):
        measured = read_measured(write_sofa(tmp_path / name, level))
        assert (measured.responses == level).all()
        assert measured.laboratory == "House of Ears"
        np.testing.assert_allclose(measured.azimuths, [0, 90, -90])
        np.testing.assert_allclose(measured.elevations, [0, 0, 30])


@pytest.mark.parametrize(
    ("attributes", "laboratory"),
    [
        ({}, "House of Ears"),
        ({"DatabaseName": "EARS", "Comment": "taken from the OTHER database"}, "EARS"),
        ({"Comment": "Original HRTF taken from the LISTEN database by IRCAM"}, "LISTEN"),
        ({"History": "Version 1.2; Converted from the LISTEN format.", "Comment": ""}, "LISTEN"),
        ({"History": "Converted from the SOFA format"}, "House of Ears"),
        ({"Organization": " "}, ""),
    ],
)
def test_who_measured_is_told_apart_from_who_converted(
    tmp_path: Path, attributes: dict[str, str], laboratory: str
) -> None:
    assert read_here(write_sofa(tmp_path / "head.sofa", **attributes)).laboratory == laboratory


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shape": (2_000_000, 2, 100_000)}, "Data.IR claims 400,000,000,000 numbers"),
        ({"delay": 1e9}, "Data.Delay holds 1000000000 samples"),
    ],
)
def test_a_small_file_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path: Path, changes, reason) -> None:
    path = write_sofa(tmp_path / "huge.sofa", **changes)
    assert path.stat().st_size < 100_000
    with pytest.raises(AudioError, match=reason):
        read_measured(path)


def test_a_file_that_hangs_is_given_up_and_the_next_one_is_read(tmp_path: Path, monkeypatch) -> None:
    good = write_sofa(tmp_path / "good.sofa")
    read_measured(good)
    os.mkfifo(tmp_path / "hangs.sofa")
    monkeypatch.setattr(sofa_process, "PATIENCE", 0.5)
    began = time.monotonic()
    with pytest.raises(AudioError, match=r"hangs\.sofa: .*takes more than 0.5 s"):
        read_measured(tmp_path / "hangs.sofa")
    assert time.monotonic() - began < 20
    monkeypatch.undo()
    assert len(read_measured(good).responses) == 3


def test_a_reading_process_that_was_ended_is_started_again(tmp_path: Path) -> None:
    good = write_sofa(tmp_path / "good.sofa")
    read_measured(good)
    assert sofa_process._READER.process is not None
    sofa_process._READER.process.kill()
    sofa_process._READER.process.wait()
    assert len(read_measured(good).responses) == 3  # a new one is started


def test_one_process_reads_all_files(tmp_path: Path) -> None:
    paths = [write_sofa(tmp_path / f"{number}.sofa", number + 1.0) for number in range(3)]
    read_measured(paths[0])
    process = sofa_process._READER.process
    assert [read_measured(path).responses.max() for path in paths] == [1, 2, 3]
    assert sofa_process._READER.process is process
