"""One number of a variant over its training: a metric, or what an analyzer stores of each checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dynascope import ArtifactError, DynascopeError, Registry, Variant
from dynascope.store.artifacts import Artifacts
from dynascope.store.metrics import COLUMNS

__all__ = ["METRICS", "Line", "arrays_of", "line_of"]

Array = np.ndarray[Any, Any]

METRICS = COLUMNS[1:]
LONGEST_AXIS = 64
"""Coordinates among which one is chosen: an axis of neurons is none."""
MOST_POINTS = 2_000
"""Of a line: a metric is measured at every epoch, and more are not told apart."""
EPOCH = "epoch"


class Line(NamedTuple):
    """What was measured of one variant.

    Attributes:
        epochs, values: ``"epoch"``.
        unit: of the values; empty for none.
        about: the quantity in words.
    """

    epochs: Array
    values: Array
    unit: str
    about: str


def arrays_of(variant: Variant, plugins: Registry) -> dict[str, list[str]]:
    """Return the arrays that are one number at each epoch, or one for each coordinate of a short axis.

    Args:
        variant: under its family's probe.
        plugins: what says which arrays hold numbers; those of an analyzer that is not installed are taken to.

    Returns:
        By ``"<plug-in>.<analyzer>/<array>"``: nothing, or ``"<axis>=<coordinate>"`` for each. An analyzer whose
        artifact is damaged is left out.
    """
    artifacts = variant.artifacts_of()
    found: dict[str, list[str]] = {}
    for analyzer in artifacts.analyzers():
        provided = plugins.all("analyzers").get(analyzer)
        outputs = provided.item.outputs if provided is not None else {}
        try:
            over_series = artifacts.of_series(analyzer) is not None
            places: dict[str, list[str]] = {}
            for name, axes in artifacts.arrays(analyzer).items():
                beside = [axis for axis in axes if axis != EPOCH]
                fits = name not in axes and (EPOCH in axes) == over_series and len(beside) <= 1
                if not fits or (name in outputs and outputs[name].dtype == "str"):
                    continue
                for axis in beside:
                    if axis not in places and axes[axis] <= LONGEST_AXIS:
                        places[axis] = [f"{axis}={one}" for one in artifacts.coordinates(analyzer, axis)]
                if all(axis in places for axis in beside):
                    found[f"{analyzer}/{name}"] = [place for axis in beside for place in places[axis]]
        except DynascopeError:
            continue
    return found


def line_of(variant: Variant, quantity: str, place: str = "") -> Line:
    """Return a quantity of a variant over its training.

    Args:
        quantity: a column of the metrics, or ``"<plug-in>.<analyzer>/<array>"``.
        place: ``"<axis>=<coordinate>"`` of an array with an axis.

    Raises:
        ArtifactError: it was not computed, holds no numbers, or has no such coordinate.
    """
    if quantity in METRICS:
        return _metric(variant.metrics_file.read(), quantity)
    array = _array(variant.artifacts_of(), quantity)
    axis, _, name = place.partition("=")
    if axis:
        if axis not in array.dims:
            raise ArtifactError(f"{quantity} of {variant.name} has the axes {', '.join(array.dims)}, and no {axis}.")
        places = [index for index, one in enumerate(array[axis].values) if str(one) == name]
        if not places:
            raise ArtifactError(f"{quantity} of {variant.name} has no {axis} {name}.")
        array = array.isel({axis: places[0]})
    if array.dims != (EPOCH,) or array.dtype.kind not in "iufb":
        raise ArtifactError(f"{quantity} is not one number at each epoch.")
    unit = str(array.attrs.get("units", ""))
    return Line(
        array[EPOCH].values, array.values.astype(np.float64), "" if unit == "1" else unit,
        str(array.attrs.get("long_name", "")),
    )  # fmt: skip


def _metric(columns: Mapping[str, Array], name: str) -> Line:
    measured = np.flatnonzero(np.isfinite(columns[name]))
    kept = measured[:: max(len(measured) // MOST_POINTS, 1)]
    unit = "nats" if name.endswith("loss") else ""
    return Line(columns[EPOCH][kept], columns[name][kept], unit, name.replace("_", " "))


def _array(artifacts: Artifacts, quantity: str) -> Any:
    """Return an array with the epoch as one of its axes."""
    analyzer = quantity.partition("/")[0]
    if artifacts.of_series(analyzer) is None:
        return artifacts.series(quantity)
    return artifacts.read(quantity)
