"""Listeners: the one that ships, modelled ones, any SOFA file; what cannot be used is refused with its reason."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sofar

from spatial_swin.audio.hrtf import Listener, everywhere, expand_listeners, load_listener, usable_listeners
from spatial_swin.audio.panning import unit_vectors
from spatial_swin.errors import AudioError
from spatial_swin.layouts import LAYOUTS, all_directions, find_layouts

RATE = 48_000
MEASURED = Path(os.environ.get("SPATIAL_SWIN_HRTF", Path(__file__).parents[2] / ".." / "shared" / "data" / "hrtf"))


def pulses(azimuths: np.ndarray, delay: int = 30) -> np.ndarray:
    """Responses [D, 2, 128]: a pulse an ear, louder in the near one, `delay` samples into it."""
    responses = np.zeros((len(azimuths), 2, 128))
    towards_left = np.sin(np.radians(azimuths))
    responses[:, 0, delay] = 1 + 0.5 * towards_left
    responses[:, 1, delay] = 1 - 0.5 * towards_left
    return responses


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a SOFA file with pulses in the directions of all layouts, changed as asked."""

    def _write(name: str = "made.sofa", convention: str = "SimpleFreeFieldHRIR", **fields: object) -> Path:
        places = np.array(all_directions())
        sofa = sofar.Sofa(convention)
        sofa.Data_IR = pulses(places[:, 0])
        sofa.Data_SamplingRate = float(RATE)
        sofa.SourcePosition = np.column_stack([places % 360, np.full(len(places), 1.5)])
        for field, value in fields.items():
            setattr(sofa, field, value)
        sofar.write_sofa(str(tmp_path / name), sofa)
        return tmp_path / name

    return _write


@pytest.mark.parametrize("name", ["kemar", "parametric:3"])
@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_built_in_listeners_serve_every_layout(name: str, rate: int) -> None:
    listener = load_listener(name, rate)
    for layout in LAYOUTS.values():
        responses = listener.responses(layout)
        assert responses.shape[:2] == (len(layout.placed), 2)
        for speaker, energy in zip(layout.placed, (responses**2).sum(axis=2), strict=True):
            side = np.sign(speaker.azimuth)
            assert side * (energy[0] - energy[1]) > 0 or side == 0


def test_kemar_ships_small_and_with_its_citation() -> None:
    assets = Path(__file__).parents[2] / "src" / "spatial_swin" / "assets"
    assert (assets / "kemar_layouts.sofa").stat().st_size < 300_000
    assert "Gardner" in (assets / "kemar_layouts.md").read_text()


def test_a_modelled_listener_hears_from_everywhere_when_asked_and_a_measured_one_as_measured() -> None:
    few, kemar = load_listener("parametric:3", RATE), load_listener("kemar", RATE)
    heard = everywhere(few)
    for azimuth, elevation in ((17, -70), (-95, 12), (0, 90), (180, 50)):
        assert few.angles_to(azimuth, elevation).min() > 6 > heard.angles_to(azimuth, elevation).min()
    np.testing.assert_allclose(heard.nearest(110, 30), few.nearest(110, 30), atol=1e-6)
    assert everywhere(kemar) is kemar


def test_a_sofa_file_is_read_as_it_is(write: Callable[..., Path]) -> None:
    listener = load_listener(str(write("My listener_1.sofa")), RATE)
    assert listener.name == "My-listener-1"
    left = listener.nearest(90, 0)
    assert left[0, 30] == pytest.approx(1.5)
    assert left[1, 30] == pytest.approx(0.5)


def test_resampling_keeps_gain_and_time(write: Callable[..., Path]) -> None:
    path = str(write())
    low = np.fft.rfft(load_listener(path, 44_100).nearest(90, 0)[0], 44_100)[500]
    assert abs(low) == pytest.approx(1.5, rel=0.01)
    onset = [np.abs(load_listener(path, rate).nearest(90, 0)[0]).argmax() / rate for rate in (44_100, 96_000)]
    assert onset[0] - onset[1] == pytest.approx(0, abs=1e-4)


def test_data_delays_are_applied(write: Callable[..., Path]) -> None:
    places = np.array(all_directions())
    delays = np.zeros((len(places), 2))
    delays[:, 1] = 7.0
    listener = load_listener(str(write(Data_Delay=delays)), RATE)
    assert np.abs(listener.nearest(0, 0)).argmax(axis=1).tolist() == [30, 37]


def test_a_head_that_turns_in_a_room_hears_the_source_from_the_other_way(write: Callable[..., Path]) -> None:
    places = np.array([(a, e) for a, e in all_directions() if e == 0])
    path = write(
        Data_IR=pulses(places[:, 0]),
        SourcePosition=np.array([[0.0, 0.0, 1.5]]),
        ListenerView=np.column_stack([-places[:, 0] % 360, np.zeros(len(places)), np.ones(len(places))]),
        ListenerView_Type="spherical",
        ListenerView_Units="degree, degree, metre",
    )
    assert load_listener(str(path), RATE).nearest(110, 0)[0, 30] == pytest.approx(1.47, abs=0.01)


def test_the_loudspeakers_of_a_room_are_directions_as_seen_from_where_the_head_looks(tmp_path: Path) -> None:
    places = np.array(all_directions())
    around = unit_vectors(places[:, 0] + 90, places[:, 1]) * 2.0  # the head looks along y
    sofa = sofar.Sofa("SingleRoomMIMOSRIR")
    responses = np.zeros((1, 2, 20_000, len(places)))
    responses[0, :, :128] = pulses(places[:, 0]).transpose(1, 2, 0)
    responses[0, :, 15_000] = 0.01  # a late reflection: BRIRs are long
    head = np.array([[1.0, 2.0, 0.0]])
    fields = {
        "Data_IR": responses,
        "Data_SamplingRate": float(RATE),
        "Data_Delay": np.zeros((1, 2, len(places))),
        "SourcePosition": head - 0.5,
        "SourcePosition_Type": "cartesian",
        "SourcePosition_Units": "metre",
        "EmitterPosition": around + 0.5,
        "EmitterPosition_Type": "cartesian",
        "EmitterPosition_Units": "metre",
        "ListenerPosition": head,
        "ListenerView": np.array([[0.0, 1.0, 0.0]]),
        "ReceiverPosition": np.array([[0, 0.09, 0], [0, -0.09, 0]]),
        "EmitterUp": np.tile([0.0, 0.0, 1.0], (len(places), 1)),
        "EmitterView": -around,
        "ReceiverUp": np.tile([0.0, 0.0, 1.0], (2, 1)),
        "ReceiverView": np.tile([1.0, 0.0, 0.0], (2, 1)),
    }
    for field, value in fields.items():
        setattr(sofa, field, value)
    for field in ("ReceiverDescriptions", "EmitterDescriptions"):
        sofa.delete(field)
    sofar.write_sofa(str(tmp_path / "room.sofa"), sofa)
    listener = load_listener(str(tmp_path / "room.sofa"), RATE)
    assert listener.impulse_responses.shape[-1] == 20_000
    for azimuth, elevation in all_directions():
        assert listener.angles_to(azimuth, elevation).min() < 0.01
    assert listener.nearest(90, 0)[0, 30] == pytest.approx(1.5)


def test_the_interpolated_direction_lies_between_its_neighbours() -> None:
    azimuths = np.array([80.0, 100.0, -90.0, 0.0])
    responses = pulses(azimuths)
    responses[1] = np.roll(responses[1], 10, axis=-1)
    listener = Listener("made", RATE, azimuths, np.zeros(4), responses.astype(np.float32), "made")
    between = listener.interpolated(90, 0)
    assert np.abs(between[0]).argmax() == pytest.approx(35, abs=4)  # the third, far away, pulls a little
    assert np.abs(between[0]).max() > 0.9  # aligned before averaging: one pulse, not two halves
    np.testing.assert_array_equal(listener.interpolated(80, 0), responses[0].astype(np.float32))


def refusals(write: Callable[..., Path]) -> dict[str, tuple[Path, str]]:
    places = np.array(all_directions())
    good = pulses(places[:, 0])
    broken, mute = good.copy(), good.copy()
    broken[2, 0, 5:8] = np.nan
    mute[4, 1] = 0
    garbage = write("garbage.sofa")
    garbage.write_bytes(b"not a SOFA file at all" * 10)
    truncated = write("truncated.sofa")
    truncated.write_bytes(truncated.read_bytes()[:900])
    return {
        "swapped": (write("swapped.sofa", Data_IR=good[:, ::-1]), "the ears are swapped"),
        "nan": (write("nan.sofa", Data_IR=broken), "3 samples are NaN or infinite"),
        "mute": (write("mute.sofa", Data_IR=mute), "1 impulse responses are silent, the first is number 4"),
        "rate": (write("rate.sofa", Data_SamplingRate=8_000.0), "8000 Hz"),
        "garbage": (garbage, "not a SOFA file"),
        "truncated": (truncated, "not a SOFA file"),
    }


@pytest.mark.parametrize("case", ["swapped", "nan", "mute", "rate", "garbage", "truncated"])
def test_files_that_cannot_be_used_say_why(case: str, write: Callable[..., Path]) -> None:
    path, reason = refusals(write)[case]
    with pytest.raises(AudioError, match=reason):
        load_listener(str(path), RATE)


def test_a_file_without_the_needed_directions_names_the_loudspeakers(write: Callable[..., Path]) -> None:
    places = np.array([(a, e) for a, e in all_directions() if e == 0])
    path = write(Data_IR=pulses(places[:, 0]), SourcePosition=np.column_stack([places % 360, np.ones(len(places))]))
    listener = load_listener(str(path), RATE)
    listener.check(LAYOUTS["510"])
    with pytest.raises(AudioError, match=r"no direction for U\+030 \(nearest is 30 degrees away\)"):
        listener.responses(LAYOUTS["514"])


@pytest.mark.parametrize("name", ["nobody", "parametric:", "parametric:x", "parametric:-1", "parametric:²"])
def test_a_listener_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(AudioError, match=name):
        load_listener(name, RATE)


def test_all_listeners_are_judged_before_any_is_used(write: Callable[..., Path], tmp_path: Path) -> None:
    good, twin = write("a b.sofa"), write("a_b.sofa")
    swapped = refusals(write)["swapped"][0]
    usable, problems = usable_listeners(
        ["kemar", str(good), str(twin), str(swapped), "nobody"], RATE, find_layouts(["514"])
    )
    assert list(usable) == ["kemar", str(good)]
    assert [str(p).split(":")[0] for p in problems] == [f"listener {n}" for n in (twin, swapped, "nobody")]


def test_ranges_and_folders_are_written_out(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("one.sofa")
    expected = ["parametric:8", "parametric:9", "parametric:10", str(path)]
    assert expand_listeners(["parametric:8-10", str(tmp_path), "parametric:9"]) == expected
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match=r"no \.sofa file"):
        expand_listeners([str(tmp_path / "empty")])
    with pytest.raises(AudioError, match="2 comes before 9; write parametric:2-9"):
        expand_listeners(["parametric:9-2"])


@pytest.mark.parametrize(
    "name",
    ["MIT_KEMAR_large_pinna", "MIT_KEMAR_normal_pinna", "CIPIC_subject_003_hrir_final", "LISTEN_1002_IRC_1002_C_HRIR"],
)
def test_measured_heads_serve_the_four_layouts(name: str) -> None:
    path = MEASURED / f"{name}.sofa"
    if not path.is_file():
        pytest.skip("measured heads are not here; set SPATIAL_SWIN_HRTF to their folder")
    usable, problems = usable_listeners([str(path)], RATE, find_layouts(["100", "200", "510", "514"]))
    assert usable
    assert not problems


def test_the_asset_is_the_measurement() -> None:
    path = MEASURED / "MIT_KEMAR_normal_pinna.sofa"
    if not path.is_file():
        pytest.skip("measured heads are not here; set SPATIAL_SWIN_HRTF to their folder")
    full, small = load_listener(str(path), 44_100), load_listener("kemar", 44_100)
    for azimuth, elevation in all_directions():
        kept = small.nearest(azimuth, elevation)
        np.testing.assert_allclose(kept, full.nearest(azimuth, elevation)[:, : kept.shape[1]], atol=1e-6)
