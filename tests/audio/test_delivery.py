"""A master against its declaration: what is missing, silent, copied or full-band in a bed is found and named."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from tiny_masters import BED_514, RATE, axml, bed_rows, block, channel, object_row, polar, write_bw64, write_master

from spatial_swin.audio.delivery import Limits, MasterReport, check_master
from spatial_swin.audio.levels import Levels
from spatial_swin.audio.programme import programme_at
from spatial_swin.errors import BadSound
from spatial_swin.layouts import LAYOUTS

LOOSE = Limits(20, 20)
LFE = LAYOUTS["514"].names.index("LFE1")


def bed(channels: int = 10, seconds: float = 0.5) -> np.ndarray:
    """Independent noise in every channel, the LFE below 120 Hz."""
    samples = 0.05 * np.random.default_rng(3).standard_normal((round(seconds * RATE), channels))
    if channels > LFE:
        low = signal.butter(4, 120, fs=RATE, output="sos")
        samples[:, LFE] = 5 * signal.sosfilt(low, samples[:, LFE])
    return samples


def report(tmp_path: Path, samples: np.ndarray, declared: str = "514") -> MasterReport:
    return check_master(programme_at(write_bw64(tmp_path / "master.wav", samples), 0), LAYOUTS[declared])


def test_a_whole_bed_passes_and_its_levels_are_measured(tmp_path: Path) -> None:
    found = report(tmp_path, bed())
    assert found.failures(LOOSE) == []
    assert (found.bed_title, found.objects, found.silent, found.copied) == ("5.1.4", 0, (), ())
    assert -40 < found.lfe_above < -10
    one = report(tmp_path, bed(1), "100").levels
    gain = 10 * math.log10(7 + 2 * 10**0.15)  # nine channels as loud, two of them weighted
    assert found.levels.loudness == pytest.approx(one.loudness + gain, abs=0.3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x[:, 8:].fill(0), "silent: U+110, U-110"),
        (
            lambda x: np.copyto(x[:, 6:8], x[:, :2]),
            "copied: M+030 and U+030 hold the same|copied: M-030 and U-030 hold",
        ),
        (lambda x: np.copyto(x[:, 9], -x[:, 8]), "copied: U-110 is U+110 with its polarity inverted"),
        (lambda x: np.copyto(x[:, 1], x[:, 0]), "all-Mid: M+030 and M-030 hold the same"),
        (lambda x: np.copyto(x[:, LFE], bed()[:, 0]), "full-band LFE: +"),
        (lambda x: x[:, LFE].fill(0), ""),  # many mixes leave it empty
    ],
)
def test_what_is_wrong_with_a_bed_is_found(tmp_path: Path, change, says: str) -> None:
    samples = bed()
    change(samples)
    failures = report(tmp_path, samples).failures(LOOSE)
    expected = says.split("|") if says else []
    assert len(failures) == len(expected)
    assert all(text in failure for text, failure in zip(expected, failures, strict=True)), failures


def test_a_quieter_copy_is_a_mix_and_no_copy(tmp_path: Path) -> None:
    samples = bed()
    samples[:, 8] = 0.7 * samples[:, 4]
    assert report(tmp_path, samples).failures(LOOSE) == []


def test_a_bed_of_another_layout_says_what_it_lacks_and_has_too_much(tmp_path: Path) -> None:
    (failure,) = report(tmp_path, bed(6)).failures(LOOSE)
    assert failure == "bed is 5.1.0, declared 5.1.4: without U+030, U-030, U+110, U-110"
    assert report(tmp_path, bed(6), "200").failures(LOOSE)[0].endswith("with M+000, LFE1, M+110, M-110")


def test_a_bed_of_no_layout_is_called_by_its_layers(tmp_path: Path) -> None:
    rows = bed_rows([1, 2, 3, 4, 0xA, 0xB, 0x1C, 0x1D, 0x13, 0x14])  # 7.1.2 with its heights at the sides
    found = check_master(programme_at(write_master(tmp_path / "a.wav", bed(), rows), 0), LAYOUTS["514"])
    assert found.bed_title == "7.1.2"


def test_objects_fill_what_the_bed_has_not_unless_nothing_is_heard_there(tmp_path: Path) -> None:
    samples = np.delete(bed(), LFE, axis=1)
    rows = [*bed_rows([*BED_514[:3], *BED_514[4:6]]), *(object_row(6 + k, 0x1001 + k) for k in range(4))]
    places = [(30, 30), (-30, 30), (110, 30), (-110, 30)]
    formats = "".join(channel(block(0, 1, polar(*place)), 0x1001 + k) for k, place in enumerate(places))
    for heard, expected in ((9, []), (7, ["silent: U+110, U-110"])):
        samples[:, heard:] = 0
        path = write_master(tmp_path / "a.wav", samples, rows, axml(formats, range(1, 10)))
        found = check_master(programme_at(path, 0), LAYOUTS["514"])
        assert (found.objects, found.missing, found.extra) == (4, (), ())
        assert found.failures(LOOSE) == expected


def test_samples_that_are_no_numbers_never_pass(tmp_path: Path) -> None:
    samples = bed()
    samples[480, 3] = np.nan
    with pytest.raises(BadSound, match=r"1 NaN or infinite samples from 0\.010 s on"):
        report(tmp_path, samples)


def test_limits_are_held_to_a_tenth_of_a_db() -> None:
    limits = Limits()
    assert (limits.loudness, limits.true_peak) == (-18.0, -1.0)
    assert limits.exceeded(Levels(-17.96, -0.96)) == []
    assert limits.exceeded(Levels(-17.9, -0.9)) == ["loudness -17.9 LKFS, limit -18", "true peak -0.9 dBTP, limit -1"]
    assert limits.exceeded(Levels(-math.inf, -math.inf)) == []


def test_pieces_do_not_change_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = bed(2)
    samples[:, 1] = samples[:, 0]
    whole = report(tmp_path, samples, "200")
    monkeypatch.setattr("spatial_swin.audio.delivery.pieces.__defaults__", (0.07,))
    parts = report(tmp_path, samples, "200")
    assert parts.copied == whole.copied == (("M+030", "M-030"),)
    assert parts.levels.loudness == pytest.approx(whole.levels.loudness, abs=1e-6)
