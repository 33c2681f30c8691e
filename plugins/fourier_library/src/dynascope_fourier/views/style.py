"""What views of frequencies share: ticks, one line for each frequency, cells over training, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynascope import Frame
from dynascope.style import GREY, LINES, MOST_TICKS, colour_bar, curve_at_checkpoints, epoch_edges, whole_ticks

__all__ = [
    "FREQUENCY_LINES",
    "Series",
    "cells_over_training",
    "epoch_limits",
    "frequency_lines",
    "frequency_ticks",
    "largest",
    "lines_over_training",
    "nearest_epoch",
    "sentence",
]

Array = np.ndarray[Any, Any]

KEY = "fourier.neuron_frequencies/is_key"
CLUSTER_SIZE = "fourier.neuron_frequencies/cluster_size"
BEST_SIZE = "fourier.neuron_frequencies/best_size"
FREQUENCY_LINES = (KEY, CLUSTER_SIZE, BEST_SIZE)
"""What a view reads that draws a frequency in its colour."""

POSITIVE = 1e-300


def frequency_ticks(count: int) -> list[int]:
    """Return which of the frequencies 1..count are named on an axis."""
    return [k for k in whole_ticks(1, count) if k] if count > MOST_TICKS else list(range(1, count + 1))


def frequency_lines(frame: Frame) -> dict[int, tuple[str, str, str]]:
    """Return the colour, dash and marker of each frequency that has its own: the same in all views of a variant.

    The first are the key frequencies of the last checkpoint, which so keep theirs whatever happened before; then those
    with the largest clusters, and the most neurons, at any checkpoint. What goes beyond the lines that can be told
    apart has none, and is drawn in grey.
    """
    last = frame.read(KEY, epoch=frame.epochs[-1])
    frequency, key = last["frequency"].values, last.values > 0
    cluster, best = (frame.series(array).values.max(axis=0) for array in (CLUSTER_SIZE, BEST_SIZE))
    order = [index for index in np.lexsort((-best, -cluster, ~key)) if key[index] or best[index] or cluster[index]]
    named = sorted(order[: len(LINES)], key=lambda index: (not key[index], frequency[index]))
    return {int(frequency[index]): line for index, line in zip(named, LINES, strict=False)}


def largest(values: Any) -> float:
    """Return the largest finite value, for the end of a scale; 1 where there is none, or none above 0."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def epoch_limits(epochs: Array) -> tuple[float, float]:
    """Return where an axis of epochs ends."""
    edge = epoch_edges(epochs)
    return float(edge[0] if len(epochs) == 1 else epochs[0]), float(edge[-1] if len(epochs) == 1 else epochs[-1])


def nearest_epoch(epochs: Array, x: float) -> int:
    """Return the checkpoint nearest to a place on the axis; of two, the earlier."""
    return int(epochs[np.abs(np.asarray(epochs) - x).argmin()])


def sentence(text: str, epochs: Array) -> Any:
    """Return a picture over the epochs that holds one sentence, where there is nothing to draw."""
    import holoviews as hv

    low, high = epoch_limits(epochs)
    said = hv.Labels(([(low + high) / 2], [0.5], [text]), ["epoch", "nothing"], "said", label="sentence")
    return said.opts(text_font_size="11pt", text_color=GREY, xlim=(low, high), ylim=(0, 1), yaxis=None, xlabel="epoch")


class Series(NamedTuple):
    """A line over training.

    Attributes:
        label: in the legend; empty for a line in grey that only hovering names.
        epochs, values: its points.
        line: colour, dash and marker; None for grey.
        name: of what it shows, where a point is hovered; the label if empty.
    """

    label: str
    epochs: Array
    values: Array
    line: tuple[str, str, str] | None
    name: str = ""


def lines_over_training(
    lines: Sequence[Series],
    quantity: str,
    unit: str = "",
    *,
    ylim: tuple[float, float] | None = None,
    logy: bool = False,
    title: str = "",
    number: str = "0.000",
    columns: int = 4,
) -> Any:
    """Return lines with a marker at every checkpoint, on axes that hold them all.

    Args:
        lines: those in grey are drawn first.
        quantity: what the vertical axis is, with its unit.
        unit: of the values, beside them where a point is hovered.
        ylim: the ends of the vertical axis; else from 0, or a decade around the data.
        logy: whether it is logarithmic: what is not above 0 is left out.
        title: of the legend.
        number: how values are written.
        columns: of the legend.
    """
    import holoviews as hv

    label = f"{quantity} ({unit})" if unit else quantity
    shown = [np.where(each.values > 0, each.values, np.nan) if logy else each.values for each in lines]
    finite = np.concatenate([values[np.isfinite(values)] for values in shown] or [np.zeros(0)])
    if ylim is None and logy:
        ylim = (max(finite.min() / 2, POSITIVE), finite.max() * 8) if finite.size else (0.1, 10)
    parts: list[Any] = []
    pairs = list(enumerate(zip(lines, shown, strict=True)))
    for index, (each, values) in sorted(pairs, key=lambda pair: pair[1][0].line is not None):
        name = f"of_{index}"
        if each.line is None:
            curve = hv.Curve((each.epochs, values), "epoch", name)
            parts.append(curve.opts(color=GREY, line_width=0.7, line_alpha=0.6))
            continue
        tooltips: list[Any] = [
            ("epoch", "@epoch{0,0}"),
            (each.name or each.label, f"@{name}{{{number}}} {unit}".rstrip()),
        ]
        dimension = hv.Dimension(name, label=label)
        parts.append(curve_at_checkpoints(each.epochs, values, dimension, each.label, each.line, tooltips))
    return (
        hv.Overlay(parts)
        .collate()
        .opts(
            hv.opts.Overlay(
                xlim=epoch_limits(lines[0].epochs),
                ylim=ylim or (0, 1.05 * largest(finite)),
                logy=logy,
                legend_position="top",
                legend_limit=2 * len(parts) + 1,  # beyond it there would be none
                legend_cols=columns,
                legend_opts={"title": title} if title else {},
                show_grid=True,
                xlabel="epoch",
                ylabel=label,
            )
        )
    )


def cells_over_training(
    epochs: Array,
    rows: Array,
    values: Array,
    quantity: str,
    *,
    row: str,
    ticks: Sequence[Any],
    names: Array | None = None,
    clim: tuple[float, float] | None = None,
    bar: str = "share",
    tooltip: str = "",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a map over epoch and rows.

    The axis is the epoch, not the checkpoint's number, so that maps, losses and the epoch line agree. A cell is as
    wide as the epochs for which a click goes to its checkpoint.

    Args:
        epochs, rows: the checkpoints, and where each row is.
        values: ``"epoch row"``.
        quantity: what the values are.
        row: what a row is.
        ticks: of the rows.
        names: of the rows, where a cell is hovered; else their number.
        clim: the ends of the scale; else from 0 to the largest value.
        bar: what stands above the colour bar.
        tooltip: how a row is called where a cell is hovered; else ``row``.
        options: further options of the picture.
    """
    import holoviews as hv

    edge, count = epoch_edges(epochs), len(rows)
    left, right, epoch = (np.repeat(each, count) for each in (edge[:-1], edge[1:], epochs))
    k = np.tile(rows, len(epochs))
    named = k if names is None else np.tile(names, len(epochs))
    cells = hv.Rectangles(
        (left, k - 0.5, right, k + 0.5, np.ravel(values), epoch, named),
        ["left", "bottom", "right", "top"],
        [hv.Dimension("share", label=quantity), "epoch", "k"],
    )
    return cells.opts(
        color="share",
        line_color="share",  # no seams of the page's colour between cells
        line_width=1,
        cmap="viridis",
        clim=clim or (0, largest(values)),
        tools=["hover"],
        hover_tooltips=[("epoch", "@epoch{0,0}"), (tooltip or row, "@k"), (quantity, "@share{0.000}")],
        xlim=(edge[0], edge[-1]),
        ylim=(rows[0] - 0.5, rows[-1] + 0.5),
        yticks=ticks,
        xlabel="epoch",
        ylabel=row,
        **colour_bar(bar),
        **(options or {}),
    )
