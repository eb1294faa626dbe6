"""What a benchmark is made of: conditions by name, every head once, and everything wrong said at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sofar
import soundfile

from spatial_swin.audio import conditions
from spatial_swin.audio.clips import Cut
from spatial_swin.audio.drawing import Settings
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.kinds import KINDS
from spatial_swin.bench import results
from spatial_swin.bench.plan import Order, is_same_head, make_plan
from spatial_swin.bench.rendering import items_of
from spatial_swin.errors import AudioError
from spatial_swin.layouts import all_directions, find_layouts

RATE = 48_000
SETTINGS = Settings(Cut(0.5, 0.5, 0.5), size=192)
LABELS = ("100", "200", "510", "514")


def names(words: list[str]) -> list[str]:
    return [condition.name for condition in conditions.find_conditions(words)]


def test_conditions_are_factors_single_ones_or_all_and_the_clean_one():
    assert names([]) == names(["clean"]) == ["clean"]
    assert names(["noise:20", "ears"]) == ["clean", "noise 20", "ears exchanged"]
    assert names(["noise", "noise:20"]) == ["clean", "noise 30", "noise 20", "noise 10"]
    assert len(names(["all"])) == 1 + sum(len(factor.values) for factor in conditions.TABLE)


def test_conditions_that_there_are_not_are_named_with_those_that_there_are():
    with pytest.raises(AudioError, match="no factor 'wind'"):
        names(["wind"])
    with pytest.raises(AudioError, match=r"no condition noise:7 \(its values are 30, 20, 10\); tilt:9 \(its values"):
        names(["noise:7", "tilt:9", "ears"])


def test_a_head_is_known_by_its_responses_whatever_delay_gain_and_length():
    kemar, layouts = load_listener("kemar", RATE), find_layouts(["200", "514"])
    later = np.pad(0.3 * kemar.impulse_responses, ((0, 0), (0, 0), (7, 20)))
    assert is_same_head(kemar, replace(kemar, name="other", impulse_responses=later), layouts)
    assert not is_same_head(kemar, load_listener("parametric:1", RATE), layouts)
    assert not is_same_head(load_listener("parametric:2", RATE), load_listener("parametric:1", RATE), layouts)


@pytest.fixture
def sofa(tmp_path: Path):
    """A writer of SOFA files: pulses from all directions, or a copy of kemar under another name."""

    def write(name: str, rate: float = RATE, taps: int = 256, responses: np.ndarray | None = None) -> str:
        places = np.array(all_directions())
        if responses is None:
            responses = np.zeros((len(places), 2, taps))
            near = np.where(places[:, 0] >= 0, 0, 1)
            responses[np.arange(len(places)), near, 10] = 1.0
            responses[np.arange(len(places)), 1 - near, 30] = 0.6
        file = sofar.Sofa("SimpleFreeFieldHRIR")
        file.Data_IR, file.Data_SamplingRate = responses, float(rate)
        file.SourcePosition = np.column_stack([places % 360, np.full(len(places), 1.5)])
        sofar.write_sofa(str(tmp_path / name), file)
        return str(tmp_path / name)

    return write


def test_what_cannot_be_used_is_named_at_once_or_left_out(sofa, tmp_path):
    kemar = load_listener("kemar", RATE)
    copy = sofa("copy.sofa", responses=np.stack([kemar.nearest(*place) for place in all_directions()]))
    room = sofa("room.sofa", rate=8_000.0)
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "short.wav", np.zeros((100, 10)), RATE)
    order = Order(["kemar", copy, "nobody"], brirs=[room], programmes=tmp_path / "songs", synthetic=0)
    with pytest.raises(AudioError) as refused:
        make_plan(order, SETTINGS, LABELS)
    said = str(refused.value)
    assert f"listener {copy}: is the head of kemar" in said
    assert "there is no listener 'nobody'" in said
    assert "brir room: " in said
    assert "8000 Hz" in said
    assert "short.wav: lasts 0.002 s" in said
    plan = make_plan(replace(order, programmes=None, synthetic=2, skip_bad=True), SETTINGS, LABELS)
    assert [listener.name for listener in plan.listeners] == ["kemar"]
    assert [condition.name for condition in plan.conditions] == ["clean"]
    assert len(plan.problems) == 3
    with pytest.raises(AudioError, match="there is no listener 'nobody'"):
        make_plan(Order(["nobody"], skip_bad=True), SETTINGS, LABELS)


def test_labels_that_are_no_layouts_cannot_be_rendered():
    with pytest.raises(AudioError, match=r"the classes are cat, 514: fewer than two are layouts"):
        make_plan(Order(["kemar"]), SETTINGS, ["cat", "514"])
    plan = make_plan(Order(["kemar"], synthetic=1), SETTINGS, ["cat", "514", "100"])
    assert [layout.code for layout in plan.layouts] == ["514", "100"]


def test_a_condition_that_this_machine_cannot_make_is_skipped_by_name(monkeypatch):
    monkeypatch.setattr(conditions, "unavailable", lambda c: "no encoder" if c.value == "aac-64" else None)
    plan = make_plan(Order(["kemar"], ["codec:aac-64", "codec:mp3-64"], synthetic=1), SETTINGS, LABELS)
    assert plan.skipped == {"codec aac-64": "no encoder"}
    assert results.codecs_of(plan) == ["mp3"]
    assert [condition.name for condition in plan.conditions] == ["clean", "codec mp3-64"]


def test_a_measured_room_of_another_rate_is_resampled_and_has_a_listener_of_its_own(sofa):
    room = sofa("studio.sofa", rate=44_100.0, taps=4_000)
    plan = make_plan(Order(["kemar", "parametric:1"], brirs=[room], synthetic=1), SETTINGS, ("100", "514"))
    clean, heard = (list(items_of(task, plan)) for task in plan.tasks())
    assert [item.listener for item in clean] == ["kemar", "kemar", "parametric0001", "parametric0001"]
    assert [(item.listener, item.label) for item in heard] == [("studio", "100"), ("studio", "514")]
    assert [plan.items(task) for task in plan.tasks()] == [4, 2]
    assert all(len(item.windows) == 1 for item in heard)


def test_long_clips_are_heard_by_fewer_listeners_of_all_laboratories_so_that_they_cost_what_clean_ones_do():
    kemar = load_listener("kemar", RATE)
    heads = tuple(
        replace(kemar, name=f"{lab}{k}", laboratory=lab) for lab, n in {"A": 37, "B": 3}.items() for k in range(n)
    )
    words = ["seconds:1", "seconds:10", "seconds:30", "ears"]
    settings = Settings(Cut(3.0, 3.0, 3.0), size=192)
    plan = replace(make_plan(Order(["kemar"], words, synthetic=20), settings, LABELS), listeners=heads)
    heard = {condition.name: plan.listeners_in(condition) for condition in plan.conditions}
    assert {name: len(asked) for name, asked in heard.items()} == {
        "clean": 40,
        "seconds 1": 40,
        "seconds 10": 13,  # three windows each
        "seconds 30": 4,
        "ears exchanged": 40,
    }
    assert plan.fewer == {"seconds 10": 13, "seconds 30": 4}
    for asked in (heard["seconds 10"], heard["seconds 30"]):
        assert list(asked) == [head for head in heads if head in asked]
        assert sum(listener.laboratory == "B" for listener in asked) == min(3, len(asked) // 2)
    again = replace(plan, seed=plan.seed + 1)
    assert again.listeners_in(plan.conditions[3]) != heard["seconds 30"]
    assert results.codecs_of(plan) == []
    few = replace(plan, listeners=heads[:3], programmes=plan.programmes[:5])
    assert few.fewer == {}


def test_synthetic_programmes_are_of_all_kinds_in_turn():
    plan = make_plan(Order(["kemar"], synthetic=6), SETTINGS, LABELS)
    assert [programme.kind for programme in plan.programmes] == [*KINDS, next(iter(KINDS))]
    assert len({task.file for task in plan.tasks()}) == 6
    with pytest.raises(AudioError, match="there is no kind 'opera'"):
        make_plan(Order(["kemar"], kinds=["opera"]), SETTINGS, LABELS)


def test_the_middle_of_a_programme_is_judged_and_its_kind_kept(tmp_path):
    sound = np.zeros((3 * RATE, 10), np.float32)
    sound[RATE : 2 * RATE] = 0.1 * np.random.default_rng(0).standard_normal((RATE, 10))
    soundfile.write(tmp_path / "a master.wav", sound, RATE, subtype="FLOAT")
    plan = make_plan(Order(["kemar"], programmes=tmp_path), SETTINGS, LABELS)
    (task,) = plan.tasks()
    assert (task.programme.name, task.programme.kind, task.file) == ("a-master", "master", "a-master/clean.csv")
    items = list(items_of(task, plan))
    assert [item.label for item in items] == list(LABELS)
    assert all("silent" not in window.flags for item in items for window in item.windows)
