"""SOFA files of anyone, read in a process of their own that has limits of time and memory.

In goes a path, out comes a `Measured` or an AudioError. A damaged file can make netCDF hang, or take gigabytes for a
few kilobytes; then the process is ended, and the next file gets a new one. One process serves all files of a command.
"""

import atexit
import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from spatial_swin.audio.pipes import end, receive
from spatial_swin.audio.sofa import Measured, read_here
from spatial_swin.errors import AudioError

MEMORY = 1 << 30  # bytes of address space
PATIENCE = 15.0  # s for one file; a set of 2,300 directions takes 0.2 s
START = 60.0  # s in which the process has to begin, on a busy machine


def read_measured(path: Path) -> Measured:
    """Read a SOFA file. Raises AudioError for one that is not SOFA, is too large, or is not read in 15 s."""
    return _READER.read(path)


class _Reader:
    """The process that reads: started for the first file, ended when a file hangs, started again for the next."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = Lock()

    def read(self, path: Path) -> Measured:
        with self.lock:
            try:
                return self._read(path)
            except TimeoutError:
                reason = f"reading it takes more than {PATIENCE:g} s"
            except EOFError:
                reason = "the process that read it died"
            self.stop()
        raise AudioError(f"{path}: not a SOFA file of impulse responses ({reason}); write the file again")

    def _read(self, path: Path) -> Measured:
        if self.process is None or self.process.poll() is not None:
            self._start()
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(os.fspath(path)).encode() + b"\n")
        except OSError:
            raise EOFError from None
        answer = self._message(PATIENCE)
        if "error" in answer:
            raise AudioError(f"{path}: not a SOFA file of impulse responses ({answer['error']}); write the file again")
        content = self._bytes(8 * sum(math.prod(shape) for shape in answer["shapes"]), PATIENCE)
        numbers, arrays = np.frombuffer(content), []
        for shape in answer["shapes"]:
            count = math.prod(shape)
            arrays.append(numbers[:count].reshape(shape))
            numbers = numbers[count:]
        responses, azimuths, elevations = arrays
        return Measured(responses, azimuths, elevations, answer["sample_rate"], answer["laboratory"])

    def _start(self) -> None:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        beside = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spatial_swin.audio.sofa_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # HDF5 prints its own stack there; the reason comes as an answer
            bufsize=0,
            env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(beside)},
        )
        self._message(START)

    def _message(self, seconds: float) -> dict[str, Any]:
        (length,) = struct.unpack("<I", self._bytes(4, seconds))
        answer: dict[str, Any] = json.loads(self._bytes(length, seconds))
        return answer

    def _bytes(self, count: int, seconds: float) -> bytearray:
        """`count` bytes of an answer; raises TimeoutError, or EOFError when the process has ended."""
        assert self.process is not None
        assert self.process.stdout is not None
        content = bytearray(count)
        if receive(self.process.stdout, memoryview(content), seconds) < count:
            raise EOFError
        return content

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)
            self.process = None


_READER = _Reader()
atexit.register(_READER.stop)


def _serve() -> None:
    """Answer every path on standard input with arrays or an error on standard output, within the limit of memory."""
    import contextlib
    import resource

    import netCDF4  # noqa: F401  # loaded before the first file's time begins

    with contextlib.suppress(ValueError, OSError):  # a system that limits no address space, or less already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _send({})
    for line in sys.stdin.buffer:
        try:
            measured = read_here(Path(json.loads(line)))
        except MemoryError:
            _send({"error": "it takes more than 1 GB of memory"})
        except Exception as error:  # netCDF, HDF5 and numpy raise many kinds
            _send({"error": (str(error) or type(error).__name__).splitlines()[0]})
        else:
            arrays = measured.responses, measured.azimuths, measured.elevations
            shapes = [array.shape for array in arrays]
            _send({"shapes": shapes, "sample_rate": measured.sample_rate, "laboratory": measured.laboratory})
            for array in arrays:
                sys.stdout.buffer.write(np.ascontiguousarray(array, dtype=np.float64).data)
            sys.stdout.buffer.flush()


def _send(answer: dict[str, Any]) -> None:
    text = json.dumps(answer).encode()
    sys.stdout.buffer.write(struct.pack("<I", len(text)) + text)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
