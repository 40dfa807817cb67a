"""Work in parts, done one after the other here or side by side wherever joblib is told to.

Nothing is spread unless the caller asks for it in joblib's own way, as in

    with joblib.parallel_config("loky", n_jobs=4):
        gnr.compare(instance)
"""

import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from gnr.errors import InputError, Problem
from gnr.installed import installation_digest

Part = TypeVar("Part")
Result = TypeVar("Result")

LOOK_SECONDS = 1.0
"""Time between two looks of a process of this machine at whether its parent is there."""

_one_core: ContextVar[bool] = ContextVar("one_core", default=False)
"""Whether this thread works on a part beside other parts."""


def usable_cores() -> int:
    """Return the number of cores that the caller may use: one inside a part of spread work."""
    if _one_core.get():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spreads() -> bool:
    """Return whether `spread` hands work to others rather than doing it in this process."""
    import joblib

    return bool(joblib.effective_n_jobs(None) > 1)


def spread(
    run: Callable[[Part], Result], parts: Iterable[Part]
) -> Generator[tuple[int, Result], None, None]:
    """Yield the number of each part, from 0, and its result, as they are done.

    In this process parts are done in order, each when the caller asks for it. Elsewhere they are
    done side by side, each on one core, and come in any order; what a part spreads itself is done
    where it is. Closing the generator and Ctrl-C take back what is not done.

    Parameters
    ----------
    run
        A function of a module, or a `functools.partial` of one, if parts leave this process.
    parts
        What it is called with; parts and results must then be picklable. A result must depend on
        its part alone.

    Raises
    ------
    InputError
        If a worker has another gnr than this process, or if workers end without a word.
    """
    if not spreads():
        for index, part in enumerate(parts):
            yield index, run(part)
        return
    outcomes = _dispatched(_packed(index, run, part) for index, part in enumerate(parts))
    try:
        for outcome in outcomes:
            yield pickle.loads(outcome)
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib tells of parts that were taken back
            outcomes.close()


@dataclass(frozen=True)
class _Packed:
    """A part on its way to a worker.

    Attributes
    ----------
    digest
        Of the gnr that cut it, its sources and libraries.
    sender
        Number of the process that cut it.
    content
        Number, function and part, pickled: they can then be read only after the digest has been
        compared, and their arrays can be written to, which those that travel apart cannot.
    """

    digest: str
    sender: int
    content: bytes


def _packed(index: int, run: Callable[[Part], Result], part: Part) -> _Packed:
    return _Packed(installation_digest(), os.getpid(), pickle.dumps((index, run, part)))


def _dispatched(parts: Iterable[_Packed]) -> Generator[bytes, None, None]:
    """Yield the pickled results of parts as they come; some parts are handed out in advance."""
    import joblib

    pool = joblib.Parallel(return_as="generator_unordered", batch_size=1, max_nbytes=None)
    with _interrupts_held(), _workers_end_told():
        outcomes: Iterator[bytes] = pool(joblib.delayed(_done)(part) for part in parts)
    with _workers_end_told():
        yield from outcomes


def _done(part: _Packed) -> bytes:
    """Do a part in a worker and return its number and result, pickled.

    Raises
    ------
    InputError
        If this is another gnr than the one that cut the part.
    """
    import joblib

    if part.digest != installation_digest():
        message = "a worker has another gnr or other libraries than this command"
        remedy = "install the same everywhere and start the workers again"
        raise InputError([Problem("workers-differ", "workers", "gnr", message, remedy)])
    if os.getppid() == part.sender:
        _end_with(part.sender)
    index, run, content = pickle.loads(part.content)
    alone = _one_core.set(True)
    try:
        with joblib.parallel_config("sequential"):
            return pickle.dumps((index, run(content)))
    finally:
        _one_core.reset(alone)


@cache
def _end_with(parent: int) -> None:
    """End this process once its parent is gone: one that is killed leaves it waiting for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back: processes that start meanwhile never hear it, this one does afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _workers_end_told() -> Iterator[None]:
    """Tell in words that a process of this machine ended in the middle of a part."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        yield
    except TerminatedWorkerError as error:
        message = "a worker process was ended from outside, perhaps for want of memory"
        remedy = "use fewer workers, or make room, and run the command again"
        raise InputError([Problem("workers-ended", "workers", "", message, remedy)]) from error
