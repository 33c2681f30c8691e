"""The epochs that are stored of a training under a name: milestones, boundaries and starts of phases."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from dynascope import DynascopeError, Variant
from dynascope.store.artifacts import Artifacts
from dynascope.store.units import Unit

__all__ = ["GROKKING", "MOST_NAMES", "marks_of", "title_of"]

GROKKING = "general.milestones/epoch_reached[milestone=test_accuracy]"
"""What the workbench calls grokking: the epoch at which the test split is learned, as the core's milestones have it."""

MOST_NAMES = 12
"""An axis with more coordinates is none of named epochs."""


def marks_of(variant: Variant, analyzer: str | None = None) -> Mapping[str, float]:
    """Return the named epochs of a variant, NaN where one was not reached.

    They are found by what they are: what an analyzer of the series stores in epochs, along one axis of names.

    Args:
        variant: of which; under its family's probe.
        analyzer: the one whose epochs are read; all that have measured the series by default.

    Returns:
        Epochs by ``"<plug-in>.<analyzer>/<array>[<axis>=<name>]"``. What cannot be read is left out: it is told where
        the analyzer itself is looked at.
    """
    artifacts = variant.artifacts_of()
    found: dict[str, float] = {}
    for name in [analyzer] if analyzer else artifacts.analyzers():
        try:
            unit = artifacts.of_series(name)
            if unit is not None:
                found |= _marks(artifacts.folder, name, unit, unit.path.stat().st_mtime_ns)
        except (DynascopeError, OSError):
            continue
    return found


def title_of(mark: str) -> str:
    """Return what a named epoch is called in a list: ``"test accuracy (general.milestones/epoch_reached)"``."""
    array, _, place = mark.removesuffix("]").partition("[")
    return f"{place.partition('=')[2].replace('_', ' ')} ({array})"


@lru_cache(maxsize=20_000)
def _marks(folder: Path, analyzer: str, unit: Unit, changed: int) -> Mapping[str, float]:
    """Read the named epochs of one unit; one that was not replaced is read once."""
    artifacts = Artifacts(folder)
    found: dict[str, float] = {}
    for name, axes in artifacts.arrays_of(unit, analyzer).items():
        if len(axes) != 1 or name in axes or not 0 < next(iter(axes.values())) <= MOST_NAMES:
            continue
        array = artifacts.read_unit(unit, analyzer, name)
        (axis,) = array.dims
        names = array[axis].values
        if array.attrs.get("units") != "epochs" or array.dtype.kind not in "iuf" or names.dtype.kind not in "OUS":
            continue
        values = np.asarray(array.values, dtype=np.float64)
        found |= {f"{analyzer}/{name}[{axis}={one}]": float(at) for one, at in zip(names, values, strict=True)}
    return found
