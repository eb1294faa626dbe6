"""ADM masters: beds are masters, objects stand and move where they should, and what is wrong is named at once."""

from pathlib import Path

import numpy as np
import pytest
from tiny_masters import (
    BED_514,
    RATE,
    axml,
    bed_rows,
    block,
    cartesian,
    channel,
    chna,
    chunk,
    object_row,
    polar,
    write_bw64,
    write_master,
)

from spatial_swin.audio.adm import BadMaster
from spatial_swin.audio.adm_blocks import direction_in_room, seconds_of
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.programme import Programme, find_programmes, programme_at
from spatial_swin.audio.render import loudspeaker_signals, render_layouts
from spatial_swin.layouts import LAYOUTS

FIVE = LAYOUTS["514"]


def sound(channels: int, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels)).astype(np.float32)


def feeds(programme: Programme, start: int = 0, count: int = RATE) -> dict[str, np.ndarray]:
    signals = loudspeaker_signals(programme.scene(start, count, RATE), FIVE)
    return {speaker.name: signal for speaker, signal in zip(FIVE.placed, signals, strict=True)}


def one_object(path: Path, blocks: str, seconds: float = 1.0, attributes: str = "", ones: bool = False) -> Programme:
    """A master of one channel, which is an object with these blocks."""
    samples = np.ones((round(seconds * RATE), 1)) if ones else sound(1, seconds)
    return programme_at(write_master(path, samples, [object_row(1)], axml(channel(blocks), [1], attributes)), 0)


@pytest.mark.parametrize("with_xml", [True, False])
def test_a_bed_of_the_common_definitions_renders_as_the_same_master(tmp_path: Path, with_xml: bool) -> None:
    samples = sound(10)
    xml = axml(tracks=range(1, 11), version="ITU-R_BS.2076-2") if with_xml else b""
    bed = programme_at(write_master(tmp_path / "bed.wav", samples, bed_rows(), xml), 0)
    plain = programme_at(write_bw64(tmp_path / "plain.wav", samples), 0)
    assert (bed.kind, bed.layout, bed.bed, bed.objects) == ("adm", "514", FIVE.names, 0)
    assert (plain.kind, plain.bed) == ("master", FIVE.names)
    rendered = [
        render_layouts(p.scene(0, RATE, RATE), [FIVE, LAYOUTS["200"]], [load_listener("kemar", RATE)])
        for p in (bed, plain)
    ]
    for key, ears in rendered[0].items():
        np.testing.assert_array_equal(ears, rendered[1][key])


def test_channels_of_a_bed_may_lie_in_any_order_and_be_labelled_as_others_do(tmp_path: Path) -> None:
    samples = sound(2)
    rows = [object_row(1, 0x1002), object_row(2, 0x1001)]
    rows = [(index, uid, ref.replace("AC_0003", "AC_0001"), pack) for index, uid, ref, pack in rows]
    labels = {0x1001: "RC_L", 0x1002: "urn:itu:bs:2051:0:speaker:M-110"}
    formats = "".join(
        channel(
            f"<audioBlockFormat><speakerLabel>{label}</speakerLabel></audioBlockFormat>", n, "DirectSpeakers", "0001"
        )
        for n, label in labels.items()
    )
    path = write_master(tmp_path / "bed.wav", samples, rows, axml(formats, [1, 2]))
    signals = feeds(programme_at(path, 0))
    np.testing.assert_array_equal(signals["M-110"], samples[:, 0])
    np.testing.assert_array_equal(signals["M+030"], samples[:, 1])


def test_a_low_pass_makes_a_channel_the_lfe(tmp_path: Path) -> None:
    formats = channel(
        '<frequency typeDefinition="lowPass">120</frequency><audioBlockFormat><speakerLabel>boom</speakerLabel>'
        "</audioBlockFormat>",
        0x1001,
        "DirectSpeakers",
        "0001",
    )
    rows = [*bed_rows([1]), (2, "ATU_00000002", "AC_00011001", "AP_1")]
    programme = programme_at(write_master(tmp_path / "a.wav", sound(2), rows, axml(formats, [1, 2])), 0)
    assert programme.bed == ("M+030", "LFE1")
    assert programme.scene(0, 100, RATE).lfe is not None


@pytest.mark.parametrize(
    ("position", "name"),
    [(polar(110, 30), "U+110"), (cartesian(-1, 1, 1), "U+030"), (cartesian(1, -1), "M-110"), (polar(-30), "M-030")],
)
def test_an_object_at_a_loudspeaker_is_that_channel(tmp_path: Path, position: str, name: str) -> None:
    programme = one_object(tmp_path / "a.wav", block(0, 1, position + "<gain>0.5</gain>"))
    assert (programme.objects, programme.layout, programme.tracks[0].motion) == (1, None, None)
    signals = feeds(programme)
    samples = programme.scene(0, RATE, RATE).stems[0].signal
    np.testing.assert_allclose(samples, 0.5 * sound(1)[:, 0], atol=1e-7)
    for loudspeaker, signal in signals.items():
        np.testing.assert_allclose(signal, samples if loudspeaker == name else 0, atol=1e-6)


def test_an_object_begins_and_ends_its_way_where_it_should(tmp_path: Path) -> None:
    blocks = block(0, 1, polar(30)) + block(1, 1, polar(-30)) + block(2, 1, polar(-30) + "<gain>0.25</gain>")
    programme = one_object(tmp_path / "a.wav", blocks, 3.0, ones=True)
    signals = feeds(programme, 0, 3 * RATE)
    left, right = (signals[name] for name in ("M+030", "M-030"))
    np.testing.assert_allclose(left[:RATE], 1, atol=1e-4)  # the first block rests
    np.testing.assert_allclose([left[3 * RATE // 2], right[3 * RATE // 2]], 0.5, atol=1e-3)  # gains run linearly
    np.testing.assert_allclose([left[2 * RATE], right[2 * RATE]], [0, 1], atol=1e-3)
    np.testing.assert_allclose(right[5 * RATE // 2], 0.625, atol=1e-3)
    for start in (RATE - 50, 2 * RATE - 1, 5 * RATE // 2):  # a piece is a part of the whole
        np.testing.assert_allclose(feeds(programme, start, 4_000)["M-030"], right[start : start + 4_000], atol=1e-6)


def test_blocks_that_repeat_one_place_take_no_room(tmp_path: Path) -> None:
    blocks = "".join(block(k / 100, 0.01, polar(30 if k < 99 else -30)) for k in range(100))
    programme = one_object(tmp_path / "a.wav", blocks, ones=True)
    assert len(programme.tracks[0].motion.seconds) < 8
    left = feeds(programme)["M+030"]
    np.testing.assert_allclose(left[: round(0.99 * RATE)], 1, atol=1e-4)
    np.testing.assert_allclose(left[round(0.995 * RATE)], 0.5, atol=1e-3)


@pytest.mark.parametrize(("ramp", "arrives"), [(None, 1.0), ("0.25", 1.25)])
def test_a_jump_takes_no_time_or_its_interpolation_length(tmp_path: Path, ramp: str | None, arrives: float) -> None:
    length = f' interpolationLength="{ramp}"' if ramp else ""
    jump = f"<jumpPosition{length}>1</jumpPosition>"
    blocks = block(0, 1, cartesian(-1, 1) + jump) + block(1, 1, cartesian(1, 1) + jump)
    signals = feeds(one_object(tmp_path / "a.wav", blocks, 2.0, ones=True), 0, 2 * RATE)
    np.testing.assert_allclose(signals["M+030"][RATE - 2], 1, atol=1e-4)
    there = round(arrives * RATE) + 1
    np.testing.assert_allclose(signals["M-030"][there : there + 100], 1, atol=1e-4)
    if ramp:
        np.testing.assert_allclose(signals["M-030"][round(1.125 * RATE)], 0.5, atol=1e-3)


def test_an_object_is_heard_from_its_start_for_its_duration(tmp_path: Path) -> None:
    attributes = 'start="00:00:00.25000" duration="00:00:00.12000S24000"'
    programme = one_object(tmp_path / "a.wav", block(0, 1, polar(0)), attributes=attributes, ones=True)
    heard = feeds(programme)["M+000"]
    assert not heard[: RATE // 4 - 1].any()
    np.testing.assert_allclose(heard[RATE // 4 + 1 : 3 * RATE // 4 - 1], 1, atol=1e-4)
    assert not heard[3 * RATE // 4 + 1 :].any()


def test_what_stands_in_for_another_object_and_what_is_muted_is_not_heard(tmp_path: Path) -> None:
    xml = axml(
        '<audioObject audioObjectID="AO_1002"><audioTrackUIDRef>ATU_00000002</audioTrackUIDRef></audioObject>'
        '<audioObject audioObjectID="AO_1003"><mute>1</mute><audioTrackUIDRef>ATU_00000003</audioTrackUIDRef>'
        "</audioObject>",
        [1],
    ).decode()
    inner = "<audioObjectIDRef>AO_1003</audioObjectIDRef>"
    inner += "<audioComplementaryObjectIDRef>AO_1002</audioComplementaryObjectIDRef>"
    xml = xml.replace("</audioTrackUIDRef></audioObject>", f"</audioTrackUIDRef>{inner}</audioObject>", 1)
    path = write_master(tmp_path / "a.wav", sound(3), bed_rows(BED_514[:3]), xml.encode())
    assert programme_at(path, 0).bed == ("M+030",)


def test_tracks_are_found_through_streams_too(tmp_path: Path) -> None:
    formats = channel(block(0, 1, polar(-30))) + (
        '<audioStreamFormat audioStreamFormatID="AS_00039999"><audioChannelFormatIDRef>AC_00031001'
        "</audioChannelFormatIDRef><audioTrackFormatIDRef>AT_00038888_01</audioTrackFormatIDRef></audioStreamFormat>"
    )
    rows = [(1, "ATU_00000001", "AT_00038888_01", "AP_00031001")]
    programme = programme_at(write_master(tmp_path / "a.wav", sound(1), rows, axml(formats, [1])), 0)
    assert programme.tracks[0].azimuth == -30


def problems(path: Path) -> list[str]:
    with pytest.raises(BadMaster) as caught:
        programme_at(path, 0)
    assert all(problem.where == str(path) for problem in caught.value.problems)
    return [problem.what for problem in caught.value.problems]


def test_another_version_is_refused_by_its_name(tmp_path: Path) -> None:
    xml = axml(tracks=[1], version="ITU-R_BS.2076-9")
    (what,) = problems(write_master(tmp_path / "a.wav", sound(1), bed_rows([1]), xml))
    assert "the ADM version 'ITU-R_BS.2076-9'; known are ITU-R_BS.2076-0, " in what


def test_a_doctype_is_refused_before_any_entity_grows(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{k + 1} "{f"&e{k};" * 10}">' for k in range(9))
    xml = f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><audioFormatExtended>&e9;</audioFormatExtended>'
    (what,) = problems(write_master(tmp_path / "a.wav", sound(1), bed_rows([1]), xml.encode()))
    assert "it has a DOCTYPE" in what


def test_xml_that_is_none_and_metadata_that_are_compressed_are_named(tmp_path: Path) -> None:
    (what,) = problems(write_master(tmp_path / "a.wav", sound(1), bed_rows([1]), b"<a><b></a>"))
    assert "its chunk 'axml' cannot be read (mismatched tag" in what
    parts = [chunk(b"chna", chna(bed_rows([1]))), chunk(b"bxml", b"zipped")]
    assert "(chunk 'bxml')" in problems(write_bw64(tmp_path / "b.wav", sound(1), parts))[0]


def test_everything_wrong_with_a_master_is_said_at_once(tmp_path: Path) -> None:
    formats = (
        channel(block(0, 0.5, polar(0)) + block(0.4, 0.5, polar(0)), 0x1001)
        + channel(block(5, 1, polar(0)), 0x1002)
        + channel(block(0, 1, ""), 0x1003)
        + channel("<audioBlockFormat><speakerLabel>roof</speakerLabel></audioBlockFormat>", 0x1004, "DirectSpeakers")
        + channel(block(0, 1, ""), 0x1005, "HOA", "0004")
        + channel(block(0, 1, '<position coordinate="azimuth">nan</position>'), 0x1006)
        + channel("", 0x1007)
    )
    rows = [object_row(k, 0x1000 + k) for k in (1, 2, 3, 4, 6, 7)]
    rows += [(5, "ATU_00000005", "AC_00041005", "AP_1"), (8, "ATU_00000008", "AC_00017777", "AP_1")]
    path = write_master(tmp_path / "a.wav", sound(8), rows, axml(formats, [*range(1, 10), 0]))
    said = problems(path)
    expected = [
        "the block at 0.400 s begins within the one before, which has 0.500 s as its end",
        "the block at 5.000 s begins when the file has ended",
        "its block AB_1 has no position",
        "its speakerLabel ('roof') is no loudspeaker of BS.2051",
        "ATU_00000005 is of type HOA",
        "its block AB_1 'nan' is not a number from -360 to 360",
        "has no audioBlockFormat",
        "ATU_00000008 refers to AC_00017777, which is neither there nor in the common definitions",
        "refers to ATU_00000009, which its chunk 'chna' does not have",
    ]
    assert len(said) == len(expected)
    assert [text for text in expected if not any(text in what for what in said)] == []
    programmes, listed = find_programmes(tmp_path, 0)
    assert (programmes, len(listed)) == ([], len(expected))


def test_a_track_beyond_the_channels_is_named(tmp_path: Path) -> None:
    said = problems(write_master(tmp_path / "a.wav", sound(2), [*bed_rows([1, 2]), *bed_rows([3, 5], 7)]))
    assert [what.partition(" puts ")[2] for what in said] == [
        "ATU_00000007 on channel 7; the file has 2",
        "ATU_00000008 on channel 8; the file has 2",
    ]


def test_a_wav_without_chna_goes_the_way_of_every_master(tmp_path: Path) -> None:
    assert programme_at(write_bw64(tmp_path / "a.wav", sound(6), kind=b"RIFF"), 0).layout == "510"
    assert programme_at(write_bw64(tmp_path / "b.wav", sound(6), [chunk(b"axml", b"<x/>")]), 0).kind == "master"


def test_times_are_read_in_both_ways_of_writing_them() -> None:
    assert seconds_of("00:01:02.50000") == seconds_of("00:01:02.24000S48000") == 62.5
    assert seconds_of("01:00:00") == 3600
    for wrong in ("1.5", "00:00:61", "00:00:01.5S0", "", "-00:00:01"):
        with pytest.raises(ValueError, match=r"is not a time|samples of a second"):
            seconds_of(wrong)


def test_corners_of_the_room_are_loudspeakers_and_the_middle_of_the_ceiling_is_above() -> None:
    assert direction_in_room(0, 0, 1) == (0, 90)
    assert direction_in_room(0.0, 0.0, 0.0) == (0, 0)
    found = direction_in_room(-0.5, 1.0, 0.5)
    assert found == pytest.approx((15.0, np.degrees(np.arctan(0.5)) * 30 / 45))
