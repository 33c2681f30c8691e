"""A view drawn once, and moved by replacing what changes with the epoch.

Replacing the data of bokeh sources costs 2 ms for nine figures; drawing again, or a DynamicMap, tens to hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import FIXED_SIZING_MODE
from bokeh.events import Tap
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    DataTable,
    Div,
    FixedTicker,
    InlineStyleSheet,
    LinearAxis,
    Span,
)
from bokeh.plotting import figure as Figure

from dynascope import ArtifactError, View
from dynascope.frames import Phase, StoredFrame
from dynascope.style import GREY
from dynascope_workbench.tables import TABLE_STYLE, html_of

__all__ = ["Drawing", "dress"]

NARROW = 0.06
"""The share of the axis below which a phase is too narrow for its name."""

PHASE_NAMES = "phases"
"""What the axis is called that names them."""

silence(FIXED_SIZING_MODE)  # of figures whose frame is fixed, and whose size follows from it
hv.extension("bokeh")
hv.renderer("bokeh").webgl = False  # for figures of this size canvas is faster, and draws lines without specks


class Drawing:
    """One view, rendered.

    Args:
        view: what is drawn.
        frame: what it is drawn from, at the first epoch.
        choose: called with what a click chooses: the epoch where a series is clicked, what the view picks.

    Attributes:
        root: the bokeh model to show.
    """

    def __init__(
        self, view: View, frame: StoredFrame, choose: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        self.view, self._frame = view, frame
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
        self._sources = _sources(plot)
        self._lines: list[Span] = []
        for figure in self.root.select({"type": Figure}):
            dress(figure)
            if view.series:
                _add_phases(figure, frame.phases())
                self._lines.append(_epoch_line(figure, frame.epoch))
            if choose is not None and (view.series or view.pick is not None):
                figure.on_event(Tap, self._chooser(figure, choose))

    def move(self, frame: StoredFrame) -> None:
        """Show another epoch.

        Raises:
            ArtifactError: ``columns`` names a column that the picture does not have, or more than one source has.
        """
        self._frame = frame
        for line in self._lines:
            line.location = frame.epoch
        if self._epoch is not None:
            self._epoch.event(epoch=frame.epoch)
        if self.view.columns is not None:
            self._replace(self.view.columns(frame))
        if self._table is not None:
            self.root.text = _html(self._table)

    def _replace(self, columns_by_key: Mapping[str, Any]) -> None:
        """Put new columns into the sources that have them."""
        changes: dict[str, dict[str, Any]] = {}
        for key, values in columns_by_key.items():
            source, column = self._target(key)
            changes.setdefault(source, {})[column] = values
        for source, columns in changes.items():
            moved = {**self._sources[source].data, **columns}
            lengths = {name: len(column) for name, column in moved.items()}
            if len(set(lengths.values())) > 1:
                raise ArtifactError(
                    f"View {self.view.name}: the columns of a picture must be equally long, not {lengths}."
                )
            self._sources[source].data = moved

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


def _sources(plot: Any) -> dict[str, ColumnDataSource]:
    """Return the data sources of a plot by the label of their element (``#n`` keeps equal labels apart)."""
    found: dict[str, ColumnDataSource] = {}
    for part in plot.traverse(lambda part: part):
        source = getattr(part, "handles", {}).get("source")
        if isinstance(source, ColumnDataSource) and source not in found.values():
            label = getattr(getattr(part, "current_frame", None), "label", "") or ""
            found[f"{label}#{len(found)}"] = source
    return found


def _add_phases(figure: Any, phases: Sequence[Phase]) -> None:
    """Shade every other phase, and name each one above it: outside of the frame, where no curve hides the name."""
    axis = figure.x_range
    if axis.start is None:
        return
    whole = axis.end - axis.start
    names: dict[float, str] = {}
    for index, phase in enumerate(phases):
        start, end = max(phase.start, axis.start), axis.end if phase.end is None else min(phase.end, axis.end)
        if index % 2 and start < end:
            shade = BoxAnnotation(left=start, right=end, fill_color=GREY, fill_alpha=0.12, line_color=None)
            shade.level = "underlay"
            figure.add_layout(shade)
        if whole and (end - start) / whole > NARROW * (1 + len(phase.name) / 10):
            names[(start + end) / 2] = phase.name
    if names:
        named = LinearAxis(
            ticker=FixedTicker(ticks=sorted(names), minor_ticks=[]), major_label_overrides=names, name=PHASE_NAMES,
            axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None, major_label_standoff=0,
            major_label_text_color=GREY, major_label_text_font_size="10px",
        )  # fmt: skip
        figure.above = [named, *figure.above]  # next to the frame, under the legend


def _epoch_line(figure: Any, epoch: int) -> Span:
    line = Span(location=epoch, dimension="height", line_color=GREY, line_width=1.5, line_dash=[4, 3])
    figure.add_layout(line)
    return line


def _html(table: DataTable) -> str:
    """Return a table as HTML; what is no number is a dash."""
    columns = [np.asarray(table.source.data[column.field]) for column in table.columns]
    numbers = [index for index, values in enumerate(columns) if values.dtype.kind in "iuf"]
    rows = ([_written(value) for value in row] for row in zip(*columns))
    return html_of([column.title for column in table.columns], rows, numbers, _breakable)


def _written(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "–" if np.isnan(value) else f"{value:.6g}"
    return f"{value:,}" if isinstance(value, (int, np.integer)) else str(value)


def _breakable(text: str) -> str:
    """Let long names be broken at their underscores."""
    return escape(text).replace("_", "_<wbr>")


def dress(figure: Any) -> None:
    """Give every picture the same height and quiet frame, and its card's width unless its frame has a fixed one."""
    if figure.frame_width is None:
        figure.sizing_mode = "stretch_width"
        figure.height = 330
    else:
        figure.sizing_mode = "fixed"
        figure.width = figure.height = None
    figure.min_border_left = 56
    figure.title.visible = False
    figure.toolbar.autohide = True
    figure.toolbar.active_scroll = None  # the wheel scrolls the page
    figure.toolbar.active_drag = None
    figure.toolbar.logo = None
    figure.outline_line_color = None
    figure.background_fill_alpha = 0
    for axis in figure.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "11px"
        axis.axis_line_alpha = 0.4
        axis.major_tick_line_alpha = 0.4
        axis.minor_tick_line_color = None
    for grid in figure.grid:
        grid.grid_line_alpha = 0.15
    for legend in figure.legend:
        legend.background_fill_alpha = 0
        legend.border_line_color = None
        legend.label_text_font_size = "12px"
        legend.spacing, legend.margin, legend.padding, legend.glyph_height = 5, 0, 2, 14
        legend.title_text_color = GREY
        legend.title_text_font_style = "normal"
        legend.title_text_font_size = "11px"
        if legend in figure.above:
            legend.location = "bottom_left"  # of its own panel, clear of the frame
