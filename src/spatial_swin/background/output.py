"""Output that a training outlives: a full disk, a closed terminal or a dead `| tee` loses lines, never the run.

`make_output_lasting` puts a `LastingOutput` over stdout and stderr for the rest of the process. What cannot be written
is counted, and the count is written as soon as writing works again. Nothing is buffered, so nothing can fail at exit.
"""

import io
import os
import sys
from typing import TextIO


class LastingOutput(io.TextIOBase):
    """Text written straight to the file descriptor of `stream`; an OSError is counted in `lost`, never raised."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.lost = stream, 0
        self._descriptor = stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self.stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        notice = (
            f"({self.lost} writes before this line were lost: the log could not be written)\n" if self.lost else ""
        )
        left = (notice + text).encode(self.encoding or "utf-8", "backslashreplace")
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            self.lost += 1
        else:
            self.lost = 0
        return len(text)


def make_output_lasting() -> None:
    """Put stdout and stderr on LastingOutput, once; streams without a file descriptor stay as they are."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, LastingOutput):
            continue
        try:
            stream.flush()
            setattr(sys, name, LastingOutput(stream))
        except (OSError, ValueError):  # io.UnsupportedOperation is both: a notebook, a test that captures
            continue
