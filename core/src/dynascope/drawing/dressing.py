"""How every picture looks: its size and frame, and, over the epochs, its phases, its events and the epoch lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearAxis,
    LinearScale,
    Range1d,
    Scatter,
    Span,
)

from dynascope.frames import Event, Phase
from dynascope.style import GREY, LINES

__all__ = ["EVENT_COLOUR", "HEIGHT", "PHASE_NAMES", "add_events", "add_phases", "dress", "epoch_line"]

HEIGHT = 330
"""Of a picture in a card, px."""

NARROW = 0.06
"""The share of the axis below which a phase is too narrow for its name."""

PHASE_NAMES = "phases"
"""What the axis is called that names them."""

EVENT_COLOUR = LINES[4][0]
MARKS = "marks"
"""The vertical axis on which marks stay at the top of the frame, however one zooms."""


def add_phases(figure: Any, phases: Sequence[Phase]) -> None:
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


def add_events(figure: Any, events: Sequence[Event]) -> None:
    """Mark the epochs at which something happened, at the top of the frame; the pointer says what."""
    if not events:
        return
    figure.extra_y_ranges = {**figure.extra_y_ranges, MARKS: Range1d(0, 1)}
    figure.extra_y_scales = {**figure.extra_y_scales, MARKS: LinearScale()}
    source = ColumnDataSource({"epoch": [one.epoch for one in events], "said": [one.said for one in events]})
    glyph = Scatter(
        x="epoch", y={"value": 0.975}, marker="inverted_triangle", size=8, fill_color=EVENT_COLOUR, line_color=None
    )
    renderer = figure.add_glyph(source, glyph, y_range_name=MARKS)
    figure.add_tools(HoverTool(renderers=[renderer], tooltips=[("epoch", "@epoch{0,0}"), ("", "@said")]))


def epoch_line(figure: Any, epoch: int, colour: str = GREY) -> Span:
    """Add the line at an epoch: on the layer above the picture, which is not painted again when it moves."""
    line = Span(
        location=epoch, dimension="height", line_color=colour, line_width=1.5, line_dash=[4, 3], level="overlay"
    )
    figure.add_layout(line)
    return line


def dress(figure: Any) -> None:
    """Give every picture the same height and quiet frame, and its card's width unless its frame has a fixed one."""
    if figure.frame_width is None:
        figure.sizing_mode = "stretch_width"
        figure.height = HEIGHT
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
