"""The process of a job: ``python -m dynascope.jobs.run FOLDER DESCRIPTOR``.

It leaves the process that started it, runs the command line here, with its output in the log, and records the exit.
DESCRIPTOR is the open file of the job's lock.
"""

from __future__ import annotations

import datetime
import faulthandler
import os
import platform
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from dynascope.jobs import progress
from dynascope.jobs.identity import start_time
from dynascope.jobs.job import INTERRUPTED
from dynascope.store.atomic import read_json, write_json

__all__ = ["main"]


class _End:
    """SIGTERM, as Ctrl-C. Training answers it by itself, between two epochs."""

    told = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.told = True
        raise KeyboardInterrupt


def main(folder: Path, lock: int) -> None:
    """Become the process of a job, and end with its work."""
    os.set_inheritable(lock, False)  # what this process starts must not seem to be the job once it has ended
    end = _End()
    signal.signal(signal.SIGTERM, end)
    if os.fork():
        os._exit(0)  # the job has no parent now that would have to wait for it, or takes it along
    os.setsid()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a file: the log
    faulthandler.enable()
    code = 1
    try:
        write_json(
            folder / "process.json",
            {"pid": os.getpid(), "pid_started": start_time(os.getpid()), "host": platform.node()},
        )
        code = _work(folder, read_json(folder / "job.json")["arguments"])
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:
        traceback.print_exc()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    progress.flush()
    sys.stdout.flush()
    ended = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    write_json(folder / "exit.json", {"code": INTERRUPTED if end.told and code else code, "ended": ended})


def _work(folder: Path, arguments: Sequence[str]) -> int:
    """Run the command line, and return its exit code."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        os.environ.pop(name, None)  # a log holds no colours
    os.environ["DYNASCOPE_WORKSPACE"] = str(folder.parents[1])
    progress.report_to(folder)
    sys.argv = ["dynascope", *arguments]
    from dynascope.cli import main as command_line

    try:
        command_line()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
