"""Lines and maps over the epochs of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from dynascope.pictures.notes import sentence
from dynascope.style import (
    GREY,
    LINES,
    MOST_PIXELS,
    colour_bar,
    epoch_edges,
    epoch_limits,
    epoch_pixels,
    largest,
    padded,
)

__all__ = ["Series", "cells_over_training", "curve_at_checkpoints", "in_turn", "lines_over_training"]

Array = np.ndarray[Any, Any]

MOST_MARKERS = 60
"""On a line: of more, a card shows a thick band in place of it."""


class Series(NamedTuple):
    """A line over training.

    Attributes:
        label: in the legend; of a line in grey, only the pointer shows it.
        epochs, values: its points, ``"epoch"``.
        line: colour, dash and marker, as in ``LINES``; None for grey.
        name: of what it shows, where a point is hovered; the label if empty.
        also: what else is shown there, ``"epoch"``, by what it is called.
        of: the coordinates of which it is the line, by axis: it is marked where one of them is chosen.
    """

    label: str
    epochs: Array
    values: Array
    line: tuple[str, str, str] | None
    name: str = ""
    also: Mapping[str, Array] = {}
    of: Mapping[str, int | str] = {}


def in_turn(epochs: Array, lines: Mapping[str, Array]) -> list[Series]:
    """Return lines by their label in the colours of ``LINES``; in grey what goes beyond those.

    Args:
        epochs: of the checkpoints, ``"epoch"``.
        lines: ``"epoch"``.
    """
    drawn = zip_longest(lines.items(), LINES[: len(lines)])
    return [Series(label, epochs, values, line) for (label, values), line in drawn]


def curve_at_checkpoints(
    epochs: Array,
    values: Array,
    dimension: Any,
    label: str,
    line: tuple[str, str, str],
    tooltips: list[Any],
    also: Mapping[str, Array] | None = None,
) -> list[Any]:
    """Return the elements of a line, and of its markers: one at every checkpoint, unless they would hide the line.

    A marker says that what lies between was not measured. Of more than ``MOST_MARKERS`` checkpoints, there is hardly
    anything between.

    Args:
        epochs, values: its points, ``"epoch"``.
        dimension: of the values, unique in the picture.
        label: in the legend.
        line: colour, dash and marker.
        tooltips: where a point is hovered.
        also: further columns that these name, ``"epoch"``.
    """
    import holoviews as hv

    colour, dash, marker = line
    hovered = {"tools": ["hover"], "hover_tooltips": tooltips}
    there = np.pad(np.isfinite(values), 1)
    lonely = there[1:-1] & ~there[:-2] & ~there[2:]  # between gaps: no line leads to it
    marked = np.count_nonzero(there) <= MOST_MARKERS or lonely.any()
    whole = (epochs, values, *(also or {}).values()), "epoch", [dimension, *(also or {})]
    curve = hv.Curve((epochs, values), "epoch", dimension, label=label) if marked else hv.Curve(*whole, label=label)
    curve = curve.opts(color=colour, line_dash=dash, line_width=1.5, **({} if marked else hovered))
    if not marked:
        return [curve]
    points = hv.Scatter(*whole, label=label)
    return [curve, points.opts(color=colour, marker=marker, size=5, **hovered)]


def lines_over_training(
    lines: Sequence[Series],
    quantity: str,
    unit: str = "",
    *,
    log: bool = False,
    ylim: tuple[float, float] | None = None,
    title: str = "",
    kind: str = "",
    number: str = "0.000 a",
    columns: int = 3,
) -> Any:
    """Return lines with a marker at every checkpoint, if they are few; those in grey as thin lines behind them.

    A line without a value is named in the legend's title; where no line has one, the picture says so.

    Args:
        lines: in the order of the legend, at least one.
        quantity, unit: of the vertical axis.
        log: whether that is logarithmic; what is not positive is then left out.
        ylim: limits of the vertical axis; a little beyond all values, if None.
        title: stands over the legend.
        kind: what the lines in grey are, such as ``"matrix"``, where one is hovered.
        number: how values are written where they are hovered.
        columns: of the legend.
    """
    import holoviews as hv

    def drawable(values: Array) -> Array:
        values = np.asarray(values, dtype=np.float64)
        return np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)

    drawn = [each._replace(values=drawable(each.values)) for each in lines]
    every = np.concatenate([each.values for each in drawn])
    if not np.isfinite(every).any():
        return sentence(f"No {quantity} at any checkpoint.", lines[0].epochs)
    empty = [each.label for each in drawn if each.line is not None and not np.isfinite(each.values).any()]
    drawn = [each for each in drawn if np.isfinite(each.values).any()]
    axis = f"{quantity} ({unit})" if unit else quantity
    parts: list[Any] = []
    if grey := [each for each in drawn if each.line is None]:
        paths = [{"epoch": each.epochs, "other": each.values, "which": each.label} for each in grey]
        path = hv.Contours(paths, ["epoch", hv.Dimension("other", label=axis)], "which")
        tooltips = [("epoch", "$x{0,0}"), (kind, "@which"), (quantity, f"$y{{{number}}} {unit}".rstrip())]
        parts.append(path.opts(color=GREY, line_width=0.8, line_alpha=0.6, tools=["hover"], hover_tooltips=tooltips))
    for index, each in enumerate(drawn):
        if each.line is None:
            continue
        also = {f"also_{index}_{place}": values for place, values in enumerate(each.also.values())}
        of = {axis: np.repeat(np.array([one]), len(each.epochs)) for axis, one in each.of.items()}
        tooltips = [
            ("epoch", "@epoch{0,0}"),
            *((name, f"@{column}") for name, column in zip(each.also, also, strict=True)),
            (each.name or each.label, f"@value_{index}{{{number}}} {unit}".rstrip()),
        ]
        dimension = hv.Dimension(f"value_{index}", label=axis)
        parts.extend(
            curve_at_checkpoints(each.epochs, each.values, dimension, each.label, each.line, tooltips, also | of)
        )
    without = f"no value: {', '.join(empty)}" if empty else ""
    over = "; ".join(filter(None, [title, without]))
    return hv.Overlay(parts).opts(
        hv.opts.Overlay(
            logy=log,
            xlim=epoch_limits(lines[0].epochs),
            ylim=ylim or padded(every, log=log),
            legend_position="top",
            legend_limit=len(parts) + 1,  # beyond it there would be none
            legend_cols=columns,
            legend_opts={"title": over} if over else {},
            show_grid=True,
            xlabel="epoch",
            ylabel=axis,
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
    axis: str = "row",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a map over epoch and rows.

    The axis is the epoch, not the checkpoint's number, so that maps, losses and the epoch line agree. A cell is as
    wide as the epochs for which a click goes to its checkpoint. Of more checkpoints than pixels, the nearest ones to
    ``MOST_PIXELS`` evenly spaced epochs are shown.

    Args:
        epochs: of the checkpoints, ``"epoch"``.
        rows: where each row is, ``"row"``.
        values: ``"epoch row"``.
        quantity: what the values are.
        row: what a row is.
        ticks: of the rows.
        names: of the rows, where a cell is hovered, ``"row"``; else their number.
        clim: the ends of the scale; else from 0 to the largest value.
        bar: what stands above the colour bar.
        tooltip: how a row is called where a cell is hovered; else ``row``.
        axis: the axis of which a row is a coordinate: a row is marked where it is chosen.
        options: further options of the picture.
    """
    import holoviews as hv

    clim, ends = clim or (0, largest(values)), epoch_edges(epochs)[[0, -1]]
    if len(epochs) > MOST_PIXELS:  # narrower cells are not seen, and each takes its time
        kept = np.unique(epoch_pixels(epochs)[1])
        epochs, values = epochs[kept], values[kept]
    edge, count = epoch_edges(epochs), len(rows)
    left, right, epoch = (np.repeat(each, count) for each in (edge[:-1], edge[1:], epochs))
    at = np.tile(rows, len(epochs))
    named = at if names is None else np.tile(names, len(epochs))
    cells = hv.Rectangles(
        (left, at - 0.5, right, at + 0.5, np.ravel(values), epoch, named),
        ["left", "bottom", "right", "top"],
        [hv.Dimension("share", label=quantity), "epoch", axis],
    )
    return cells.opts(
        color="share",
        line_color="share",  # no seams of the page's colour between cells
        line_width=1,
        cmap="viridis",
        clim=clim,
        tools=["hover"],
        hover_tooltips=[("epoch", "@epoch{0,0}"), (tooltip or row, f"@{axis}"), (quantity, "@share{0.000}")],
        xlim=tuple(ends),
        ylim=(rows[0] - 0.5, rows[-1] + 0.5),
        yticks=ticks,
        xlabel="epoch",
        ylabel=row,
        **colour_bar(bar),
        **(options or {}),
    )
