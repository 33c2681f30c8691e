"""One job: what its files say, and what can be done with it."""

from __future__ import annotations

import codecs
import datetime
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from dynascope.errors import JobError, WorkspaceError
from dynascope.jobs import command, lock
from dynascope.jobs.identity import is_same_process
from dynascope.jobs.progress import FILE as PROGRESS
from dynascope.jobs.progress import Progress, read_announced, read_progress
from dynascope.store.atomic import read_json, write_json

__all__ = ["Job", "State"]

FORMAT = 1
INTERRUPTED = 130
"""The exit code of work that was told to end."""
PATIENCE = 5.0
"""Seconds: longer than a process takes to end once it has recorded its exit."""
LOOK = 0.1
"""Seconds between two looks at a job that is waited for."""
AGAIN = 10.0
"""Seconds after which a job that was told to end may be told again: a second time ends the work without saving."""
TAIL = 8192
"""Bytes of the log in which the reason of a failure is looked for."""

State = Literal["running", "done", "failed", "cancelled", "gone"]


class Job:
    """A job of a workspace. Its attributes are read anew each time.

    Args:
        folder: ``WORKSPACE/jobs/ID``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    # What is known.

    def record(self) -> dict[str, Any]:
        """Return what ``job.json`` holds.

        Raises:
            WorkspaceError: it is missing, damaged or of a newer format.
        """
        path = self.folder / "job.json"
        content = read_json(path)
        if content.get("format") != FORMAT:
            raise WorkspaceError(
                f"{path} has format {content.get('format')!r}; this version of Dynascope reads {FORMAT}."
            )
        arguments, attempts = content.get("arguments"), content.get("attempts")
        if not (_is_list_of(str, arguments) and arguments and _is_list_of(dict, attempts) and attempts):
            raise WorkspaceError(
                f"{path} must hold 'arguments', a list of texts, and 'attempts', a list of objects; found "
                f"{arguments!r} and {attempts!r}. Mend it, or delete it with `dynascope jobs remove {self.id}`."
            )
        return content

    @property
    def command(self) -> str:
        """The command line, as it would be typed."""
        return shlex.join(["dynascope", *self.record()["arguments"]])

    @property
    def arguments(self) -> list[str]:
        """The words of the command line after ``dynascope``: the command is first."""
        return list(self.record()["arguments"])

    @property
    def variants(self) -> list[str] | None:
        """The variants that it works on, ``<family>/<name>``; None as long as it has not found out.

        Training, analysis and what replays say it as soon as they have read their settings.
        """
        return read_announced(self.folder)

    @property
    def is_ending(self) -> bool:
        """Whether it has been told to end, and may be saving."""
        return (self.folder / "cancel.json").exists() and self.state == "running"

    @property
    def started(self) -> str:
        """When the last attempt was started (ISO 8601, UTC)."""
        return str(self.record()["attempts"][-1].get("started", ""))

    @property
    def attempts(self) -> int:
        """How often it was started: one more than it was continued."""
        return len(self.record()["attempts"])

    @property
    def state(self) -> State:
        """``running``, ``done``, ``failed``, ``cancelled``, or ``gone``.

        ``gone``: its process does not exist any more and has not recorded an exit; it was killed, or the machine was.
        """
        ended = self._exit()
        if ended is None:
            if lock.is_held(self._lock):
                return "running"
            ended = self._exit()  # it may have ended between the two looks
        if ended is None:
            return "cancelled" if (self.folder / "cancel.json").exists() else "gone"
        code = ended["code"]
        return "done" if code == 0 else "cancelled" if code == INTERRUPTED else "failed"

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs, and where its process was killed."""
        ended = self._exit()
        return None if ended is None else int(ended["code"])

    @property
    def ended(self) -> str | None:
        """When it recorded its exit (ISO 8601, UTC); None if it has not."""
        ended = self._exit()
        return None if ended is None else str(ended.get("ended", ""))

    @property
    def reason(self) -> str:
        """Why it is not done, in one line; empty while it runs and when it is done."""
        state = self.state
        if state in ("running", "done"):
            return ""
        if state == "cancelled":
            return f"cancelled; to continue: dynascope jobs continue {self.id}"
        said = _last_line(self._read_log(max(self._attempt_begins(), self._log_size() - TAIL)))
        if state == "gone":
            return (
                f"its process is gone and recorded no exit: killed, or the machine was restarted. To continue: "
                f"dynascope jobs continue {self.id}" + (f". Last in the log: {said}" if said else "")
            )
        return said or f"exit code {self.code}, and nothing in the log"

    @property
    def progress(self) -> Progress | None:
        """How far it is, or was at its end; None where it has reported nothing."""
        return read_progress(self.folder)

    @property
    def log_file(self) -> Path:
        """What it printed, of all attempts."""
        return self.folder / "log.txt"

    @property
    def log(self) -> str:
        """What the last attempt printed."""
        return self._read_log(self._attempt_begins())

    # What can be done.

    def follow(self, look: Callable[[], None] | None = None) -> Iterator[str]:
        """Yield what the last attempt printed, and then what it prints, until it ends.

        Args:
            look: called several times a second, for those who show more than the log.
        """
        position = self._attempt_begins()
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        running = True
        while running:
            running = self.state == "running"  # asked first: what it printed before its end is read after
            if look is not None:
                look()
            found = self._read_bytes(position)
            position += len(found)
            if text := decoder.decode(found, final=not running):
                yield text
            if running:
                time.sleep(LOOK)

    def wait(self, timeout: float | None = None) -> State:
        """Return the state at the end, or after so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (state := self.state) == "running" and (deadline is None or time.monotonic() < deadline):
            time.sleep(LOOK)
        return state

    def cancel(self, *, force: bool = False, patience: float = 10.0) -> State:
        """Tell it to end, wait a while, and return the state: ``running`` if it is still saving.

        Training saves the epoch that it reached; of an analysis, what is computed is kept.

        Args:
            force: where it has not ended by then, kill it with all processes that it started.
            patience: how many seconds to wait for its end.

        Raises:
            JobError: it does not run, or runs on another machine.
        """
        if self.state != "running":
            raise JobError(f"Job {self.id} is {self.state}: only a job that is running can be cancelled.")
        process = self._process(patience)
        if process is None:
            return self.wait(patience)
        asked = self.folder / "cancel.json"
        if not asked.exists() or time.time() - asked.stat().st_mtime > AGAIN:
            write_json(asked, {"asked": _now()})
            os.kill(process, signal.SIGTERM)
        state = self.wait(patience)
        if state == "running" and force and self._process(0) == process:
            os.killpg(process, signal.SIGKILL)
            state = self.wait(patience)
        return state

    def resume(self) -> Job:
        """Run the command again, as another attempt of this job; it goes on where it stopped.

        What would delete what was done (``--overwrite``) is left out.

        Raises:
            JobError: it is running or done, or the folder in which it worked does not exist any more.
        """
        if self.state in ("running", "done"):
            raise JobError(f"Job {self.id} is {self.state}: there is nothing to continue.")
        with lock.holding(self._lock, self.id, PATIENCE) as descriptor:
            record = self.record()
            if self.state == "done":  # another process was faster
                raise JobError(f"Job {self.id} is done: there is nothing to continue.")
            self.launch({**record, "arguments": command.to_continue(record["arguments"])}, descriptor)
        return self

    def launch(self, record: dict[str, Any], descriptor: int) -> None:
        """Start the process of another attempt, the lock being held: it is handed on to it.

        Args:
            record: what ``job.json`` is to hold, with the attempts until now.
            descriptor: the open file of the lock.

        Raises:
            JobError: the folder in which it works does not exist any more, or the process ended at once.
        """
        where = record["folder"]
        if not Path(where).is_dir():
            raise JobError(
                f"Job {self.id} works in {where}, which is not a folder. Its arguments may name files there: make "
                "the folder again, or start a new job."
            )
        for name in ("exit.json", "process.json", "cancel.json", PROGRESS):
            (self.folder / name).unlink(missing_ok=True)
        attempt = {"started": _now(), "log_begins": self._log_size()}
        write_json(self.folder / "job.json", {**record, "attempts": [*record.get("attempts", ()), attempt]})
        with self.log_file.open("ab") as log:
            log.write(f"$ {shlex.join(['dynascope', *record['arguments']])}\n".encode())
            log.flush()
            started = subprocess.run(
                [sys.executable, "-P", "-m", "dynascope.jobs.run", str(self.folder), str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=where,
                pass_fds=[descriptor],
                start_new_session=True,
            )
        if started.returncode:
            raise JobError(f"The process of job {self.id} could not be started: {_last_line(self.log)}")

    def _process(self, patience: float) -> int | None:
        """Return the number of its process, which says in a moment that it is there; None where it has just ended.

        Raises:
            JobError: it is on another machine, is another one by now, or does not appear.
        """
        path = self.folder / "process.json"
        deadline = time.monotonic() + patience
        while not path.exists():
            if self.state != "running":
                return None
            if time.monotonic() > deadline:
                raise JobError(f"Job {self.id} has been started, and has not begun its work. Try again in a moment.")
            time.sleep(LOOK)
        process = read_json(path)
        if process["host"] != platform.node():
            raise JobError(f"Job {self.id} runs on {process['host']}, this is {platform.node()}. Cancel it there.")
        if not is_same_process(process):
            if self.wait(1.0) != "running":
                return None
            raise JobError(
                f"Job {self.id} is running, but process {process['pid']} is not the one that it was: its own has "
                "ended, and one that it started goes on. Nothing was signalled."
            )
        return int(process["pid"])

    # Its files.

    @property
    def _lock(self) -> Path:
        return self.folder / ".lock"

    def _exit(self) -> dict[str, Any] | None:
        try:
            content = read_json(self.folder / "exit.json")
        except WorkspaceError:
            return None
        return content if isinstance(content.get("code"), int) else None

    def _attempt_begins(self) -> int:
        return int(self.record()["attempts"][-1].get("log_begins", 0))

    def _log_size(self) -> int:
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    def _read_bytes(self, position: int) -> bytes:
        try:
            with self.log_file.open("rb") as file:
                file.seek(position)
                return file.read()
        except FileNotFoundError:
            return b""

    def _read_log(self, position: int) -> str:
        return self._read_bytes(position).decode("utf-8", errors="replace")

    def __repr__(self) -> str:
        return f"<job {self.id}: {self.state}>"


def _is_list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _last_line(text: str) -> str:
    """Return the last line that says something, without the frame that a usage error has."""
    lines = (line.strip(" │╭╮╰╯─") for line in text.splitlines() if not line.startswith("$ "))
    return next((line for line in reversed(list(lines)) if line), "")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
