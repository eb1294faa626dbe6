"""Visitors of one model: the first turn of a new file comes first, then all in order; who left ends; it has an end."""

import threading
from collections.abc import Callable

import pytest

from spatial_swin.app.turns import Full, Left, Turns, Visit


class Visitor(threading.Thread):
    """Judges so many windows, in a thread; `log` gets its name at each turn."""

    def __init__(self, turns: Turns, name: str, windows: int, log: list[str], work: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.turns, self.windows, self.log, self.work = turns, windows, log, work
        self.left = False

    def run(self) -> None:
        try:
            with self.turns.visit(self.name) as visit:
                for _ in range(self.windows):
                    with self.turns.turn(visit):
                        self.log.append(self.name)
                        self.work()
        except Left:
            self.left = True


def until_waiting(turns: Turns, count: int) -> None:
    """Return once so many visitors wait for their next turn."""
    for _ in range(2000):
        with turns._changed:
            if len(turns._waiting) >= count:
                return
        threading.Event().wait(0.005)
    raise AssertionError(f"{len(turns._waiting)} wait, not {count}")


def until_begun(log: list[str], count: int) -> None:
    """Return once so many windows have been begun."""
    for _ in range(2000):
        if len(log) >= count:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"{log} instead of {count} windows")


def test_a_picture_waits_for_one_window_of_a_long_recording() -> None:
    turns, log, window = Turns(), [], threading.Semaphore(0)
    long = Visitor(turns, "long", 6, log, window.acquire)
    long.start()
    window.release()  # the first window is done, the second is being judged
    until_begun(log, 2)
    for name in ("other", "picture"):
        visitor = Visitor(turns, name, 1 if name == "picture" else 3, log, window.acquire)
        visitor.start()
        until_waiting(turns, 1 if name == "other" else 2)
    for _ in range(9):
        window.release()
    for thread in (long, visitor):
        thread.join(20)
    first = log.index("picture")
    assert log[:first].count("long") == 2
    assert log[:first].count("other") <= 1, "nobody's later windows go before a first one"
    rest = log[first + 1 :]
    assert sorted(rest) == ["long"] * 4 + ["other"] * 2
    assert rest[:4] in (["long", "other", "long", "other"], ["other", "long", "other", "long"]), "in turns"


def test_who_left_ends_at_the_next_window_and_the_others_go_on() -> None:
    turns, log, window = Turns(), [], threading.Semaphore(0)
    gone, stays = (Visitor(turns, name, 5, log, window.acquire) for name in ("gone", "stays"))
    gone.start()
    window.release()
    stays.start()
    until_waiting(turns, 1)
    turns.leave("gone")
    for _ in range(10):
        window.release()
    for thread in (gone, stays):
        thread.join(20)
    assert gone.left
    assert not stays.left
    assert log.count("gone") < 5
    assert log.count("stays") == 5
    assert len(turns) == 0


def test_a_second_file_of_the_same_visitor_ends_the_first() -> None:
    turns = Turns()
    with turns.visit("me") as first, turns.visit("you") as other, turns.visit("me") as second:
        assert (first.left, other.left, second.left) == (True, False, False)
        with pytest.raises(Left), turns.turn(first):
            pass


def test_there_is_a_last_place_and_the_refusal_says_how_many_there_are() -> None:
    turns = Turns(most=2)
    with turns.visit("a"), turns.visit("b"):
        with pytest.raises(Full, match="2 files of other visitors are being judged"), turns.visit("c"):
            pass
        with turns.visit("b"):  # in the place of their own earlier file
            assert len(turns) == 3
    with turns.visit("c") as visit:
        assert isinstance(visit, Visit)
    assert len(turns) == 0


def test_an_error_in_a_turn_frees_the_model() -> None:
    turns = Turns()
    with turns.visit("a") as visit:
        with pytest.raises(ValueError, match="bad"), turns.turn(visit):
            raise ValueError("bad")
        with turns.turn(visit):
            assert visit.turns == 1


def test_the_end_waits_for_the_window_that_is_being_judged_and_takes_nobody_more() -> None:
    turns, log, window = Turns(), [], threading.Semaphore(0)
    visitor = Visitor(turns, "me", 5, log, window.acquire)
    visitor.start()
    while not log:
        threading.Event().wait(0.005)
    ending = threading.Thread(target=turns.close)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive()
    window.release()
    ending.join(20)
    visitor.join(20)
    assert not ending.is_alive()
    assert (log, visitor.left) == (["me"], True)
    with pytest.raises(Full, match="this page is ending"), turns.visit("you"):
        pass
