"""Where a recording lies outside of what the model learnt from: one sentence a thing, one line for many files."""

from dataclasses import replace
from pathlib import Path

import pytest

from spatial_swin.audio.bandwidth import Surveyed
from spatial_swin.audio.tiles import tile_map
from spatial_swin.evaluation.domain import Domain
from spatial_swin.prediction.outside import Outside, in_lines, outside_of

TILES = tile_map("4x4", 192, 48_000, 3.0)
CLEAN = Domain(pictures=8, layouts={"100": 8}, conditions={"clean": 8}, size=192)
CODECS = replace(CLEAN, conditions={"clean": 4, "codec mp3-96": 4})
INSIDE = Surveyed(48_000, None, 20_000.0)


def said(heard: Surveyed, domain: Domain | None = CLEAN) -> list[str]:
    return [thing.one for thing in outside_of(heard, TILES, domain)]


@pytest.mark.parametrize("heard", [INSIDE, replace(INSIDE, seconds=3.0), replace(INSIDE, bandwidth=None)])
def test_what_lies_inside_needs_no_word(heard: Surveyed) -> None:
    assert said(heard) == []


def test_44100_hz_is_inside_because_the_pictures_end_at_16_khz() -> None:
    assert said(Surveyed(44_100, None, 20_500.0)) == []


def test_a_recording_shorter_than_a_clip_is_named() -> None:
    assert said(replace(INSIDE, seconds=1.25)) == [
        "lasts 1.25 s: silence fills the rest, and the model learnt from clips of 3 s"
    ]


def test_a_low_rate_is_named_once_and_not_as_a_codec_too() -> None:
    assert said(Surveyed(32_000, None, 15_250.0)) == [
        "has 32000 Hz, so nothing above 16 kHz (the model looks up to 16 kHz, and learnt from sound of 48000 Hz)"
    ]


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        (CLEAN, "it learnt from no codec"),
        (replace(CLEAN, conditions=None), "whether it learnt from such sound is not known"),
        (None, "whether it learnt from such sound is not known"),
    ],
)
def test_the_low_pass_of_a_codec_is_named_with_what_training_had(domain: Domain | None, told: str) -> None:
    (text,) = said(replace(INSIDE, bandwidth=16_000.0), domain)
    assert text == (
        "holds nothing above 16 kHz, as the low-pass of a lossy codec leaves it (the model looks up to 16 kHz; "
        f"{told})"
    )


def test_a_codec_that_training_had_is_inside_and_a_lower_one_is_not() -> None:
    assert said(replace(INSIDE, bandwidth=15_000.0), CODECS) == []
    (text,) = said(replace(INSIDE, bandwidth=11_250.0), CODECS)
    assert text.endswith("; no codec that it learnt from leaves so little)")


def test_many_files_are_one_line_a_thing() -> None:
    things = outside_of(Surveyed(48_000, 1.0, 11_000.0), TILES, CLEAN)
    found = {Path(f"take{k}.wav"): things for k in range(5)} | {Path("odd\n.wav"): [Outside("is odd", "are odd")]}
    lines = in_lines(found)
    assert len(lines) == 3
    assert lines[0] == (
        "5 files are shorter than a clip: silence fills the rest, and the model learnt from clips of 3 s: take0.wav, "
        "take1.wav, take2.wav and 2 more"
    )
    assert lines[1].startswith("5 files hold nothing above 16.6 kHz, as the low-pass")
    assert lines[2] == r"odd\n.wav: is odd"
