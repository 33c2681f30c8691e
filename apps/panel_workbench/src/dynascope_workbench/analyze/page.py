"""The page that says what is computed and what is not, under which probe, and computes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError, Variant, VariantsAnalyzer
from dynascope.plugins.registry import Provided
from dynascope_workbench.analyze.coverage import LEGEND, Line, jobs_for, line_of, why_stale
from dynascope_workbench.analyze.matrix import Matrix
from dynascope_workbench.analyze.probes import ProbeChoice
from dynascope_workbench.jobs.list import JobList
from dynascope_workbench.looks import ONE_LINE
from dynascope_workbench.session import Session, nothing_yet, read_only
from dynascope_workbench.texts import plain

__all__ = ["Analyze"]

SHOWN = 15
"""Variants that the table shows at once: only those are compared with what is stored."""
MOST_JOBS = 4
SOON_MS = 250
"""What is typed is looked at when the hand rests."""
ON_DEMAND = "◌"
A_FEW = {"max-height": "200px", "overflow-y": "auto"}
"""Jobs that are seen at once: others are scrolled to, and the table stays where it is."""


class Analyze:
    """Variants by analyzers under a probe: what is fresh, stale or missing; and jobs that compute what is chosen.

    Attributes:
        family: whose variants are shown.
        find: words that must be in the names of the variants.
        analyzers: those that are listed; none stands for all.
        probe: under which; None where the family cannot be read.
        cells: what is chosen in the table, on this page of it and on others: pairs of variant and analyzer.
        lines: what the table shows.
    """

    title = "Analyse"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cells: set[tuple[str, str]] = set()
        self.lines: list[Line] = []
        self.probe: ProbeChoice | None = None
        self._shown_probe = ""
        self._busy = False
        self._waits = False
        self._names: list[str] = []
        self._last_look: tuple[Line, str] | None = None
        self._probe_family = ""
        self.family = pmui.Select(label="family", width=300, size="small", margin=(8, 8))
        self.find = pmui.TextInput(
            label="find variants", placeholder="p113 seed1", width=240, size="small", margin=(8, 8)
        )
        self.analyzers = pmui.MultiChoice(
            label="analyzers (all, if none is chosen)", options=list(session.plugins.all("analyzers")), value=[],
            sizing_mode="stretch_width", margin=(8, 8),
        )  # fmt: skip
        self.force = pmui.Checkbox(label="compute what is fresh again", value=False, margin=(8, 8))
        self.run = pmui.Button(label="Analyse", variant="contained", margin=(8, 8), disabled=True)
        self.clear = pmui.Button(label="Choose nothing", variant="text", margin=(8, 4), disabled=True)
        self.look = pmui.Button(label="Look again", variant="outlined", margin=(8, 4))
        self.pages = pmui.Pagination(count=1, value=0, size="small", margin=(8, 4))
        self.note = pmui.Typography("", variant="body2", margin=(8, 8), css_classes=["analyse-note"])
        self.heading = pmui.Typography(
            "", variant="subtitle1", margin=(12, 8, 0, 8), sx={"fontWeight": 600}, css_classes=["analyse-probe"]
        )
        self.detail = pmui.Typography(
            "", variant="body2", margin=(4, 8), sx={"minHeight": "3em", "color": "text.secondary"},
            sizing_mode="stretch_width", css_classes=["analyse-detail"],
        )  # fmt: skip
        legend = pmui.Typography(
            LEGEND.replace("  ", " · "), variant="caption", margin=(2, 8), sx={"color": "text.secondary"}
        )
        self.table = Matrix(sizing_mode="stretch_width", margin=(4, 8))
        self.table.clicked, self.table.looked = self._clicked, self._looked
        self._probe_holder = pn.Column(sizing_mode="stretch_width", margin=0)
        self._matrix = pn.Column(self.heading, self.table, legend, self.detail, sizing_mode="stretch_width", margin=0)
        self._empty = pn.Column(sizing_mode="stretch_width", margin=0)
        self.jobs = JobList(session, ended=self.refresh)
        self.run.on_click(lambda _: self._start())
        self.clear.on_click(lambda _: self._choose(set()))
        self.look.on_click(lambda _: self.refresh())
        self.family.param.watch(lambda _: self._busy or self._open_family(), "value")
        self.find.param.watch(lambda _: self._from_the_first_page(), "value_input")
        self.analyzers.param.watch(lambda _: self.refresh(), "value")
        self.pages.param.watch(lambda _: self._busy or self.refresh(), "value")
        self.refresh()
        self._just_made = True  # and so need not be looked at again when it is opened

    def opened(self, state: Mapping[str, Any]) -> None:
        """Look at what is there now; at one variant, where the page before names one."""
        name = state.get("variant")
        if name in self.session.workspace.variant_names():
            family, _, short = name.partition("/")
            self._busy = True
            self.family.options = sorted({*self.family.options, family})
            self.family.value = family
            self.find.param.update(value=short, value_input=short)
            self.pages.value = 0
            self._busy = False
            self._open_family()
        elif not self._just_made:
            self.refresh()
        self._just_made = False

    def follow_address(self, location: Any) -> None:
        """Start under the probe that the address names."""
        asked = location.query_params.get("probe")
        if self.probe is not None and asked:
            try:
                self.probe.choose(self.session.plugins.choose(str(asked)))
            except DynascopeError as error:
                self._say(f"The address names a probe that cannot be shown. {error}", wrong=True)

    def panel(self) -> Any:
        """Return the page's content."""
        return pn.Column(
            self._empty,
            pn.FlexBox(self.family, self.find, sizing_mode="stretch_width", margin=0, align_items="center"),
            self._probe_holder,
            self.analyzers,
            pmui.Row(self.run, self.look, self.force, self.clear, self.pages, sx=ONE_LINE, sizing_mode="stretch_width"),
            self.note,
            pn.Column(self.jobs.panel(), sizing_mode="stretch_width", margin=0, styles=A_FEW),
            self._matrix,
            sizing_mode="stretch_width",
            margin=(14, 14),
        )

    def refresh(self) -> None:
        """Compare what is stored with what should be, for the variants on this page of the table."""
        self._waits = False
        if self._busy:
            return
        self._busy = True  # what is set here is no choice of the user's
        try:
            self._refresh()
        finally:
            self._busy = False

    # What is shown.

    def _refresh(self) -> None:
        names = sorted(self.session.workspace.variant_names(), key=_as_counted)
        families = sorted({name.partition("/")[0] for name in names})
        self._empty[:] = [] if names else [nothing_yet(self.session)]
        self._matrix.visible = self._probe_holder.visible = bool(names)
        if list(self.family.options) != families:
            self.family.options = families
        if self.family.value not in families:
            self.family.value = families[0] if families else None
        if self.family.value is None:
            self.lines, self._names = [], []
            self._show()
            return
        if self.probe is None or self._probe_family != self.family.value:
            self._make_probe()
        words = self.find.value_input.lower().split()
        self._names = [
            name
            for name in names
            if name.startswith(f"{self.family.value}/")
            and all(word in name.partition("/")[2].lower() for word in words)
        ]
        there = set(names)
        self.cells = {cell for cell in self.cells if cell[0] in there}
        self.pages.count = max(-(-len(self._names) // SHOWN), 1)
        self.pages.value = min(self.pages.value or 0, self.pages.count - 1)
        first = self.pages.value * SHOWN
        variants = [self._opened(name) for name in self._names[first : first + SHOWN]]
        if self.probe is not None:
            self.probe.for_variants([one for one in variants if isinstance(one, Variant)])
            if self.probe.chosen is not None:
                shown = self.probe.chosen
                self.lines = [line_of(one, shown, self._columns(), self.session.plugins) for one in variants]
                self._shown_probe = f"{shown.title} — artifacts/{shown.key}"
        self._show()

    def _show(self) -> None:
        columns = self._columns()
        self.heading.object = f"Computed under the probe: {plain(self._shown_probe)}"
        self.table.param.update(
            columns=[
                {
                    "id": entry.id,
                    "plugin": entry.plugin,
                    "name": entry.name,
                    "hint": entry.item.description,
                    "mark": ON_DEMAND if entry.item.on_demand else "",
                }
                for entry in columns
            ],
            rows=[line.shown() for line in self.lines],
            label=f"What is computed under {self._shown_probe}",
        )
        self._show_choice()

    def _show_choice(self) -> None:
        """Mark what is chosen, and say what would be computed."""
        at = {entry.id: place for place, entry in enumerate(self._columns())}
        self.table.chosen = [
            [row, at[analyzer]]
            for row, line in enumerate(self.lines)
            for analyzer in at
            if (line.name, analyzer) in self.cells
        ]
        self.clear.disabled = not self.cells
        error = self.probe.error if self.probe is not None else ""
        self.run.disabled = read_only() or bool(error) or self.probe is None or not self._names
        if error:
            self._say("The table is still under the probe before: mend what is said of this one first.", wrong=True)
        elif self._names or self.cells:
            self._say(f"{self._what_is_chosen()} {self._what_is_lacking()}")
        else:
            self._say(f"No variant's name holds {self.find.value_input!r}." if self.find.value_input else "")

    def _what_is_chosen(self) -> str:
        if not self.cells:
            analyzers = f"{len(self.analyzers.value)} listed analyzers" if self.analyzers.value else "all analyzers"
            return f"Nothing is clicked: {_counted(len(self._names), 'variant')} by {analyzers} would be computed."
        variants, analyzers = ({cell[place] for cell in self.cells} for place in (0, 1))
        elsewhere = len(variants - {line.name for line in self.lines})
        return (
            f"Chosen: {_counted(len(self.cells), 'cell')}, {_counted(len(variants), 'variant')} by "
            f"{_counted(len(analyzers), 'analyzer')}" + (f", {elsewhere} of them not shown." if elsewhere else ".")
        )

    def _what_is_lacking(self) -> str:
        cells = [
            cell
            for line in self.lines
            for analyzer, cell in line.cells.items()
            if not self.cells or (line.name, analyzer) in self.cells
        ]
        lacking = sum(cell.lacking for cell in cells)
        where = "Of what is shown" if not self.cells else "Of these"
        if not cells:
            return ""
        if not lacking:
            return f"{where}, everything is fresh."
        return f"{where}, {_counted(lacking, 'unit')} {'is' if lacking == 1 else 'are'} missing or stale."

    def _opened(self, name: str) -> Variant | str:
        """Return a variant, or its name with the reason for which it cannot be read."""
        try:
            return self.session.workspace.variant(name)
        except DynascopeError as error:
            return f"{name}\n{error}"

    def _columns(self) -> list[Provided]:
        known = self.session.plugins.all("analyzers")
        return [known[name] for name in self.analyzers.value or known if name in known]

    def _make_probe(self) -> None:
        """Offer the probes of the family; one that cannot be read says why in their place."""
        self._probe_family = self.family.value
        try:
            self.probe = ProbeChoice(self.session, self.family.value, self._soon)
            self._probe_holder[:] = [self.probe.panel()]
        except DynascopeError as error:
            self.probe, self.lines = None, []
            self._probe_holder[:] = [pmui.Alert(str(error), severity="error", sizing_mode="stretch_width")]

    def _open_family(self) -> None:
        self.cells = set()
        self.refresh()

    def _from_the_first_page(self) -> None:
        if not self._busy:
            self._busy = True
            self.pages.value = 0
            self._busy = False
            self._soon()

    def _soon(self) -> None:
        """Look when the hand rests; at once where there is no browser."""
        document = pn.state.curdoc
        if self._busy or self._waits:
            return
        if document is None or document.session_context is None:
            self.refresh()
        else:
            self._waits = True
            document.add_timeout_callback(self.refresh, SOON_MS)

    # What is clicked.

    def _clicked(self, row: int | None, column: int | None) -> None:
        """Choose a cell, a row, a column of all variants that were found, or all of them; or take them away again."""
        columns = self._columns()
        if row is not None and column is not None:
            line, entry = self.lines[row], columns[column]
            meant = {(line.name, entry.id)} if line.cells and line.cells[entry.id].kind != "none" else set()
        else:
            names = self._names if row is None else [self.lines[row].name]
            chosen = [columns[column]] if column is not None else [one for one in columns if _by_default(one)]
            kinds = {(line.name, name): cell.kind for line in self.lines for name, cell in line.cells.items()}
            broken = {line.name for line in self.lines if line.error}
            meant = {
                (name, entry.id)
                for name in names
                for entry in chosen
                if name not in broken and kinds.get((name, entry.id)) != "none"
            }
        self._choose(self.cells - meant if meant <= self.cells else self.cells | meant)
        if row is not None and column is not None:
            self._looked(row, column)

    def _choose(self, cells: set[tuple[str, str]]) -> None:
        self.cells = cells
        self._show_choice()

    def _looked(self, row: int, column: int) -> None:
        """Say in full what there is in a cell, and why units are stale."""
        columns = self._columns()
        if row >= len(self.lines) or column >= len(columns) or self.lines[row].error:
            return
        line, entry = self.lines[row], columns[column]
        if self._last_look is not None and self._last_look[0] is line and self._last_look[1] == entry.id:
            return  # the pointer has not left: what was said stands
        self._last_look = line, entry.id
        cell = line.cells[entry.id]
        reason = why_stale(cell)
        stale = f" Stale because of: {reason}." if reason else ""
        self.detail.object = plain(f"{entry.id} of {line.name.partition('/')[2]}: {cell.words}.{stale}")

    # What is started.

    def _start(self) -> None:
        probe = self.probe.chosen if self.probe is not None else None
        if probe is None:
            return
        there = set(self.session.workspace.variant_names())
        if self.cells:
            gone = {name for name, _ in self.cells} - there
            if gone:
                self.refresh()
                self._say(f"{', '.join(sorted(gone))} is not there any more. Look at what is chosen now.", wrong=True)
                return
            commands = jobs_for(self.cells)
        else:
            commands = [([name for name in self._names if name in there], list(self.analyzers.value))]
        if not commands[0][0]:
            self._say("Choose a variant.", wrong=True)
            return
        if len(commands) > MOST_JOBS:
            self._say(f"These cells would take {len(commands)} jobs; choose whole rows or columns, for at most "
                      f"{MOST_JOBS}.", wrong=True)  # fmt: skip
            return
        try:
            for name in sorted({name for variants, _ in commands for name in variants}):
                probe.make(self.session.workspace.variant(name).config)
            started = [self._job(variants, analyzers, probe.text) for variants, analyzers in commands]
        except DynascopeError as error:
            self._say(str(error), wrong=True)
            return
        many = "Jobs {} were started." if len(started) > 1 else "Job {} was started."
        self._say(many.format(", ".join(started)))
        self.jobs.refresh()

    def _job(self, variants: list[str], analyzers: list[str], probe: str) -> str:
        words = [word for name in analyzers for word in ("--analyzer", name)]
        words += ["--force"] if self.force.value else []
        return self.session.start("analyze", [*words, "--probe", probe, *variants]).id

    def _say(self, text: str, wrong: bool = False) -> None:
        self.note.param.update(object=plain(text), sx={"color": "error.main" if wrong else "text.primary"})


def _by_default(entry: Provided) -> bool:
    return not entry.item.on_demand and not isinstance(entry.item, VariantsAnalyzer)


def _as_counted(name: str) -> list[tuple[int, str]]:
    """Return what sorts names with numbers in them as people do: seed 2 before seed 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
