"""Where work is done: in this process, in several, or on a Dask cluster. All have the shape of ``concurrent.futures``.

What is sent are names and numbers, never objects: a worker opens the workspace by itself, finds its own plug-ins, and
refuses the work if they are of other versions. Work is idempotent: what a dead worker left undone is done by another.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from dynascope.errors import InvalidSetting, PluginError
from dynascope.processes import Processes

__all__ = ["Inline", "Port", "Where", "cores", "opened"]

P = ParamSpec("P")
T = TypeVar("T")

NO_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""What workers on this terminal run first: Ctrl-C is for the process that gives the work."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Port(Protocol):
    """What does work: in the shape of ``concurrent.futures.Executor``.

    Attributes:
        workers: how many pieces of work are done at a time, as far as that is known now.
    """

    @property
    def workers(self) -> int: ...

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Have the function called; its result, or its error, is that of the future."""


class Inline(Executor):
    """Does the work at once, in this process."""

    workers = 1

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


class _Cluster:
    """A Dask cluster, by the executor of its client."""

    def __init__(self, client: Any) -> None:
        self._client, self._executor = client, client.get_executor(pure=False)

    @property
    def workers(self) -> int:
        """Those that are there now; one that grows with what waits begins with none."""
        return sum(self._client.nthreads().values()) or cores()

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Have a worker call the function."""
        future: Future[T] = self._executor.submit(function, *arguments, **options)
        return future


@contextmanager
def opened(where: Where) -> Iterator[Port]:
    """Yield what does the work; end its workers afterwards.

    Raises:
        InvalidSetting: a number of workers below 1; a scheduler that does not answer.
        PluginError: Dask is not installed.
    """
    if where.workers is not None and where.workers < 1:
        raise InvalidSetting(f"workers must be at least 1, got {where.workers}.")
    if where.kind == "inline":
        yield Inline()
    elif where.kind == "processes":
        with _threads_for_each(max(cores() // where.count, 1)), Processes(where.count) as processes:
            yield processes
    else:
        with _dask(where) as executor:
            yield executor


@contextmanager
def _dask(where: Where) -> Iterator[Port]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise PluginError("Dask is not installed. Install it: pip install 'dynascope[dask]'.") from None
    logging.getLogger("distributed").setLevel(logging.getLogger().level)  # as much as all others, not each connection
    if where.address == "local":
        with (
            _threads_for_each(max(cores() // where.count, 1)),
            distributed.LocalCluster(
                n_workers=where.count, threads_per_worker=1, dashboard_address=None, preload=[NO_CTRL_C]
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield _Cluster(client)
        return
    try:
        client = distributed.Client(where.address, timeout="10s")
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"No Dask scheduler answers at {where.address!r}: {error}") from None
    with client:
        yield _Cluster(client)


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
