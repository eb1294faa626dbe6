"""Work in processes: one thread in each of them, and nothing of that stays in the process that began them."""

import os

import pytest

from spatial_swin.audio.workers import in_processes


@pytest.mark.parametrize("given", [None, "2"])
def test_processes_have_one_thread_and_this_one_keeps_what_it_was_given(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    for told in in_processes(os.getenv, ["OMP_NUM_THREADS"] * 2, 2):
        assert told == (given or "1")
        assert os.environ.get("OMP_NUM_THREADS") == given, "training after rendering would have one thread"
