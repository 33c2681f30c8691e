"""Running an analysis: per checkpoint one forward pass that keeps only what some analyzer declared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.analysis.plan import Bound, Plan, plan
from dynascope.contract.analyzer import Activation, Read, Step, Weight
from dynascope.errors import (
    AnalysisError,
    CheckpointError,
    DynascopeError,
    Failure,
    InvalidSetting,
    UnknownName,
    WorkspaceError,
)
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.atomic import remove_leftovers
from dynascope.store.series import SERIES_FILE
from dynascope.store.units import Stamp, write_unit
from dynascope.store.variant import Variant

if TYPE_CHECKING:
    from torch import nn

__all__ = ["analyze", "run_plan"]

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]


def analyze(
    variant: Variant,
    *,
    probe: str | None = None,
    analyzers: Iterable[str] | None = None,
    epochs: Sequence[int] | None = None,
    force: bool = False,
    plugins: Registry | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Compute the artifacts of a variant that are missing or stale.

    Units are independent and published whole: a crash loses the one being computed, and calling this again
    computes the rest. A failing analyzer does not stop the others.

    Args:
        variant: a trained variant (or one in training).
        probe, analyzers, epochs, force: as in ``dynascope.analysis.plan.plan``.
        plugins: the registry; this process' by default.
        progress: called with the units done and the units in all.

    Returns:
        The plan that was carried out.

    Raises:
        UnknownName: an unknown probe, analyzer or epoch.
        AnalysisError: some units failed; it lists them with analyzer, epoch and file. The others are stored.
        WorkspaceError: the disk is full or cannot be written to; what was stored before is whole.
    """
    work = plan(variant, plugins or registry(), probe=probe, analyzers=analyzers, epochs=epochs, force=force)
    run_plan(work, progress)
    return work


def run_plan(work: Plan, progress: Progress | None = None) -> None:
    """Carry out a plan.

    Raises:
        AnalysisError: as ``analyze``.
    """
    artifacts = work.variant.artifacts_of(work.probe)
    total = sum(len(task.units) for task in work.tasks)
    failures = list(work.unreadable)
    model = _Model(work)
    done = 0
    recomputed = {bound.provided.id for task in work.tasks for bound, _ in task.units}
    for bound in work.analyzers:
        remove_leftovers(artifacts.folder / bound.provided.id)
    for name in recomputed:
        (artifacts.folder / name / SERIES_FILE).unlink(missing_ok=True)
    for task in work.tasks:
        try:
            arrays = model.read(task.epoch, [bound for bound, _ in task.units])
        except Exception as error:  # one unusable checkpoint must not stop the others
            failures.append(Failure("", task.epoch, work.variant.checkpoint_folder.file(task.epoch), error))
        else:
            for bound, stamp in task.units:
                try:
                    _run_unit(work, bound, stamp, arrays)
                except WorkspaceError:  # a full disk is no failure of the analyzer: the next unit would meet it too
                    raise
                except Exception as error:  # any error of a plug-in is reported, with its place, at the end
                    log.debug("Unit failed.", exc_info=error)
                    who = f"{bound.provided.id} {bound.provided.plugin_version}"
                    failures.append(Failure(who, task.epoch, work.variant.checkpoint_folder.file(task.epoch), error))
        done += len(task.units)
        if progress is not None:
            progress(done, total)
    for bound in work.analyzers:
        try:
            artifacts.refresh_series(bound.provided.id)
        except DynascopeError as error:  # the units are what counts; the series can be rebuilt at any time
            log.warning("The stacked series of %s could not be rebuilt: %s", bound.provided.id, error)
    if failures:
        raise AnalysisError(failures)


def _run_unit(work: Plan, bound: Bound, stamp: Stamp, arrays: Mapping[Activation | Weight, Array | Exception]) -> None:
    reads: dict[Read, Array] = {}
    for read, place in bound.places.items():
        found = arrays[place]
        if isinstance(found, Exception):
            raise found
        reads[read] = found
    step = Step(
        epoch=stamp.epoch,
        config=work.variant.config,
        context=bound.context,
        batch=work.batch,
        arrays=reads,
    )
    results = bound.analyzer.analyze(step)
    folder = work.variant.artifacts_of(work.probe).folder / bound.provided.id
    write_unit(folder, stamp, bound.analyzer.outputs, results)


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
