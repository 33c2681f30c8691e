"""How far a job is: what its process reports, and what others read.

The command line calls ``report`` where it moves its bars. Outside of a job that does nothing.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dynascope.errors import WorkspaceError
from dynascope.store.atomic import read_json

__all__ = ["Progress", "command_to_continue", "flush", "read_progress", "report", "report_to"]

FILE = "progress.json"
EVERY = 0.5
"""Seconds between two writings."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        done, total: counts of ``what``.
        what: ``epochs``, ``units``, ``checkpoints``.
        text: what else there is to say: the losses, the variant.
    """

    done: int
    total: int
    what: str
    text: str = ""

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.done:,}/{self.total:,} {self.what}" + (f"  {self.text}" if self.text else "")


class _Reporter:
    """Where this process reports to, and what it has not written yet."""

    folder: Path | None = None
    written = 0.0
    waiting: Progress | None = None


def report_to(folder: Path) -> None:
    """Let this process be a job, whose folder this is."""
    _Reporter.folder, _Reporter.written, _Reporter.waiting = folder, 0.0, None


def report(done: int, total: int, what: str, text: str = "") -> None:
    """Tell how far the job is that this process is, if it is one. May be called often: it writes twice a second."""
    if _Reporter.folder is None:
        return
    _Reporter.waiting = Progress(done, total, what, text)
    if time.monotonic() - _Reporter.written > EVERY:
        flush()


def flush() -> None:
    """Write what was reported last."""
    folder, progress = _Reporter.folder, _Reporter.waiting
    if folder is None or progress is None:
        return
    # Not synced to the disk: what is lost by a crash of the machine is of no use after it. That it cannot be written,
    # the disk being full, is no reason to end the work.
    with suppress(OSError):
        temporary = folder / f".{FILE}.tmp"
        temporary.write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
        temporary.replace(folder / FILE)
    _Reporter.written, _Reporter.waiting = time.monotonic(), None


def read_progress(folder: Path) -> Progress | None:
    """Return what a job reported last; None where it has reported nothing yet."""
    try:
        content = read_json(folder / FILE)
        return Progress(int(content["done"]), int(content["total"]), str(content["what"]), str(content.get("text", "")))
    except (WorkspaceError, KeyError, TypeError, ValueError):
        return None


def command_to_continue() -> str | None:
    """Return the command that continues the job that this process is; None where it is none."""
    return f"dynascope jobs continue {_Reporter.folder.name}" if _Reporter.folder is not None else None
