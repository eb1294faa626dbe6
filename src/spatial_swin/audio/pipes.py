"""What another program says on a pipe, received with patience that has an end, and the end of that program."""

import os
import select
import subprocess
import time
from typing import IO


def receive(stream: IO[bytes], target: memoryview, seconds: float) -> int:
    """Fill `target` with what comes from an unbuffered pipe; return how many bytes came, fewer only at its end.

    Raises TimeoutError when the other side takes more than `seconds` for it.
    """
    until = time.monotonic() + seconds
    waiting = select.poll()
    waiting.register(stream, select.POLLIN)
    received = 0
    while received < len(target):
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1e3):
            raise TimeoutError(f"nothing came for {seconds:g} s")
        count = os.readv(stream.fileno(), [target[received:]])
        if not count:
            break
        received += count
    return received


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and close its pipes; one that has ended already is only waited for."""
    process.kill()
    for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
        stream.close()
    process.wait()
