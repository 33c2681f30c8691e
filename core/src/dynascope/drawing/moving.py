"""A view drawn once, and moved by replacing what changes with the epoch.

Replacing the data of bokeh sources costs 2 ms for nine figures; drawing again, or a DynamicMap, tens to hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import FIXED_SIZING_MODE
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, DataTable, Div, InlineStyleSheet, Span
from bokeh.plotting import figure as Figure

from dynascope.contract.view import View
from dynascope.drawing.difference import diverge, subtracted, values_of
from dynascope.drawing.dressing import add_events, add_phases, dress, epoch_line
from dynascope.drawing.marks import Chosen, Marks
from dynascope.drawing.tables import TABLE_STYLE, html_of
from dynascope.errors import ArtifactError
from dynascope.frames import StoredFrame
from dynascope.style import LINES, nearest_epoch

__all__ = ["Drawing"]

OTHER_COLOUR = LINES[2][0]
"""Of the line at the second epoch."""

silence(FIXED_SIZING_MODE)  # of figures whose frame is fixed, and whose size follows from it
hv.extension("bokeh")
hv.renderer("bokeh").webgl = False  # for figures of this size canvas is faster, and draws lines without specks


class Drawing:
    """One view, rendered.

    Args:
        view: what is drawn.
        frame: what it is drawn from, at the first epoch.
        choose: called with what a click chooses: the epoch where a series is clicked, what the view picks.
        other: the second epoch, where there is one: a view over the epochs has a line there, too.
        less: whether the values at ``other`` are shown less those at the frame's epoch.
        minus: a frame of the same view, of another variant: its values are taken from those of the frame, each time at
            the epoch nearest to the frame's.

    Attributes:
        root: the bokeh model to show.
        differs: whether the picture has values that can be subtracted, and so shows differences.
    """

    def __init__(
        self,
        view: View,
        frame: StoredFrame,
        choose: Callable[[Mapping[str, Any]], None] | None = None,
        *,
        other: int | None = None,
        less: bool = False,
        minus: StoredFrame | None = None,
    ) -> None:
        self.view, self._frame, self._minus = view, frame, minus
        self._chosen: Chosen = {}
        self._epoch = None if view.columns is not None or view.series else _EpochStream(epoch=frame.epoch)
        element = view.draw(frame)
        if self._epoch is not None:
            # A view without columns is drawn again at each epoch, inside the models of its first picture.
            element = hv.DynamicMap(lambda epoch: view.draw(frame.moved_to(epoch)), streams=[self._epoch])
        plot = hv.renderer("bokeh").get_plot(element)
        self.root = plot.state
        # Bokeh's own table needs a place in the page when it is made, and fails in a card.
        self._table = self.root if isinstance(self.root, DataTable) else None
        if self._table is not None:
            style = InlineStyleSheet(css=TABLE_STYLE)
            self.root = Div(text=_html(self._table), sizing_mode="stretch_width", stylesheets=[style])
        plot.document = None  # HoloViews would keep the plot for as long as the server runs
        parts = _parts(plot)
        self._sources = {_named(element, place): source for place, (_, element, source) in enumerate(parts)}
        self._elements = {_named(element, place): element for place, (_, element, _) in enumerate(parts)}
        self.figures = list(self.root.select({"type": Figure}))
        self._lines: list[Span] = []
        self._other_lines: list[Span] = []
        self._marks = _marks_of(parts)
        for figure in self.figures:
            dress(figure)
            if view.series:
                add_phases(figure, frame.phases())
                add_events(figure, frame.events())
                self._lines.append(epoch_line(figure, frame.epoch))
                self._other_lines.append(epoch_line(figure, frame.epoch if other is None else other, OTHER_COLOUR))
                self._other_lines[-1].visible = other is not None
            if choose is not None and (view.series or view.pick is not None):
                figure.on_event(Tap, self._chooser(figure, choose))
        self._less = self._values() if less or minus is not None else []
        self.differs = bool(self._less) and diverge(plot, self._elements.values())

    def move(self, frame: StoredFrame, other: int | None = None) -> None:
        """Show another epoch, or another second one.

        Raises:
            ArtifactError: ``columns`` names a column that the picture does not have, or more than one source has.
        """
        self._frame = frame
        for line in self._lines:
            line.location = frame.epoch
        for line in self._other_lines:
            line.visible = other is not None
            if other is not None:
                line.location = other
        if self._epoch is not None:
            self._epoch.event(epoch=frame.epoch)
        if self.view.columns is not None:
            columns = self.view.columns(frame)
            if self.differs and self._minus is not None:
                columns = subtracted(columns, self._taken_away(frame.epoch), self._less)
            elif self.differs and other is not None:
                columns = subtracted(self.view.columns(frame.moved_to(other)), columns, self._less)
            self._replace(columns)
        if self._table is not None:
            self.root.text = _html(self._table)
        if self._chosen:
            self.mark(self._chosen)

    def hide_epoch(self) -> None:
        """Show no line at the epoch."""
        for line in self._lines:
            line.visible = False

    @property
    def table(self) -> tuple[list[str], list[list[str]]] | None:
        """The titles and the rows of a view that is a table."""
        return _cells(self._table) if self._table is not None else None

    def mark(self, chosen: Chosen) -> None:
        """Mark what is chosen, by axis."""
        self._chosen = chosen
        placed = self.view.mark(self._frame, chosen) if self.view.mark is not None and chosen else {}
        for marks in self._marks:
            marks.show(chosen, placed)

    def resize(self, height: int) -> None:
        """Give the picture another height, and one whose frame has a fixed size the largest square that fits."""
        for figure in self.figures:
            if figure.frame_width is None:
                figure.height = height
            else:
                share = figure.frame_width / figure.frame_height
                figure.frame_height = height - 90
                figure.frame_width = round(share * figure.frame_height)

    def _taken_away(self, epoch: int) -> Mapping[str, Any]:
        """Return the columns of the other variant, at its epoch that is nearest."""
        assert self._minus is not None and self.view.columns is not None
        return self.view.columns(self._minus.moved_to(nearest_epoch(self._minus.epochs, epoch)))

    def _values(self) -> list[str]:
        """Return the keys of the columns that hold values which can be subtracted."""
        if self.view.columns is None:
            return []
        columns = self.view.columns(self._frame)
        found = []
        for key, values in columns.items():
            source, column = self._target(key)
            if not values_of(self._elements[source], column, values[0] if column == "image" else values):
                continue
            if self._minus is None or np.shape(self._taken_away(self._frame.epoch)[key]) == np.shape(values):
                found.append(key)
        return found

    def _replace(self, columns_by_key: Mapping[str, Any]) -> None:
        """Put new columns into the sources that have them."""
        changes: dict[str, dict[str, Any]] = {}
        for key, values in columns_by_key.items():
            source, column = self._target(key)
            changes.setdefault(source, {})[column] = values
        for source, columns in changes.items():
            data = self._sources[source].data
            lengths = {name: len(column) for name, column in {**data, **columns}.items()}
            if len(set(lengths.values())) > 1:
                raise ArtifactError(
                    f"View {self.view.name}: the columns of a picture must be equally long, not {lengths}."
                )
            data.update(columns)  # so that only these are sent

    def _target(self, key: str) -> tuple[str, str]:
        """Return which source a column belongs to: by ``label/column``, or the only source that has it."""
        label, slash, column = key.rpartition("/")
        having = [
            name
            for name, source in self._sources.items()
            if column in source.data and (not slash or name.split("#")[0] == label)
        ]
        if len(having) != 1:
            offered = sorted(
                f"{name.split('#')[0]}/{column}" for name, source in self._sources.items() for column in source.data
            )
            raise ArtifactError(
                f"View {self.view.name} moves the column {key!r}, which {len(having)} elements of its picture have; "
                f"one must. The picture has {', '.join(offered)}."
            )
        return having[0], column

    def _chooser(self, figure: Any, choose: Callable[[Mapping[str, Any]], None]) -> Callable[[Any], None]:
        def clicked(event: Any) -> None:
            axis = figure.x_range
            if axis.start is not None and not min(axis.start, axis.end) <= event.x <= max(axis.start, axis.end):
                return
            chosen = {"epoch": event.x} if self.view.series else {}
            if self.view.pick is not None:
                chosen |= self.view.pick(self._frame, event.x, event.y)
            if chosen:
                choose(chosen)

        return clicked


_EpochStream = hv.streams.Stream.define("Epoch", epoch=0)


def _parts(plot: Any) -> list[tuple[Any, Any, ColumnDataSource]]:
    """Return the parts of a plot that hold data: the figure, the element and the source of each, each source once."""
    found: dict[str, tuple[Any, Any, ColumnDataSource]] = {}
    for part in plot.traverse(lambda part: part):
        handles = getattr(part, "handles", {})
        source = handles.get("source")
        if isinstance(source, ColumnDataSource):
            found.setdefault(source.id, (handles.get("plot"), getattr(part, "current_frame", None), source))
    return list(found.values())


def _named(element: Any, place: int) -> str:
    """Return the label of an element, with ``#n``, which keeps equal labels apart."""
    return f"{getattr(element, 'label', '') or ''}#{place}"


def _marks_of(parts: Iterable[tuple[Any, Any, ColumnDataSource]]) -> list[Marks]:
    """Return the marks of each figure, which are found by the key dimensions and the source of its elements."""
    found: dict[str, tuple[Figure, list[tuple[tuple[str, ...], ColumnDataSource]]]] = {}
    for figure, element, source in parts:
        if isinstance(figure, Figure) and isinstance(element, hv.Element):
            names = tuple(dimension.name for dimension in element.kdims)
            found.setdefault(figure.id, (figure, []))[1].append((names, source))
    return [Marks(figure, elements) for figure, elements in found.values()]


def _html(table: DataTable) -> str:
    """Return a table as HTML."""
    titles, rows = _cells(table)
    numbers = [
        index
        for index, column in enumerate(table.columns)
        if np.asarray(table.source.data[column.field]).dtype.kind in "iuf"
    ]
    return html_of(titles, rows, numbers, _breakable)


def _cells(table: DataTable) -> tuple[list[str], list[list[str]]]:
    """Return what stands above the columns of a table, and in its rows; what is no number is a dash."""
    columns = [np.asarray(table.source.data[column.field]) for column in table.columns]
    return [column.title for column in table.columns], [[_written(value) for value in row] for row in zip(*columns)]


def _written(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "–" if np.isnan(value) else f"{value:.6g}"
    return f"{value:,}" if isinstance(value, (int, np.integer)) else str(value)


def _breakable(text: str) -> str:
    """Let long names be broken at their underscores."""
    return escape(text).replace("_", "_<wbr>")
