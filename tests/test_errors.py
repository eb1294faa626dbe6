"""What names can bring into a message never reaches the terminal: it is shown, not obeyed."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_swin.errors import AudioError, DataError, Problem, WriteError, printable, raise_problems


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred\x1b[0m\x07", r"\x1b[31mred\x1b[0m\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("\u2066x\u2069\u200b", r"\u2066x\u2069\u200b"),
        ("line\u2028end", r"line\u2028end"),
        (b"bad\xff.png".decode(errors="surrogateescape"), r"bad\udcff.png"),
        ("Grüße 日本語 5.1\u00a0kHz 10\u202f000 🎧", "Grüße 日本語 5.1\u00a0kHz 10\u202f000 🎧"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert str(DataError(f"{name}: no such class")) == f"{shown}: no such class"
    assert str(Problem(name, "is odd", "rename it")) == f"{shown}: is odd; rename it"


@given(st.text())
def test_printable_text_has_one_line_in_utf_8_and_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown == printable(shown)


def test_problems_stay_lines_of_their_own() -> None:
    with pytest.raises(DataError) as caught:
        raise_problems(DataError, [Problem("a\n", "x", "y"), Problem("b", "x", "y")], "Bad names")
    assert str(caught.value).splitlines() == ["Bad names (2 problems):", r"  - a\n: x; y", "  - b: x; y"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value), "workers hand errors on"


def test_a_write_error_is_a_sentence_and_still_an_oserror() -> None:
    error = WriteError("here: cannot be written")
    assert isinstance(error, OSError)
    assert str(error) == "here: cannot be written"


def test_the_sentence_of_an_error_is_taken_apart() -> None:
    said = Problem.of("a.wav", AudioError("a.wav: is mono; or empty; give two"), "x")
    assert said == Problem("a.wav", "is mono; or empty", "give two")
    assert Problem.of("a.wav", OSError("no room"), "make room") == Problem("a.wav", "no room", "make room")
