"""Running an analysis: per checkpoint one forward pass that keeps only what some analyzer declared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.analysis.plan import Bound, Plan, plan
from dynascope.contract.analyzer import Activation, Read, Step, Weight
from dynascope.errors import (
    AnalysisError,
    AnalysisFailed,
    CheckpointError,
    DynascopeError,
    Failure,
    InvalidSetting,
    UnknownName,
    WorkspaceError,
    error_text,
)
from dynascope.executors import Where, opened
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.plugins.versions import check_versions, versions_of
from dynascope.store.atomic import remove_leftovers
from dynascope.store.series import SERIES_FILE
from dynascope.store.units import Stamp, write_unit
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Order", "analyze", "carry_out", "run_plan"]

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]
HERE = Where()


def analyze(
    variant: Variant,
    *,
    probe: str | None = None,
    analyzers: Iterable[str] | None = None,
    epochs: Sequence[int] | None = None,
    force: bool = False,
    plugins: Registry | None = None,
    where: Where = HERE,
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
        progress: called with the units done and the units in all.

    Returns:
        The plan that was carried out.

    Raises:
        UnknownName: an unknown probe, analyzer or epoch.
        AnalysisError: some units failed; it lists them with analyzer, epoch and file. The others are stored.
        WorkspaceError: the disk is full or cannot be written to; what was stored before is whole.
    """
    work = plan(variant, plugins or registry(), probe=probe, analyzers=analyzers, epochs=epochs, force=force)
    run_plan(work, progress, where)
    return work


def run_plan(work: Plan, progress: Progress | None = None, where: Where = HERE) -> None:
    """Carry out a plan.

    Raises:
        AnalysisError: as ``analyze``.
    """
    artifacts = work.variant.artifacts_of(work.probe)
    for bound in work.analyzers:
        remove_leftovers(artifacts.folder / bound.provided.id)
    for name in {bound.provided.id for task in work.tasks for bound, _ in task.units}:
        (artifacts.folder / name / SERIES_FILE).unlink(missing_ok=True)
    failures = list(work.unreadable)
    if where.kind == "inline":
        failures += _carry_out(work, progress)
    elif work.tasks:
        failures += shared_out(work, where, progress)
    for bound in work.analyzers:
        try:
            artifacts.refresh_series(bound.provided.id)
        except DynascopeError as error:  # the units are what counts; the series can be rebuilt at any time
            log.warning("The stacked series of %s could not be rebuilt: %s", bound.provided.id, error)
    if failures:
        raise AnalysisError(failures)


def _carry_out(work: Plan, progress: Progress | None = None) -> list[Failure]:
    """Compute the units of a plan in this process; return what failed."""
    total, done = sum(len(task.units) for task in work.tasks), 0
    failures: list[Failure] = []
    model = _Model(work)
    for task in work.tasks:
        file = work.variant.checkpoint_folder.file(task.epoch)
        try:
            arrays = model.read(task.epoch, [bound for bound, _ in task.units])
        except Exception as error:  # one unusable checkpoint must not stop the others
            failures.append(Failure("", task.epoch, file, error))
        else:
            for bound, stamp in task.units:
                try:
                    _run_unit(work, bound, stamp, arrays)
                except WorkspaceError:  # a full disk is no failure of the analyzer: the next unit would meet it too
                    raise
                except Exception as error:  # any error of a plug-in is reported, with its place, at the end
                    log.debug("Unit failed.", exc_info=error)
                    who = f"{bound.provided.id} {bound.provided.plugin_version}"
                    failures.append(Failure(who, task.epoch, file, error))
        done += len(task.units)
        if progress is not None:
            progress(done, total)
    return failures


# Elsewhere: a plan is cut into orders, which are names and numbers.

SLICES_PER_WORKER = 4
LARGEST_SLICE = 64
"""Checkpoints in an order: so many that building the model does not count, so few that they can be shared and lost."""
ATTEMPTS = 3
"""How often an order is given out whose worker dies. One that kills its worker each time is reported."""


@dataclass(frozen=True)
class Order:
    """Consecutive checkpoints of one variant, with the analyzers that they need.

    Attributes:
        workspace, family, variant, probe: by path and names.
        units: the analyzers of each epoch.
        versions: of the plug-ins of the process that planned.
    """

    workspace: Path
    family: str
    variant: str
    probe: str
    units: tuple[tuple[int, tuple[str, ...]], ...]
    versions: tuple[tuple[str, str], ...]


def shared_out(work: Plan, where: Where, progress: Progress | None = None) -> list[Failure]:
    """Compute the units of a plan elsewhere; return what failed."""
    orders = _orders(work, where.count)
    total, done = sum(len(task.units) for task in work.tasks), 0
    failures: list[Failure] = []
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        lost: list[Order] = []
        with opened(where) as executor:
            futures = {executor.submit(carry_out, order): order for order in orders}
            for future in as_completed(futures):
                order = futures[future]
                try:
                    failures += future.result()
                except WorkspaceError:
                    raise
                except DynascopeError as error:
                    failures += _all_failed(work, [order], error)
                except Exception as error:  # whatever each kind of executor raises for a worker that died
                    log.debug("An order was lost.", exc_info=error)
                    reason = error_text(error)
                    lost.append(order)
                    continue
                done += sum(len(names) for _, names in order.units)
                if progress is not None:
                    progress(done, total)
        if not lost:
            return failures
        log.warning("A worker died; %d pieces of work are given out again (attempt %d).", len(lost), attempt)
        orders = lost
    died = AnalysisFailed(
        f"No worker could finish it in {ATTEMPTS} attempts, as where each is killed or has no memory left: {reason}"
    )
    return failures + _all_failed(work, orders, died)


def _all_failed(work: Plan, orders: Iterable[Order], error: DynascopeError) -> list[Failure]:
    epochs = [epoch for order in orders for epoch, _ in order.units]
    return [Failure("", epoch, work.variant.checkpoint_folder.file(epoch), error) for epoch in epochs]


def carry_out(order: Order) -> list[Failure]:
    """Compute the units of an order, in the process of a worker; return what failed.

    Raises:
        PluginError: this worker has other plug-ins, or other versions of them, than the process that planned.
    """
    plugins = registry()
    check_versions(plugins, order.versions)
    variant = Workspace(order.workspace).variant(f"{order.family}/{order.variant}")
    epochs = dict(order.units)
    names = sorted({name for analyzers in epochs.values() for name in analyzers})
    whole = plan(variant, plugins, probe=order.probe, analyzers=names, epochs=list(epochs), force=True)
    tasks = tuple(
        replace(task, units=tuple(unit for unit in task.units if unit[0].provided.id in epochs[task.epoch]))
        for task in whole.tasks
    )
    failures = [*whole.unreadable, *_carry_out(replace(whole, tasks=tasks))]
    # Errors of other classes may not survive the way back, and their traceback does not.
    return [replace(failure, error=AnalysisFailed(error_text(failure.error))) for failure in failures]


def _orders(work: Plan, workers: int) -> list[Order]:
    size = max(1, min(-(-len(work.tasks) // (workers * SLICES_PER_WORKER)), LARGEST_SLICE))
    units = [(task.epoch, tuple(bound.provided.id for bound, _ in task.units)) for task in work.tasks]
    variant = work.variant
    return [
        Order(
            variant.folder.parents[2],
            variant.family.name,
            variant.name,
            work.probe,
            tuple(units[first : first + size]),
            versions_of(registry()),
        )
        for first in range(0, len(units), size)
    ]


def _run_unit(work: Plan, bound: Bound, stamp: Stamp, arrays: Mapping[Activation | Weight, Array | Exception]) -> None:
    reads: dict[Read, Array] = {}
    for read, place in bound.places.items():
        found = arrays[place]
        if isinstance(found, Exception):
            raise found
        reads[read] = found
    artifacts = work.variant.artifacts_of(work.probe)
    for stored in bound.stored:
        values = artifacts.read(stored.array, stamp.epoch).values
        values.flags.writeable = False
        reads[stored] = values
    step = Step(
        epoch=stamp.epoch,
        config=work.variant.config,
        context=bound.context,
        batch=work.batch,
        arrays=reads,
    )
    results = bound.analyzer.analyze(step)
    write_unit(artifacts.folder / bound.provided.id, stamp, bound.analyzer.outputs, results)


class _Model:
    """The hooked model of a variant, built once; each checkpoint replaces its weights."""

    def __init__(self, work: Plan) -> None:
        self.variant, self.batch = work.variant, work.batch
        self._module: nn.Module | None = None
        self._inputs: Any = None

    def read(self, epoch: int, analyzers: Sequence[Bound]) -> dict[Activation | Weight, Array | Exception]:
        """Return everything that the analyzers read at an epoch, each place once, from at most one forward pass.

        A place that the model does not have holds the error: it is for the analyzers that read it, not for all.
        """
        weights = self.variant.checkpoint_folder.read(epoch)
        places = {place for bound in analyzers for place in bound.places.values()}
        arrays: dict[Activation | Weight, Array | Exception] = {}
        for place in places:
            if isinstance(place, Weight):
                if place.name in weights:
                    arrays[place] = weights[place.name][: place.rows]
                else:
                    arrays[place] = UnknownName(f"weight of {self.variant.family.name}", place.name, weights)
        activations = [place for place in places if isinstance(place, Activation)]
        if activations:
            arrays.update(self._forward(epoch, weights, activations))
        for array in arrays.values():
            if not isinstance(array, Exception):
                array.flags.writeable = False
        return arrays

    def _forward(
        self, epoch: int, weights: Mapping[str, Array], places: Sequence[Activation]
    ) -> dict[Activation | Weight, Array | Exception]:
        import torch

        tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
        family, config = self.variant.family.base, self.variant.config
        try:
            if self._module is None:
                self._module = family.hooked(config, tensors)
                self._inputs = torch.from_numpy(self.batch.inputs)
            else:
                family.reload(self._module, tensors)
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(
                f"{self.variant.checkpoint_folder.file(epoch)} does not fit family {self.variant.family.name}: {error}"
            ) from None

        kept: dict[Activation | Weight, Array | Exception] = {}

        def keeper(wanted: list[Activation]) -> Callable[..., None]:
            def keep(value: torch.Tensor, hook: Any) -> None:
                for place in wanted:
                    try:
                        part = value if place.position is None else value[:, place.position]
                        kept[place] = part.detach().cpu().numpy().copy()
                    except IndexError as error:
                        kept[place] = InvalidSetting(f"{place}: {error}.")

            return keep

        hooks: dict[str, list[Activation]] = {}
        known: Mapping[str, Any] = self._module.hook_dict  # type: ignore[assignment]
        for place in sorted(places, key=lambda place: (place.hook, str(place.position))):
            if place.hook in known:
                hooks.setdefault(place.hook, []).append(place)
            else:
                kept[place] = UnknownName(f"hook of family {family.name}", place.hook, known)
        if hooks:
            with torch.no_grad():
                self._module.run_with_hooks(  # type: ignore[operator]
                    self._inputs, fwd_hooks=[(name, keeper(wanted)) for name, wanted in hooks.items()]
                )
        return kept
