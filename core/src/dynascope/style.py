"""Colours, ticks, edges and limits that views share. What returns elements is in ``dynascope.pictures``.

Colours are those of Okabe and Ito, told apart by the colour-blind; where lines share a picture, dashes and markers
tell them apart in grey too. Shares are drawn in viridis, whose lightness rises evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = [
    "BAR_COLOUR",
    "GREY",
    "LINES",
    "MOST_PIXELS",
    "MOST_TICKS",
    "SELECTED_COLOUR",
    "TEST_COLOUR",
    "TRAIN_COLOUR",
    "colour_bar",
    "epoch_edges",
    "epoch_limits",
    "epoch_pixels",
    "finite_limits",
    "largest",
    "nearest_epoch",
    "padded",
    "whole_ticks",
]

Array = np.ndarray[Any, Any]

BAR_COLOUR = "#0072b2"
TRAIN_COLOUR = "#0072b2"
TEST_COLOUR = "#d55e00"
SELECTED_COLOUR = "#e6007e"
"""Of what is chosen, in every picture; of none of the colours that lines and scales have."""
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
MOST_PIXELS = 400
"""Along an axis: a card is not much wider, and a square of cells of as many checkpoints would be slow to draw."""


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


def epoch_limits(epochs: Sequence[int] | Array) -> tuple[float, float]:
    """Return where an axis of epochs ends: at the first and the last checkpoint, or half an epoch beside the only one.

    Args:
        epochs: of the checkpoints, ascending, ``"epoch"``.
    """
    start, end = float(epochs[0]), float(epochs[-1])
    return (start, end) if end > start else (start - 0.5, end + 0.5)


def nearest_epoch(epochs: Sequence[int] | Array, x: float) -> int:
    """Return the checkpoint nearest to a place on the axis; of two, the earlier.

    Args:
        epochs: of the checkpoints, ``"epoch"``.
        x: the place.
    """
    return int(epochs[int(np.abs(np.asarray(epochs) - x).argmin())])


def epoch_pixels(epochs: Sequence[int] | Array, most: int = MOST_PIXELS) -> tuple[Array, Array, tuple[float, float]]:
    """Return evenly spaced epochs, the number of the checkpoint that each is nearest to, and where the axis ends.

    Args:
        epochs: of the checkpoints, ascending, ``"epoch"``.
        most: pixels; there are fewer, where the narrowest cell has one.

    Returns:
        ``"pixel"``, ``"pixel"``, and the limits.
    """
    edges = epoch_edges(epochs)
    low, high = float(edges[0]), float(edges[-1])
    count = int(np.clip(np.ceil((high - low) / np.diff(edges).min() - 1e-9), 1, most))
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    return centres, np.clip(np.searchsorted(edges, centres, side="right") - 1, 0, len(edges) - 2), (low, high)


def finite_limits(low: float, high: float, *, at_least: float = 1.0) -> tuple[float, float]:
    """Return limits that a colour or an axis can have: finite, the upper one above the lower one.

    Args:
        low, high: as measured; may be equal, infinite or NaN.
        at_least: how far apart they are where they were equal.
    """
    low = float(low) if np.isfinite(low) else 0.0
    high = float(high) if np.isfinite(high) else low
    return (low, high) if high > low else (low, low + at_least)


def largest(values: Any) -> float:
    """Return the largest finite value, for the end of a scale; 1 where there is none, or none above 0.

    Args:
        values: of any shape.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def padded(values: Array, *, log: bool = False, share: float = 0.06) -> tuple[float, float]:
    """Return limits a little beyond all values that are finite, and positive on a logarithmic axis.

    Args:
        values: of any shape.
        log: whether the axis is logarithmic.
        share: how far beyond, of the distance between the smallest and the largest.
    """
    kept = values[np.isfinite(values) & (values > 0 if log else True)]
    if not len(kept):
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = float(kept.min()), float(kept.max())
    if log:
        factor = max(high / low, 10) ** share
        return max(low / factor, float(np.finfo(np.float64).tiny)), high * factor
    pad = share * (high - low) or 0.1 * abs(high) or 1.0
    return low - pad, high + pad
