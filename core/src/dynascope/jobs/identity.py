"""Which process a number means: numbers are used again, and each machine has its own."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["is_same_process", "start_time"]


def start_time(pid: int) -> int | None:
    """Return when a process was started, in the kernel's ticks; None where it is gone, or the system does not say."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[19])  # the name, in parentheses, may hold anything


def is_same_process(recorded: dict[str, Any]) -> bool:
    """Say whether the process of a ``process.json`` is the one that has its number now, on this machine."""
    pid = recorded["pid"]
    if recorded["host"] != platform.node() or start_time(pid) != recorded["pid_started"]:
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
