"""Work shared out over processes: a function and its jobs in, results in the order of the jobs out.

Processes are spawned (torch does not survive a fork) and have one torch thread each, so that what a job gives does not
depend on how many there are. They end with the process that began them, however that ends.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from spatial_swin.errors import AudioError

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """work(job) of every job, in order, from `workers` processes (1: this one). Raises AudioError when one dies.

    `work` goes to every process once, so that what it holds (listeners, settings) is one object there for all jobs.
    """
    if workers == 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker, initargs=(work,)) as pool:
        try:
            with _one_thread_each():
                results = pool.map(_call, jobs)  # all jobs are handed in here, so all processes are begun here
            yield from results
        except BrokenProcessPool:
            raise AudioError("a process that rendered was ended, likely for memory; use fewer --workers") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes begun within have one OpenMP thread, unless the user said otherwise; this one keeps its own.

    The variable is read when a process loads its libraries, which this one may have yet to do: training after
    rendering in one process would have one thread too.
    """
    given = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        yield
    finally:
        if given is None:
            del os.environ["OMP_NUM_THREADS"]


_WORK: list[Callable[[Any], Any]] = []  # of this process, which `_begin_worker` was given


def _call(job: Any) -> Any:
    return _WORK[0](job)


def _begin_worker(work: Callable[[Any], Any]) -> None:
    import torch

    _WORK.append(work)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only for worker processes"
    parent.join()
    os._exit(1)
