"""The curves of a training, drawn as it goes: losses and accuracies of both splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, HoverTool, Legend, LegendItem, Range1d
from bokeh.plotting import figure as Figure

from dynascope import DynascopeError, Variant, Workspace
from dynascope.drawing.dressing import dress
from dynascope.store.metrics import COLUMNS, MetricsTail
from dynascope.style import TEST_COLOUR, TRAIN_COLOUR
from dynascope_workbench.session import when_locked

__all__ = ["Curves", "thinned"]

MOST_POINTS = 1_000
"""Of a curve: more are left out."""
HEIGHT = 260


class Curves:
    """The curves of one variant of some, which is chosen.

    Attributes:
        choice: of the variant, where there are several.
        log_epoch: whether the epochs are on a logarithmic axis.
        source: what is drawn.
        panel: all of it; not to be seen before there is something.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._tail: MetricsTail | None = None
        self._shown = (-1, -1)
        self.source = ColumnDataSource({name: [] for name in COLUMNS})
        self.choice = pmui.Select(label="curves of", options=[], size="small", width=420, margin=(6, 4))
        self.log_epoch = pmui.Switch(label="log epoch", value=False, margin=(14, 8))
        self.note = pmui.Typography("", variant="body2", sx={"color": "text.secondary"}, margin=(14, 8))
        self._figures = pmui.Grid(container=True, spacing=1, sizing_mode="stretch_width", margin=0)
        self._draw()
        self.panel = pn.Column(
            pmui.Row(self.choice, self.log_epoch, self.note, sx={"flexWrap": "wrap"}, margin=0),
            self._figures,
            sizing_mode="stretch_width",
            margin=0,
            visible=False,
        )
        self.choice.param.watch(lambda _: self._follow(), "value")
        self.log_epoch.param.watch(lambda _: self._draw(), "value")

    @property
    def variant(self) -> Variant | None:
        """The variant whose curves are drawn; None where there is none yet."""
        try:
            return self._workspace.variant(self.choice.value) if self.choice.value else None
        except DynascopeError:  # it is about to be made
            return None

    def follow(self, variants: Sequence[str]) -> None:
        """Offer variants, by full name, and draw the curves of the first, unless one of them is drawn already."""
        names = {name.rpartition("/")[2]: name for name in variants}
        chosen = self.choice.value if self.choice.value in names.values() else next(iter(names.values()), None)
        self.choice.param.update(options=names, value=chosen)
        self._follow()

    def refresh(self) -> None:
        """Draw what was measured since."""
        if self._tail is None:
            variant = self.variant
            if variant is None:
                return
            self._tail = MetricsTail(variant.metrics_file)
        try:
            columns = self._tail.columns()
        except DynascopeError as error:
            self.note.object = str(error)
            return
        epochs = columns["epoch"]
        shown = (len(epochs), int(epochs[-1]) if len(epochs) else -1)
        if shown == self._shown:
            return
        self._shown = shown
        self.note.object = _in_words(columns)
        picked = thinned(epochs, log=self.log_epoch.value)
        data = {name: columns[name][picked] for name in COLUMNS}
        self.panel.visible = True

        def draw() -> None:
            self.source.data = data

        when_locked(draw)

    def _follow(self) -> None:
        """Begin with another variant."""
        self._tail, self._shown = None, (-1, -1)
        self.refresh()

    def _draw(self) -> None:
        """Make both pictures, on the axis that is asked for."""
        loss = _picture(self.source, "loss", "loss (nats)", log_epoch=self.log_epoch.value, log=True)
        accuracy = _picture(self.source, "accuracy", "accuracy", log_epoch=self.log_epoch.value, log=False)
        accuracy.y_range = Range1d(-0.02, 1.02)
        accuracy.x_range = loss.x_range
        self._figures[:] = [
            pmui.Grid(pn.pane.Bokeh(one, sizing_mode="stretch_width"), size={"xs": 12, "lg": 6})
            for one in (loss, accuracy)
        ]
        self._shown = (-1, -1)
        self.refresh()


def thinned(epochs: np.ndarray[Any, Any], *, log: bool) -> np.ndarray[Any, Any]:
    """Return which epochs are drawn, ``"point"``: at most a thousand, evenly on the axis, the last among them."""
    count = len(epochs)
    if count <= MOST_POINTS:
        return np.arange(count)
    even = np.geomspace(1, count, MOST_POINTS) - 1 if log else np.linspace(0, count - 1, MOST_POINTS)
    return np.unique(np.round(even).astype(np.int64))


def _in_words(columns: dict[str, Any]) -> str:
    """Say how far it is."""
    measured = np.flatnonzero(np.isfinite(columns["test_loss"]))
    if not len(columns["epoch"]):
        return "nothing measured yet"
    parts = [f"epoch {columns['epoch'][-1]:,}", f"train loss {columns['train_loss'][-1]:.2e}"]
    if len(measured):
        parts.append(f"test loss {columns['test_loss'][measured[-1]]:.2e}")
        parts.append(f"test accuracy {columns['test_accuracy'][measured[-1]]:.1%}")
    return " · ".join(parts)


def _picture(source: ColumnDataSource, what: str, label: str, *, log_epoch: bool, log: bool) -> Any:
    """Return a picture of one quantity of both splits."""
    picture = Figure(
        height=HEIGHT, x_axis_label="epoch", y_axis_label=label, x_axis_type="log" if log_epoch else "linear",
        y_axis_type="log" if log else "linear", tools="pan,box_zoom,reset,save",
    )  # fmt: skip
    lines = [
        picture.line("epoch", f"{split}_{what}", source=source, color=colour, line_width=2, line_dash=dash)
        for split, colour, dash in (("train", TRAIN_COLOUR, "solid"), ("test", TEST_COLOUR, [6, 3]))
    ]
    items = [LegendItem(label=split, renderers=[line]) for split, line in zip(("train", "test"), lines, strict=True)]
    picture.add_layout(Legend(items=items, orientation="horizontal"), "above")
    number = "0.00e+0" if log else "0.0 %"
    tooltips = [("epoch", "@epoch{0,0}"), *((split, f"@{split}_{what}{{{number}}}") for split in ("train", "test"))]
    picture.add_tools(HoverTool(tooltips=tooltips, renderers=lines[:1], mode="vline"))
    dress(picture)
    picture.height = HEIGHT
    return picture
