"""Training many variants: a grid of settings, grouped into stacks, shared out to processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from dynascope.errors import DynascopeError, InvalidSetting, TrainingError
from dynascope.executors import cores
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

    On a CPU, variants are shared out to as many processes as there are cores, of one thread each: that is 1.3
    to 1.6 times as fast as one process that computes each epoch with two threads (``benchmarks/training.py``).

    Args:
        stack: the largest number of variants in a stack; chosen by the device and the variants' size by default.
        workers: how many processes; one a core on a CPU, one on a GPU by default.
        epochs, schedule, keep_optimizer, eval_every, compiled: as for ``train``.

    Raises:
        InvalidSetting: a number below 1, or something for which all variants are refused.
    """
    for name, number in (("stack", stack), ("workers", workers)):
        if number is not None and number < 1:
            raise InvalidSetting(f"{name} must be at least 1, got {number}.")
    on_cpu = all(variant.config.training.device == "cpu" for variant in variants)
    workers = min(workers or (cores() if on_cpu else 1), len(variants)) or 1
    threads = max(cores() // workers, 1)
    groups: dict[str, list[tuple[Variant, Recipe]]] = {}
    finished, refused = [], []
    for variant in variants:
        try:
            recipe = resolved(
                variant,
                epochs=epochs,
                schedule=schedule,
                keep_optimizer=keep_optimizer,
                eval_every=eval_every,
                compiled=compiled,
                threads=threads,
            )
            start = start_of(variant, recipe)
        except DynascopeError as error:
            refused.append(TrainingResult(variant.name, 0, 0, 0.0, error))
            continue
        if start is None:
            finished.append(variant)
        else:
            groups.setdefault(_kind(variant, recipe, start), []).append((variant, recipe))
    if len(refused) == len(variants) > 0 and refused[0].error is not None:
        raise refused[0].error
    tasks = []
    for group in groups.values():
        first, recipe = group[0]
        share = -(-len(group) // workers)
        size = min(stack or _stack_size(first), share)
        if first.recipe and not recipe.stacked:
            size = 1  # begun alone, and it goes on alone: else it could not be replayed
        recipe = replace(recipe, stacked=recipe.stacked or size > 1)
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
    return json.dumps([variant.family.name, common, recipe.stored, start, bool(variant.recipe)], sort_keys=True)


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


# In other processes, one a task. They get names and settings, never objects.


@dataclass(frozen=True)
class _Order:
    workspace: Path
    family: str
    settings: tuple[dict[str, Any], ...]
    recipe: Recipe


@dataclass
class _Running:
    """A process, what it works on, and where its reports come from."""

    task: Task
    process: Any
    reports: Connection
    results: list[TrainingResult] | None = None

    def read(self, progress: Progress) -> None:
        """Take in what was reported."""
        try:
            while self.reports.poll():
                kind, *content = self.reports.recv()
                if kind == "row":
                    progress(*content)
                else:
                    (self.results,) = content
        except EOFError:
            return

    def end(self) -> list[TrainingResult]:
        """Return the results; where the process ended without any (killed for its memory, most often), that."""
        self.process.join()
        if self.results is not None:
            return self.results
        names = ", ".join(variant.name for variant in self.task.variants)
        error = TrainingError(
            f"The process that trained {names} ended with code {self.process.exitcode}, as one does that is killed. "
            "Run the command again to continue, with fewer --workers if there was no memory left."
        )
        return [TrainingResult(variant.name, 0, 0, 0.0, error) for variant in self.task.variants]


def _shared_out(ensemble: Ensemble, progress: Progress) -> Iterator[TrainingResult]:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    waiting = list(reversed(ensemble.tasks))
    running: list[_Running] = []
    with Interrupt() as interrupt:
        try:
            while waiting or running:
                while waiting and len(running) < ensemble.workers:
                    task = waiting.pop()
                    reports, sender = context.Pipe(duplex=False)
                    process = context.Process(target=_work, args=(_order(task), sender, stop))
                    process.start()
                    sender.close()
                    running.append(_Running(task, process, reports))
                wait([one.process.sentinel for one in running], timeout=0.2)
                for one in tuple(running):
                    ended = not one.process.is_alive()
                    one.read(progress)
                    if ended:
                        running.remove(one)
                        yield from one.end()
                if interrupt.requested:
                    raise KeyboardInterrupt
        finally:
            stop.set()
            for one in running:
                while one.process.is_alive():  # it saves; its reports are read, so that it never waits for that
                    one.read(lambda name, row: None)
                    one.process.join(0.05)


def _order(task: Task) -> _Order:
    first = task.variants[0]
    workspace = first.folder.parents[2]
    return _Order(
        workspace, first.family.name, tuple(variant.config.settings for variant in task.variants), task.recipe
    )


def _work(order: _Order, reports: Connection, stop: Any) -> None:
    """Train a stack, and report; saves and ends when told to, or when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until training answers it, and after
    parent = os.getppid()
    workspace = Workspace(order.workspace)
    variants = tuple(workspace.new_variant(order.family, settings) for settings in order.settings)
    shown: dict[str, float] = {}

    def progress(variant: Variant, row: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - shown.get(variant.name, 0.0) > 0.2 or row["epoch"] >= order.recipe.epochs:
            shown[variant.name] = now
            report("row", variant.name, dict(row))

    def report(*content: Any) -> None:
        with suppress(BrokenPipeError):  # the parent is gone
            reports.send(content)

    def is_over() -> bool:
        return bool(stop.is_set()) or os.getppid() != parent

    with suppress(KeyboardInterrupt):
        results = _attempted(Task(variants, order.recipe), progress, is_over)
        # An error of another class may not survive the way to the other process.
        report("done", [replace(one, error=one.error and TrainingError(str(one.error))) for one in results])
