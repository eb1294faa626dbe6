"""Output of a training: a disk that is full, or a reader that has gone, costs lines and nothing else."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spatial_swin.background import output as lasting
from spatial_swin.background.output import LastingOutput

CHILD = """
import sys
from spatial_swin.background.output import make_output_lasting
make_output_lasting()
print("lost", flush=True)
print("lost too", file=sys.stderr)
sys.exit(143)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(("lasting", "code"), [(True, 143), (False, 1)])
def test_a_full_disk_under_the_log_changes_neither_the_course_nor_the_exit_code(lasting: bool, code: int) -> None:
    script = CHILD if lasting else CHILD.replace("make_output_lasting()\nprint", "print")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=full, timeout=60, check=False)
    assert done.returncode == code


def test_a_reader_that_has_gone_is_survived() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    child.stdout.close()
    assert child.wait(60) == 143


def test_what_was_lost_is_counted_once_writing_works_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    full = True

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(lasting.os, "write", write)
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        output = LastingOutput(file)
        output.write("one\n")
        output.write("two\n")
        full = False
        output.write("drei ä\n")
        output.write("four\n")
    monkeypatch.undo()
    assert (tmp_path / "log").read_text(encoding="utf-8") == (
        "(2 writes before this line were lost: the log could not be written)\ndrei ä\nfour\n"
    )
