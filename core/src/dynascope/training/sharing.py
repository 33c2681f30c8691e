"""Sharing stacks out to workers, a segment at a time, until each has reached its end."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dynascope.errors import DynascopeError, TrainingError
from dynascope.executors import Where, opened
from dynascope.store.metrics import COLUMNS
from dynascope.store.variant import Variant
from dynascope.training.interrupt import Interrupt
from dynascope.training.loop import TrainingResult, start_of
from dynascope.training.recipe import Recipe
from dynascope.training.segments import order_of, train_segment

__all__ = ["Progress", "Task", "share_out"]

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a segment is given out whose worker dies before it has saved anything. Then it is reported."""
LOOK = 0.2
"""Seconds between two looks at the metrics; longer where looking takes more than a twentieth of that."""
LAST_ROW = 512
"""Bytes at the end of a metrics file that hold the last row."""

Progress = Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class Task:
    """A stack of variants and its recipe."""

    variants: tuple[Variant, ...]
    recipe: Recipe


@dataclass(frozen=True)
class _Part:
    """What is left of a stack.

    Attributes:
        task: those of its variants that have not ended.
        start: the epoch from which they go on.
        lost: how many workers have died that were to go on from there.
        begun: whether a segment of it was given out before.
    """

    task: Task
    start: int
    lost: int = 0
    begun: bool = False


def share_out(tasks: Sequence[Task], where: Where, progress: Progress) -> list[TrainingResult]:
    """Train stacks elsewhere; one that cannot be trained is reported in its results, and the others go on.

    Raises:
        InvalidSetting, PluginError: as ``opened``.
        KeyboardInterrupt: interrupted; everything until then is saved.
    """
    if not tasks:
        return []
    ended = _Ended()
    waiting = deque(_Part(task, max(task.variants[0].resumable, default=0)) for task in tasks)
    running: dict[Future[list[TrainingResult]], _Part] = {}
    # A cluster grows with what waits, and puts first what has begun; processes are given as much as they can do.
    room = len(tasks) if where.kind == "dask" else where.count
    look = _Look(progress)
    with _stop_file(tasks[0].variants[0]) as stop, opened(where) as executor, Interrupt() as interrupt:
        try:
            while waiting or running:
                while waiting and len(running) < room:
                    part = waiting.popleft()
                    order = order_of(part.task.variants, part.task.recipe, stop)
                    first = {"priority": int(part.begun)} if where.kind == "dask" else {}
                    running[executor.submit(train_segment, order, **first)] = replace(part, begun=True)
                done = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED).done
                look.at(variant for part in running.values() for variant in part.task.variants)
                for future in done:
                    part = running.pop(future)
                    look.at(part.task.variants, now=True)
                    waiting.extendleft(_left(part, future, ended))
                if interrupt.requested:
                    raise KeyboardInterrupt
        except BaseException:
            stop.touch()
            for future in running:
                future.cancel()
            while _in_training(running.values()):
                time.sleep(LOOK)
            raise
    return ended.results


class _Ended:
    """The results of variants that have ended, each over all its segments."""

    def __init__(self) -> None:
        self.results: list[TrainingResult] = []
        self._before: dict[str, TrainingResult] = {}

    def add(self, result: TrainingResult, *, last: bool) -> None:
        """Take in the result of a segment."""
        before = self._before.get(result.variant)
        if before is not None:
            result = replace(
                result,
                started_at=before.started_at,
                epochs=max(before.epochs, result.epochs),
                seconds=before.seconds + result.seconds,
            )
        self._before[result.variant] = result
        if last:
            self.results.append(result)


def _left(part: _Part, future: Future[list[TrainingResult]], ended: _Ended) -> list[_Part]:
    """Return what is to be given out again after a segment."""
    task, last = part.task, part.task.recipe.epochs
    try:
        results = future.result()
    except DynascopeError as error:
        for variant in task.variants:
            ended.add(TrainingResult(variant.name, 0, 0, 0.0, error), last=True)
        return []
    except Exception as error:  # whatever each kind of executor raises for a worker that died
        log.debug("A segment was lost.", exc_info=error)
        return _lost(part, error, ended)
    left, reached = [], 0
    for variant, result in zip(task.variants, results, strict=True):
        has_ended = result.error is not None or result.epochs >= last
        ended.add(result, last=has_ended)
        if not has_ended:
            left.append(variant)
            reached = result.epochs
    return [_Part(Task(tuple(left), task.recipe), reached, begun=True)] if left else []


def _lost(part: _Part, error: Exception, ended: _Ended) -> list[_Part]:
    """Return what a dead worker left, by the epoch from which it goes on; report what none can go on with."""
    parts: dict[int, list[Variant]] = {}
    for variant in part.task.variants:
        try:
            start = start_of(variant, part.task.recipe)
        except DynascopeError as problem:
            ended.add(TrainingResult(variant.name, 0, 0, 0.0, problem), last=True)
            continue
        if start is None:
            ended.add(TrainingResult(variant.name, 0, part.task.recipe.epochs, 0.0), last=True)
        else:
            parts.setdefault(start, []).append(variant)
    left = []
    for start, variants in parts.items():
        names = ", ".join(variant.name for variant in variants)
        lost = part.lost + 1 if start <= part.start else 0
        if lost < ATTEMPTS:
            log.warning("A worker died that trained %s. It is given to another, from epoch %d.", names, start)
            left.append(_Part(Task(tuple(variants), part.task.recipe), start, lost, begun=True))
            continue
        died = TrainingError(
            f"{ATTEMPTS} workers have died one after the other that trained {names} from epoch {start}, as where there "
            f"is no memory left: {type(error).__name__}: {error}. "
            f"Everything until epoch {start} is kept. Run the command again, with fewer --workers or a smaller --stack."
        )
        for variant in variants:
            ended.add(TrainingResult(variant.name, start, start, 0.0, died), last=True)
    return left


@contextmanager
def _stop_file(variant: Variant) -> Iterator[Path]:
    """Yield the path of a file that tells all workers to stop, wherever they are, by being there."""
    stop = variant.folder.parents[2] / f".stop-{secrets.token_hex(4)}"
    try:
        yield stop
    finally:
        stop.unlink(missing_ok=True)


def _in_training(parts: Iterable[_Part]) -> bool:
    """Say whether some are still being trained, or saved."""
    return any(variant.state == "training" for part in parts for variant in part.task.variants)


class _Look:
    """Tells the last rows of metrics files that others write: that is seen from wherever the workspace is."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.next = progress, 0.0
        self.told: dict[str, float] = {}

    def at(self, variants: Iterable[Variant], *, now: bool = False) -> None:
        """Tell each variant's last row if it is new."""
        begun = time.monotonic()
        if begun < self.next and not now:
            return
        for variant in variants:
            row = _last_row(variant.metrics_file.path)
            if row is not None and self.told.get(variant.name) != row["epoch"]:
                self.told[variant.name] = row["epoch"]
                self.progress(variant.name, row)
        ended = time.monotonic()
        self.next = ended + max(LOOK, 20 * (ended - begun))


def _last_row(path: Path) -> dict[str, Any] | None:
    """Return the last complete row of a metrics file, without reading the others; None where it has none."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - LAST_ROW, 0))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    try:
        cells = [float(cell) if cell else math.nan for cell in lines[-2].decode().split(",")]
        return dict(zip(COLUMNS, cells, strict=True))
    except (IndexError, ValueError):
        return None
