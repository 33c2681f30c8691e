"""Views of how the right logit depends on a - b. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Frame, View
from dynascope.pictures import in_turn, lines_over_training
from dynascope.style import BAR_COLOUR, largest, whole_ticks

__all__ = ["DISTANCE_IRRELEVANCE", "LOGITS_BY_DISTANCE"]

Array = np.ndarray[Any, Any]

CORRECT, LARGEST_WRONG, MEAN, DEVIATION = (
    f"fourier.distance_irrelevance/{name}" for name in ("correct", "largest_wrong", "correct_mean", "correct_deviation")
)


def draw_distance_irrelevance(frame: Frame) -> Any:
    """Draw both published forms of distance irrelevance at every checkpoint."""
    correct, wrong = frame.series(CORRECT), frame.series(LARGEST_WRONG)
    lines = {"of the right logit": correct.values, "of the largest other logit": wrong.values}
    top = 1.05 * largest(list(lines.values()))
    return lines_over_training(
        in_turn(correct["epoch"].values, lines), "distance irrelevance", ylim=(0, max(1.02, top))
    )


DISTANCE_IRRELEVANCE = View(
    "distance_irrelevance",
    "Distance irrelevance",
    draw_distance_irrelevance,
    reads=(CORRECT, LARGEST_WRONG),
    series=True,
    description=(
        "Spread of a logit at equal a − b, as a share of its spread over all pairs: 1 where a − b does not matter (a "
        "clock), near 0 where it says everything (a pizza). Both published forms."
    ),
)


def _columns(frame: Frame) -> dict[str, Array]:
    mean, deviation = frame.read(MEAN).values, frame.read(DEVIATION).values
    return {"mean": mean, "deviation": deviation, "low": mean - deviation, "high": mean + deviation}


def draw_logits_by_distance(frame: Frame) -> Any:
    """Draw the mean right logit of the pairs with each a - b, and a standard deviation to either side."""
    import holoviews as hv

    distance = frame.read(MEAN)["distance"].values
    columns = _columns(frame)
    (low, high), spread = frame.range(MEAN), frame.range(DEVIATION)[1]
    ends = np.nan_to_num(np.array([low - spread, high + spread], dtype=np.float64), nan=0.0)
    margin = 0.03 * (ends[1] - ends[0]) or 1.0
    bars = hv.Segments(
        (distance, columns["low"], distance, columns["high"]),
        ["distance", "low", "distance_end", "high"],
        label="spread",
    )
    points = hv.Points(
        (distance, columns["mean"], columns["deviation"]), ["distance", "mean"], "deviation", label="mean"
    )
    return bars.opts(color=BAR_COLOUR, line_width=1, alpha=0.5, show_legend=False) * points.opts(
        color=BAR_COLOUR,
        size=5,
        show_legend=False,
        tools=["hover"],
        hover_tooltips=[
            ("a − b mod p", "@distance"),
            ("mean right logit", "@mean{0.00}"),
            ("standard deviation", "@deviation{0.00}"),
        ],
        xlim=(-1, len(distance)),
        ylim=(float(ends[0] - margin), float(ends[1] + margin)),
        xticks=whole_ticks(0, len(distance) - 1),
        xlabel="a − b mod p",
        ylabel="logit of the right class",
    )


def move_logits_by_distance(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    columns = _columns(frame)
    return {
        "spread/low": columns["low"],
        "spread/high": columns["high"],
        "mean/mean": columns["mean"],
        "mean/deviation": columns["deviation"],
    }


LOGITS_BY_DISTANCE = View(
    "logits_by_distance",
    "Right logit by a − b",
    draw_logits_by_distance,
    reads=(MEAN, DEVIATION),
    columns=move_logits_by_distance,
    description=(
        "Logit of the right class, over the pairs of each a − b: mean and standard deviation. A clock's is the same "
        "for all; a pizza's is small where its frequencies' cos(w_k (a − b) / 2) are."
    ),
)
