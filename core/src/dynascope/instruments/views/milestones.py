"""A table of what a variant has learned when. holoviews is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.view import Frame, View

__all__ = ["MILESTONE_TABLE"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.milestones"
ARRAYS = ("milestone", "rule", "threshold", "measured", "reached", "epoch_reached", "value")
METRIC = {
    "train_accuracy": ("train_accuracy", "≥"),
    "test_below_uniform": ("test_loss", "<"),
    "test_accuracy": ("test_accuracy", "≥"),
}
"""Which metric decides on a milestone, and on which side of the threshold it is then."""
TITLES = {"metric": "metric and threshold"}


def _now(frame: Frame) -> Array:
    """Return the metric of each milestone at the frame's epoch, in words."""
    metrics = frame.metrics
    at = np.flatnonzero(metrics["epoch"] == frame.epoch)
    found = []
    for name in frame.read(f"{ANALYZER}/milestone").values:
        values = metrics.get(METRIC.get(str(name), ("", ""))[0], np.empty(0))
        value = values[at[0]] if len(at) and len(values) else np.nan
        found.append(f"{value:.4g}" if np.isfinite(value) else "not measured")
    return np.array(found, dtype=np.str_)


def draw_milestone_table(frame: Frame) -> Any:
    """List the milestones: when each was reached, by which rule, and its metric at this epoch."""
    import holoviews as hv

    array = {name: frame.read(f"{ANALYZER}/{name}").values for name in ARRAYS}
    reached, measured = array["reached"] > 0, array["measured"] > 0
    epoch = [
        f"{value:,.0f}" if there else "not reached" if known else "not measured"
        for value, there, known in zip(array["epoch_reached"], reached, measured)
    ]
    columns = {
        "milestone": [str(name).replace("_", " ") for name in array["milestone"]],
        "metric": [
            f"{metric.replace('_', ' ')} {side} {threshold:.4g}".strip()
            for (metric, side), threshold in zip(
                (METRIC.get(str(name), ("", "")) for name in array["milestone"]), array["threshold"]
            )
        ],
        "epoch": epoch,
        "then": [f"{value:.4g}" if there else "" for value, there in zip(array["value"], reached)],
        "now": _now(frame),
        "rule": array["rule"],
    }
    return hv.Table(
        tuple(np.array(values, dtype=np.str_) for values in columns.values()),
        [],
        [hv.Dimension(name, label=TITLES.get(name, name)) for name in columns],
    )


def move_milestone_table(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"now": _now(frame)}


MILESTONE_TABLE = View(
    "milestone_table",
    "Milestones",
    draw_milestone_table,
    reads=(*(f"{ANALYZER}/{name}" for name in ARRAYS), "metrics"),
    columns=move_milestone_table,
    description=(
        "When the variant passed each threshold, by which rule, the metric then, and the metric now: at this epoch. "
        "Losses are in nats."
    ),
)
