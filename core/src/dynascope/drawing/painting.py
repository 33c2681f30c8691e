"""A drawing painted with matplotlib: as vectors, for papers, and as frames of a film.

What is painted are Bokeh's own models, so that a picture is the same everywhere: glyphs, axes, colour bars, legends,
phases, events and epoch lines. One CSS pixel is 0.75 points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from types import SimpleNamespace
from typing import Any

import numpy as np
from bokeh.core.property.vectorization import Field, Value
from bokeh.models import (
    BoxAnnotation,
    CategoricalColorMapper,
    ColorBar,
    FixedTicker,
    GlyphRenderer,
    LogColorMapper,
    LogScale,
    Span,
)
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize, to_rgba, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy

from dynascope.drawing.dressing import PHASE_NAMES
from dynascope.drawing.moving import Drawing
from dynascope.errors import ArtifactError
from dynascope.style import GREY

__all__ = ["Painting"]

Array = np.ndarray[Any, Any]

POINTS = 0.75
"""Of a CSS pixel."""
LAYERS = {"image": 0, "underlay": 1, "glyph": 2, "guide": 2, "annotation": 3, "overlay": 4}
MOST_CELLS = 1_000
"""Rectangles that are vectors: more of them are one image in the file, which stays small."""
MARKERS = {
    "circle": "o", "square": "s", "triangle": "^", "inverted_triangle": "v", "diamond": "d", "cross": "+", "plus": "P",
    "x": "x", "asterisk": (6, 2, 0), "star": "*", "hex": "h", "dash": "_", "dot": ".",
}  # fmt: skip
OPEN = ("+", "x", "_", (6, 2, 0))
"""Markers that are lines alone."""
DASHES = {"solid": (), "dashed": (6,), "dotted": (2, 4), "dotdash": (2, 4, 6, 4), "dashdot": (6, 4, 2, 4)}
PLACES = {"top": "upper", "bottom": "lower", "center": "center"}
WIDEST = 46
"""Letters of a table's cell, before it is wrapped."""
LETTER, LINE = 0.56, 1.5
"""The width of a letter, and the height of a line, as a share of the size of the text."""
PHASE_HEIGHT = 10.0
"""Of the names of the phases, points."""
LABEL, TICK, SMALL = 9.0, 8.25, 7.5
"""Sizes of text, points."""


class Painting:
    """A drawing on matplotlib's axes.

    Args:
        drawing: a picture of one figure, or a table.
        axes: empty ones.

    Attributes:
        head: how much the names of phases and the legend take above the axes, points.

    Raises:
        ArtifactError: the picture has a kind of glyph that is not painted; its name is told.
    """

    def __init__(self, drawing: Drawing, axes: Any) -> None:
        self.drawing, self.axes = drawing, axes
        self._updates: list[Callable[[], None]] = []
        self.head = 0.0
        if drawing.table is not None:
            self._paint_table()
            self._updates.append(self._paint_table)
        elif len(drawing.figures) == 1:
            self._paint_figure(drawing.figures[0])
        else:
            raise ArtifactError(
                f"View {drawing.view.name} is a layout of {len(drawing.figures)} pictures; only a view of one picture "
                "can be painted. Make it several views."
            )

    def update(self) -> None:
        """Paint what the drawing shows now: it was moved to another epoch."""
        for update in self._updates:
            update()

    # The parts of a picture.

    def _paint_figure(self, figure: Any) -> None:
        axes = self.axes
        axes.set_autoscale_on(False)
        for direction, scale in (("x", figure.x_scale), ("y", figure.y_scale)):
            if isinstance(scale, LogScale):
                getattr(axes, f"set_{direction}scale")("log")
        axes.set_xlim(figure.x_range.start, figure.x_range.end)
        axes.set_ylim(figure.y_range.start, figure.y_range.end)
        for renderer in figure.renderers:
            if isinstance(renderer, GlyphRenderer) and renderer.visible:
                self._updates.append(self._glyph(figure, renderer))
        for annotation in figure.select({"type": BoxAnnotation}):
            self._updates.append(self._box(figure, annotation))
        for span in figure.select({"type": Span}):
            self._updates.append(self._span(figure, span))
        self._paint_frame(figure)
        for bar in figure.select({"type": ColorBar}):
            self._paint_bar(bar)
        for legend in figure.legend:
            self._paint_legend(figure, legend)

    def _paint_frame(self, figure: Any) -> None:
        axes = self.axes
        if figure.frame_width and figure.frame_height:
            axes.set_box_aspect(figure.frame_height / figure.frame_width)
            axes.set_anchor("W")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("bottom", "left"):
            axes.spines[side].set_alpha(0.4)
        for direction, found in (("x", figure.below), ("y", figure.left)):
            axis = next((one for one in found if hasattr(one, "axis_label")), None)
            self._paint_axis(direction, axis)
        for grid in figure.grid:
            if grid.visible and grid.grid_line_color is not None:
                axes.grid(axis="xy"[grid.dimension], color=GREY, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        for axis in figure.above:
            if getattr(axis, "name", None) == PHASE_NAMES:
                self.head = PHASE_HEIGHT
                for place, name in axis.major_label_overrides.items():
                    axes.annotate(
                        name, (place, 1), (0, 2), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                        color=GREY, fontsize=SMALL, ha="center", va="bottom",
                    )  # fmt: skip

    def _paint_axis(self, direction: str, axis: Any) -> None:
        target = getattr(self.axes, f"{direction}axis")
        if axis is None or not axis.visible:
            target.set_visible(False)
            self.axes.spines["bottom" if direction == "x" else "left"].set_visible(False)
            return
        target.set_label_text(axis.axis_label or "", fontsize=LABEL)
        self.axes.tick_params(axis=direction, labelsize=TICK, width=0.6, colors="black")
        if isinstance(axis.ticker, FixedTicker):
            ticks = list(axis.ticker.ticks)
            said = {float(place): str(name) for place, name in axis.major_label_overrides.items()}
            target.set_ticks(ticks, [said.get(float(tick), f"{tick:g}") for tick in ticks])
            target.set_tick_params(which="minor", length=0, labelsize=0)
        elif isinstance(axis.major_label_orientation, (int, float)):
            self.axes.tick_params(axis=direction, rotation=np.degrees(axis.major_label_orientation))

    def _paint_bar(self, bar: Any) -> None:
        norm, colours = _scale(bar.color_mapper)
        painted = self.axes.figure.colorbar(
            ScalarMappable(norm, colours), ax=self.axes, pad=0.02, fraction=0.05, aspect=32
        )
        painted.outline.set_visible(False)
        painted.ax.tick_params(labelsize=SMALL, width=0.6)
        painted.set_label(bar.title or "", fontsize=TICK)
        if isinstance(bar.ticker, FixedTicker):
            said = {float(place): str(name) for place, name in bar.major_label_overrides.items()}
            ticks = list(bar.ticker.ticks)
            painted.set_ticks(ticks, labels=[said.get(float(tick), f"{tick:g}") for tick in ticks])

    def _paint_legend(self, figure: Any, legend: Any) -> None:
        entries = [(_handle(item.renderers), _said(item.label)) for item in legend.items if item.renderers]
        if not entries or not legend.visible:
            return
        handles, labels = zip(*entries, strict=True)
        columns = int(legend.ncols or 1)
        style: dict[str, Any] = {
            "frameon": False, "fontsize": TICK, "ncols": columns, "handlelength": 2.2, "columnspacing": 1.2,
            "labelspacing": 0.25, "borderaxespad": 0.3, "title": legend.title or None, "title_fontsize": SMALL,
            "alignment": "left",
        }  # fmt: skip
        if legend in figure.above:
            over = offset_copy(self.axes.transAxes, self.axes.figure, 0, self.head, units="points")
            painted = self.axes.legend(
                handles, labels, loc="lower left", bbox_to_anchor=(0, 1), bbox_transform=over, **style
            )
            lines = -(-len(entries) // columns) + bool(legend.title)
            self.head += 1.38 * TICK * lines
        elif legend in figure.right:
            painted = self.axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1, 1), **style)
        else:
            place = legend.location if isinstance(legend.location, str) else "top_right"
            up, _, side = place.partition("_")
            where = f"{PLACES.get(up, 'upper')} {side or 'right'}" if place != "center" else "center"
            painted = self.axes.legend(handles, labels, loc=where, **style)
        painted.get_title().set_color(GREY)

    def _paint_table(self) -> None:
        titles, rows = self.drawing.table or ((), ())
        self.axes.clear()
        self.axes.axis("off")
        if not titles:
            return
        wrapped = [[fill(str(cell), WIDEST) or " " for cell in row] for row in (titles, *rows)]
        lines = [max(cell.count("\n") + 1 for cell in row) for row in wrapped]
        widths = [max(len(part) for cell in column for part in cell.split("\n")) + 2 for column in zip(*wrapped)]
        place = self.axes.get_window_extent()
        wide, high = (72 * length / self.axes.figure.dpi for length in (place.width, place.height))
        size = min(SMALL, wide / (sum(widths) * LETTER), high / (sum(lines) * LINE))
        table = self.axes.table(
            wrapped, loc="upper left", cellLoc="left", colWidths=[width / sum(widths) for width in widths],
            edges="horizontal",
        )  # fmt: skip
        table.auto_set_font_size(False)
        table.set_fontsize(size)
        for (row, _), cell in table.get_celld().items():
            cell.set_height(lines[row] * LINE * size / high)
            cell.set_linewidth(0.4)
            cell.PAD = 0.02
            if row == 0:
                cell.get_text().set_fontweight("bold")

    # Glyphs.

    def _glyph(self, figure: Any, renderer: Any) -> Callable[[], None]:
        kind = type(renderer.glyph).__name__
        paint = getattr(self, f"_{kind.lower()}", None)
        if paint is None:
            raise ArtifactError(
                f"View {self.drawing.view.name} has a glyph {kind}, which is not painted for print and films. Those "
                "that are: Image, Line, MultiLine, Quad, Scatter, Segment, Text and VBar."
            )
        marks = renderer.y_range_name != "default"  # at a share of the height, however the axis runs
        style = {"zorder": LAYERS.get(renderer.level, 2) + figure.renderers.index(renderer) / 1000}
        if marks:
            style["transform"] = self.axes.get_xaxis_transform()
        update: Callable[[], None] = paint(renderer.data_source, _specs(renderer.glyph), style)
        update()
        return update

    def _line(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        (line,) = self.axes.plot(
            [], [], color=_rgba(_one(glyph.line_color), _one(glyph.line_alpha)), **_stroke(glyph), **style
        )
        return lambda: line.set_data(_column(source, glyph.x), _column(source, glyph.y))

    def _scatter(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        marker = MARKERS.get(str(_one(glyph.marker)), "o")
        found = self.axes.scatter([], [], marker=marker, linewidths=_one(glyph.line_width) * POINTS, **style)

        def update() -> None:
            x, y = _column(source, glyph.x), _column(source, glyph.y)
            count = max(len(x), len(y))
            there = [np.resize(np.asarray(one, dtype=float), count) if count else np.empty(0) for one in (x, y)]
            found.set_offsets(np.column_stack(there))
            found.set_sizes((np.resize(_numbers(source, glyph.size), max(count, 1)) * POINTS) ** 2)
            fill, line = _fill(source, glyph, count), _edge(source, glyph, count)
            found.set_facecolor("none" if marker in OPEN else fill)
            found.set_edgecolor(line)

        return update

    def _image(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        norm, colours = _scale(glyph.color_mapper)
        x, y, dw, dh = (float(_numbers(source, getattr(glyph, name))[0]) for name in ("x", "y", "dw", "dh"))
        image = self.axes.imshow(
            np.asarray(_column(source, glyph.image)[0], dtype=float), cmap=colours, norm=norm, origin="lower",
            extent=(x, x + dw, y, y + dh), aspect="auto", interpolation="nearest", **style,
        )  # fmt: skip
        return lambda: image.set_data(np.asarray(_column(source, glyph.image)[0], dtype=float))

    def _quad(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        def corners() -> Sequence[Array]:
            return [_numbers(source, getattr(glyph, name)) for name in ("left", "right", "bottom", "top")]

        return self._rectangles(source, glyph, style, corners)

    def _vbar(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        def corners() -> Sequence[Array]:
            x, half = _numbers(source, glyph.x), _numbers(source, glyph.width) / 2
            return [x - half, x + half, _numbers(source, glyph.bottom), _numbers(source, glyph.top)]

        return self._rectangles(source, glyph, style, corners)

    def _rectangles(
        self, source: Any, glyph: Any, style: Mapping[str, Any], corners: Callable[[], Sequence[Array]]
    ) -> Callable[[], None]:
        found = PolyCollection([], linewidths=_one(glyph.line_width) * POINTS, **style)
        self.axes.add_collection(found, autolim=False)

        def update() -> None:
            left, right, bottom, top = np.broadcast_arrays(*corners())
            around = [left, bottom, left, top, right, top, right, bottom]
            found.set_verts(list(np.stack(around, -1).reshape(-1, 4, 2)))
            found.set_facecolor(_fill(source, glyph, len(left)))
            found.set_edgecolor(_edge(source, glyph, len(left)))
            many = len(left) > MOST_CELLS
            found.set_rasterized(many)
            found.set_antialiased(not many)  # no seams between them
            found.set_linewidth(0 if many else _one(glyph.line_width) * POINTS)

        return update

    def _segment(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        def lines() -> Any:
            ends = np.broadcast_arrays(*(_numbers(source, getattr(glyph, name)) for name in ("x0", "y0", "x1", "y1")))
            return np.stack(ends, -1).reshape(-1, 2, 2)

        return self._lines(source, glyph, style, lines)

    def _multiline(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        def lines() -> Any:
            found = zip(_column(source, glyph.xs), _column(source, glyph.ys), strict=True)
            return [np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)]) for x, y in found]

        return self._lines(source, glyph, style, lines)

    def _lines(self, source: Any, glyph: Any, style: Mapping[str, Any], lines: Callable[[], Any]) -> Callable[[], None]:
        found = LineCollection([], **{f"{name}s": value for name, value in _stroke(glyph).items()}, **style)
        self.axes.add_collection(found, autolim=False)

        def update() -> None:
            segments = lines()
            found.set_segments(segments)
            found.set_color(_edge(source, glyph, len(segments)))

        return update

    def _text(self, source: Any, glyph: Any, style: Mapping[str, Any]) -> Callable[[], None]:
        written: list[Any] = []
        size = float(str(_one(glyph.text_font_size)).removesuffix("pt").removesuffix("px"))
        baseline = {"middle": "center", "alphabetic": "baseline"}.get(
            _one(glyph.text_baseline), _one(glyph.text_baseline)
        )
        look = {
            "fontsize": size, "ha": _one(glyph.text_align), "va": baseline, "color": _one(glyph.text_color) or GREY,
            "fontweight": "bold" if _one(glyph.text_font_style) == "bold" else "normal", "clip_on": False, **style,
        }  # fmt: skip

        def update() -> None:
            while written:
                written.pop().remove()
            x, y = _numbers(source, glyph.x), _numbers(source, glyph.y)
            for across, up, text in zip(x, y, _column(source, glyph.text), strict=True):
                if np.isfinite(across) and np.isfinite(up) and str(text):
                    written.append(self.axes.text(across, up, str(text), parse_math=False, **look))

        return update

    # Annotations.

    def _box(self, figure: Any, box: Any) -> Callable[[], None]:
        fill, line = _rgba(box.fill_color, box.fill_alpha), _rgba(box.line_color, box.line_alpha)
        style = {"facecolor": fill, "edgecolor": line, "linewidth": 0.75, "zorder": LAYERS.get(box.level, 3)}
        across = _is_number(box.left) and _is_number(box.right)
        start = figure.x_range.start if across else figure.y_range.start
        patch = (self.axes.axvspan if across else self.axes.axhspan)(start, start, **style)

        def update() -> None:
            low, high = (box.left, box.right) if across else (box.bottom, box.top)
            patch.set_visible(box.visible and _is_number(low) and _is_number(high))
            if patch.get_visible():
                (patch.set_x if across else patch.set_y)(low)
                (patch.set_width if across else patch.set_height)(high - low)

        update()
        return update

    def _span(self, figure: Any, span: Any) -> Callable[[], None]:
        upright = span.dimension == "height"
        start = figure.x_range.start if upright else figure.y_range.start
        dash = tuple(part * POINTS for part in _dash(span.line_dash))
        line = (self.axes.axvline if upright else self.axes.axhline)(
            start, color=_rgba(span.line_color, span.line_alpha), linewidth=span.line_width * POINTS, zorder=3.5,
            linestyle=(0, dash) if dash else "solid",
        )  # fmt: skip

        def update() -> None:
            line.set_visible(span.visible)
            (line.set_xdata if upright else line.set_ydata)([span.location] * 2)

        update()
        return update


# What properties of Bokeh's models stand for.


def _specs(glyph: Any) -> Any:
    """Return the properties of a glyph; each says whether it is a field of the source or a value."""
    return SimpleNamespace(**glyph.properties_with_values())


def _one(spec: Any) -> Any:
    """Return the value that a property has for all points."""
    return spec.value if isinstance(spec, Value) else spec


def _column(source: Any, spec: Any) -> Any:
    return source.data[spec.field] if isinstance(spec, Field) else [_one(spec)]


def _numbers(source: Any, spec: Any) -> Array:
    return np.atleast_1d(np.asarray(_column(source, spec), dtype=float))


def _rgba(colour: Any, alpha: Any) -> Any:
    if colour is None:
        return "none"
    if isinstance(colour, str) and colour.startswith("rgb"):
        *parts, share = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")]
        parts, share = (parts, share) if colour.startswith("rgba") else ([*parts, share], 1.0)
        return (*(part / 255 for part in parts), share * float(alpha))
    return to_rgba(colour, float(alpha))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number))


def _fill(source: Any, glyph: Any, count: int) -> Any:
    return _colours(source, glyph.fill_color, _one(glyph.fill_alpha), count)


def _edge(source: Any, glyph: Any, count: int) -> Any:
    return _colours(source, glyph.line_color, _one(glyph.line_alpha), count)


def _colours(source: Any, spec: Any, alpha: Any, count: int) -> Any:
    """Return the colours of points, ``"point rgba"``, or none."""
    if not isinstance(spec, Field):
        return _rgba(_one(spec), alpha)
    values = np.asarray(source.data[spec.field])
    mapper = spec.transform
    if isinstance(mapper, CategoricalColorMapper):
        known = dict(zip(map(str, mapper.factors), mapper.palette))
        found = to_rgba_array([known.get(str(value), mapper.nan_color) for value in values])
    elif hasattr(mapper, "palette"):
        norm, colours = _scale(mapper, values)
        found = colours(norm(np.asarray(values, dtype=float)))
    else:
        found = to_rgba_array([str(value) for value in values])
    found = np.array(found).reshape(-1, 4)
    found[:, 3] *= float(alpha)
    return found


def _scale(mapper: Any, values: Any = None) -> tuple[Normalize, Colormap]:
    """Return the scale and the colours of a mapper."""
    colours = ListedColormap(list(mapper.palette)).with_extremes(bad=_rgba(mapper.nan_color, 1))
    finite = np.asarray([] if values is None else values, dtype=float)
    finite = finite[np.isfinite(finite)]
    low = mapper.low if mapper.low is not None else finite.min(initial=0.0)
    high = mapper.high if mapper.high is not None else finite.max(initial=1.0)
    norm = LogNorm(max(low, np.finfo(float).tiny), high, clip=True) if isinstance(mapper, LogColorMapper) else None
    return norm or Normalize(low, high, clip=True), colours


def _dash(dash: Any) -> tuple[float, ...]:
    parts = DASHES.get(dash, ()) if isinstance(dash, str) else tuple(dash or ())
    return parts * 2 if len(parts) % 2 else parts


def _stroke(glyph: Any) -> dict[str, Any]:
    width = float(_one(glyph.line_width)) * POINTS
    parts = tuple(part * POINTS for part in _dash(_one(glyph.line_dash)))
    return {"linewidth": width, "linestyle": (0, parts) if parts else "solid"}


def _said(label: Any) -> str:
    return str(label.get("value", "") if isinstance(label, dict) else _one(label))


def _handle(renderers: Sequence[Any]) -> Any:
    """Return what stands for some renderers in a legend: a line with its marker, or a patch."""
    glyphs = {type(one.glyph).__name__: _specs(one.glyph) for one in renderers}
    if "Quad" in glyphs or "VBar" in glyphs:
        glyph = glyphs.get("Quad") or glyphs["VBar"]
        colour = _one(glyph.fill_color)
        return Patch(facecolor=_rgba(colour if isinstance(colour, str) else GREY, _one(glyph.fill_alpha)))
    line, points = glyphs.get("Line") or glyphs.get("Segment") or glyphs.get("MultiLine"), glyphs.get("Scatter")
    first = line or points
    colour = _one(first.line_color) if first is not None else GREY
    filled = _one(points.fill_color) if points is not None else None
    look: dict[str, Any] = {"color": colour if isinstance(colour, str) else GREY}
    if line is not None:
        look |= _stroke(line)
    else:
        look["linestyle"] = "none"
    if points is not None:
        look |= {"marker": MARKERS.get(str(_one(points.marker)), "o"), "markersize": 4.5}
        if isinstance(filled, str):
            look["markerfacecolor"] = filled
    return Line2D([], [], **look)
