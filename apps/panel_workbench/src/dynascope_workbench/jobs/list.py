"""The jobs of the workspace, as they are: state, progress, log, and what can be done with each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError
from dynascope.jobs import Job
from dynascope.jobs.progress import Progress
from dynascope_workbench.jobs.watch import Seen, watch_of
from dynascope_workbench.panes import TextPane
from dynascope_workbench.session import Session, read_only, refuse_read_only
from dynascope_workbench.texts import in_time

__all__ = ["JobList", "copy_button"]

EVERY_MS = 1_000
SHOWN = 8
"""Jobs that are listed at first, the running ones and then the newest; each time it is asked for, so many more."""
LOG_CHARACTERS = 8_000
COLOURS = {"running": "info", "done": "success", "failed": "error", "cancelled": "warning", "gone": "error"}
PATIENCE = 0.2
"""Seconds that a click waits: a job that has just begun cannot be told at once."""
COPY = """
const area = document.createElement("textarea");
area.value = source.tags[0];
document.body.append(area);
area.select();
document.execCommand("copy");
area.remove();
"""
"""Works without https, too, which ``navigator.clipboard`` does not."""
TO_BE_READ = 6.0
"""Seconds for which it is said why something could not be done."""
LOG_STYLE = """
:host { max-height: 280px; overflow: auto; display: flex; flex-direction: column-reverse; }
:host > div, pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 12px/1.45 monospace; margin: 0; }
"""
"""A column that grows upwards stays at its end as it grows, unless it is scrolled away from there."""


class JobList:
    """A list that follows the jobs, and tells when one has ended.

    Args:
        session: whose workspace's jobs these are.
        ended: called when a job that was running has ended.
        looked: called at each look.
        chosen: called with a training whose curves are to be seen; without it there is no such button.
    """

    def __init__(
        self,
        session: Session,
        ended: Callable[[], None] = lambda: None,
        looked: Callable[[], None] = lambda: None,
        chosen: Callable[[Job], None] | None = None,
    ) -> None:
        self.session, self._ended, self._looked, self._chosen = session, ended, looked, chosen
        self._watch = watch_of(session.workspace)
        self._rows: dict[str, _Row] = {}
        self._running: set[str] = set()
        self._most = SHOWN
        self._list = pn.Column(sizing_mode="stretch_width", margin=0)
        self._none = pmui.Typography(
            "No job has been started yet.", variant="body2", sx={"color": "text.secondary"}, margin=(4, 8)
        )
        self._older = pmui.Button(label="older", variant="text", size="small", margin=(4, 4), visible=False)
        self._older.on_click(lambda _: self._show_more())
        self._list[:] = [self._none]

    @property
    def seen(self) -> Sequence[Seen]:
        """All jobs, as they were at the last look, the newest first."""
        return self._watch.look()

    def panel(self) -> Any:
        """Return the list; in a browser it is kept up to date."""
        self.refresh()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(lambda: self._show(self._watch.look()), EVERY_MS)
        return pn.Column(self._list, self._older, sizing_mode="stretch_width", margin=0)

    def refresh(self) -> None:
        """Look at the jobs anew; what has not changed is not touched."""
        self._show(self._watch.look(anew=True))

    def _show(self, seen: Sequence[Seen]) -> None:
        running = {one.job.id for one in seen if one.is_running}
        first = sorted(seen, key=lambda one: not one.is_running)[: max(self._most, len(running))]
        listed = {one.job.id: one for one in first}
        if list(listed) != list(self._rows) or not listed:
            self._rows = {name: self._rows.get(name) or _Row(one, self) for name, one in listed.items()}
            shown = [row.panel for row in self._rows.values()] or [self._none]
            if shown != list(self._list):
                self._list[:] = shown
        hidden = len(seen) - len(listed)
        label = f"{hidden} older" if hidden else "older"
        if (self._older.label, self._older.visible) != (label, hidden > 0):
            self._older.param.update(label=label, visible=hidden > 0)
        for name, row in self._rows.items():
            row.refresh(listed[name])
        ended, self._running = self._running - running, running
        if ended:
            self._ended()
        self._looked()

    def show_curves(self, job: Job) -> None:
        """Tell whose curves are to be seen."""
        if self._chosen is not None:
            self._chosen(job)

    @property
    def has_curves(self) -> bool:
        """Whether curves can be seen here."""
        return self._chosen is not None

    def resume(self, job: Job) -> None:
        """Continue a job; with a training, the analysis that followed it."""
        job.resume()
        variants = set(job.variants or ())
        if job.arguments[0] != "train" or not variants:
            return
        followers = [one.job for one in self.seen if one.command == "analyze" and _follows(one.job, variants)]
        if followers and not any(follower.state == "running" for follower in followers):
            self.session.start("analyze", followers[0].arguments[1:])

    def _show_more(self) -> None:
        self._most += SHOWN
        self.refresh()


class _Row:
    """One job."""

    def __init__(self, seen: Seen, owner: JobList) -> None:
        self._job, self._command, self._owner = seen.job, seen.command, owner
        self._settled: tuple[str, bool] | None = None
        self._until = 0.0
        self._trains = seen.command == "train"
        self._arguments = self._job.command
        self._state = pmui.Chip(size="small", margin=(8, 8))
        self._title = pmui.Typography(variant="body2", margin=(8, 4, 0, 4), sizing_mode="stretch_width")
        self._text = pmui.Typography(
            variant="caption", margin=(0, 4, 4, 4), sizing_mode="stretch_width", sx={"color": "text.secondary"}
        )
        self._bar = pmui.LinearProgress(value=0, variant="determinate", sizing_mode="stretch_width", margin=(0, 12))
        self._log = TextPane("", sizing_mode="stretch_width", margin=(6, 12), stylesheets=[LOG_STYLE])
        self._opened = pn.Column(self._log, sizing_mode="stretch_width", margin=0, visible=False)
        names = {
            "curves": "curves", "explore": "Explore it", "analyse": "Analyse it", "log": "log",
            "cancel": "pause" if self._trains else "cancel", "continue": "continue", "remove": "remove",
        }  # fmt: skip
        self._buttons = {
            name: pmui.Button(label=label, variant="text", size="small", margin=(4, 0), visible=False)
            for name, label in names.items()
        }
        self._copy = copy_button(margin=(4, 0), tags=[self._arguments])
        self._buttons["log"].on_click(lambda _: self._toggle_log())
        for name, action in (
            ("cancel", self._cancel),
            ("continue", lambda: owner.resume(self._job)),
            ("remove", self._remove),
        ):
            self._buttons[name].on_click(lambda _, action=action: self._do(action))
        self._buttons["curves"].on_click(lambda _: owner.show_curves(self._job))
        for name, page in (("explore", "explore"), ("analyse", "analyze")):
            self._buttons[name].on_click(lambda _, page=page: self._go(page))
        said = pn.Column(self._title, self._text, styles={"flex": "1 1 320px", "min-width": "0"}, margin=0)
        buttons = pmui.Row(self._copy, *self._buttons.values(), margin=0, sx={"flexWrap": "wrap"})
        head = pmui.Row(
            self._state, said, buttons, sizing_mode="stretch_width", sx={"alignItems": "center", "flexWrap": "wrap"},
            margin=0,
        )  # fmt: skip
        self.panel = pmui.Paper(
            head, self._bar, self._opened, elevation=0, variant="outlined", sizing_mode="stretch_width", margin=(4, 0),
            css_classes=["job"], sx={"borderRadius": "8px", "paddingBottom": "6px"},
        )  # fmt: skip

    def refresh(self, seen: Seen) -> None:
        """Show how it is now; one that has ended is not looked at twice."""
        now = seen.state, read_only()
        if self._settled == now or time.monotonic() < self._until:
            return
        job = self._job
        try:
            progress, reason = job.progress, job.reason
            ending, variants = job.is_ending, job.variants or []
            log = job.log[-LOG_CHARACTERS:] if self._opened.visible else self._log.object
        except DynascopeError as error:  # removed, or damaged, meanwhile
            self._state.label, self._text.object = "unreadable", str(error)
            return
        state = seen.state
        paused = self._trains and state == "cancelled"
        label = ("pausing" if self._trains else "ending") if ending else "paused" if paused else state
        self._state.param.update(label=label, color=COLOURS[state])
        self._title.object = _title(self._command, variants, self._arguments)
        said = _said(progress, self._title.object) if progress is not None else "beginning" * (state == "running")
        if state == "running" and progress is not None and progress.left is not None and not ending:
            said += f" · {in_time(progress.left)} left"
        elif paused:
            said = _paused_at(self._owner.session, variants, progress)
        elif state != "done" and reason:
            said = f"{reason} ({said})" if said and state == "failed" else reason
        self._text.object = said
        whole = progress.total if progress is not None else 0
        self._bar.value = 100 if state == "done" else round(100 * progress.done / whole) if whole and progress else 0
        self._bar.color = COLOURS[state] if state != "running" else "primary"
        led = state == "done" and self._command in ("train", "analyze") and bool(variants)
        may = not read_only()
        shown = {
            "curves": self._trains and self._owner.has_curves and bool(variants),
            "explore": led,
            "analyse": led and self._trains,
            "log": True,
            "cancel": may and state == "running" and not ending,
            "continue": may and state in ("failed", "cancelled", "gone"),
            "remove": may and state != "running",
        }
        for name, button in self._buttons.items():
            if button.visible != shown[name]:
                button.visible = shown[name]
        self._log.object = log
        self._settled = None if state == "running" else now

    def _toggle_log(self) -> None:
        self._opened.visible = not self._opened.visible
        self._buttons["log"].label = "hide log" if self._opened.visible else "log"
        if self._opened.visible:
            self._log.object = self._job.log[-LOG_CHARACTERS:]

    def _cancel(self) -> None:
        self._job.cancel(patience=PATIENCE)

    def _remove(self) -> None:
        self._owner.session.workspace.jobs.remove(self._job.id)

    def _go(self, page: str) -> None:
        variants = self._job.variants
        if variants:
            self._owner.session.go(page, variant=variants[0])

    def _do(self, action: Callable[[], Any]) -> None:
        """Do something with the job; what cannot be done is said in its row."""
        try:
            refuse_read_only()
            action()
        except DynascopeError as error:
            self._text.object, self._until = str(error), time.monotonic() + TO_BE_READ
            return
        self._settled, self._until = None, 0.0
        self._owner.refresh()


def copy_button(**options: Any) -> Any:
    """Return a button that copies the text in its ``tags``.

    The text is not among the arguments of the callback: what is named there is kept for as long as the server runs.
    """
    button = pmui.Button(label="copy command", variant="text", size="small", **options)
    button.js_on_click(code=COPY)
    return button


def _follows(job: Job, variants: set[str]) -> bool:
    """Tell whether a job analyses variants as they are trained."""
    words = job.arguments
    return "--follow" in words and bool(variants & set(words))


def _title(command: str, variants: Sequence[str], line: str) -> str:
    """Say what a job does: with which variants, where it has told them."""
    names = [name.rpartition("/")[2] for name in variants]
    if not names:
        return line.removeprefix("dynascope ")
    what = names[0] if len(names) == 1 else f"{len(names)} variants: {names[0]} to {names[-1]}"
    return f"{command} {what}"


def _said(progress: Progress, title: str) -> str:
    """Say how far a job is; not which variant it works on, where the title says it."""
    return str(replace(progress, text="") if progress.text and progress.text in title else progress)


def _paused_at(session: Session, variants: Sequence[str], progress: Progress | None) -> str:
    """Say where a training was paused: the epoch that it saved, which may be later than what it reported last."""
    try:
        if len(variants) == 1:
            variant = session.workspace.variant(variants[0])
            last = variant.recipe.get("epochs")
            return f"paused at epoch {variant.metadata['epoch']:,}" + (f" of {last:,}" if last else "")
    except (DynascopeError, KeyError):
        pass
    return f"paused at {progress}" if progress is not None else "paused before its first epoch"
