"""A view of how the residual stream separates the classes. holoviews is imported when it is drawn."""

from __future__ import annotations

from typing import Any

import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import in_turn, lines_over_training

__all__ = ["GEOMETRY"]

ANALYZER = "general.representation_geometry"
QUANTITIES = {
    "signal-to-noise ratio": "snr",
    "mean Fisher ratio": "fisher_mean",
    "smallest Fisher ratio": "fisher_min",
    "mean radius": "mean_radius",
    "mean dimensionality": "mean_dimensionality",
    "spread of the centres": "center_spread",
}


class GeometryChoice(param.Parameterized):
    """What is shown."""

    quantity: Any = param.Selector(default="signal-to-noise ratio", objects=list(QUANTITIES), doc="of each site")
    scale: Any = param.Selector(
        default="logarithmic", objects=["logarithmic", "linear"], doc="what is not positive has no logarithm"
    )


def draw_geometry(frame: Frame) -> Any:
    """Draw one measure of each site at every checkpoint."""
    quantity = frame.controls.quantity
    found = frame.series(f"{ANALYZER}/{QUANTITIES[quantity]}")
    lines = {str(site).replace("_", " "): values for site, values in zip(found["site"].values, found.values.T)}
    shown = in_turn(found["epoch"].values, lines)
    return lines_over_training(shown, quantity, log=frame.controls.scale == "logarithmic")


GEOMETRY = View(
    "geometry_over_training",
    "Separation of the classes over training",
    draw_geometry,
    reads=tuple(f"{ANALYZER}/{array}" for array in QUANTITIES.values()),
    controls=GeometryChoice,
    series=True,
    description=(
        "How far the classes of right answers lie apart in the residual stream, and how wide each is. A site at which "
        "every input has the same activation has no value. Click to go to the nearest checkpoint."
    ),
)
