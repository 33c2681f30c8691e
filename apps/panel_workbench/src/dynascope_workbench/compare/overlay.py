"""One picture of a quantity over training, with a line for each variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, HoverTool, Legend, LegendItem, Range1d, Span
from bokeh.plotting import figure as Figure

from dynascope import DynascopeError, Registry, Variant
from dynascope.drawing.dressing import dress
from dynascope.style import GREY, LINES, padded
from dynascope_workbench.compare.measures import METRICS, Line, arrays_of, line_of

__all__ = ["Overlay"]

MOST_MARKERS = 200
"""A line with more points is drawn without a marker at each."""
HEIGHT = 340
LOGARITHMIC = ("loss",)
"""What is read on a logarithmic axis at first: quantities whose name holds it."""


class Overlay:
    """A quantity of several variants.

    Bokeh has no axis that is linear or logarithmic as one likes: there are two pictures of the same sources, and one
    of them is shown.

    Args:
        plugins: the registry.
        jump: called with the place on the horizontal axis that was clicked.

    Attributes:
        quantity, place, log: what is chosen.
    """

    def __init__(self, plugins: Registry, jump: Callable[[float], None], most: int) -> None:
        self._plugins = plugins
        self._variants: Mapping[str, Variant] = {}
        self._titles: Mapping[str, str] = {}
        self._origins: Mapping[str, int] = {}
        self._places: dict[str, list[str]] = {}
        self._lines: dict[str, Line] = {}
        self._filling = False
        self.quantity = pmui.AutocompleteInput(
            label="quantity", options=list(METRICS), value="test_loss", width=420, size="small", margin=(4, 8),
            min_characters=0, case_sensitive=False, search_strategy="includes", restrict=True,
        )  # fmt: skip
        self.place = pmui.Select(
            label="at", options=[""], value="", width=200, size="small", margin=(4, 8), visible=False
        )
        self.log = pmui.Checkbox(label="logarithmic", value=True, margin=(8, 8))
        self._note = pmui.Alert("", severity="info", sizing_mode="stretch_width", visible=False, margin=(4, 0))
        self._about = pmui.Typography("", variant="caption", sx={"color": "text.secondary"}, margin=(0, 8, 6, 8))
        self._sources = [ColumnDataSource({"at": [], "value": [], "epoch": []}) for _ in range(most)]
        self._pictures = {log: _Picture(self._sources, jump, log=log) for log in (False, True)}
        self.quantity.param.watch(lambda _: self._choose_quantity(), "value")
        self.place.param.watch(lambda _: self._read(), "value")
        self.log.param.watch(lambda _: self._draw(), "value")

    def panel(self) -> Any:
        """Return the picture under its choices."""
        return pmui.Paper(
            pmui.Row(
                pmui.Typography("Over training", variant="subtitle1", sx={"fontWeight": 600}, margin=(0, 8)),
                self.quantity, self.place, self.log,
                sizing_mode="stretch_width", sx={"alignItems": "center", "flexWrap": "wrap"}, margin=0,
            ),
            self._note,
            *(pn.pane.Bokeh(one.figure, sizing_mode="stretch_width", margin=0) for one in self._pictures.values()),
            self._about,
            elevation=0, variant="outlined", sizing_mode="stretch_width", margin=(8, 0), css_classes=["overlay"],
            sx={"padding": "6px 10px", "borderRadius": "10px"},
        )  # fmt: skip

    def show(self, variants: Mapping[str, Variant], titles: Mapping[str, str]) -> None:
        """Draw the chosen quantity of these variants; offer what all of them have.

        Args:
            variants: by name; at most as many as there are lines.
            titles: what the legend calls them.
        """
        self._variants, self._titles = variants, titles
        self._origins = {}
        found = [arrays_of(variant, self._plugins) for variant in variants.values()]
        common = [name for name in (found[0] if found else {}) if all(name in of_one for of_one in found)]
        # Coordinates may differ (variants of another p have other frequencies): those that all have are offered.
        self._places = {
            name: [place for place in found[0][name] if all(place in of_one[name] for of_one in found)]
            for name in common
        }
        names = [*METRICS, *(name for name in common if self._places[name] or not found[0][name])]
        self._filling = True
        kept = self.quantity.value if self.quantity.value in names else "test_loss"
        self.quantity.param.update(options=names, value=kept)
        self._filling = False
        self._choose_quantity(keep_axis=True)

    def choose(self, quantity: str, place: str = "") -> None:
        """Draw another quantity, if there is one of that name."""
        if quantity in self.quantity.options:
            self.quantity.value = quantity
        if place in self.place.options:
            self.place.value = place

    def align(self, origins: Mapping[str, int], axis: str, *, zero: bool) -> None:
        """Put the epoch of each variant that is given at 0.

        Args:
            origins: by name of the variant.
            axis: what the horizontal axis is called.
            zero: draw a line there.
        """
        self._origins = origins
        for picture in self._pictures.values():
            picture.figure.xaxis.axis_label = axis
            picture.zero.visible = zero
        self._draw()

    def move(self, position: int) -> None:
        """Put the epoch line at a position of the slider."""
        for picture in self._pictures.values():
            picture.line.location = position

    def _choose_quantity(self, *, keep_axis: bool = False) -> None:
        if self._filling or not self.quantity.value:
            return
        places = self._places.get(self.quantity.value, [])
        self._filling = True
        kept = self.place.value if self.place.value in places else (places or [""])[0]
        self.place.param.update(options=places or [""], value=kept, visible=bool(places))
        if not keep_axis:
            self.log.value = any(word in self.quantity.value for word in LOGARITHMIC)
        self._filling = False
        self._read()

    def _read(self) -> None:
        """Read the lines; one that cannot be read is told, and the others are drawn."""
        if self._filling:
            return
        self._lines, problems = {}, []
        for name, variant in self._variants.items():
            try:
                self._lines[name] = line_of(variant, self.quantity.value, self.place.value)
            except (DynascopeError, OSError) as error:
                problems.append(f"{self._titles[name]}: {error}")
        self._note.param.update(object=" ".join(problems), visible=bool(problems))
        self._draw()

    def _draw(self) -> None:
        if self._filling:
            return
        log = bool(self.log.value)
        empty = np.array([])
        values, places = [], []
        for source, name in zip(self._sources, [*self._variants, *([None] * len(self._sources))]):
            line = self._lines.get(name) if name is not None else None
            if line is None:
                source.data = {"at": empty, "value": empty, "epoch": empty}
                continue
            shown = np.where(np.isfinite(line.values) & ((line.values > 0) | (not log)), line.values, np.nan)
            at = line.epochs - self._origins.get(name, 0)
            source.data = {"at": at, "value": shown, "epoch": line.epochs}
            values.append(shown)
            places.append(at)
        line = next(iter(self._lines.values()), None)
        axis = self.quantity.value.rpartition("/")[2].replace("_", " ") + (
            f", {self.place.value}" if self.place.value else ""
        )
        axis += f" ({line.unit})" if line is not None and line.unit else ""
        picture = self._pictures[log]
        picture.fit(places, values)
        picture.figure.yaxis.axis_label = axis
        for one in self._pictures.values():
            one.name(list(self._titles.values()), [len(line.values) for line in self._lines.values()])
        unseen = log and values and not np.isfinite(np.concatenate(values)).any()
        self._about.object = (
            "Nothing here is positive: take the linear axis." if unseen else line.about if line is not None else ""
        )
        for which, one in self._pictures.items():
            one.figure.visible = which == log


class _Picture:
    """The figure, made once: a line for each variant that there may be."""

    def __init__(self, sources: Sequence[ColumnDataSource], jump: Callable[[float], None], *, log: bool) -> None:
        self._log = log
        self.figure = Figure(
            height=HEIGHT, x_range=Range1d(0, 1), y_range=Range1d(0.1, 1), y_axis_type="log" if log else "linear",
            x_axis_label="epoch", tools="pan,box_zoom,reset,save",
        )  # fmt: skip
        self._markers, self._items = [], []
        for source, (colour, dash, marker) in zip(sources, LINES):
            line = self.figure.line("at", "value", source=source, color=colour, line_width=2, line_dash=dash)
            points = self.figure.scatter("at", "value", source=source, color=colour, marker=marker, size=5)
            self._markers.append(points)
            self._items.append(LegendItem(label="", renderers=[line, points], visible=False))
            tooltips = [("epoch", "@epoch{0,0}"), ("value", "@value{0.0000 a}")]
            self.figure.add_tools(HoverTool(renderers=[line], tooltips=tooltips, mode="mouse"))
        self.figure.add_layout(Legend(items=self._items, orientation="horizontal"), "above")
        self.line = Span(
            name="position", location=0, dimension="height", line_color=GREY, line_width=1.5, line_dash=[4, 3]
        )
        self.zero = Span(location=0, dimension="height", line_color=GREY, line_width=1, visible=False)
        self.figure.add_layout(self.line)
        self.figure.add_layout(self.zero)
        dress(self.figure)
        self.figure.on_event(Tap, lambda event: jump(event.x))

    def fit(self, places: Sequence[Any], values: Sequence[Any]) -> None:
        """Let the axes hold all lines."""
        at = np.concatenate(places) if places else np.array([])
        if not at.size:
            return
        low, high = float(at.min()), float(at.max())
        self.figure.x_range.update(start=low, end=high if high > low else low + 1)
        bottom, top = padded(np.concatenate(values), log=self._log)
        self.figure.y_range.update(start=bottom, end=top)

    def name(self, titles: Sequence[str], lengths: Sequence[int]) -> None:
        """Name the lines in the legend; mark the points of those that have few."""
        for place, (item, markers) in enumerate(zip(self._items, self._markers, strict=True)):
            item.visible = place < len(titles)
            if item.visible:
                item.label = {"value": titles[place]}
            markers.visible = place < len(lengths) and lengths[place] <= MOST_MARKERS
