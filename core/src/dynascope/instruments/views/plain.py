"""Limits of axes, and what stands where there is nothing to draw."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["finite_limits", "padded", "said", "sentence"]

Array = np.ndarray[Any, Any]


def finite_limits(low: float, high: float, *, at_least: float = 1.0) -> tuple[float, float]:
    """Return limits that a colour or an axis can have: finite, the upper one above the lower one.

    Args:
        low, high: as measured; may be equal, infinite or NaN.
        at_least: how far apart they are where they were equal.
    """
    low = float(low) if np.isfinite(low) else 0.0
    high = float(high) if np.isfinite(high) else low
    return (low, high) if high > low else (low, low + at_least)


def padded(values: Array, *, log: bool = False, share: float = 0.06) -> tuple[float, float]:
    """Return limits a little beyond all values that are finite, and positive on a logarithmic axis."""
    kept = values[np.isfinite(values) & (values > 0 if log else True)]
    if not len(kept):
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = float(kept.min()), float(kept.max())
    if log:
        factor = max(high / low, 10) ** share
        return low / factor, high * factor
    pad = share * (high - low) or 0.1 * abs(high) or 1.0
    return low - pad, high + pad


def sentence(text: str) -> Any:
    """Return a picture that says one thing, where there is nothing to draw."""
    return said(text, 0.5, 0.5, align="center").opts(
        xlim=(0, 1), ylim=(0, 1), xaxis=None, yaxis=None, show_legend=False
    )


def said(text: str, x: float, y: float, *, align: str = "left") -> Any:
    """Return a note at a place of a picture, labelled ``note``; its text is the column ``said``."""
    import holoviews as hv

    from dynascope.style import GREY

    note = hv.Labels(([x], [y], [text]), ["note_x", "note_y"], "said", label="note")
    return note.opts(text_font_size="9pt", text_color=GREY, text_align=align)
