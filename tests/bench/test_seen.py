"""What training met: by name, by what a virtual head was made from, by responses; and what nothing tells."""

from dataclasses import replace

import pytest

from spatial_swin.audio.hrtf import Listener, load_listener
from spatial_swin.bench.results import persons
from spatial_swin.bench.seen import FACTORS, Seen, seen_by_run
from spatial_swin.layouts import find_layouts
from spatial_swin.runs import RunFolder, Sample

LAYOUTS = find_layouts(["514"])


def seen(listeners: dict[str, int] | None) -> Seen:
    return Seen({**dict.fromkeys(FACTORS), "listener": listeners, "programme": {"a": 3}}, "a test")


def named(name: str, spec: str = "parametric:9") -> Listener:
    return replace(load_listener(spec, 48_000), name=name)


@pytest.mark.parametrize(
    ("trained", "asked", "met"),
    [
        ("CIPIC-003", "CIPIC-003", True),
        ("CIPIC-003", "CIPIC-0031", False),
        ("CIPIC-003-v2", "CIPIC-003", True),  # its face was seen, in another light
        ("CIPIC-003", "CIPIC-003-v7", True),
        ("CIPIC-003-v1", "CIPIC-003-v7", True),
        ("CIPIC-004-v1", "CIPIC-003-v1", False),
    ],
)
def test_a_virtual_head_counts_as_the_one_it_was_made_from(trained, asked, met):
    assert seen({trained: 4}).heads([named(asked)], LAYOUTS) == ({asked: trained} if met else {})


def test_heads_of_the_package_are_known_by_their_responses():
    found = seen({"kemar": 4, "parametric0009": 4, "parametric0010": 1}).heads(
        [named("MIT-KEMAR", "kemar"), named("somebody"), named("nobody", "parametric:11")], LAYOUTS
    )
    assert found == {"MIT-KEMAR": "kemar", "somebody": "parametric0009"}


def test_what_nothing_tells_is_not_known_and_the_test_part_was_not_met(tmp_path):
    assert seen(None).heads([named("a")], LAYOUTS) is None
    assert seen({}).programmes(["a", "b"]) == {"a"}
    run = RunFolder(tmp_path)
    assert set(seen_by_run(run).counts.values()) == {None}
    rows = [("train", "p1", "h1"), ("validation", "p2", "h1"), ("test", "p3", "h2"), ("train", "p1", "")]
    run.write_split(
        [
            Sample(f"100/{k}.png", "100", p, part, str(k), {"programme": p, "listener": h})
            for k, (part, p, h) in enumerate(rows)
        ]
    )
    counts = seen_by_run(run).counts
    assert counts["programme"] == {"p1": 2, "p2": 1}
    assert counts["listener"] is None  # one picture does not say who heard it: so nobody is known to be new
    assert counts["laboratory"] is None


def test_a_virtual_head_is_drawn_with_the_person_it_was_made_from():
    rows = [{"listener": name} for name in ("P12", "P12-v2", "P13", "P12-v10")]
    assert persons(rows).tolist() == ["P12", "P12", "P13", "P12"]
