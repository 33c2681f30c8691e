"""What views draw from, in the app and in notebooks alike: stored arrays of one variant at one epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.contract.view import View
from dynascope.errors import UnknownName
from dynascope.plugins.registry import Registry
from dynascope.store.artifacts import Artifacts
from dynascope.store.variant import Variant

if TYPE_CHECKING:
    import param
    import xarray as xr

__all__ = ["StoredFrame", "fitted_controls", "missing_arrays", "what_is_missing"]


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
        """Return this frame at another epoch."""
        return replace(self, epoch=epoch)

    @cached_property
    def epochs(self) -> Sequence[int]:
        """The epochs that have every array the view reads; the checkpoints, where none is measured at each of them."""
        names = {read.partition("/")[0] for read in self.view.reads if read != "metrics"}
        analyzers = {name for name in names if self.artifacts.of_series(name) is None}
        if not analyzers:
            return self.variant.checkpoints
        return sorted(set.intersection(*(set(self.artifacts.epochs(name)) for name in analyzers)))

    @property
    def metrics(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """The training metrics by column."""
        return self.variant.metrics_file.read()

    def read(self, array: str, epoch: int | None = None, **at: int | str) -> xr.DataArray:
        """Return an array at the frame's epoch (or another), at the given coordinates."""
        return self.artifacts.read(array, self.epoch if epoch is None else epoch, **at)

    def series(self, array: str, **at: int | str) -> xr.DataArray:
        """Return an array at every epoch, with ``epoch`` as its first axis."""
        return self.artifacts.series(array, **at)

    def range(self, array: str) -> tuple[float, float]:
        """Return the smallest and largest value over all epochs."""
        return self.artifacts.range(array)


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
        if name not in artifacts.arrays(analyzer):
            missing.append(read)
    return missing


def what_is_missing(missing: Sequence[str], variant: Variant, registry: Registry) -> str:
    """Say which arrays a view lacks, and what to do: run the analyzer, or correct the view's declaration."""
    unknown = []
    for read in missing:
        analyzer, _, name = read.partition("/")
        provided = registry.all("analyzers").get(analyzer)
        if read != "metrics" and (provided is None or name not in provided.item.outputs):
            unknown.append(read)
    if not unknown:
        return f"Not computed yet: {', '.join(missing)}. Run: dynascope analyze {variant.name}"
    known = [
        f"{analyzer}/{name}"
        for analyzer, provided in registry.all("analyzers").items()
        for name in provided.item.outputs
    ]
    return str(UnknownName("array of any installed analyzer", unknown[0], known))


def fitted_controls(view: View, artifacts: Artifacts, earlier: Any = None) -> param.Parameterized | None:
    """Return an instance of the view's controls, fitted to the stored arrays.

    A numeric control that is named like an axis of an array that the view reads gets that axis' length as
    its bounds; None, where it is allowed, leaves the choice to the view. Values of ``earlier`` controls that still
    fit are kept.
    """
    if view.controls is None:
        return None
    controls = view.controls()
    axes: dict[str, tuple[int, int]] = {}
    for read in view.reads:
        if read != "metrics":
            analyzer, _, name = read.partition("/")
            for axis, length in artifacts.arrays(analyzer).get(name, {}).items():
                first = artifacts.first_coordinate(analyzer, axis)
                if first is not None:
                    axes[axis] = (first, first + length - 1)
    for name in controls.param:
        if name in axes:
            low, high = axes[name]
            controls.param[name].bounds = (low, high)
            kept = getattr(earlier, name, getattr(controls, name))
            setattr(controls, name, kept if kept is None else min(max(kept, low), high))
        elif name != "name" and earlier is not None:
            setattr(controls, name, getattr(earlier, name))
    return controls
