"""One model, many visitors: who may use it next, how many are there, and who has left.

A file is judged window by window, and the model is free again after each window. A file that has had no turn yet goes
first; the others follow in the order in which they asked. A picture therefore waits for the window that is being
judged and for those that came with it, never for a whole recording. A visitor who leaves, or drops another file, ends
at the next window. Nothing here knows what a turn is used for.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spatial_swin.errors import SpatialSwinError

LAST_WINDOW = 30.0  # seconds to wait for the window that is being judged when the page ends
MOST_VISITS = 12  # files that share the model; more would let everybody wait for minutes


class Full(SpatialSwinError):
    """As many files are being judged as the page takes."""


class Left(Exception):
    """The visitor is gone, or asked for something else: the work is to end without an answer."""


@dataclass(eq=False)
class Visit:
    """One file of one visitor: how many turns it has had, and whether nobody waits for its answer any more."""

    session: str
    turns: int = 0
    left: bool = False


class Turns:
    """The queue in front of one model; every method may be called from any thread."""

    def __init__(self, most: int = MOST_VISITS) -> None:
        self.most = most
        self._visits: list[Visit] = []
        self._waiting: list[Visit] = []  # for their next turn, in the order of asking
        self._busy = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many files are being judged or wait to be."""
        return len(self._visits)

    @contextmanager
    def visit(self, session: str) -> Iterator[Visit]:
        """Take part, with one file; an earlier one of the same visitor is left. Raises Full when there is no place."""
        with self._changed:
            self._leave(session)
            if not self.most:
                raise Full("this page is ending; drop your file again when it is back")
            if sum(not visit.left for visit in self._visits) >= self.most:
                raise Full(
                    f"{self.most} files of other visitors are being judged, and this page takes no more at once; "
                    "drop yours again in a minute"
                )
            visit = Visit(session)
            self._visits.append(visit)
        try:
            yield visit
        finally:
            with self._changed:
                self._visits.remove(visit)

    @contextmanager
    def turn(self, visit: Visit) -> Iterator[None]:
        """Wait for the model, and have it for one window. Raises Left when nobody waits for the answer any more."""
        with self._changed:
            self._waiting.append(visit)
            self._changed.wait_for(lambda: visit.left or (not self._busy and self._next() is visit))
            self._waiting.remove(visit)
            if visit.left:
                self._changed.notify_all()
                raise Left
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                visit.turns += 1
                self._busy = False
                self._changed.notify_all()

    def leave(self, session: str) -> None:
        """End whatever is being judged for this visitor."""
        with self._changed:
            self._leave(session)

    def close(self) -> None:
        """End everything, and wait for the window that is being judged: no process ends well amid a forward pass."""
        with self._changed:
            self.most = 0
            self._leave(None)
            self._changed.wait_for(lambda: not self._busy, LAST_WINDOW)

    def _leave(self, session: str | None) -> None:
        """Mark what this visitor, or everybody (None), has asked for."""
        for visit in self._visits:
            visit.left |= session in (None, visit.session)
        self._changed.notify_all()

    def _next(self) -> Visit:
        return min(self._waiting, key=lambda visit: visit.turns > 0)
