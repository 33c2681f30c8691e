"""What is known of the jobs of a workspace, looked at again and again: those that have ended are not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dynascope import DynascopeError, Workspace
from dynascope.jobs import Job

__all__ = ["Seen", "Watch", "watch_of"]

GLANCE = 0.5
"""Seconds for which a look is good: several tabs and lists share it."""


@dataclass(frozen=True)
class Seen:
    """A job as it was at the last look.

    Attributes:
        job: the job.
        command: its first word: ``train``.
        created: when it was made (ISO 8601, UTC).
        state: as ``Job.state``.
    """

    job: Job
    command: str
    created: str
    state: str

    @property
    def is_running(self) -> bool:
        """Whether it is running."""
        return self.state == "running"


class Watch:
    """The jobs of a workspace.

    Args:
        path: the workspace.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / "jobs"
        self._known: dict[str, tuple[int, Seen]] = {}
        self._looked = float("-inf")
        self._found: Sequence[Seen] = ()

    def look(self, *, anew: bool = False) -> Sequence[Seen]:
        """Return the jobs that can be read, the newest first.

        Args:
            anew: do not be content with a look that is half a second old.
        """
        if anew or time.monotonic() - self._looked > GLANCE:
            self._found = self._read()
            self._looked = time.monotonic()
        return self._found

    def running(self) -> Sequence[Seen]:
        """Return the jobs that are running."""
        return [seen for seen in self.look() if seen.is_running]

    def _read(self) -> list[Seen]:
        try:
            folders = [
                (entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(self._path) if entry.name[0] != "."
            ]
        except FileNotFoundError:
            folders = []
        known: dict[str, tuple[int, Seen]] = {}
        for name, changed in folders:
            before = self._known.get(name)
            if before is not None and before[0] == changed and not before[1].is_running:
                known[name] = before
                continue
            job = Job(self._path / name)
            try:
                record = job.record()
                known[name] = changed, Seen(job, record["arguments"][0], str(record.get("created")), job.state)
            except DynascopeError:  # it is being made or removed, or is damaged: `dynascope jobs` names it
                continue
        self._known = known
        return sorted((seen for _, seen in known.values()), key=lambda seen: (seen.created, seen.job.id), reverse=True)


@cache
def _watch_at(path: Path) -> Watch:
    return Watch(path)


def watch_of(workspace: Workspace) -> Watch:
    """Return what this process knows of the jobs of a workspace."""
    return _watch_at(workspace.path)
