"""The page that says what is computed and what is not, and computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError, Variant
from dynascope.analysis.plan import Counts, plan
from dynascope_workbench.jobs import JobList
from dynascope_workbench.session import Session, read_only
from dynascope_workbench.tables import html_table

__all__ = ["Analyze"]

MOST_VARIANTS = 6
"""Columns of the table at first: more are chosen."""


class Analyze:
    """Variants and analyzers: what is fresh, stale or missing; and jobs that compute what is chosen.

    Attributes:
        variants: those that are chosen, by name.
        analyzers: those that are chosen, by id; none stands for all.
        table: of the units of each.
    """

    title = "Analyse"

    def __init__(self, session: Session) -> None:
        self.session = session
        names = list(session.variants())
        ids = list(session.plugins.all("analyzers"))
        self.variants = pmui.MultiChoice(
            label="variants", options=names, value=names[:MOST_VARIANTS], sizing_mode="stretch_width", margin=(8, 4)
        )
        self.analyzers = pmui.MultiChoice(
            label="analyzers (all, if none is chosen)", options=ids, value=[], sizing_mode="stretch_width",
            margin=(8, 4),
        )  # fmt: skip
        self.force = pmui.Checkbox(label="compute what is fresh again", value=False, margin=(8, 8))
        self.run = pmui.Button(label="Analyse", variant="contained", margin=(8, 4), disabled=read_only())
        self.look = pmui.Button(label="Look again", variant="outlined", margin=(8, 4))
        self.table = pn.Column(sizing_mode="stretch_width", margin=0)
        self.note = pmui.Typography("", variant="body2", margin=(8, 8))
        self.jobs = JobList(session, ended=self.refresh)
        self.run.on_click(lambda _: self._start())
        self.look.on_click(lambda _: self.refresh())
        for choice in (self.variants, self.analyzers):
            choice.param.watch(lambda _: self.refresh(), "value")

    def opened(self, state: Mapping[str, Any]) -> None:
        """Look at what is there now; at one variant, where the page before names one."""
        self.variants.options = list(self.session.variants())
        if state.get("variant") in self.variants.options:
            self.variants.value = [state["variant"]]
        self.refresh()

    def panel(self) -> Any:
        """Return the page's content."""
        return pn.Column(
            self.variants,
            self.analyzers,
            pmui.Row(self.run, self.look, self.force, self.note, sx={"alignItems": "center", "flexWrap": "wrap"}),
            self.jobs.panel(),
            self.table,
            sizing_mode="stretch_width",
            margin=(14, 14),
        )

    def refresh(self) -> None:
        """Compare what is stored with what should be, for what is chosen."""
        found: dict[str, Mapping[str, Counts]] = {}
        problems = []
        for name, variant in self.session.variants().items():
            if name in self.variants.value:
                try:
                    found[name] = self._counts(variant)
                except DynascopeError as error:
                    problems.append(pmui.Alert(f"{name}: {error}", severity="error", sizing_mode="stretch_width"))
        analyzers = sorted({analyzer for counts in found.values() for analyzer in counts})
        rows = [[analyzer, *(_cell(counts.get(analyzer)) for counts in found.values())] for analyzer in analyzers]
        names = [name.partition("/")[2] for name in found]
        self.table[:] = [*problems, html_table(["analyzer", *names], rows)]
        lacking = sum(one.missing + one.stale for counts in found.values() for one in counts.values())
        self.note.object = f"{lacking:,} units are missing or stale." if lacking else "Everything is fresh."

    def _counts(self, variant: Variant) -> Mapping[str, Counts]:
        return plan(variant, self.session.plugins, analyzers=self.analyzers.value or None).counts

    def _start(self) -> None:
        if not self.variants.value:
            self.note.object = "Choose a variant."
            return
        words = [word for name in self.analyzers.value for word in ("--analyzer", name)]
        words += ["--force"] if self.force.value else []
        try:
            job = self.session.start("analyze", [*words, *self.variants.value])
        except DynascopeError as error:
            self.note.object = str(error)
            return
        self.note.object = f"Job {job.id} was started."
        self.jobs.refresh()


def _cell(counts: Counts | None) -> str:
    """Say what there is of an analyzer: the symbol tells the worst of it."""
    if counts is None:
        return "does not apply"
    parts = [
        f"{symbol} {number:,} {word}"
        for symbol, number, word in (
            ("○", counts.missing, "missing"),
            ("◐", counts.stale, "stale"),
            ("●", counts.fresh, "fresh"),
        )
        if number
    ]
    return " · ".join(parts) or "nothing to measure"
