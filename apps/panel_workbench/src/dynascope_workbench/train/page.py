"""The page that trains: a form of the family's settings, what they would give, and the jobs that train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure as Figure

from dynascope import DynascopeError, InvalidSetting
from dynascope.drawing.dressing import dress
from dynascope.drawing.tables import html_of
from dynascope.jobs import Job
from dynascope.style import GREY
from dynascope_workbench.jobs.list import JobList, copy_button
from dynascope_workbench.panes import TextPane
from dynascope_workbench.session import Session, read_only, when_locked
from dynascope_workbench.tables import ONE_LINE, table_pane
from dynascope_workbench.train.curves import Curves
from dynascope_workbench.train.estimate import Estimates
from dynascope_workbench.train.form import Field, Form
from dynascope_workbench.train.order import Order, order_of

__all__ = ["Train"]

NO_PRESET = "defaults"
SETTLED_MS = 700
"""After the last key: what takes long to find out is asked for then."""
NAMED = 3
"""Variants that are named; of more, how many there are."""
WRAP = {"flexWrap": "wrap", "alignItems": "flex-start"}
BOXES = {
    "seeds": ("seeds", "0-9 for ten; or 3,5", "Several seeds: 0-9, both included; or how many; or 3,5."),
    "varied": (
        "settings with several values",
        "weight_decay=0.5,1 optimizer=adam,sgd",
        "One variant for each combination. 0:8 are the whole numbers 0 to 7.",
    ),
    "schedule": (
        "epochs to keep",
        "the family's default; or 0:1500:100,5000,every:500",
        "Checkpoints: epochs, ranges START:STOP:STEP, every:N, log, powers; the first and the last always are.",
    ),
}
"""The boxes that are not of one setting: label, example, help."""
UNKNOWN = [(name, "–") for name in ("variants", "length", "time", "disk")]
"""As many lines as there are when all is right: nothing moves."""
NOTHING = "\u00a0"


class Train:
    """A form for one variant or many, checked as it is filled in, and the jobs and curves of what is in training.

    Attributes:
        family, preset: which are chosen.
        form: the settings.
        seeds, varied: settings with several values: one variant for each combination.
        schedule: the epochs to keep; the family's default if empty.
        analysed: whether what is kept is analysed as it is kept.
        note: one sentence: what would be trained, or what is wrong.
        facts: how many variants, checkpoints, how long, how much of the disk.
        jobs: the jobs of the workspace.
        curves: of one training.
        order: what the form asks for; None where something is wrong.
    """

    title = "Train"

    def __init__(self, session: Session) -> None:
        self.session = session
        self._families = {one.name: one for one in session.workspace.families()}
        names = list(self._families)
        options = {f"{self._families[name].title} ({name})": name for name in names}
        self.family = pmui.Select(label="family", options=options, value=next(iter(names), None), width=420)
        self.preset = pmui.Select(label="preset", options=[NO_PRESET], value=NO_PRESET, width=200)
        self.back = pmui.Button(label="reset all", variant="text", size="small", margin=(18, 4), disabled=True)
        self._about = pmui.Typography("", variant="body2", margin=(0, 8), sx={"color": "text.secondary"})
        self.seeds = _box("seeds", 176)
        self.varied = _box("varied", 400)
        self.schedule = _box("schedule", 400)
        self.analysed = pmui.Checkbox(label="analyse while it trains", value=True, margin=(10, 8))
        self.start = pmui.Button(label="Train", variant="contained", margin=(8, 4), disabled=read_only())
        self.copy = copy_button(margin=(10, 4))
        self._command = TextPane("", styles={"font": "12px monospace", "white-space": "pre-wrap"}, margin=(0, 12))
        self.form: Form | None = None
        self._form = pn.Column(sizing_mode="stretch_width", margin=0)
        self.note = pmui.Alert("", severity="info", sizing_mode="stretch_width", margin=(4, 8), sx=ONE_LINE)
        self.facts = table_pane()
        self._kept, self._time_line = _time_line()
        self.order: Order | None = None
        self._estimates = Estimates(session.workspace, self._told)
        self._document = pn.state.curdoc
        self._settling: Any = None
        self.curves = Curves(session.workspace)
        self.jobs = JobList(session, ended=self._ended, looked=self._looked, chosen=self._show_curves)
        self.family.param.watch(lambda _: self._choose_family(), "value")
        self.preset.param.watch(lambda _: self._choose_preset(), "value")
        self.analysed.param.watch(lambda _: self._estimate(), "value")
        for box in (self.seeds, self.varied, self.schedule):
            box.param.watch(lambda _: self.check(), "value_input")
        self.back.on_click(lambda _: self._reset())
        self.start.on_click(lambda _: self._start())
        if names:
            self._choose_family()
        else:
            self._say("No plug-in provides a family: see Plug-ins.", "error")

    @property
    def fields(self) -> Mapping[str, Field]:
        """The settings of the form, by name."""
        return self.form.fields if self.form is not None else {}

    def panel(self) -> Any:
        """Return the page's content."""
        before = pmui.Paper(
            pmui.Row(self.family, self.preset, self.back, sx=WRAP, margin=0),
            self._about,
            self._form,
            pmui.Typography("Several at once, and what is kept", variant="subtitle2", margin=(6, 8, 0, 8)),
            pmui.Row(self.seeds, self.varied, self.schedule, sx=WRAP, margin=(0, 4)),
            pn.pane.Bokeh(self._time_line, sizing_mode="stretch_width"),
            self.note,
            self.facts,
            self._command,
            pmui.Row(self.start, self.analysed, self.copy, sx={"flexWrap": "wrap", "alignItems": "center"}, margin=0),
            elevation=0, variant="outlined", sizing_mode="stretch_width", margin=(4, 0), sx={"padding": "8px"},
        )  # fmt: skip
        return pn.Column(
            before,
            pmui.Typography("Jobs", variant="h6", margin=(14, 4, 2, 4)),
            self.jobs.panel(),
            self.curves.panel,
            sizing_mode="stretch_width",
            margin=(14, 14),
        )

    def check(self) -> Order | None:
        """Say what the form would train, or what is wrong with it; return it if it could be trained."""
        self.order = None
        problems: dict[str, str] = {}
        wrong = ""
        if self.form is None:
            return None
        try:
            if empty := self.form.empty:
                raise InvalidSetting("A value is needed.", empty)
            self.order = order_of(
                self.session.workspace,
                self.family.value,
                self.form.pairs,
                preset=self._preset(),
                seeds=self.seeds.value_input or "",
                varied=self.varied.value_input or "",
                schedule=self.schedule.value_input or "",
            )
        except DynascopeError as error:
            problems = getattr(error, "problems", {})
            wrong = _sentence(problems) if problems else str(error)
        self.form.show(problems)
        for name, (_, example, _) in BOXES.items():
            getattr(self, name).param.update(error_state=name in problems, helper_text=problems.get(name, example))
        self.back.disabled = not self.form.pairs
        if self.order is None:
            self._say(wrong, "error")
            self._command.object, self.facts.object = NOTHING, html_of(None, UNKNOWN)
            self.copy.disabled = True
            return None
        self._say(_what(self.order), "info")
        self._command.object = self.order.command
        self.copy.param.update(tags=[self.order.command], disabled=False)
        kept, last = self.order.kept, self.order.last
        when_locked(lambda: self._show_kept(kept, last))
        self._estimate()
        self._settle()
        return self.order

    def _show_kept(self, kept: Sequence[int], last: int) -> None:
        self._kept.data = {"epoch": list(kept), "height": [0] * len(kept)}
        self._time_line.x_range.end = max(last, 1)

    def _estimate(self) -> None:
        """Say what it takes, as far as that is known."""
        if self.order is None:
            return
        order, known = self.order, self._estimates
        states = [one.state if one.folder.exists() else "new" for one in order.variants]
        count = ", ".join(f"{states.count(state):,} {state}" for state in dict.fromkeys(states))
        disk, fits = known.disk(order, analysed=bool(self.analysed.value))
        rows = [
            ("variants", f"{len(order.variants):,} ({count})"),
            ("length", f"{order.last:,} epochs, {len(order.kept):,} checkpoints" + self._each()),
            ("time", known.time(order)),
            ("disk", disk),
        ]
        self.facts.object = html_of(None, rows)
        if not fits:
            self._say(f"{_what(order)} It will not fit on the disk.", "warning")

    def _each(self) -> str:
        return " each" if self.order is not None and len(self.order.variants) > 1 else ""

    def _settle(self) -> None:
        """Ask for the sizes that are not known, once nothing has been typed for a moment."""
        if self._document is None:
            return
        if self._settling is not None:
            self._document.remove_timeout_callback(self._settling)
        self._settling = self._document.add_timeout_callback(self._ask, SETTLED_MS)

    def _ask(self) -> None:
        self._settling = None
        if self.order is not None:
            self._estimates.ask(self.order)

    def _told(self) -> None:
        """Show sizes that another thread has found out."""
        if self._document is not None and self._document.session_context is not None:
            self._document.add_next_tick_callback(self._estimate)

    def _choose_family(self) -> None:
        family = self._families.get(self.family.value)
        if family is None:
            return
        self.form = Form(family.base, self.check)
        self._form[:] = [self.form.panel]
        self.preset.options = {_about_preset(name, chosen): name for name, chosen in _presets(family.base).items()}
        presets = ", ".join(family.base.presets)
        self._about.object = " ".join(
            filter(None, [family.base.description, f"Presets: {presets}." if presets else ""])
        )
        if self.preset.value == NO_PRESET:
            self._choose_preset()
        else:
            self.preset.value = NO_PRESET

    def _preset(self) -> str | None:
        return None if self.preset.value == NO_PRESET else str(self.preset.value)

    def _choose_preset(self) -> None:
        if self.form is None:
            return
        try:
            settings = self._families[self.family.value].configure(preset=self._preset()).settings
        except DynascopeError as error:
            self._say(str(error), "error")
            return
        self.form.start_from(settings)

    def _reset(self) -> None:
        if self.form is not None:
            self.form.reset()

    def _start(self) -> None:
        order = self.check()
        if order is None:
            return
        names = [one.full_name for one in order.variants]
        try:
            job = self.session.start("train", list(order.words))
            if self.analysed.value:
                self.session.start("analyze", ["--follow", "--", *names])
        except DynascopeError as error:
            self._say(str(error), "error")
            return
        self._say(f"Job {job.id} trains {_named(names)}.", "success")
        self.curves.follow(names)
        self.jobs.refresh()

    def _looked(self) -> None:
        """Draw the curves of the training that runs, if none was chosen."""
        if not self.curves.choice.options:
            for seen in self.jobs.seen:
                if seen.command == "train" and seen.is_running and seen.job.variants:
                    self.curves.follow(seen.job.variants)
                    break
        self.curves.refresh()

    def _show_curves(self, job: Job) -> None:
        self.curves.follow(job.variants or ())

    def _ended(self) -> None:
        """A job has ended: others of its size are known now."""
        self._estimates.forget()
        if self.note.severity != "success":
            self.check()
        else:
            self._estimate()

    def _say(self, text: str, severity: str) -> None:
        self.note.param.update(object=text, severity=severity)
        self.start.disabled = read_only() or self.order is None


def _box(name: str, width: int) -> Any:
    label, example, said = BOXES[name]
    return pmui.TextInput(
        label=label, description=said, width=width, size="small", helper_text=example, margin=(6, 6)
    )  # fmt: skip


def _presets(family: Any) -> dict[str, Mapping[str, Any]]:
    return {NO_PRESET: {}, **family.presets}


def _about_preset(name: str, settings: Mapping[str, Any]) -> str:
    """Return a preset's name with what it sets."""
    said = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"{name}: {said}" if said else name


def _sentence(problems: Mapping[str, str]) -> str:
    """Say in one sentence what is wrong."""
    names = [name.replace("_", " ").replace("varied", "settings with several values") for name in problems]
    if len(names) == 1:
        return f"{names[0]}: {next(iter(problems.values()))}."
    return f"{len(names)} settings are wrong: {', '.join(names)}."


def _named(names: Sequence[str]) -> str:
    short = [name.rpartition("/")[2] for name in names]
    return ", ".join(short) if len(short) <= NAMED else f"{len(short):,} variants"


def _what(order: Order) -> str:
    """Say what would be trained."""
    if len(order.variants) == 1:
        (variant,) = order.variants
        there = variant.state if variant.folder.exists() else "new"
        return f"{variant.name} ({there})"
    return f"{len(order.variants):,} variants, from {order.variants[0].name} to {order.variants[-1].name}."


def _time_line() -> tuple[ColumnDataSource, Any]:
    """Return a picture of the epochs that are kept, and what it shows."""
    source = ColumnDataSource({"epoch": [], "height": []})
    picture = Figure(height=80, x_range=Range1d(0, 1), y_range=Range1d(-1, 1), x_axis_label="epochs that are kept")
    picture.scatter("epoch", "height", source=source, marker="dash", angle=np.pi / 2, size=22, color=GREY)
    dress(picture)
    picture.height = 80
    picture.toolbar_location = None
    picture.yaxis.visible = picture.ygrid.visible = False
    return source, picture
