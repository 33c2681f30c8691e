"""The page that trains: a form of the family's settings, what they would give, and the jobs that train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure as Figure

from dynascope import DynascopeError, Variant
from dynascope.schedule import parse_schedule
from dynascope.settings import parse_settings
from dynascope.style import GREY, TEST_COLOUR, TRAIN_COLOUR
from dynascope_workbench.dressing import dress
from dynascope_workbench.jobs import JobList
from dynascope_workbench.session import Session, read_only, when_locked

__all__ = ["Train"]

NO_PRESET = "defaults"
GROUPS = ("Parameters", "Architecture", "Training")
LENGTH = "epochs"
MOST_POINTS = 1_000
"""Of a live curve: more are thinned."""


class Train:
    """A form for one variant, checked as it is filled in, and the curves of what is in training.

    Attributes:
        family, preset: which are chosen.
        fields: a box for each setting, by name, with the value as it would be written on the command line.
        schedule: the epochs to keep; the family's default if empty.
    """

    title = "Train"

    def __init__(self, session: Session) -> None:
        self.session = session
        self._families = {one.name: one for one in session.workspace.families()}
        families = list(self._families)
        self.family = pmui.Select(label="family", options=families, value=next(iter(families), None), width=300)
        self.preset = pmui.Select(label="preset", options=[NO_PRESET], value=NO_PRESET, width=180)
        self.schedule = pmui.TextInput(
            label="epochs to keep", placeholder="the family's default; 0:1500:100,5000", width=320, size="small"
        )
        self.start = pmui.Button(label="Train", variant="contained", margin=(8, 4))
        self.fields: dict[str, Any] = {}
        self._form = pn.Column(sizing_mode="stretch_width", margin=0)
        self._note = pmui.Alert("", severity="info", sizing_mode="stretch_width", margin=(4, 8))
        self._kept, self._time_line = _time_line()
        self._curves, self._live = _live_curves()
        self._followed: Variant | None = None
        self.jobs = JobList(session, looked=self._draw_curves)
        self.family.param.watch(lambda _: self._choose_family(), "value")
        self.preset.param.watch(lambda _: self._fill(), "value")
        self.schedule.param.watch(lambda _: self.check(), "value_input")
        self.start.on_click(lambda _: self._start())
        if families:
            self._choose_family()

    def panel(self) -> Any:
        """Return the page's content."""
        return pn.Column(
            pmui.Row(self.family, self.preset, sx={"flexWrap": "wrap"}),
            self._form,
            pmui.Row(self.schedule, self.start, sx={"alignItems": "center", "flexWrap": "wrap"}),
            self._note,
            pn.pane.Bokeh(self._time_line, sizing_mode="stretch_width"),
            self.jobs.panel(),
            pn.pane.Bokeh(self._live, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
            margin=(14, 14),
        )

    def settings(self) -> list[str]:
        """Return the settings that differ from the preset's, as they are written on the command line."""
        before = self._written()
        return [f"{name}={box.value_input}" for name, box in self.fields.items() if box.value_input != before.get(name)]

    def check(self) -> Variant | None:
        """Say what the form would train, or what is wrong with it; return the variant if it could be trained."""
        try:
            settings = parse_settings(self.settings())
            variant = self.session.workspace.new_variant(self.family.value, settings, self._preset())
            last = variant.config.training.epochs
            default = variant.family.schedule(variant.config)
            asked = self.schedule.value_input or default
            kept = parse_schedule(asked, last, family=default, clip=asked == default)
        except DynascopeError as error:
            self._say(str(error), "error")
            return None
        when_locked(lambda: self._show_kept(kept, last))
        there = variant.state if variant.folder.exists() else "new"
        self._say(
            f"{variant.name} ({there}): {last:,} epochs, {len(kept)} checkpoints. {self._experience(variant)}", "info"
        )
        return variant

    def _show_kept(self, kept: Sequence[int], last: int) -> None:
        self._kept.data = {"epoch": list(kept), "height": [0] * len(kept)}
        self._time_line.x_range.end = max(last, 1)

    def _choose_family(self) -> None:
        family = self._families[self.family.value].base
        self.preset.options = [NO_PRESET, *family.presets]
        self.preset.value = NO_PRESET
        groups = []
        self.fields = {}
        for group in GROUPS:
            boxes = []
            for name, field in getattr(family, group).model_fields.items():
                box = pmui.TextInput(
                    label=name.replace("_", " "), description=field.description or "", width=190, size="small",
                    margin=(6, 6),
                )  # fmt: skip
                box.param.watch(lambda _: self.check(), "value_input")
                self.fields[name] = box
                boxes.append(box)
            groups.append(pmui.Typography(group, variant="subtitle2", margin=(8, 8, 0, 8)))
            groups.append(pn.FlexBox(*boxes, sizing_mode="stretch_width", margin=0))
        self._form[:] = groups
        self._fill()

    def _preset(self) -> str | None:
        return None if self.preset.value == NO_PRESET else str(self.preset.value)

    def _written(self) -> dict[str, str]:
        """Return the settings of the preset as they are written."""
        config = self._families[self.family.value].configure(preset=self._preset())
        return {name: _written(value) for name, value in config.settings.items()}

    def _fill(self) -> None:
        """Put the preset's settings into the boxes."""
        for name, text in self._written().items():
            if name in self.fields:
                self.fields[name].param.update(value=text, value_input=text)
        self.check()

    def _experience(self, variant: Variant) -> str:
        """Say what a training of the same size took here, if there is one."""
        for other in self.session.workspace.variants(variant.family.name):
            seconds, reached = float(other.metadata.get("seconds") or 0), int(other.metadata.get("epoch") or 0)
            if seconds and reached and _size_of(other) == _size_of(variant):
                minutes = seconds / reached * variant.config.training.epochs / 60
                return f"About {minutes:,.1f} minutes, by what {other.name} took."
        return ""

    def _start(self) -> None:
        variant = self.check()
        if variant is None:
            return
        preset = self._preset()
        words = [self.family.value, *self.settings(), *(["--preset", preset] if preset else [])]
        words += ["--schedule", self.schedule.value_input] if self.schedule.value_input else []
        try:
            job = self.session.start("train", words)
        except DynascopeError as error:
            self._say(str(error), "error")
            return
        self._followed = variant
        self._say(f"Job {job.id} trains {variant.name}.", "success")
        self.jobs.refresh()

    def _draw_curves(self) -> None:
        """Show the losses, up to now, of the variant that was started last."""
        if self._followed is None or not self._followed.metrics_file.path.exists():
            return
        metrics = self._followed.metrics_file.read()
        step = max(len(metrics["epoch"]) // MOST_POINTS, 1)
        columns = {name: metrics[name][::step] for name in ("epoch", "train_loss", "test_loss")}

        def show() -> None:
            self._curves.data = columns
            self._live.visible = True

        when_locked(show)

    def _say(self, text: str, severity: str) -> None:
        self._note.param.update(object=text, severity=severity)
        self.start.disabled = read_only() or severity == "error"


def _size_of(variant: Variant) -> dict[str, Any]:
    """Return what decides how long an epoch takes: what the model is and what it learns, but for random draws."""
    config = variant.config
    settings = {**config.parameters.model_dump(), **config.architecture.model_dump()}
    return {name: value for name, value in settings.items() if name not in variant.family.base.draws}


def _written(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, str):
        return value
    return ",".join(map(json.dumps, value)) if isinstance(value, list) else json.dumps(value)


def _time_line() -> tuple[ColumnDataSource, Any]:
    """Return a picture of the epochs that are kept, and what it shows."""
    source = ColumnDataSource({"epoch": [], "height": []})
    picture = Figure(height=90, x_range=Range1d(0, 1), y_range=Range1d(-1, 1), x_axis_label="epochs that are kept")
    picture.scatter("epoch", "height", source=source, marker="dash", angle=np.pi / 2, size=22, color=GREY)
    dress(picture)
    picture.height = 90
    picture.yaxis.visible = picture.ygrid.visible = False
    return source, picture


def _live_curves() -> tuple[ColumnDataSource, Any]:
    """Return a picture of the losses of a training, and what it shows; it is not to be seen before there are any."""
    source = ColumnDataSource({"epoch": [], "train_loss": [], "test_loss": []})
    picture = Figure(height=280, y_axis_type="log", x_axis_label="epoch", y_axis_label="loss (nats)", visible=False)
    for split, colour, dash in (("train", TRAIN_COLOUR, "solid"), ("test", TEST_COLOUR, "dashed")):
        picture.line("epoch", f"{split}_loss", source=source, color=colour, line_width=2, line_dash=dash,
                     legend_label=split)  # fmt: skip
    dress(picture)
    return source, picture
