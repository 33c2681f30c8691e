"""What is chosen (a neuron, a frequency, a head, a pair), marked in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, Quad, Scatter
from bokeh.plotting import figure as Figure

from dynascope.style import SELECTED_COLOUR

__all__ = ["CHOSEN", "Chosen", "Marks"]

Chosen = Mapping[str, int | str]
CHOSEN = "chosen"
"""The name of the sources of what marks."""
HALF = 0.5
"""A whole number's cell on an axis."""
MOST = 2_000
"""Points that are marked: of more, nothing stands out."""


class Marks:
    """The marks of one picture, made with it, and empty while nothing of it is chosen.

    A browser that is just laying the picture out fails where one is added to it later.

    Args:
        figure: the picture.
        elements: its elements, as ``(names of its key dimensions, its data source)``. A coordinate is found on an axis
            that has the name of its axis, and in every source with a column of that name.
    """

    def __init__(self, figure: Figure, elements: Iterable[tuple[tuple[str, ...], ColumnDataSource]]) -> None:
        self._elements = list(elements)
        self._points = ColumnDataSource({"x": [], "y": []}, name=CHOSEN)
        self._cells = ColumnDataSource({"left": [], "right": [], "bottom": [], "top": []}, name=CHOSEN)
        line = {"line_color": SELECTED_COLOUR, "line_width": 2}
        halo = Scatter(x="x", y="y", size=11, fill_color=SELECTED_COLOUR, fill_alpha=0.2, **line)
        frame = Quad(left="left", right="right", bottom="bottom", top="top", fill_alpha=0, **line)
        for source, glyph in ((self._points, halo), (self._cells, frame)):
            renderer = figure.add_glyph(source, glyph)
            renderer.level = "overlay"
            for kind in (figure.x_range, figure.y_range):
                if hasattr(kind, "renderers"):  # the limits are not those of the marks
                    kind.renderers = [one for one in figure.renderers if one is not renderer]
        self._bands = {
            axis: BoxAnnotation(
                fill_color=SELECTED_COLOUR, fill_alpha=0.1, line_color=SELECTED_COLOUR, line_alpha=0.8, line_width=1,
                level="overlay", visible=False,
            )
            for axis in "xy"
        }  # fmt: skip
        for band in self._bands.values():
            figure.add_layout(band)

    def show(self, chosen: Chosen, placed: Mapping[str, float]) -> None:
        """Mark what is chosen.

        Args:
            chosen: coordinates by axis.
            placed: where the view itself says that they are, ``{"x": ..., "y": ...}`` or one of them.
        """
        places = {**self._on_axes(chosen), **placed}
        points, cells = self._in_columns(chosen)
        _put(self._points, points)
        _put(self._cells, cells)
        for axis, (low, high) in {"x": ("left", "right"), "y": ("bottom", "top")}.items():
            band, place = self._bands[axis], places.get(axis)
            band.visible = place is not None
            if place is not None:
                band.update(**{low: place - HALF, high: place + HALF})

    def _on_axes(self, chosen: Chosen) -> dict[str, float]:
        numbers = {axis: value for axis, value in chosen.items() if isinstance(value, int)}
        return {
            direction: numbers[name]
            for names, _ in self._elements
            for direction, name in zip("xy", names)
            if name in numbers
        }

    def _in_columns(self, chosen: Chosen) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Return the points and the cells of which a column holds what is chosen."""
        points: dict[str, list[float]] = {"x": [], "y": []}
        cells: dict[str, list[float]] = {"left": [], "right": [], "bottom": [], "top": []}
        for names, source in self._elements:
            columns = {axis: np.asarray(source.data[axis]) for axis in chosen if axis in source.data}
            keep = [
                column == chosen[axis] for axis, column in columns.items() if axis not in names and column.ndim == 1
            ]
            (rows,) = np.nonzero(np.logical_and.reduce(keep)) if keep else ((),)
            if not 0 < len(rows) <= MOST:
                continue
            if len(names) == 4:
                _add_cells(cells, [np.asarray(source.data[name])[rows] for name in names])
            else:
                across, up = (names[0], names[1] if len(names) > 1 else _vertical(source, names))
                points["x"] += list(np.asarray(source.data[across])[rows])
                points["y"] += list(np.asarray(source.data[up])[rows])
        return points, cells


def _vertical(source: ColumnDataSource, names: tuple[str, ...]) -> str:
    """Return the column of the vertical axis, of an element with one key dimension: the first after it."""
    return next(str(name) for name in source.data if name not in names)


def _add_cells(cells: dict[str, list[float]], places: list[Any]) -> None:
    """Add the outlines of cells, those of one row, or of rows that touch, as one."""
    left, bottom, right, top = places
    rows = sorted({(float(low), float(high)) for low, high in zip(bottom, top)})
    joined: list[list[float]] = []
    for low, high in rows:
        if joined and low <= joined[-1][1] + 1e-9:
            joined[-1][1] = max(high, joined[-1][1])
        else:
            joined.append([low, high])
    for low, high in joined:
        inside = (bottom >= low - 1e-9) & (top <= high + 1e-9)
        for name, value in (
            ("left", left[inside].min()),
            ("right", right[inside].max()),
            ("bottom", low),
            ("top", high),
        ):
            cells[name].append(float(value))


def _put(source: ColumnDataSource, columns: dict[str, list[float]]) -> None:
    """Replace the data, unless it is empty and stays so."""
    if len(source.data[next(iter(columns))]) or any(columns.values()):
        source.data = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
