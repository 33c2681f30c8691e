"""Views of the train loss around the weights. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import in_turn, lines_over_training
from dynascope.style import BAR_COLOUR, GREY, finite_limits

__all__ = ["CURVATURE", "LOSS_AROUND"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.flatness"
CHANGE, MEAN_CHANGE, RADIUS, CURVATURES = (
    f"{ANALYZER}/{name}" for name in ("change", "mean_change", "radius", "mean_curvature")
)
OF_THIS_EPOCH = "of this epoch"


class ScaleChoice(param.Parameterized):
    """What the vertical axis is."""

    scale: Any = param.Selector(
        default="fixed over training",
        objects=["fixed over training", OF_THIS_EPOCH],
        doc="of this epoch: as a share of the largest change at the epoch",
    )


def _with_centre(values: Array, at: Array) -> Array:
    """Insert the checkpoint itself, where nothing changes, into values by signed radius."""
    return np.insert(values, int(np.searchsorted(at, 0.0)), 0.0, axis=-1)


def _changes(frame: Frame) -> tuple[Array, Array, Array]:
    """Return radii, ``"radius"``, changes, ``"direction radius"``, and their mean, with the checkpoint itself."""
    radius = frame.read(RADIUS).values
    change = _with_centre(frame.read(CHANGE).values, radius)
    mean = _with_centre(frame.read(MEAN_CHANGE).values, radius)
    if frame.controls.scale == OF_THIS_EPOCH:
        largest = np.max(np.abs(change), where=np.isfinite(change), initial=0) or 1
        change, mean = change / largest, mean / largest
    return _with_centre(radius, radius), change, mean


def draw_loss_around(frame: Frame) -> Any:
    """Draw the change of the train loss along each direction, and their mean."""
    import holoviews as hv

    radius, change, mean = _changes(frame)
    if frame.controls.scale == OF_THIS_EPOCH:
        low, high, label = -1.0, 1.0, "share of the largest change"
        low = 1.1 * min(frame.range(CHANGE)[0], 0) / (max(map(abs, frame.range(CHANGE))) or 1) - 0.03
        high = 1.05
    else:
        low, high = finite_limits(*frame.range(CHANGE))
        low, high = min(low, 0) - 0.04 * (high - low), high + 0.05 * (high - low)
        label = "change of the train loss (nats)"
    x, y = hv.Dimension("radius"), hv.Dimension("change", label=label)
    paths = [{"radius": radius, "change": along, "direction": index} for index, along in enumerate(change)]
    directions = hv.Contours(paths, [x, y], "direction", label="directions")
    curve = hv.Curve((radius, mean), x, hv.Dimension("mean", label=label), label="mean")
    points = hv.Scatter((radius, mean), x, hv.Dimension("mean_at", label=label), label="at")
    return hv.Overlay(
        [
            directions.opts(color=GREY, line_width=1, line_alpha=0.8, tools=["hover"],
                            hover_tooltips=[("direction", "@direction")]),
            curve.opts(color=BAR_COLOUR, line_width=2),
            points.opts(color=BAR_COLOUR, size=5, tools=["hover"],
                        hover_tooltips=[("radius", "@radius"), ("mean change", "@mean_at{0.0000}")]),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=(float(radius[0]) * 1.05, float(radius[-1]) * 1.05), ylim=(low, high), show_grid=True,
            show_legend=False, xlabel="step, as a share of each weight's own norm", ylabel=label,
        )
    )  # fmt: skip


def move_loss_around(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    _, change, mean = _changes(frame)
    return {"directions/ys": list(change), "mean/mean": mean, "at/mean_at": mean}


LOSS_AROUND = View(
    "loss_around",
    "Train loss around the weights",
    draw_loss_around,
    reads=(CHANGE, MEAN_CHANGE, RADIUS),
    columns=move_loss_around,
    controls=ScaleChoice,
    description=(
        "Change of the train loss along random directions that are scaled to each weight's norm: one grey line per "
        "direction, their mean in blue. At 0 are the weights of the checkpoint."
    ),
)


class CurvatureScale(param.Parameterized):
    """The scale of the vertical axis."""

    scale: Any = param.Selector(
        default="logarithmic", objects=["logarithmic", "linear"], doc="what is not positive has no logarithm"
    )


def draw_curvature(frame: Frame) -> Any:
    """Draw the mean curvature along the directions at every checkpoint, for each length of a step."""
    found = frame.series(CURVATURES)
    lines = {f"step {size:g}": values for size, values in zip(found["size"].values, found.values.T)}
    return lines_over_training(
        in_turn(found["epoch"].values, lines), "mean curvature", "nats", log=frame.controls.scale == "logarithmic"
    )


CURVATURE = View(
    "curvature_over_training",
    "Curvature of the train loss over training",
    draw_curvature,
    reads=(CURVATURES,),
    controls=CurvatureScale,
    series=True,
    description=(
        "Second difference of the train loss along random directions over the squared length of the step, mean over "
        "directions. Click to go to the nearest checkpoint."
    ),
)
