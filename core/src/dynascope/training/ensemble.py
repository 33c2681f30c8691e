"""Training many variants: a grid of settings, grouped into stacks, shared out to processes or a cluster."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from dynascope.errors import DynascopeError, InvalidSetting
from dynascope.executors import Where, cores
from dynascope.store.variant import Variant
from dynascope.training.loop import LOCK_GLANCE, LOCK_PATIENCE, TrainingResult, start_of, train_stack
from dynascope.training.recipe import KeepOptimizer, Recipe, resolved
from dynascope.training.sharing import Progress, Task, share_out

__all__ = ["Ensemble", "Task", "plan_ensemble", "train_ensemble"]

SMALL_VARIANT, STACK_OF_SMALL = 1_000, 32
"""On a CPU a stack saves the cost of the calls and loses locality: it pays for variants of fewer examples than this
(1.3 times at 121 examples, 1.2 times at 529); larger ones are fastest alone. See ``benchmarks/training.py``."""
ROWS_ON_GPU = 1_000_000
"""Examples of all members together that fill a GPU and fit into its memory. Not measured yet."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ensemble:
    """What is to be done for a list of variants.

    Attributes:
        tasks: the stacks to train.
        finished: variants that have reached their end.
        where: who shares the tasks: this process, several, or a Dask cluster.
        refused: variants that cannot be trained, with the reason.
    """

    tasks: tuple[Task, ...]
    finished: tuple[Variant, ...]
    where: Where
    refused: tuple[TrainingResult, ...]


def plan_ensemble(
    variants: Sequence[Variant],
    *,
    stack: int | None = None,
    workers: int | None = None,
    dask: str | None = None,
    epochs: int | None = None,
    schedule: str | None = None,
    keep_optimizer: KeepOptimizer | None = None,
    eval_every: int | None = None,
    compiled: bool | None = None,
) -> Ensemble:
    """Group variants into stacks: those that differ in the family's ``draws`` only, and go on from the same epoch.

    On a CPU, variants are shared out to as many processes as there are cores, of one thread each: that is 1.3
    to 1.6 times as fast as one process that computes each epoch with two threads (``benchmarks/training.py``).
    Variants that another process has just been told to save are waited for.

    Args:
        stack: the largest number of variants in a stack; chosen by the device and the variants' size by default.
        workers: how many processes; one a core on a CPU, one on a GPU by default. Of a Dask cluster: how many
            workers it will have, each of which should find a stack.
        dask: the address of a Dask scheduler, or ``local`` for a cluster on this machine.
        epochs, schedule, keep_optimizer, eval_every, compiled: as for ``train``.

    Raises:
        InvalidSetting: a number below 1, or something for which all variants are refused.
    """
    for name, number in (("stack", stack), ("workers", workers)):
        if number is not None and number < 1:
            raise InvalidSetting(f"{name} must be at least 1, got {number}.")
    on_cpu = all(variant.config.training.device == "cpu" for variant in variants)
    workers = min(workers or (cores() if on_cpu else 1), len(variants)) or 1
    threads = max(cores() // workers, 1) if dask in (None, "local") else 1
    _await_others(variants)
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
    workers = min(workers, len(tasks)) or 1
    where = Where() if workers == 1 else Where("processes", workers)
    if dask is not None:
        where = Where("dask", workers, dask)
    return Ensemble(tuple(tasks), tuple(finished), where, tuple(refused))


def train_ensemble(
    ensemble: Ensemble, progress: Progress | None = None, where: Where | None = None
) -> list[TrainingResult]:
    """Train what was planned; one that fails is reported in its result, and the others go on.

    In other processes and on a cluster, stacks are trained in segments of a minute. A worker that dies loses the time
    since the last save, and another one goes on; a stack from which several have died without saving is reported.

    Args:
        progress: called with a variant's name and its metrics, of every epoch or less often.
        where: as planned by default.

    Raises:
        InvalidSetting: a Dask scheduler that does not answer.
        PluginError: Dask is not installed.
        KeyboardInterrupt: interrupted; everything until then is saved.
    """
    results, where = list(ensemble.refused), where or ensemble.where
    progress = progress or (lambda name, row: None)
    if where.kind != "inline":
        return results + share_out(ensemble.tasks, where, progress)
    for task in ensemble.tasks:
        results += _attempted(task, progress)
    return results


def _await_others(variants: Sequence[Variant]) -> None:
    """Wait a while for processes that train some of them: they may just save, their parent having been killed."""
    begun, told = time.monotonic(), False
    while held := [variant.name for variant in variants if variant.state == "training"]:
        waited = time.monotonic() - begun
        if waited > LOCK_PATIENCE:
            return
        if waited > LOCK_GLANCE and not told:
            told = True
            log.warning("Waiting up to %.0f s for another process that trains %s.", LOCK_PATIENCE, held[0])
        time.sleep(0.1)


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


def _attempted(task: Task, progress: Progress) -> list[TrainingResult]:
    """Train a stack; an error that ends it is the result of all its members."""
    try:
        return train_stack(task.variants, task.recipe, lambda variant, row: progress(variant.name, row))
    except DynascopeError as error:
        return [TrainingResult(variant.name, 0, 0, 0.0, error) for variant in task.variants]
