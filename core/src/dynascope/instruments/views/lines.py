"""Lines over the epochs of training, some by name and the others in grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.instruments.views.plain import padded, sentence
from dynascope.style import GREY, LINES, curve_at_checkpoints

__all__ = ["NAMED", "lines_over_training"]

Array = np.ndarray[Any, Any]

NAMED = len(LINES)
"""The most lines that have a name."""


def lines_over_training(
    epochs: Array,
    lines: Mapping[str, Array],
    quantity: str,
    unit: str = "",
    *,
    log: bool = False,
    others: Mapping[str, Array] | None = None,
    kind: str = "",
    ylim: tuple[float, float] | None = None,
    title: str = "",
) -> Any:
    """Return lines, each ``"epoch"``; one without a value is named in the legend's title.

    Args:
        epochs: of the checkpoints.
        lines: by what the legend calls them, at most ``NAMED``.
        quantity, unit: of the vertical axis.
        log: whether that is logarithmic; what is not positive is then left out.
        others: lines in grey, which only the pointer names.
        kind: what those are, such as ``"matrix"``.
        ylim: limits of the vertical axis; those of all lines, if None.
        title: stands over the legend.
    """
    import holoviews as hv

    def drawable(values: Array) -> Array:
        values = np.asarray(values, dtype=np.float64)
        return np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)

    shown = {label: drawable(values) for label, values in lines.items()}
    grey = {label: drawable(values) for label, values in (others or {}).items()}
    empty = [label for label, values in shown.items() if not np.isfinite(values).any()]
    every = np.concatenate([*shown.values(), *grey.values(), []])
    if not np.isfinite(every).any():
        return sentence(f"No {quantity} at any checkpoint.")
    parts = []
    if drawn := {label: values for label, values in grey.items() if np.isfinite(values).any()}:
        paths = [{"epoch": epochs, "other": values, "which": label} for label, values in drawn.items()]
        path = hv.Contours(paths, ["epoch", hv.Dimension("other", label=quantity)], "which")
        tooltips = [("epoch", "$x{0,0}"), (kind, "@which"), (quantity, "$y{0.000 a}")]
        parts.append(path.opts(color=GREY, line_width=0.8, line_alpha=0.6, tools=["hover"], hover_tooltips=tooltips))
    for index, ((label, values), line) in enumerate(zip(shown.items(), LINES)):
        if label in empty:
            continue
        dimension = hv.Dimension(f"value_{index}", label=quantity)
        tooltips = [("epoch", "@epoch{0,0}"), (f"{label}, {unit}" if unit else label, f"@value_{index}{{0.000 a}}")]
        parts.extend(curve_at_checkpoints(epochs, values, dimension, label, line, tooltips))
    without = f"no value: {', '.join(empty)}" if empty else ""
    start, end = float(epochs[0]), float(epochs[-1])
    return hv.Overlay(parts).opts(
        hv.opts.Overlay(
            logy=log,
            xlim=(start, end) if end > start else (start - 0.5, end + 0.5),
            ylim=ylim or padded(every, log=log),
            legend_position="top",
            legend_cols=3,
            legend_opts={"title": "; ".join(filter(None, [title, without]))},
            show_grid=True,
            xlabel="epoch",
            ylabel=f"{quantity} ({unit})" if unit else quantity,
        )
    )
