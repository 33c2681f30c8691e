"""Training many variants: a grid of settings, grouped into stacks, shared out to processes."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from dynascope.errors import DynascopeError, InvalidSetting, TrainingError
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace
from dynascope.training.interrupt import Interrupt
from dynascope.training.loop import TrainingResult, start_of, train_stack
from dynascope.training.recipe import KeepOptimizer, Recipe, resolved

__all__ = ["Ensemble", "Task", "plan_ensemble", "train_ensemble"]

SMALL_VARIANT, STACK_OF_SMALL = 1_000, 32
"""On a CPU a stack saves the cost of the calls and loses locality: it pays for variants of fewer examples than this
(1.3 times at 121 examples, 1.2 times at 529); larger ones are fastest alone. See ``benchmarks/training.py``."""
ROWS_ON_GPU = 1_000_000
"""Examples of all members together that fill a GPU and fit into its memory. Not measured yet."""

Progress = Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class Task:
    """A stack of variants and its recipe."""

    variants: tuple[Variant, ...]
    recipe: Recipe


@dataclass(frozen=True)
class Ensemble:
    """What is to be done for a list of variants.

    Attributes:
        tasks: the stacks to train.
        finished: variants that have reached their end.
        workers: processes that share the tasks; 1: this one.
        refused: variants that cannot be trained, with the reason.
    """

    tasks: tuple[Task, ...]
    finished: tuple[Variant, ...]
    workers: int
    refused: tuple[TrainingResult, ...]


def plan_ensemble(
    variants: Sequence[Variant],
    *,
    stack: int | None = None,
    workers: int | None = None,
    epochs: int | None = None,
    schedule: str | None = None,
    keep_optimizer: KeepOptimizer | None = None,
    eval_every: int | None = None,
    compiled: bool | None = None,
) -> Ensemble:
    """Group variants into stacks: those that differ in the family's ``draws`` only, and go on from the same epoch.

    On a CPU, variants are shared out to as many processes as there are cores, of one thread each: that is up to
    1.7 times faster than one process that computes each epoch with all threads.

    Args:
        stack: the largest number of variants in a stack; chosen by the device and the variants' size by default.
        workers: how many processes; one a core on a CPU, one on a GPU by default.
        epochs, schedule, keep_optimizer, eval_every, compiled: as for ``train``.

    Raises:
        InvalidSetting: a number below 1, or a schedule that does not parse.
    """
    for name, number in (("stack", stack), ("workers", workers)):
        if number is not None and number < 1:
            raise InvalidSetting(f"{name} must be at least 1, got {number}.")
    on_cpu = all(variant.config.training.device == "cpu" for variant in variants)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers or (cores if on_cpu else 1), len(variants)) or 1
    threads = max(cores // workers, 1)
    groups: dict[str, list[tuple[Variant, Recipe]]] = {}
    finished, refused = [], []
    for variant in variants:
        recipe = resolved(
            variant,
            epochs=epochs,
            schedule=schedule,
            keep_optimizer=keep_optimizer,
            eval_every=eval_every,
            compiled=compiled,
            threads=threads,
        )
        try:
            start = start_of(variant, recipe)
        except DynascopeError as error:
            refused.append(TrainingResult(variant.name, 0, 0, 0.0, error))
            continue
        if start is None:
            finished.append(variant)
        else:
            groups.setdefault(_kind(variant, recipe, start), []).append((variant, recipe))
    tasks = []
    for group in groups.values():
        share = -(-len(group) // workers)
        size = min(stack or _stack_size(group[0][0]), share)
        recipe = replace(group[0][1], stacked=group[0][1].stacked or size > 1)
        members = iter(group)
        while chunk := tuple(islice(members, size)):
            tasks.append(Task(tuple(variant for variant, _ in chunk), recipe))
    return Ensemble(tuple(tasks), tuple(finished), min(workers, len(tasks)) or 1, tuple(refused))


def train_ensemble(ensemble: Ensemble, progress: Progress | None = None) -> list[TrainingResult]:
    """Train what was planned; one that fails is reported in its result, and the others go on.

    Args:
        progress: called with a variant's name and its metrics, of every epoch or less often.

    Raises:
        KeyboardInterrupt: interrupted; everything until then is saved.
    """
    results = list(ensemble.refused)
    if ensemble.workers == 1:
        for task in ensemble.tasks:
            results += _attempted(task, lambda variant, row: progress(variant.name, row) if progress else None)
        return results
    return results + list(_shared_out(ensemble, progress or (lambda name, row: None)))


def _kind(variant: Variant, recipe: Recipe, start: int) -> str:
    """Return what variants of one stack have in common."""
    draws = variant.family.base.draws
    common = {name: value for name, value in variant.config.identity.items() if name not in draws}
    return json.dumps([variant.family.name, common, recipe.stored, start], sort_keys=True)


def _stack_size(variant: Variant) -> int:
    data = variant.family.base.data(variant.config)
    rows = len(data.train_labels) + len(data.test_labels)
    if variant.config.training.device == "cuda":
        return max(1, ROWS_ON_GPU // rows)
    return STACK_OF_SMALL if rows < SMALL_VARIANT else 1


def _attempted(
    task: Task, progress: Callable[[Variant, Mapping[str, float]], None], stop: Callable[[], bool] | None = None
) -> list[TrainingResult]:
    """Train a stack; an error that ends it is the result of all its members."""
    try:
        return train_stack(task.variants, task.recipe, progress, stop)
    except DynascopeError as error:
        return [TrainingResult(variant.name, 0, 0, 0.0, error) for variant in task.variants]


# In other processes. They get names and settings, never objects.


@dataclass(frozen=True)
class _Order:
    workspace: Path
    family: str
    settings: tuple[dict[str, Any], ...]
    recipe: Recipe


def _shared_out(ensemble: Ensemble, progress: Progress) -> Iterator[TrainingResult]:
    context = multiprocessing.get_context("spawn")
    rows: Any = context.Queue()
    stop: Any = context.Event()
    pool = ProcessPoolExecutor(ensemble.workers, mp_context=context, initializer=_begin, initargs=(rows, stop))
    with pool, Interrupt() as interrupt:
        running = {pool.submit(_work, _order(task)): task for task in ensemble.tasks}
        try:
            while running:
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                if interrupt.requested:
                    raise KeyboardInterrupt
                _relay(rows, progress)
                for future in done:
                    yield from _results(future, running.pop(future))
            _relay(rows, progress)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _results(future: Future[list[TrainingResult]], task: Task) -> list[TrainingResult]:
    try:
        return future.result()
    except KeyboardInterrupt:
        raise
    except Exception as error:  # the process died: killed for its memory, most often
        text = f"The process that trained {', '.join(variant.name for variant in task.variants)} ended: {error}"
        return [TrainingResult(variant.name, 0, 0, 0.0, TrainingError(text)) for variant in task.variants]


def _relay(rows: Any, progress: Progress) -> None:
    while True:
        try:
            name, row = rows.get_nowait()
        except queue.Empty:
            return
        progress(name, row)


def _order(task: Task) -> _Order:
    first = task.variants[0]
    workspace = first.folder.parents[2]
    return _Order(
        workspace, first.family.name, tuple(variant.config.settings for variant in task.variants), task.recipe
    )


@dataclass
class _Here:
    """What a worker process knows of itself."""

    rows: Any
    stop: Any
    busy: bool = False
    orphaned: bool = False

    def is_over(self) -> bool:
        return self.orphaned or bool(self.stop.is_set())


_here: _Here


def _begin(rows: Any, stop: Any) -> None:
    global _here
    _here = _Here(rows, stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # while waiting for work; training answers them by itself
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Where the parent was killed, let training save, and end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        _here.orphaned = True
        while _here.busy:
            time.sleep(0.05)
        os._exit(1)


def _work(order: _Order) -> list[TrainingResult]:
    if _here.is_over():
        raise KeyboardInterrupt
    _here.busy = True
    try:
        return _carried_out(order)
    finally:
        _here.busy = False


def _carried_out(order: _Order) -> list[TrainingResult]:
    workspace = Workspace(order.workspace)
    variants = tuple(workspace.new_variant(order.family, settings) for settings in order.settings)
    shown: dict[str, float] = {}

    def progress(variant: Variant, row: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - shown.get(variant.name, 0.0) > 0.2 or row["epoch"] >= order.recipe.epochs:
            shown[variant.name] = now
            _here.rows.put((variant.name, dict(row)))

    results = _attempted(Task(variants, order.recipe), progress, _here.is_over)
    # An error of another class may not survive the way to the other process.
    return [replace(one, error=None if one.error is None else TrainingError(str(one.error))) for one in results]
