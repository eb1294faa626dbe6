"""What a training learnt from: counted from split and manifest, the test part left out, no name in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from spatial_swin.audio.clips import Cut
from spatial_swin.audio.loudness import TARGET
from spatial_swin.audio.manifest import Row, write_rows
from spatial_swin.audio.paired import Beside, Job, Settings, Synthetic, run_job
from spatial_swin.audio.tiles import tile_map
from spatial_swin.learnt import LEVEL, MOST_NAMED, RENDERED, learnt_from
from spatial_swin.runs import Sample

DIRECTION = "synthetic, nearest direction"
TILES = tile_map("4x4", 192, 48_000, 3.0)
HEADS = {"anna": "CIPIC", "bert": "CIPIC", "bert-v1": "CIPIC", "kemar": "MIT", "parametric0007": "parametric"}


def samples(count: int = 40, **changes: str) -> list[Sample]:
    """Pictures of 4 programmes, two kinds, in two layouts, dealt to HEADS in turn."""
    made = []
    for k in range(count):
        listener = list(HEADS)[k % len(HEADS)]
        factors = {"programme": f"song{k // 2 % 4}", "kind": ("scene", "speech")[k // 2 % 2], "listener": listener}
        factors |= {"laboratory": HEADS[listener], "source": DIRECTION} | changes
        label = ("100", "514")[k % 2]
        made.append(Sample(f"{label}/{k}.png", label, f"song{k // 2 % 4}", "train", "", factors))
    return made


def test_everything_that_is_told_is_counted() -> None:
    known = learnt_from(samples(), None, TILES, 96)
    assert (known.pictures, known.layouts) == (40, {"100": 20, "514": 20})
    assert (known.programmes, known.kinds) == (4, {"scene": 2, "speech": 2})
    assert (known.listeners, known.measured, known.virtual, known.modelled) == (5, 3, 1, 1)
    assert known.laboratories == {"CIPIC": 2, "MIT": 1}, "a virtual head is the person it was made from"
    assert known.conditions == {"clean": 40}
    assert (known.seconds, known.sample_rate, known.level, known.highest) == (3.0, 48_000, LEVEL, 16_000)
    assert (known.drawn, known.size) == (192, 96)
    assert LEVEL == TARGET


def test_the_test_part_teaches_nothing() -> None:
    taught = samples()
    tested = [replace(s, split="test", factors={**s.factors, "programme": "new", "kind": "midi"}) for s in taught]
    assert learnt_from([*taught, *tested], None, TILES, 96) == learnt_from(taught, None, TILES, 96)


def test_no_name_of_a_listener_a_programme_or_a_file_is_in_it() -> None:
    told = [replace(s, factors={**s.factors, "condition": "brir annas-flat"}) for s in samples()]
    text = str(learnt_from(told, None, TILES, 96).as_json())
    for private in ("anna", "bert", "song", "parametric0007", ".png"):
        assert private not in text
    assert "'measured room': 40" in text


def test_a_factor_that_some_pictures_lack_is_not_known() -> None:
    told = samples()
    told[3] = replace(told[3], factors={**told[3].factors, "kind": "", "listener": ""})
    known = learnt_from(told, None, None, 96)
    assert (known.kinds, known.listeners, known.measured, known.laboratories) == (None,) * 4
    assert (known.seconds, known.level, known.drawn) == (None, None, None)
    assert known.programmes == 4


def test_of_own_recordings_neither_condition_nor_measurement_is_guessed() -> None:
    known = learnt_from(samples(source="take.wav", laboratory=""), None, TILES, 96)
    assert (known.listeners, known.measured, known.conditions, known.laboratories) == (5, None, None, None)


def test_conditions_are_named_and_empty_means_clean() -> None:
    told = samples()
    told[0] = replace(told[0], factors={**told[0].factors, "condition": "room 0.3"})
    known = learnt_from(told, None, TILES, 96)
    assert known.conditions == {"clean": 39, "room 0.3": 1}
    assert not known.hears_codecs


def test_rare_values_are_counted_without_their_names() -> None:
    told = [
        replace(s, factors={**s.factors, "kind": f"kind {k // 2}", "programme": f"p{k // 2}"})
        for k, s in enumerate(samples())
    ]
    kinds = learnt_from(told, None, TILES, 96).kinds
    assert kinds is not None
    assert len(kinds) == MOST_NAMED + 1
    assert kinds["others"] == 20 - MOST_NAMED


def test_the_manifest_completes_what_the_split_tells(tmp_path: Path) -> None:
    whole = samples()
    none = dict.fromkeys(("chunk", "recording", "seed", "loudness_before", "loudness_after"), "")
    told = ("programme", "listener", "source", "laboratory", "kind")
    rows = [Row(s.path, s.label, **none, **{name: s.factors[name] for name in told}) for s in whole]
    write_rows(tmp_path / "manifest.csv", rows)
    bare = [replace(s, factors={"recording": s.group}) for s in whole]
    assert learnt_from(bare, tmp_path, TILES, 96) == learnt_from(whole, None, TILES, 96)
    (tmp_path / "manifest.csv").write_text("path,mine\n100/0.png,x\n")
    assert learnt_from(bare, tmp_path, TILES, 96) == learnt_from(bare, None, TILES, 96)


@pytest.mark.parametrize("directions", ["nearest", "interpolated"])
def test_what_render_writes_is_known_as_rendered(tmp_path: Path, directions: str) -> None:
    settings = Settings(Cut.of(0.5, None, None, 48_000), directions=directions, size=192)
    job = Job(Synthetic(0, 0), 0, 0, False, (("kemar", "kemar"),))
    rows = run_job(job, tmp_path, ["100"], settings, beside=Beside())
    assert isinstance(rows, list)
    assert RENDERED.search(rows[0].source)
