"""Colours, ticks and edges that views share.

Colours are those of Okabe and Ito, told apart by the colour-blind; where lines share a picture, dashes and markers
tell them apart in grey too. Shares are drawn in viridis, whose lightness rises evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = [
    "BAR_COLOUR",
    "EXCLUDED_COLOUR",
    "GREY",
    "LINES",
    "RESTRICTED_COLOUR",
    "TEST_COLOUR",
    "TRAIN_COLOUR",
    "colour_bar",
    "curve_at_checkpoints",
    "epoch_edges",
    "whole_ticks",
]

Array = np.ndarray[Any, Any]

BAR_COLOUR = "#0072b2"
TRAIN_COLOUR = "#0072b2"
TEST_COLOUR = "#d55e00"
RESTRICTED_COLOUR = "#009e73"
EXCLUDED_COLOUR = "#cc79a7"
GREY = "#8a8a8a"
"""Readable on white and on black."""

LINES = (
    ("#0072b2", "solid", "circle"),
    ("#d55e00", "dashed", "square"),
    ("#009e73", "dotdash", "triangle"),
    ("#cc79a7", "dotted", "diamond"),
    ("#e69f00", "dashdot", "inverted_triangle"),
    ("#56b4e9", "dashed", "cross"),
)
"""Colour, dash and marker of the lines of one picture."""

MOST_TICKS = 10


def colour_bar(title: str) -> Mapping[str, Any]:
    """Return the options of a picture with a slim colour bar that names its quantity."""
    return {
        "colorbar": True,
        "clabel": title,
        "colorbar_opts": {
            "width": 8,
            "padding": 4,
            "title_text_font_size": "11px",
            "title_text_font_style": "normal",
            "title_standoff": 6,
        },
    }


def whole_ticks(low: int, high: int) -> list[int]:
    """Return whole numbers from ``low`` to ``high``, at most about ten, multiples of 1, 2 or 5 times a power of ten."""
    step = next(
        size * 10**power for power in range(12) for size in (1, 2, 5) if (high - low) / (size * 10**power) <= MOST_TICKS
    )
    return [value for value in range(low, high + 1) if value % step == 0]


def epoch_edges(epochs: Sequence[int] | Array) -> Array:
    """Return the edges of cells around checkpoints: a cell holds the epochs that no other checkpoint is nearer to."""
    at = np.asarray(epochs, dtype=np.float64)
    if len(at) == 1:
        return np.array([at[0] - 0.5, at[0] + 0.5])
    half = np.diff(at) / 2
    return np.concatenate([[at[0] - half[0]], at[:-1] + half, [at[-1] + half[-1]]])


def curve_at_checkpoints(
    epochs: Array, values: Array, dimension: Any, label: str, line: tuple[str, str, str], tooltips: list[Any]
) -> Any:
    """Return a line with a marker at every checkpoint: what lies between them was not measured."""
    import holoviews as hv

    colour, dash, marker = line
    curve = hv.Curve((epochs, values), "epoch", dimension, label=label)
    points = hv.Scatter((epochs, values), "epoch", dimension, label=label)
    return curve.opts(color=colour, line_dash=dash, line_width=1.5) * points.opts(
        color=colour, marker=marker, size=5, tools=["hover"], hover_tooltips=tooltips
    )
