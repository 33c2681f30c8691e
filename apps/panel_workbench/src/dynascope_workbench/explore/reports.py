"""Saving what is on the page as a report, and opening one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError, InvalidSetting
from dynascope.contract.report import Block, Report, ViewBlock
from dynascope.store.reports import Reports
from dynascope_workbench.looks import ONE_LINE
from dynascope_workbench.session import Session, read_only, refuse_read_only

__all__ = ["ReportBar"]

USUAL = "usual views"
OPENED_MS = 300
"""After which a dialog is there, and its box can have the focus."""


class ReportBar:
    """The list of reports of a family, and the dialog that saves one.

    Args:
        session: whose workspace holds them.
        shown: returns what is on the page, and the probe.
        open_report: shows a report; with None what the family usually shows.
        kept: called when what is shown was saved as a report.

    Attributes:
        report: the one that was opened last; None for what the family usually shows.
    """

    def __init__(
        self,
        session: Session,
        shown: Callable[[], tuple[Sequence[Block], str]],
        open_report: Callable[[Report | None], None],
        kept: Callable[[], None],
    ) -> None:
        self._session, self._shown, self._open_report, self._kept = session, shown, open_report, kept
        self._family = ""
        self._quiet = False
        self.report: Report | None = None
        self.choice = pmui.Select(label="report", options={USUAL: ""}, value="", width=210, size="small", margin=(8, 4))
        self.choice.param.watch(lambda event: self._chosen(event.new), "value")
        self._name = pmui.TextInput(label="name of the report", sizing_mode="stretch_width", margin=(12, 8))
        self._name.param.watch(lambda _: self._keep(overwrite=False), "enter_pressed")
        self._title = pmui.TextInput(label="title", placeholder="its name", sizing_mode="stretch_width", margin=(4, 8))
        self._epochs = pmui.TextInput(
            label="epochs of interest", placeholder="0, 1600, 2500", sizing_mode="stretch_width", margin=(4, 8),
            description="Marked in the epoch control; where a report is printed, it is drawn at these.",
        )  # fmt: skip
        self._said = pmui.Typography("", variant="body2", margin=(0, 8))
        self._save = pmui.Button(label="Save", variant="contained", margin=(8, 4))
        self._replace = pmui.Button(label="Replace it", variant="outlined", margin=(8, 4), visible=False)
        self._rename = pmui.Button(label="Rename", variant="text", margin=(8, 4))
        self._remove = pmui.Button(label="Delete this report", variant="text", color="error", margin=(8, 4))
        buttons = pmui.Row(self._save, self._replace, self._rename, self._remove, sx=ONE_LINE)
        self.dialog = pmui.Dialog(
            self._name, self._title, self._epochs, self._said, buttons, title="Save as a report", open=False,
            close_on_click=True, show_close_button=True, width_option="sm",
        )  # fmt: skip
        self.button = pmui.IconButton(
            icon="bookmark_add", description="Save these views and their settings as a report", size="small",
            margin=(8, 4), disabled=read_only(),
        )  # fmt: skip
        self.button.on_click(lambda _: self._ask())
        self._save.on_click(lambda _: self._keep(overwrite=False))
        self._replace.on_click(lambda _: self._keep(overwrite=True))
        self._rename.on_click(lambda _: self._give_name())
        self._remove.on_click(lambda _: self._delete())

    @property
    def name(self) -> str:
        """The name of the report that was opened last, or its id, if a plug-in ships it; empty for none."""
        return str(self.choice.value or "")

    @property
    def _own(self) -> bool:
        """Whether the open report is a file, and so can be renamed and deleted."""
        return self.name in self._reports.names()

    @property
    def _reports(self) -> Reports:
        return self._session.workspace.reports(self._family)

    def of_family(self, family: str) -> None:
        """List the reports of a family."""
        self._family = family
        self._list(self.name)

    def usual(self) -> Report | None:
        """Return the report that the family begins with, if it names one."""
        return self._reports.usual() if self._family else None

    def open(self, name: str) -> bool:
        """Open a report; say whether there is one of this name."""
        self._list(self.name)
        if name not in self.choice.options.values():
            return False
        self.choice.value = name
        return True

    def _list(self, value: str) -> None:
        reports = self._reports
        usual, own = reports.usual(), reports.names()
        shipped = {one.title: name for name, one in reports.shipped.items() if one is not usual}
        options = {usual.title if usual is not None else USUAL: "", **shipped}
        options |= {f"{name} (yours)" if name in options else name: name for name in own}
        self._quiet = True
        self.choice.param.update(options=options, value=value if value in options.values() else "")
        self._quiet = False

    def _chosen(self, name: str) -> None:
        if self._quiet:
            return
        try:
            self.report = self._reports.open(name) if name else None
        except DynascopeError as error:
            self._session.notify(str(error), "error")
            return
        self._open_report(self.report)

    def _ask(self) -> None:
        blocks, _ = self._shown()
        own = self._own
        title = "" if self.report is None or self.report.title == self.name else self.report.title
        for box, value in (
            (self._name, self.name if own else ""),
            (self._title, title),
            (self._epochs, self._written()),
        ):
            box.value = box.value_input = value
        self._remove.visible = self._rename.visible = own
        self._replace.visible = False
        count = sum(isinstance(block, ViewBlock) for block in blocks)
        text = " and the text between them" if count < len(blocks) else ""
        self._say(
            f"It keeps {count} view{'s' if count != 1 else ''}, their settings{text}, and not the variant: it fits any "
            "variant of the family."
        )
        self.dialog.open = True
        if pn.state.curdoc is not None:
            pn.state.curdoc.add_timeout_callback(self._name.focus, OPENED_MS)

    def _written(self) -> str:
        return ", ".join(map(str, self.report.epochs)) if self.report is not None else ""

    def _asked(self) -> Report:
        """Return the report that the dialog describes.

        Raises:
            InvalidSetting: there is nothing in it, or epochs that are none.
        """
        blocks, probe = self._shown()
        name = _typed(self._name)
        if not blocks:
            raise InvalidSetting("There is nothing on the page that a report could keep. Choose a view.")
        words = _typed(self._epochs).replace(",", " ").split()
        if not all(word.isascii() and word.isdigit() for word in words):
            raise InvalidSetting(f"Epochs of interest are numbers, such as 0, 1600; found {_typed(self._epochs)!r}.")
        return Report(
            name=name,
            title=_typed(self._title) or name or "-",
            family=self._family,
            probe=None if probe == self._reports.family.probe else probe,
            epochs=tuple(sorted(set(map(int, words)))),
            blocks=tuple(blocks),
        )

    def _keep(self, *, overwrite: bool) -> None:
        reports, name = self._reports, _typed(self._name)
        there = name in reports.names()
        try:
            refuse_read_only()
            report = self._asked()
            reports.save(report, overwrite=overwrite or name == self.name)
        except DynascopeError as error:
            self._say(str(error), wrong=True)
            self._replace.visible = not overwrite and there
            return
        self._done(report, f"Report {name!r} was {'replaced' if there else 'saved'}.")

    def _give_name(self) -> None:
        name = _typed(self._name)
        try:
            refuse_read_only()
            self._reports.rename(self.name, name)
        except DynascopeError as error:
            self._say(str(error), wrong=True)
            return
        self._done(self._reports.open(name), f"The report is named {name!r} now.")

    def _done(self, report: Report, said: str) -> None:
        self.dialog.open = False
        self.report = report
        self._list(report.name)
        self._kept()
        self._session.notify(said, "success")

    def _delete(self) -> None:
        try:
            refuse_read_only()
            self._reports.remove(self.name)
        except DynascopeError as error:
            self._say(str(error), wrong=True)
            return
        self.dialog.open = False
        self._list("")
        self._kept()

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self._said.param.update(object=text, sx={"color": "error.main" if wrong else "text.secondary"})


def _typed(box: Any) -> str:
    return (box.value_input or "").strip()
