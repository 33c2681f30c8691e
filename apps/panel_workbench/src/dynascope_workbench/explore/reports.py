"""Saving what is on the page as a report, and opening one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError
from dynascope.store.reports import Report, ReportView
from dynascope_workbench.session import Session, read_only, refuse_read_only

__all__ = ["ReportBar"]

USUAL = "usual views"
OPENED_MS = 300
"""After which a dialog is there, and its box can have the focus."""

Views = Mapping[str, Mapping[str, Any]]
"""Ids of views, each with its settings, in order."""


class ReportBar:
    """The list of saved reports of a family, and the dialog that saves one.

    Args:
        session: whose workspace holds them.
        shown: returns the views that are on the page, with their settings, and the probe.
        open_views: shows views; with None those that the family usually shows.
        kept: called when what is shown was saved as a report.
    """

    def __init__(
        self,
        session: Session,
        shown: Callable[[], tuple[Views, str]],
        open_views: Callable[[Views | None], None],
        kept: Callable[[], None],
    ) -> None:
        self._session, self._shown, self._open_views, self._kept = session, shown, open_views, kept
        self._family = ""
        self._quiet = False
        self.choice = pmui.Select(label="report", options=[USUAL], value=USUAL, width=190, size="small", margin=(8, 4))
        self.choice.param.watch(lambda event: self._chosen(event.new), "value")
        self._name = pmui.TextInput(label="name of the report", width=320, margin=(12, 8))
        self._name.param.watch(lambda _: self._keep(overwrite=False), "enter_pressed")
        self._said = pmui.Typography("", variant="body2", margin=(0, 8))
        self._save = pmui.Button(label="Save", variant="contained", margin=(8, 4))
        self._replace = pmui.Button(label="Replace it", variant="outlined", margin=(8, 4), visible=False)
        self._remove = pmui.Button(label="Delete this report", variant="text", color="error", margin=(8, 4))
        self.dialog = pmui.Dialog(
            self._name, self._said, pmui.Row(self._save, self._replace, self._remove), title="Save as a report",
            open=False, close_on_click=True, show_close_button=True,
        )  # fmt: skip
        self.button = pmui.IconButton(
            icon="bookmark_add", description="Save these views and their settings as a report", size="small",
            margin=(8, 4), disabled=read_only(),
        )  # fmt: skip
        self.button.on_click(lambda _: self._ask())
        self._save.on_click(lambda _: self._keep(overwrite=False))
        self._replace.on_click(lambda _: self._keep(overwrite=True))
        self._remove.on_click(lambda _: self._delete())

    @property
    def name(self) -> str:
        """The name of the report that was opened last; empty for none."""
        return "" if self.choice.value == USUAL else str(self.choice.value)

    def of_family(self, family: str) -> None:
        """List the reports of a family."""
        self._family = family
        self._list(self.name)

    def open(self, name: str) -> bool:
        """Open a report; say whether there is one of this name."""
        self._list(self.name)
        if name not in self.choice.options:
            return False
        self.choice.value = name
        return True

    def _list(self, value: str) -> None:
        names: Sequence[str] = self._session.workspace.reports(self._family).names()
        self._quiet = True
        self.choice.param.update(options=[USUAL, *names], value=value if value in names else USUAL)
        self._quiet = False

    def _chosen(self, name: str) -> None:
        if self._quiet:
            return
        if name == USUAL:
            self._open_views(None)
            return
        try:
            report = self._session.workspace.reports(self._family).open(name)
        except DynascopeError as error:
            self._session.notify(str(error), "error")
            return
        self._open_views({one.view: one.controls for one in report.views})

    def _ask(self) -> None:
        views, _ = self._shown()
        self._name.value = self._name.value_input = self.name
        self._remove.visible = bool(self.name)
        self._replace.visible = False
        self._say(f"It keeps {len(views)} views and their settings, not the variant or the epoch: it fits any variant.")
        self.dialog.open = True
        if pn.state.curdoc is not None:
            pn.state.curdoc.add_timeout_callback(self._name.focus, OPENED_MS)

    def _keep(self, *, overwrite: bool) -> None:
        views, probe = self._shown()
        name = (self._name.value_input or "").strip()
        try:
            refuse_read_only()
            family = self._session.workspace.family(self._family)
            kept = tuple(ReportView(view=view, controls=dict(controls)) for view, controls in views.items())
            report = Report(name=name, family=self._family, probe=None if probe == family.probe else probe, views=kept)
            there = name in self._session.workspace.reports(self._family).names()
            self._session.workspace.reports(self._family).save(report, overwrite=overwrite or name == self.name)
        except DynascopeError as error:
            self._say(str(error), wrong=True)
            self._replace.visible = not overwrite and name in self._session.workspace.reports(self._family).names()
            return
        self.dialog.open = False
        self._list(name)
        self._kept()
        self._session.notify(f"Report {name!r} was {'replaced' if there else 'saved'}.", "success")

    def _delete(self) -> None:
        try:
            refuse_read_only()
            self._session.workspace.reports(self._family).remove(self.name)
        except DynascopeError as error:
            self._say(str(error), wrong=True)
            return
        self.dialog.open = False
        self._list("")

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self._said.param.update(object=text, sx={"color": "error.main" if wrong else "text.secondary"})
