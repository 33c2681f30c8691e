"""What views draw from, in the app and in notebooks alike: stored arrays of one variant at one epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynascope.contract.analyzer import Instrument, VariantsAnalyzer
from dynascope.contract.reads import Stored
from dynascope.contract.view import View
from dynascope.errors import DynascopeError, InvalidSetting, UnknownName
from dynascope.plugins.registry import Registry
from dynascope.store.artifacts import Artifacts
from dynascope.store.comparisons import Comparisons
from dynascope.store.probe_file import read_probe
from dynascope.store.variant import Variant

if TYPE_CHECKING:
    import param
    import xarray as xr

__all__ = [
    "Event",
    "Phase",
    "StoredFrame",
    "events_of",
    "fitted_controls",
    "framed",
    "missing_arrays",
    "phases_of",
    "what_is_missing",
]


class Phase(NamedTuple):
    """A stretch of a training.

    Attributes:
        name: what is said of it.
        start: its first epoch.
        end: where the next one starts; None for the last.
    """

    name: str
    start: float
    end: float | None


class Event(NamedTuple):
    """Something that happened in a training.

    Attributes:
        epoch: when.
        said: what, in a few words.
    """

    epoch: float
    said: str


@dataclass(frozen=True)
class StoredFrame:
    """Implements ``dynascope.Frame`` on a variant's files.

    Attributes:
        variant, artifacts: where the arrays are read.
        view: whose frame it is.
        epoch: the epoch to draw.
        controls: an instance of the view's controls, or None.
    """

    variant: Variant
    artifacts: Artifacts
    view: View
    epoch: int
    controls: Any = None

    def moved_to(self, epoch: int) -> StoredFrame:
        """Return this frame at another epoch; it knows the same epochs."""
        moved = replace(self, epoch=epoch)
        if (known := self.__dict__.get("epochs")) is not None:
            moved.__dict__["epochs"] = known
        return moved

    @cached_property
    def epochs(self) -> Sequence[int]:
        """The epochs that have every array the view reads; the checkpoints, where none is measured at each of them."""
        names = {read.partition("/")[0] for read in self.view.reads if read != "metrics"}
        measured = [found for name in sorted(names) if (found := self.artifacts.epochs(name))]
        return sorted(set[int].intersection(*map(set, measured))) if measured else self.variant.checkpoints

    @property
    def variant_name(self) -> str:
        """The name of the variant."""
        return self.variant.name

    @property
    def metrics(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """The training metrics by column."""
        return self.variant.metrics_file.read()

    def read(self, array: str, epoch: int | None = None, **at: int | str) -> xr.DataArray:
        """Return an array at the frame's epoch (or another), at the given coordinates."""
        if (compared := _compared(self.variant, self.artifacts, array.partition("/")[0])) is not None:
            return compared.read(array, variants=None, **at)
        return self.artifacts.read(array, self.epoch if epoch is None else epoch, **at)

    def series(self, array: str, **at: int | str) -> xr.DataArray:
        """Return an array at every epoch, with ``epoch`` as its first axis."""
        return self.artifacts.series(array, **at)

    def range(self, array: str) -> tuple[float, float]:
        """Return the smallest and largest value over all epochs."""
        return self.artifacts.range(array)

    def phases(self) -> list[Phase]:
        """Return the phases of the training that were reached, by the analyzer that the family names for them."""
        return phases_of(self.variant, self.artifacts)

    def events(self) -> list[Event]:
        """Return what happened in the training, by the analyzer that the family names for it, in order."""
        return events_of(self.variant, self.artifacts)


def phases_of(variant: Variant, artifacts: Artifacts) -> list[Phase]:
    """Return the phases of a training that were reached, by the analyzer that the family names for them."""
    analyzer = variant.family.base.phases
    if not analyzer or artifacts.of_series(analyzer) is None:
        return []
    name, start = (artifacts.read(f"{analyzer}/{array}").values for array in ("phase", "phase_start"))
    reached = [(str(one), float(at)) for one, at in zip(name, start, strict=True) if np.isfinite(at)]
    ends: list[float | None] = [*(at for _, at in reached[1:]), None]
    return [Phase(one, at, end) for (one, at), end in zip(reached, ends, strict=True)]


def events_of(variant: Variant, artifacts: Artifacts) -> list[Event]:
    """Return what happened in a training, by the analyzer that the family names for it, in order."""
    analyzer = variant.family.base.events
    if not analyzer or artifacts.of_series(analyzer) is None:
        return []
    epoch, kind, subject = (
        artifacts.read(f"{analyzer}/{array}").values for array in ("event_epoch", "kind", "subject")
    )
    found = [Event(float(at), f"{one}: {of}") for at, one, of in zip(epoch, kind, subject, strict=True)]
    return sorted(event for event in found if np.isfinite(event.epoch))


def missing_arrays(view: View, variant: Variant, artifacts: Artifacts) -> list[str]:
    """Return what a view reads and this variant does not have; empty if the view can be drawn.

    Raises:
        ArtifactError: an artifact is damaged.
    """
    missing = []
    for read in view.reads:
        if read == "metrics":
            if not variant.metrics_file.path.exists():
                missing.append(read)
            continue
        analyzer, _, name = read.partition("/")
        if name not in (_compared(variant, artifacts, analyzer) or artifacts).arrays(analyzer):
            missing.append(read)
    return missing


def _compared(variant: Variant, artifacts: Artifacts, analyzer: str) -> Comparisons | None:
    """Return the comparisons of the variant's family, where they and not the variant have arrays of an analyzer."""
    if (artifacts.folder / analyzer).is_dir():
        return None
    comparisons = Comparisons(variant.folder.parent / "comparisons" / artifacts.folder.name)
    return comparisons if (comparisons.folder / analyzer).is_dir() else None


def what_is_missing(
    missing: Sequence[str], variant: Variant, registry: Registry, artifacts: Artifacts | None = None
) -> str:
    """Say which arrays a view lacks, and what to do: run the analyzer, or correct the view's declaration.

    Args:
        artifacts: in which they are missing; those of the family's default probe by default. Under another probe, an
            analyzer that its rows cannot serve is told from one that was not run.
    """
    unknown = []
    for read in missing:
        analyzer, _, name = read.partition("/")
        provided = registry.all("analyzers").get(analyzer)
        if read != "metrics" and (provided is None or name not in provided.item.outputs):
            unknown.append(read)
    folder = None if artifacts is None or artifacts.folder == variant.artifacts.folder else artifacts.folder
    if not unknown and folder is not None and (reason := _why_not(missing, folder, variant, registry)):
        return reason
    if not unknown:
        # What is measured over variants is measured by default where none is named.
        analyzers = [registry.all("analyzers").get(read.partition("/")[0]) for read in missing]
        several = any(found is not None and isinstance(found.item, VariantsAnalyzer) for found in analyzers)
        on_demand = sorted({found.id for found in analyzers if found is not None and found.item.on_demand})
        words = ["dynascope analyze", *([] if several else [variant.name]), *(f"-a {name}" for name in on_demand)]
        words += [f"--probe {folder.name}"] if folder is not None else []
        return f"Not computed yet: {', '.join(missing)}. Run: {' '.join(words)}"
    known = [
        f"{analyzer}/{name}"
        for analyzer, provided in registry.all("analyzers").items()
        for name in provided.item.outputs
    ]
    return str(UnknownName("array of any installed analyzer", unknown[0], known))


def _why_not(missing: Sequence[str], folder: Path, variant: Variant, registry: Registry) -> str:
    """Return why the probe of a folder cannot give an array; empty if it can, or if nobody can tell."""
    try:
        chosen = read_probe(folder, registry)
        dims = chosen.make(variant.config).dims
    except DynascopeError:
        return ""
    for read in missing:
        axes = sorted(_axes_for(read.partition("/")[0], registry) - set(dims))
        if axes:
            return (
                f"Not offered under this probe: {read} needs one whose rows unfold to {' and '.join(axes)}; those of "
                f"{chosen.title!r} unfold to {' and '.join(dims)}. Choose another probe."
            )
    return ""


def _axes_for(analyzer: str, registry: Registry, path: tuple[str, ...] = ()) -> set[str]:
    """Return the axes that a probe must have for an analyzer and for all that it reads."""
    provided = registry.all("analyzers").get(analyzer)
    if provided is None or analyzer in path:
        return set()
    item: Instrument = provided.item
    read = [one.analyzer for one in item.reads if isinstance(one, Stored)]
    return set(item.probe_axes).union(*(_axes_for(one, registry, (*path, analyzer)) for one in read))


def fitted_controls(view: View, artifacts: Artifacts, earlier: Any = None) -> param.Parameterized | None:
    """Return an instance of the view's controls, fitted to the stored arrays.

    A control that is named like an axis of an array that the view reads ranges over that axis: a number gets its
    bounds (None, where it is allowed, leaves the choice to the view), a selector its names. Values of ``earlier``
    controls that still fit are kept.
    """
    if view.controls is None:
        return None
    controls = view.controls()
    axes: dict[str, np.ndarray[Any, Any]] = {}
    for read in view.reads:
        if read != "metrics":
            analyzer, _, name = read.partition("/")
            wanted = [axis for axis in artifacts.arrays(analyzer).get(name, {}) if axis in controls.param]
            axes |= {axis: artifacts.coordinates(analyzer, axis) for axis in wanted}
    for name in controls.param:
        kept = getattr(earlier, name, getattr(controls, name))
        if name in axes and len(axes[name]):
            _fit(controls, name, axes[name], kept)
        elif name != "name" and earlier is not None:
            setattr(controls, name, kept)
    return controls


def framed(
    view: View, variant: Variant, artifacts: Artifacts, epoch: int, controls: Mapping[str, Any] | None = None
) -> StoredFrame:
    """Return the frame of a view at an epoch, with some of its controls set.

    Args:
        controls: values by name; the view's own for the others.

    Raises:
        UnknownName: the view has no such control.
        InvalidSetting: a value breaks the control's rule.
    """
    fitted = fitted_controls(view, artifacts)
    known = sorted(set(fitted.param) - {"name"}) if fitted is not None else []
    for control in controls or {}:
        if control not in known:
            raise UnknownName(f"control of view {view.name}", control, known)
    if fitted is not None:
        try:
            fitted.param.update(**(controls or {}))
        except ValueError as error:
            raise InvalidSetting(f"View {view.name}: {error}") from None
    return StoredFrame(variant, artifacts, view, epoch, fitted)


def _fit(controls: param.Parameterized, name: str, coordinates: np.ndarray[Any, Any], kept: Any) -> None:
    """Let a control range over the coordinates of its axis, at the value that is kept if it is one of them."""
    if coordinates.dtype.kind in "iu":
        low, high = int(coordinates[0]), int(coordinates[-1])
        controls.param[name].bounds = (low, high)
        setattr(controls, name, kept if kept is None else min(max(kept, low), high))
    else:
        names = [str(value) for value in coordinates]
        controls.param[name].objects = names
        setattr(controls, name, kept if kept in names else names[0])
