"""A process that has imported everything, and forks: work begins, and can be killed, within milliseconds.

``Forks`` is the handle in the test; this file, run as a program, is the process. Before a fork it opens no HDF5 file
and, on one thread, computes no more than the weights of a small model.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tiny import FAMILY, TINY


class Forks:
    """Start tasks (the functions below) in forked processes, and wait for them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._ask(None) == "ready"

    def start(self, task: str, **arguments: Any) -> int:
        """Begin a task, and return its process id."""
        return self._ask({"task": task, **arguments})

    def wait(self, pid: int) -> int:
        """Return the exit code of a process; negative: the number of the signal that ended it."""
        return self._ask({"wait": pid})

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def _ask(self, question: Any) -> Any:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def task_analyze(path: str, force: bool = False) -> None:
    """Analyse every variant of a workspace."""
    from dynascope import Workspace, analyze

    for variant in Workspace(path).variants():
        analyze(variant, force=force)


def task_shared(path: str, force: bool = False) -> None:
    """Analyse every variant of a workspace in two processes, in a group of their own.

    They are forked, too, and not spawned as those of Dynascope, which take seconds to begin; then they close what
    spawned ones would not have: connections to their parent and to one another.
    """
    from dynascope import Workspace, analyze, executors, processes

    os.setsid()
    work = processes._work

    def work_alone(connection: Any) -> None:
        for file in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if int(file.name) != connection.fileno() and str(file.readlink()).startswith("socket:"):
                    os.close(int(file.name))
        work(connection)

    processes._work = work_alone
    processes.get_context = lambda method: multiprocessing.get_context("fork")
    for variant in Workspace(path).variants():
        analyze(variant, force=force, where=executors.Where("processes", 2))


def task_series(path: str) -> None:
    """Build the series again and again, as every analysis does at its end."""
    from dynascope import Workspace, analyze
    from dynascope.store.series import SERIES_FILE

    (variant,) = Workspace(path).variants()
    while True:
        for series in variant.artifacts.folder.rglob(SERIES_FILE):
            series.unlink()
        analyze(variant)


def task_scrub(path: str, expected: str, stop: str, report: str) -> None:
    """Read at random until the file ``stop`` is there; report the reads, and every one that was not as expected."""
    import numpy as np

    from dynascope import Workspace

    (variant,) = Workspace(path).variants()
    arrays = dict(np.load(expected))
    whole = {name: variant.artifacts.range(name) for name in arrays}
    table = variant.table()
    rng, reads, wrong = random.Random(0), 0, []
    while not Path(stop).exists():
        name = rng.choice(sorted(arrays))
        place = rng.randrange(len(variant.checkpoints))
        try:
            if reads % 3 == 0:
                found, wanted = variant.artifacts.series(name).values, arrays[name]
            elif reads % 3 == 1:
                found, wanted = variant.artifacts.range(name), whole[name]
            else:
                found = variant.artifacts.read(name, variant.checkpoints[place]).values
                wanted = arrays[name][place]
            if not np.array_equal(found, wanted):
                wrong.append(f"{name} at {place} differs")
            if reads % 20 == 0 and not variant.table().equals(table):
                wrong.append("the table differs")
        except Exception as error:
            wrong.append(f"{name} at {place}: {error!r}")
        reads += 1
    Path(report).write_text(json.dumps({"reads": reads, "wrong": wrong}))


def task_limited(arguments: list[str], bytes_a_file: int, said: str) -> None:
    """Run the command line where no file can grow beyond a number of bytes, as on a disk that is full."""
    from dynascope.cli import main

    errors = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))
    sys.argv = ["dynascope", *arguments]
    main()


def _serve() -> None:
    import netCDF4  # noqa: F401
    import transformer_lens  # noqa: F401
    import xarray  # noqa: F401

    from dynascope import Workspace, analyze, registry  # noqa: F401
    from dynascope.cli import app, artifacts, work  # noqa: F401
    from dynascope.store import pack, table  # noqa: F401

    registry()
    with tempfile.TemporaryDirectory() as folder:  # what building a model imports
        variant = Workspace.create(folder).new_variant(FAMILY, TINY)
        variant.family.base.hooked(variant.config, variant.family.base.init(variant.config))
    for line in sys.stdin:
        asked = json.loads(line)
        if asked is None:
            answer: Any = "ready"
        elif "wait" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                _run(asked)
        print(json.dumps(answer), flush=True)


def _run(asked: dict[str, Any]) -> None:
    code = 1
    try:
        os.dup2(2, 1)  # what a task says is none of the answers
        globals()[f"task_{asked.pop('task')}"](**asked)
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
