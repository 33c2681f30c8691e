"""How far a job is, and what it works on: what its process reports, and what others read.

The command line calls ``report`` where it moves its bars, and ``announce`` when it knows its variants. Outside of a
job they do nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dynascope.errors import WorkspaceError
from dynascope.store.atomic import read_json, write_json

__all__ = [
    "Progress",
    "announce",
    "command_to_continue",
    "flush",
    "read_announced",
    "read_progress",
    "report",
    "report_to",
]

FILE = "progress.json"
VARIANTS = "variants.json"
EVERY = 0.5
"""Seconds between two writings."""
SURE = 2.0
"""Seconds of work after which it is told how long the rest takes."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        done, total: counts of ``what``.
        what: ``epochs``, ``units``, ``checkpoints``.
        text: what else there is to say: the losses, the variant.
        left: seconds until its end, at the mean speed of this attempt; None where that cannot be told yet.
    """

    done: int
    total: int
    what: str
    text: str = ""
    left: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.done:,}/{self.total:,} {self.what}" + (f"  {self.text}" if self.text else "")


class _Reporter:
    """Where this process reports to, and what it has not written yet."""

    folder: Path | None = None
    written = 0.0
    begun = 0.0
    first: Progress | None = None
    waiting: Progress | None = None


def report_to(folder: Path) -> None:
    """Let this process be a job, whose folder this is."""
    _Reporter.folder, _Reporter.written, _Reporter.first, _Reporter.waiting = folder, 0.0, None, None


def announce(variants: Sequence[str]) -> None:
    """Tell which variants the job works on that this process is, if it is one: ``<family>/<name>`` of each.

    Raises:
        WorkspaceError: it cannot be written.
    """
    if _Reporter.folder is not None:
        write_json(_Reporter.folder / VARIANTS, {"variants": list(variants)})


def report(done: int, total: int, what: str, text: str = "") -> None:
    """Tell how far the job is that this process is, if it is one. May be called often: it writes twice a second."""
    if _Reporter.folder is None:
        return
    now, first = time.monotonic(), _Reporter.first
    if first is None or (first.what, first.total) != (what, total) or done < first.done:
        first = _Reporter.first = Progress(done, total, what)
        _Reporter.begun = now
    known = done > first.done and now - _Reporter.begun > SURE
    left = (total - done) * (now - _Reporter.begun) / (done - first.done) if known else None
    _Reporter.waiting = Progress(done, total, what, text, left)
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
        counts, left = (int(content["done"]), int(content["total"])), content.get("left")
        return Progress(
            *counts, str(content["what"]), str(content.get("text", "")), None if left is None else float(left)
        )
    except (WorkspaceError, KeyError, TypeError, ValueError):
        return None


def read_announced(folder: Path) -> list[str] | None:
    """Return the variants that a job works on; None where it has not told them yet."""
    try:
        found = read_json(folder / VARIANTS)["variants"]
    except (WorkspaceError, KeyError):
        return None
    return list(map(str, found)) if isinstance(found, list) else None


def command_to_continue() -> str | None:
    """Return the command that continues the job that this process is; None where it is none."""
    return f"dynascope jobs continue {_Reporter.folder.name}" if _Reporter.folder is not None else None
