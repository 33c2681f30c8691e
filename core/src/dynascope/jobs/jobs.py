"""The jobs of a workspace."""

from __future__ import annotations

import datetime
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dynascope.errors import DynascopeError, InvalidSetting, UnknownName, WorkspaceError
from dynascope.jobs import lock
from dynascope.jobs.command import checked
from dynascope.jobs.job import FORMAT, PATIENCE, Job

__all__ = ["Jobs"]


class Jobs(Mapping[str, Job]):
    """The jobs of a workspace, by id: work in processes of their own.

    Args:
        path: the workspace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / "jobs"

    def start(self, command: str, arguments: Sequence[str] = (), *, folder: str | Path | None = None) -> Job:
        """Start a command of the command line as a job, and return at once.

        Args:
            command: ``train``, ``analyze``, ``replay``, ``checkpoints add``, ``import`` or ``export``.
            arguments: what follows it on the command line, without ``--workspace``.
            folder: where relative paths among the arguments begin; the current one by default.

        Raises:
            UnknownName: another command.
            InvalidSetting: arguments that a job itself decides, or a ``folder`` that is none.
            JobError: its process could not be started.
            WorkspaceError: the workspace cannot be written to.
        """
        words = checked(command, arguments)
        begin = Path(folder or ".").expanduser().resolve()
        if not begin.is_dir():
            raise InvalidSetting(f"A job works in a folder that exists; {begin} is none.")
        now = datetime.datetime.now(datetime.UTC)
        place = self.path / f"{now:%Y%m%d-%H%M}-{command.replace(' ', '-')}-{secrets.token_hex(2)}"
        try:
            place.mkdir(parents=True)
        except OSError as error:
            raise WorkspaceError(f"Could not make the folder {place}: {error.strerror}.") from None
        record = {
            "format": FORMAT,
            "arguments": words,
            "folder": str(begin),
            "created": now.isoformat(timespec="milliseconds"),
        }
        with lock.holding(place / ".lock", place.name) as descriptor:
            job = Job(place)
            job.launch(record, descriptor)
        return job

    def list(self) -> Sequence[Job]:
        """Return the jobs that can be read, the oldest first."""
        found = []
        for job in self._all().values():
            with suppress(WorkspaceError):  # removed meanwhile
                if isinstance(job, Job):
                    found.append((str(job.record().get("created")), job.id, job))
        return [job for _, _, job in sorted(found, key=lambda one: one[:2])]

    def broken(self) -> Mapping[str, str]:
        """Return the error of each job whose ``job.json`` cannot be read."""
        return {name: found for name, found in self._all().items() if isinstance(found, str)}

    def remove(self, name: str) -> None:
        """Delete what is recorded of a job that has ended, or whose record is damaged; what it made stays.

        Raises:
            UnknownName: there is no such job.
            JobError: it is running.
        """
        folder = self._folder(name)
        with lock.holding(folder / ".lock", name, patience=PATIENCE):
            # Out of the list at once; the rest can be deleted later if this process is killed.
            removed = self.path / f".{name}.removed"
            try:
                folder.rename(removed)
                for leftover in self.path.glob(".*.removed"):
                    shutil.rmtree(leftover)
            except OSError as error:
                raise WorkspaceError(f"Could not delete {error.filename or folder}: {error.strerror}.") from None

    # A mapping from ids to the jobs that can be read.

    def __getitem__(self, name: str) -> Job:
        """Return a job.

        Raises:
            UnknownName: there is no such job.
            WorkspaceError: its record is damaged.
        """
        job = Job(self._folder(name))
        job.record()
        return job

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, found in self._all().items() if isinstance(found, Job)])

    def __len__(self) -> int:
        return sum(isinstance(found, Job) for found in self._all().values())

    def __repr__(self) -> str:
        return f"<{len(self)} jobs in {self.path}>"

    def _names(self) -> Sequence[str]:
        return sorted(file.parent.name for file in self.path.glob("[!.]*/job.json"))

    def _folder(self, name: str) -> Path:
        names = self._names()
        if name not in names:
            raise UnknownName("job", name, names)
        return self.path / name

    def _all(self) -> Mapping[str, Job | str]:
        """Return each job, or the error for which it cannot be read."""
        found: dict[str, Job | str] = {}
        for name in self._names():
            try:
                found[name] = self[name]
            except UnknownName:  # removed meanwhile
                continue
            except DynascopeError as error:
                found[name] = str(error)
        return found
