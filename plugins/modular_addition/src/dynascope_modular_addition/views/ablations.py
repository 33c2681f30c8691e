"""A view of the loss without a part of the model. holoviews is imported when the view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Frame, View
from dynascope.style import GREY, TEST_COLOUR, TRAIN_COLOUR

__all__ = ["ABLATED_LOSSES"]

Array = np.ndarray[Any, Any]

ANALYZER = "modular_addition.ablations"
LOSS, ABLATION, MEANING, SPLIT = (f"{ANALYZER}/{name}" for name in ("loss", "ablation", "meaning", "split"))
COLOURS = {"train": TRAIN_COLOUR, "test": TEST_COLOUR, "all": GREY}
BAR = 0.26
SMALLEST = 1e-16
"""Where the axis begins if a loss is 0."""


def _ends(frame: Frame) -> tuple[float, float]:
    """Return the ends of the axis of losses, those of all checkpoints."""
    low, high = frame.range(LOSS)
    return (low / 2 if low > 0 else SMALLEST, 2 * high) if high > 0 else (0.1, 10)


def _bars(frame: Frame) -> dict[str, dict[str, Array]]:
    """Return the end of the bar, and the loss, of each ablation by split; a split without pairs has no bar."""
    low, _ = _ends(frame)
    loss = frame.read(LOSS).transpose("split", "ablation").values
    names = [str(split) for split in frame.read(SPLIT).values]
    return {split: {"right": np.fmax(values, low), "loss": values} for split, values in zip(names, loss, strict=True)}


def draw_ablated_losses(frame: Frame) -> Any:
    """Draw the loss without a part of the model as bars, logarithmic, by what is taken away and by split.

    The axis is the same at every epoch. Where the bar of an ablation is as long as that of ``nothing``, the model does
    not need what is taken away.
    """
    import holoviews as hv

    names, meaning = frame.read(ABLATION).values, frame.read(MEANING).values
    low, high = _ends(frame)
    row = np.arange(len(names))[::-1]
    parts = []
    for index, (split, columns) in enumerate(_bars(frame).items()):
        top = row + (1.5 - index) * BAR
        bars = hv.Rectangles(
            (np.full(len(row), low), top - BAR, columns["right"], top, columns["loss"], names, meaning),
            ["left", "bottom", "right", "top"],
            ["loss", "ablation", "meaning"],
            label=split,
        )
        tooltips = [
            ("taken away", "@ablation"),
            ("the model then", "@meaning"),
            (f"{split} loss", "@loss{0.00e+0} nats"),
        ]
        parts.append(bars.opts(color=COLOURS[split], line_alpha=0, tools=["hover"], hover_tooltips=tooltips))
    return hv.Overlay(parts).opts(
        hv.opts.Overlay(
            xlim=(low, high),
            ylim=(-0.6, len(row) - 0.4),
            logx=True,
            yticks=[(int(at), str(name)) for at, name in zip(row, names, strict=True)],
            legend_position="top",
            legend_cols=3,
            show_grid=True,
            xlabel="loss (nats)",
            ylabel="",
        )
    )


def move_ablated_losses(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {f"{split}/{name}": values for split, columns in _bars(frame).items() for name, values in columns.items()}


ABLATED_LOSSES = View(
    "ablated_losses",
    "Loss without a part of the model",
    draw_ablated_losses,
    reads=(LOSS, ABLATION, MEANING, SPLIT),
    columns=move_ablated_losses,
    description=(
        "Loss with the heads, a skip connection, or the neurons taken away, and with the neurons on and off the "
        "directions of W_L that belong to the key frequencies of the last checkpoint. Analyse it by name first: "
        "modular_addition.ablations."
    ),
)
