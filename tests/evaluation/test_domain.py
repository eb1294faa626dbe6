"""The domain statement: there and back as JSON, damage named, and in words without a guess."""

import json

import pytest

from spatial_swin.errors import DataError
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.domain_words import NOTHING_TOLD, as_json, in_short, in_words

FULL = Domain(
    pictures=640,
    layouts={"100": 320, "514": 320},
    programmes=40,
    kinds={"scene": 30, "speech": 10},
    listeners=9,
    measured=3,
    virtual=4,
    modelled=2,
    laboratories={"CIPIC": 2, "not stated": 1},
    conditions={"clean": 400, "room 0.3": 80, "room 0.15": 80, "codec mp3-96": 80},
    seconds=3.0,
    sample_rate=48_000,
    level=-23.0,
    drawn=384,
    highest=16_000.0,
    size=192,
)


def test_it_comes_back_from_json_as_it_was() -> None:
    stored = json.loads(json.dumps(FULL.as_json()))
    assert Domain.of_json(stored | {"a key of a later version": []}) == FULL
    assert Domain.of_json({"pictures": 1, "layouts": {}, "size": 32, "kinds": None}).kinds is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": None}, "size is missing"),
        ({"programmes": "many"}, "programmes is 'many', not a number"),
        ({"programmes": True}, "programmes is True"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"kinds": {"scene": "x"}}, "not counts by name"),
        ({"laboratories": ["CIPIC"]}, "laboratories is "),
        ({"layouts": 3}, "layouts is 3"),
    ],
)
def test_damage_is_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Domain.of_json(FULL.as_json() | changes)


def test_words_hold_every_fact() -> None:
    assert in_words(FULL) == (
        "The model learnt from 40 programmes (30 scene, 10 speech) heard by 9 listeners (3 measured, 4 virtual, 2 "
        "modelled; laboratories: 2 CIPIC, 1 not stated), clean and with rooms of RT60 0.15, 0.3 s, codecs mp3-96. It "
        "saw them as clips of 3 s at 48 kHz and -23 LUFS, pictures of 192 x 192 pixels (drawn at 384 x 384), of the "
        "classes 100, 514."
    )
    assert in_short(FULL) == "The model learnt from 40 programmes heard by 9 listeners, in clips of 3 s."


def test_what_nothing_tells_is_said_to_be_unknown() -> None:
    bare = Domain(pictures=12, layouts={"a": 6, "b": 6}, size=32)
    assert in_words(bare) == (
        "The model learnt from 12 pictures. It saw them as pictures of 32 x 32 pixels, of the classes a, b. Not "
        "known: programmes; kinds of programmes; listeners; laboratories; rooms, codecs and other conditions; length, "
        "rate and level of the clips."
    )
    assert in_words(None) == in_short(None) == NOTHING_TOLD
    assert as_json(None) == {"in_words": NOTHING_TOLD}
    assert as_json(bare)["in_words"] == in_words(bare)


def test_one_of_a_kind_reads_as_one() -> None:
    one = Domain(
        pictures=8,
        layouts={"100": 8},
        programmes=1,
        kinds={"scene": 1},
        listeners=1,
        measured=1,
        virtual=0,
        modelled=0,
        laboratories={"MIT": 1},
        conditions={"clean": 8},
        size=192,
    )
    assert in_words(one).startswith(
        "The model learnt from 1 programme (all scene) heard by 1 listener (1 measured; laboratory: MIT), all of it "
        "clean (no room, no codec, no noise)."
    )
    assert in_short(one) == "The model learnt from 1 programme heard by 1 listener, clean sound only."


def test_many_values_of_a_condition_become_a_range() -> None:
    many = Domain(pictures=1, layouts={"a": 1}, size=8, conditions={f"room 0.{k}": 1 for k in range(1, 8)})
    assert "never clean and with rooms of RT60 0.1 to 0.7 s" in in_words(many)
    odd = Domain(
        pictures=1, layouts={"a": 1}, size=8, conditions={"moved bs2051": 1, "tilt +3": 1, "measured room": 1}
    )
    assert "with loudspeakers moved, tilts of +3 dB, measured room." in in_words(odd)
