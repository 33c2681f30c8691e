"""The lock that says whether a job is alive. It goes with the processes that hold it, whatever ends them.

The process that starts a job takes the lock and hands the open file to the process that does the work: there is no
moment in between at which nobody holds it. A process id alone could by now be another process'.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynascope.errors import JobError, WorkspaceError

__all__ = ["holding", "is_held"]


@contextmanager
def holding(file: Path, job: str, patience: float = 0.5) -> Iterator[int]:
    """Hold the lock, and yield its file descriptor; a process that is given the descriptor holds it, too.

    Args:
        file: the lock.
        job: whose it is.
        patience: how many seconds to wait for it. Those who only look hold it for a moment, too.

    Raises:
        JobError: another process holds it.
        WorkspaceError: it cannot be made or opened.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise WorkspaceError(f"Could not lock job {job}: {file} cannot be opened: {error.strerror}.") from None
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise JobError(f"Job {job} is running. Wait for its end, or cancel it first.") from None
                time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(file: Path) -> bool:
    """Say whether a process holds the lock."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared: two processes that look at the same time do not take each other for the job.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
