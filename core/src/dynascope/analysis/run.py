"""Running an analysis: per checkpoint one forward pass that keeps only what some analyzer declared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from dynascope.analysis.binding import NotApplicable
from dynascope.analysis.desk import Desk
from dynascope.analysis.elsewhere import share_out
from dynascope.analysis.forward import MEMORY
from dynascope.analysis.plan import Plan, plan
from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.errors import AnalysisError, DynascopeError, Failure
from dynascope.executors import Where
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.atomic import remove_leftovers
from dynascope.store.probe_file import write_probe
from dynascope.store.variant import Variant

__all__ = ["MEMORY", "Outcome", "analyze", "run_plans"]

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
HERE = Where()


def analyze(
    variant: Variant,
    *,
    probe: str | ChosenProbe | None = None,
    analyzers: Iterable[str] | None = None,
    epochs: Sequence[int] | None = None,
    force: bool = False,
    plugins: Registry | None = None,
    where: Where = HERE,
    memory: int = MEMORY,
    progress: Progress | None = None,
) -> Plan:
    """Compute the artifacts of a variant that are missing or stale.

    Units are independent and published whole: a crash loses the one being computed, and calling this again
    computes the rest. A failing analyzer does not stop the others.

    Args:
        variant: a trained variant (or one in training).
        probe, analyzers, epochs, force: as in ``dynascope.analysis.plan.plan``.
        plugins: the registry; this process' by default, and always that of each worker elsewhere.
        where: in this process, in several, or on a Dask cluster.
        memory: bytes that activations may take, in each process: a probe whose activations take more goes through
            the model in slices.
        progress: called with the units done and the units in all.

    Returns:
        The plan that was carried out.

    Raises:
        UnknownName: an unknown probe, analyzer or epoch.
        AnalysisError: some units failed; it lists them with analyzer, epoch and file. The others are stored.
        WorkspaceError: the disk is full or cannot be written to; what was stored before is whole.
    """
    work = plan(variant, plugins or registry(), probe=probe, analyzers=analyzers, epochs=epochs, force=force)
    (outcome,) = run_plans([work], progress, where, memory)
    if outcome.failures:
        raise AnalysisError(outcome.failures)
    return replace(work, not_applicable=(*work.not_applicable, *outcome.not_applicable))


@dataclass(frozen=True)
class Outcome:
    """What came of a plan.

    Attributes:
        failures: every unit that failed.
        not_applicable: the analyzers of which only the model could tell that it lacks what they read.
    """

    failures: tuple[Failure, ...]
    not_applicable: tuple[NotApplicable, ...]


def run_plans(
    plans: Sequence[Plan], progress: Progress | None = None, where: Where = HERE, memory: int = MEMORY
) -> list[Outcome]:
    """Carry out several plans, which share the workers; return what came of each.

    Raises:
        WorkspaceError: as ``analyze``.
    """
    total, done = sum(work.units for work in plans), 0

    def advance(units: int) -> None:
        nonlocal done
        done += units
        if progress is not None:
            progress(done, total)

    for work in plans:
        folder = work.variant.artifacts_of(work.probe).folder
        if work.units:
            write_probe(folder, work.probe)
        for bound in work.analyzers:
            remove_leftovers(folder / bound.id)
    if where.kind == "inline" or not total:
        done_of_each = [_here(work, advance, memory) for work in plans]
    else:
        done_of_each = share_out(plans, where, memory, advance, restack)
    outcomes = []
    for work, (failures, lacking) in zip(plans, done_of_each, strict=True):
        restack(work, [bound.id for bound in work.analyzers if not bound.over_series])
        left_out = tuple(NotApplicable(name, reason) for name, reason in lacking.items())
        outcomes.append(Outcome((*work.unreadable, *failures), left_out))
    return outcomes


def restack(work: Plan, analyzers: Iterable[str]) -> None:
    """Rebuild the stacked series of analyzers, where they do not hold what is there."""
    artifacts = work.variant.artifacts_of(work.probe)
    for name in analyzers:
        try:
            artifacts.refresh_series(name)
        except DynascopeError as error:  # the units are what counts; the series can be rebuilt at any time
            log.warning("The stacked series of %s could not be rebuilt: %s", name, error)


def _here(work: Plan, advance: Callable[[int], None], memory: int) -> tuple[list[Failure], dict[str, str]]:
    """Compute the units of a plan in this process; return what failed, and which analyzers do not apply."""
    desk = Desk.of(work, memory)
    failures: list[Failure] = []
    for sweep in work.sweeps:
        if sweep.reads_every:
            restack(work, work.ledger)
        for task in sweep.tasks:
            failures += desk.checkpoint(task.epoch, [stamp for _, stamp in task.units])
            advance(len(task.units))
        if sweep.series:
            restack(work, work.ledger)
        for _, stamp in sweep.series:
            failures += desk.series(stamp)
            advance(1)
    desk.settle()
    return failures, desk.lacking
