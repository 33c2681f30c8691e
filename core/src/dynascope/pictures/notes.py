"""What is said in a picture, or in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynascope.style import GREY, epoch_limits

__all__ = ["said", "sentence"]

Array = np.ndarray[Any, Any]


def said(text: str, x: float, y: float, *, align: str = "left") -> Any:
    """Return a note at a place of a picture, labelled ``note``; its text is the column ``said``.

    Args:
        text: of the note.
        x, y: where it is.
        align: which end of it is there: left, right or center.
    """
    import holoviews as hv

    note = hv.Labels(([x], [y], [text]), ["note_x", "note_y"], "said", label="note")
    return note.opts(text_font_size="9pt", text_color=GREY, text_align=align)


def sentence(text: str, epochs: Sequence[int] | Array | None = None) -> Any:
    """Return a picture that says one thing, where there is nothing to draw.

    Args:
        text: what it says.
        epochs: of the checkpoints, ``"epoch"``, where the horizontal axis is the epoch: as in the picture that would be
            there, a click then goes to a checkpoint.
    """
    low, high = (0.0, 1.0) if epochs is None else epoch_limits(epochs)
    axis = {"xaxis": None} if epochs is None else {"xlabel": "epoch"}
    return said(text, (low + high) / 2, 0.5, align="center").opts(
        xlim=(low, high), ylim=(0, 1), yaxis=None, show_legend=False, **axis
    )
