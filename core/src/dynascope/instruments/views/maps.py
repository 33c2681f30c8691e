"""Pictures with the epoch along an axis: as wide as a checkpoint is the nearest, at the resolution of a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynascope.style import epoch_edges

__all__ = ["MOST_PIXELS", "epoch_pixels"]

Array = np.ndarray[Any, Any]

MOST_PIXELS = 400
"""Along an axis: a card is not much wider, and a square of cells of as many checkpoints would be slow to draw."""


def epoch_pixels(epochs: Sequence[int] | Array, most: int = MOST_PIXELS) -> tuple[Array, Array, tuple[float, float]]:
    """Return evenly spaced epochs, the number of the checkpoint that each is nearest to, and where the axis ends.

    Args:
        epochs: of the checkpoints, ascending.
        most: pixels; there are fewer, where the narrowest cell has one.

    Returns:
        ``"pixel"``, ``"pixel"``, and the limits.
    """
    edges = epoch_edges(epochs)
    low, high = float(edges[0]), float(edges[-1])
    count = int(np.clip(np.ceil((high - low) / np.diff(edges).min() - 1e-9), 1, most))
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    return centres, np.clip(np.searchsorted(edges, centres, side="right") - 1, 0, len(edges) - 2), (low, high)
