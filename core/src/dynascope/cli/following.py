"""What ``analyze --follow`` does before the end of training: each new checkpoint is measured as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dynascope.analysis import run
from dynascope.analysis.plan import Plan, plan
from dynascope.cli.tables import say
from dynascope.errors import UnknownName, error_text
from dynascope.executors import Where
from dynascope.jobs.progress import announce, report
from dynascope.plugins.registry import Registry
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace

__all__ = ["follow", "is_in_training", "settled"]

LOOK = 2.0
"""Seconds between two looks for new checkpoints."""


def follow(
    workspace: Workspace,
    names: Sequence[str],
    plugins: Registry,
    analyzers: Sequence[str] | None,
    probe: str | None,
    where: Where,
    memory: int,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Analyse the checkpoints of variants as they are kept, and return when none is in training any more.

    What reads the series, the last checkpoint or the metrics would be stale with the next checkpoint: that is for
    the analysis that comes after, as are the units that fail here.

    Args:
        names: of the variants; all by default. One that is not there yet is waited for, as long as a job trains.

    Raises:
        UnknownName: there is no such variant, and no job that might be about to make it.
    """
    done: dict[str, set[int]] = {}
    told = 0
    while is_in_training(workspace, names):
        plans = []
        variants = _there(workspace, names)
        if len(variants) > told:
            told = len(variants)
            announce([variant.full_name for variant in variants])
        for variant in variants:
            new = sorted(set(variant.checkpoints) - done.get(variant.full_name, set()))
            if new:
                whole = plan(variant, plugins, probe=probe, analyzers=analyzers)
                plans.append(plan(variant, plugins, probe=probe, analyzers=settled(whole), epochs=new))
                done.setdefault(variant.full_name, set()).update(new)
        if plans:
            _carry_out(plans, variants, done, where, memory)
        else:
            wait(LOOK)


def is_in_training(workspace: Workspace, names: Sequence[str]) -> bool:
    """Tell whether a process trains one of these variants (any, without names), or a job that may be about to.

    Raises:
        UnknownName: a variant is not there, and no job can be making it.
    """
    jobs = [job.variants for job in workspace.jobs.list() if job.arguments[0] == "train" and job.state == "running"]
    if any(trained is None or not names or _named(names, trained) for trained in jobs):
        return True
    chosen = [workspace.variant(name) for name in names] if names else workspace.variants()
    return any(variant.state == "training" for variant in chosen)


def settled(work: Plan) -> list[str]:
    """Return the analyzers of a plan whose units stay what they are while training adds checkpoints."""
    found: list[str] = []
    for one in work.analyzers:  # each after what it reads
        fixed = not (one.over_series or one.reads_metrics)
        if fixed and all(read.at is None and read.analyzer in found for read in one.stored):
            found.append(one.id)
    return found


def _named(names: Sequence[str], full_names: Sequence[str]) -> bool:
    """Tell whether one of the names is one of the full names, with its family or without."""
    return any(name in (full, full.rpartition("/")[2]) for name in names for full in full_names)


def _there(workspace: Workspace, names: Sequence[str]) -> list[Variant]:
    """Return those of the variants that are there by now, and can be read."""
    if not names:
        return workspace.variants()
    found = []
    for name in names:
        try:
            found.append(workspace.variant(name))
        except UnknownName:
            continue
    return found


def _carry_out(
    plans: Sequence[Plan], variants: Sequence[Variant], done: dict[str, set[int]], where: Where, memory: int
) -> None:
    """Compute what is new, and say it."""
    reached = sum(map(len, done.values()))
    new = sum(len(work.tasks) for work in plans)
    total = max(sum(len(variant.recipe.get("schedule", variant.checkpoints)) for variant in variants), reached)

    def progress(units: int, of: int) -> None:
        report(reached - new + new * units // max(of, 1), total, "checkpoints", plans[0].variant.name)

    progress(0, 1)
    outcomes = run.run_plans(plans, progress, where, memory)
    for work, outcome in zip(plans, outcomes, strict=True):
        epochs = [task.epoch for task in work.tasks]
        if epochs:
            which = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
            say(f"{work.variant.name}: {work.units - len(outcome.failures)} units computed at {which}.")
        for failure in outcome.failures:
            what = f"{failure.analyzer or 'checkpoint'} at epoch {failure.epoch}"
            say(f"{what} failed, and is tried again at the end: {error_text(failure.error)}")
    report(reached, total, "checkpoints", plans[0].variant.name)
