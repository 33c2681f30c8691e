"""The views. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Frame, View

__all__ = ["DEAD_OVER_TRAINING", "FIRING_SHARES"]

DEAD = "dead_neurons.firing/dead"
FIRES = "dead_neurons.firing/fires"


def draw_dead_over_training(frame: Frame) -> Any:
    """Draw the number of dead neurons at every checkpoint. Points: nothing is known between checkpoints."""
    import holoviews as hv

    dead = frame.series(DEAD)
    points = hv.Scatter((dead["epoch"].values, dead.values), "epoch", "dead")
    return points.opts(color="#0072b2", size=5, tools=["hover"], xlabel="epoch", ylabel="dead neurons")


DEAD_OVER_TRAINING = View(
    "dead_over_training",
    "Dead neurons",
    draw_dead_over_training,
    reads=(DEAD,),
    series=True,
    description="Neurons that are positive on no row of the probe. Click to go to the nearest checkpoint.",
)


def sorted_shares(frame: Frame) -> np.ndarray[Any, Any]:
    """Return the shares of all neurons at the frame's epoch, descending."""
    return np.sort(frame.read(FIRES).values)[::-1]


def draw_firing_shares(frame: Frame) -> Any:
    """Draw the sorted shares of one checkpoint."""
    import holoviews as hv

    shares = sorted_shares(frame)
    curve = hv.Curve((np.arange(len(shares)), shares), "rank", "share")
    return curve.opts(
        color="#0072b2",
        line_width=2,
        ylim=(0, 1.02),
        tools=["hover"],
        xlabel="neuron, sorted at this epoch",
        ylabel="share of rows on which it fires",
    )


def move_firing_shares(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"share": sorted_shares(frame)}


FIRING_SHARES = View(
    "firing_shares",
    "How often neurons fire",
    draw_firing_shares,
    reads=(FIRES,),
    columns=move_firing_shares,
    description="Share of the probe's rows on which each neuron is positive, from the one that fires most.",
)
