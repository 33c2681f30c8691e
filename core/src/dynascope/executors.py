"""Where analysis runs: in this process, in several, or on a Dask cluster. All have the shape of ``concurrent.futures``.

What is sent are names and numbers, never objects: a worker opens the workspace by itself, finds its own plug-ins, and
refuses the work if they are of other versions. Work is idempotent: what a dead worker left undone is done by another.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal, ParamSpec, TypeVar

from dynascope.errors import InvalidSetting, PluginError

__all__ = ["Inline", "Where", "cores", "opened"]

P = ParamSpec("P")
T = TypeVar("T")

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Inline(Executor):
    """Does the work at once, in this process."""

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Call the function, and return its result or its error as a finished future."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Where:
    """Where work is done.

    Attributes:
        kind: ``inline``: this process; ``processes``: several on this machine; ``dask``: a Dask cluster.
        workers: how many processes, for ``processes`` and a local Dask cluster; one a core by default.
        address: of a Dask scheduler, such as ``tcp://host:8786``; ``local`` starts a cluster on this machine.
    """

    kind: Literal["inline", "processes", "dask"] = "inline"
    workers: int | None = None
    address: str = "local"

    @property
    def count(self) -> int:
        """How many workers there will be, as far as it is known beforehand."""
        return 1 if self.kind == "inline" else self.workers or cores()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def opened(where: Where) -> Iterator[Any]:
    """Yield an executor; end its workers afterwards.

    Raises:
        InvalidSetting: a number of workers below 1; a scheduler that does not answer.
        PluginError: Dask is not installed.
    """
    if where.workers is not None and where.workers < 1:
        raise InvalidSetting(f"workers must be at least 1, got {where.workers}.")
    if where.kind == "inline":
        yield Inline()
    elif where.kind == "processes":
        with _threads_for_each(max(cores() // where.count, 1)), _processes(where.count) as pool:
            yield pool
    else:
        with _dask(where) as executor:
            yield executor


class _Pool(ProcessPoolExecutor):
    """Tells of a worker that died in the futures only, whether it dies before or after the work is given out."""

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Give out work; the future of a pool that is broken already has its error."""
        try:
            return super().submit(function, *arguments, **options)
        except BrokenProcessPool as error:
            future: Future[T] = Future()
            future.set_exception(error)
            return future


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Yield a pool of processes that end with this one, whatever ends it, and at once where the work is given up.

    They would otherwise wait for ever for orders of a process that was killed, and one that is told to end would wait
    for all orders that it gave out. What a worker has under way when it ends is lost, as when it is killed.
    """
    context = get_context("spawn")
    end, lifeline = context.Pipe(duplex=False)
    pool = _Pool(count, mp_context=context, initializer=_hang_on, initargs=(end, lifeline))
    try:
        yield pool
    finally:
        lifeline.close()  # first: one that was killed may have taken a lock along, for which others would wait for ever
        pool.shutdown(cancel_futures=True)
        end.close()


def _hang_on(end: Connection, lifeline: Connection) -> None:
    """Let this process, a worker, end when nobody holds the other end of the lifeline; leave Ctrl-C to its parent."""
    lifeline.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(end,), daemon=True).start()


def _end_with(end: Connection) -> None:
    end.poll(None)  # nothing is ever sent: this returns when it is closed
    os._exit(1)


@contextmanager
def _dask(where: Where) -> Iterator[Any]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise PluginError("Dask is not installed. Install it: pip install 'dynascope[dask]'.") from None
    if where.address == "local":
        with (
            _threads_for_each(max(cores() // where.count, 1)),
            distributed.LocalCluster(n_workers=where.count, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client.get_executor(pure=False)
        return
    try:
        client = distributed.Client(where.address, timeout="10s")
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"No Dask scheduler answers at {where.address!r}: {error}") from None
    with client:
        yield client.get_executor(pure=False)


@contextmanager
def _threads_for_each(count: int) -> Iterator[None]:
    """Let processes that are started inside compute with so many threads each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
