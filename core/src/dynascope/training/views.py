"""Loss curves over training."""

from __future__ import annotations

from typing import Any

from dynascope.contract.view import Frame, View
from dynascope.style import TEST_COLOUR, TRAIN_COLOUR

__all__ = ["LOSSES"]

MOST_POINTS = 2_000
"""Curves are thinned to about this many points, each of them a real epoch: a screen shows no more."""


def draw_losses(frame: Frame) -> Any:
    """Draw train and test loss, logarithmic, against the epoch.

    Of long trainings about 2,000 epochs are drawn, each of them a real one.
    """
    import holoviews as hv
    import numpy as np

    metrics = frame.metrics
    curves = []
    for split, colour in (("train", TRAIN_COLOUR), ("test", TEST_COLOUR)):
        measured = np.flatnonzero(np.isfinite(metrics[f"{split}_loss"]))
        count = len(measured)
        kept = measured[np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST_POINTS)).round().astype(int))]
        epoch = metrics["epoch"][kept]
        loss = hv.Dimension(f"{split}_loss", label="loss", unit="nats")
        accuracy = hv.Dimension(f"{split}_accuracy", label=f"{split} accuracy")
        table = (epoch, metrics[f"{split}_loss"][kept], metrics[f"{split}_accuracy"][kept])
        curve = hv.Curve(table, "epoch", [loss, accuracy], label=split)
        curves.append(curve.opts(color=colour, line_width=2, tools=["hover"]))
    return hv.Overlay(curves).opts(
        hv.opts.Overlay(
            logy=True, legend_position="top", legend_cols=2, show_grid=True, xlabel="epoch", ylabel="loss (nats)"
        )
    )


LOSSES = View(
    "losses",
    "Loss",
    draw_losses,
    reads=("metrics",),
    series=True,
    description="Mean loss over the train and the test split, in nats. Click to go to the nearest checkpoint.",
)
