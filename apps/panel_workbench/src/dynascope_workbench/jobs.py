"""The jobs of the workspace, as they are: state, progress, log, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError
from dynascope.jobs import Job
from dynascope_workbench.session import Session, read_only, refuse_read_only

__all__ = ["JobList"]

EVERY_MS = 1_000
SHOWN = 12
"""Jobs that are listed, the newest first."""
LOG_CHARACTERS = 6_000
SEVERITY = {"running": "info", "done": "success", "failed": "error", "cancelled": "warning", "gone": "error"}


class JobList:
    """A list that follows the jobs, and tells when one has ended.

    Args:
        session: whose workspace's jobs these are.
        ended: called when a job that was running has ended.
        looked: called at each look, as long as a job is running, and once after.
    """

    def __init__(
        self, session: Session, ended: Callable[[], None] = lambda: None, looked: Callable[[], None] = lambda: None
    ) -> None:
        self.session, self._ended, self._looked = session, ended, looked
        self._rows: dict[str, _Row] = {}
        self._running: set[str] = set()
        self._list = pn.Column(sizing_mode="stretch_width", margin=0)
        self._none = pmui.Typography("No job has been started yet.", variant="body2", margin=(4, 8))
        self.refresh()

    def panel(self) -> Any:
        """Return the list; in a browser it is kept up to date."""
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.refresh, EVERY_MS)
        return self._list

    def refresh(self) -> None:
        """Look at the jobs anew."""
        jobs = {job.id: job for job in reversed(self.session.workspace.jobs.list()[-SHOWN:])}
        if list(jobs) != list(self._rows):
            self._rows = {name: self._rows.get(name) or _Row(job, self.refresh) for name, job in jobs.items()}
            self._list[:] = [row.panel for row in self._rows.values()] or [self._none]
        running = {name for name, row in self._rows.items() if row.refresh() == "running"}
        if self._running - running:
            self._ended()
        if self._running | running:
            self._looked()
        self._running = running


class _Row:
    """One job."""

    def __init__(self, job: Job, changed: Callable[[], None]) -> None:
        self._job, self._changed = job, changed
        self._state = pmui.Chip(size="small", margin=(6, 8))
        self._text = pmui.Typography(variant="body2", margin=(8, 4), sizing_mode="stretch_width")
        self._bar = pmui.LinearProgress(value=0, variant="determinate", sizing_mode="stretch_width", margin=(0, 12))
        self._log = pn.pane.Str("", sizing_mode="stretch_width", margin=(0, 12), visible=False)
        self._log.styles = {"font-family": "monospace", "font-size": "12px", "white-space": "pre-wrap"}
        self._buttons = {
            name: pmui.Button(label=name, variant="text", size="small", margin=(4, 2))
            for name in ("log", "cancel", "continue", "remove")
        }
        self._buttons["log"].on_click(lambda _: self._toggle_log())
        for name, action in (("cancel", self._cancel), ("continue", job.resume), ("remove", self._remove)):
            self._buttons[name].on_click(lambda _, action=action: self._do(action))
        head = pmui.Row(
            self._state,
            self._text,
            *self._buttons.values(),
            sizing_mode="stretch_width",
            sx={"alignItems": "center"},
            margin=0,
        )
        self.panel = pmui.Paper(
            head, self._bar, self._log, elevation=0, variant="outlined", sizing_mode="stretch_width", margin=(4, 0),
            css_classes=["job"], sx={"borderRadius": "8px", "paddingBottom": "6px"},
        )  # fmt: skip

    def refresh(self) -> str:
        """Show how it is now; return its state."""
        try:
            state, progress, reason = self._job.state, self._job.progress, self._job.reason
        except DynascopeError as error:  # removed, or damaged, meanwhile
            self._state.label, self._text.object = "unreadable", str(error)
            return "gone"
        self._state.param.update(label=state, color=SEVERITY[state])
        said = reason or (str(progress) if progress is not None else "")
        self._text.object = f"{self._job.command.removeprefix('dynascope ')} — {said}" if said else self._job.command
        whole = progress.total if progress is not None else 0
        done = 100 if state == "done" else round(100 * progress.done / whole) if whole else 0
        self._bar.value = done
        shown = {"log": True, "cancel": state == "running", "continue": state in ("failed", "cancelled", "gone")}
        for name, button in self._buttons.items():
            button.visible = shown.get(name, state != "running") and (name == "log" or not read_only())
        if self._log.visible:
            self._log.object = self._job.log[-LOG_CHARACTERS:]
        return state

    def _toggle_log(self) -> None:
        self._log.visible = not self._log.visible
        self.refresh()

    def _cancel(self) -> None:
        self._job.cancel(patience=1)  # one that has just begun cannot be told at once

    def _remove(self) -> None:
        from dynascope.jobs import Jobs

        Jobs(self._job.folder.parent.parent).remove(self._job.id)

    def _do(self, action: Callable[[], Any]) -> None:
        """Do something with the job; what cannot be done is said in its row."""
        try:
            refuse_read_only()
            action()
        except DynascopeError as error:
            self._text.object = str(error)
            return
        self._changed()
