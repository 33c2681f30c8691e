"""Processes on this machine that do work, in the shape of ``concurrent.futures``.

Other than with ``ProcessPoolExecutor``, a process that dies takes its own work along only, and another one replaces
it; and all of them end by themselves when the process that they work for is killed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

__all__ = ["Processes"]

P = ParamSpec("P")
T = TypeVar("T")

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Processes(Executor):
    """Spawned processes, each with a thread here that gives it one piece of work at a time.

    A process is started with the first work that there is for it, and stays for the next.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.workers = count
        self._work: SimpleQueue[tuple[Future[Any], Call] | None] = SimpleQueue()
        self._processes = [_Worker() for _ in range(count)]
        self._threads = [Thread(target=self._serve, args=(worker,), daemon=True) for worker in self._processes]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Have a process call the function; ``BrokenExecutor`` is the error where that process dies meanwhile."""
        future: Future[T] = Future()
        self._work.put((future, (function, arguments, options)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the processes end with the work that there is, or with that which they have begun."""
        if cancel_futures:
            while (item := self._next()) is not None:
                item[0].cancel()
        for _ in self._threads:
            self._work.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; where an error ends the work, at once."""
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            for worker in self._processes:
                worker.terminate()
        self.shutdown()

    def _next(self) -> tuple[Future[Any], Call] | None:
        try:
            return self._work.get_nowait()
        except Empty:
            return None

    def _serve(self, worker: _Worker) -> None:
        while (item := self._work.get()) is not None:
            future, call = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result, error = worker.do(call)
            except Exception as broken:
                result, error = None, broken
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        worker.end()


class _Worker:
    """One process, started when it is needed, and anew when it has died."""

    def __init__(self) -> None:
        self._process: Any = None
        self._connection: Connection | None = None

    def do(self, call: Call) -> tuple[Any, Exception | None]:
        """Return the result of a call, or its error.

        Raises:
            BrokenExecutor: the process ended before.
        """
        connection = self._started()
        try:
            connection.send(call)
            answer: tuple[Any, Exception | None] = connection.recv()
        except (EOFError, OSError):
            process = self._process
            self.end()
            raise BrokenExecutor(f"the worker's process ended with code {process.exitcode}") from None
        return answer

    def terminate(self) -> None:
        """Tell the process to end, as the end of a job does."""
        process = self._process
        if process is not None:
            process.terminate()

    def end(self) -> None:
        """Let the process end, and wait for that."""
        if self._connection is not None:
            self._connection.close()
            self._process.join()
        self._process = self._connection = None

    def _started(self) -> Connection:
        if self._connection is not None and not self._process.is_alive():
            self.end()
        if self._connection is None:
            context = get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=_work, args=(other,))
            self._process.start()
            other.close()  # what is left is the process' own: with it, the connection ends
        return self._connection


def _work(connection: Connection) -> None:
    """Do what comes, until nothing comes any more: the executor was shut down, or its process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the work
    while True:
        try:
            function, arguments, options = connection.recv()
        except (EOFError, OSError):
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = function(*arguments, **options), None
        except KeyboardInterrupt:  # the signal to end, answered by the work
            return
        except Exception as error:
            answer = None, error
        try:
            connection.send(answer)
        except OSError:
            return
