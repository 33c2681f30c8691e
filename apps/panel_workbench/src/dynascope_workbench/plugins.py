"""The page of the plug-ins: what was found, in which version, what it provides, and what failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope.plugins import PluginRow, Provided
from dynascope_workbench.panes import TextPane
from dynascope_workbench.session import Session
from dynascope_workbench.tables import ONE_LINE, html_table

__all__ = ["Plugins"]

KINDS = {"families": "family", "probes": "probe", "analyzers": "analyzer", "views": "view", "reports": "report"}
COLOURS = {"active": "success", "failed": "error", "blocked": "default"}
TRACE_STYLE = """
:host { max-height: 420px; overflow: auto; }
:host > div, pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 12px/1.45 monospace; margin: 0; }
"""
INSTALL = """A plug-in is a Python distribution with an entry point in the group `dynascope`. Install it into the
environment of this server, and start the server again:

    {python} -m pip install dynascope-NAME        # of a registry
    {python} -m pip install --editable FOLDER     # of one that you write

`dynascope plugins` prints this table in a terminal, `dynascope check PLUG-IN` tests one. `DYNASCOPE_BLOCK=a,b` leaves
some out; `DYNASCOPE_STRICT_PLUGINS=1` ends the start at the first that fails."""


class Plugins:
    """The plug-ins as cards, and a search over all that they provide.

    Attributes:
        search: words; a plug-in is shown where it, or something that it provides, has all of them.
        cards: those that are shown.
    """

    title = "Plug-ins"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.search = pmui.TextInput(
            label="search", placeholder="a name, or words of a title", size="small", width=340, margin=(4, 4)
        )
        self._count = pmui.Typography("", variant="body2", sx={"color": "text.secondary"}, margin=(16, 8))
        self.cards = pn.Column(sizing_mode="stretch_width", margin=0)
        self.search.param.watch(lambda _: self.refresh(), "value_input")

    def panel(self) -> Any:
        """Return the page's content."""
        self.refresh()
        summary = html_table(
            ("plug-in", "distribution", "version", "status", *KINDS),
            [
                (row.name, row.distribution, row.version, row.status, *(_many(row, kind) for kind in KINDS))
                for row in self._rows()
            ],
        )
        install = pmui.Accordion(
            ("How to install one", pn.pane.Markdown(INSTALL.format(python=sys.executable), margin=(4, 12))),
            sizing_mode="stretch_width", margin=(12, 4), title_variant="subtitle2",
        )  # fmt: skip
        return pn.Column(
            summary, pmui.Row(self.search, self._count, margin=0), self.cards, install, sizing_mode="stretch_width",
            margin=(14, 14),
        )  # fmt: skip

    def refresh(self) -> None:
        """Show what has the words that are searched for."""
        words = (self.search.value_input or "").lower().split()
        rows = self._rows()
        cards, found = [], 0
        for row in rows:
            provided = [
                entry
                for kind in KINDS
                for entry in self.session.plugins.all(kind).values()
                if (entry.plugin, entry.distribution) == (row.name, row.distribution)
            ]
            named = _has(words, row.name, row.distribution, row.status, row.error)
            shown = provided if named else [one for one in provided if _has(words, one.id, one.kind, _about(one))]
            if named or shown:
                cards.append(_card(row, shown))
                found += len(shown)
        self.cards[:] = cards or [pmui.Typography("Nothing has these words.", variant="body2", margin=(8, 8))]
        failed = sum(row.status == "failed" for row in rows)
        left = f", {failed} failed" if failed else ""
        self._count.object = f"{len(cards)} of {len(rows)} plug-ins{left}; {found} things that they provide"

    def _rows(self) -> Sequence[PluginRow]:
        """Return the plug-ins; those that failed are first."""
        return sorted(self.session.plugins.plugins, key=lambda row: (row.status != "failed", row.name))


def _card(row: PluginRow, provided: Sequence[Provided]) -> Any:
    head = pmui.Row(
        pmui.Chip(row.status, color=COLOURS[row.status], size="small", margin=(8, 8)),
        pmui.Typography(f"{row.name}", variant="subtitle1", margin=(6, 4)),
        pmui.Typography(
            f"{row.distribution} {row.version}", variant="body2", margin=(9, 4), sx={"color": "text.secondary"}
        ),
        margin=0, sx={"alignItems": "center", "flexWrap": "wrap"},
    )  # fmt: skip
    parts: list[Any] = [head]
    if row.status == "blocked":
        blocked = os.environ.get("DYNASCOPE_BLOCK", "")
        parts.append(
            pmui.Typography(
                f"It was left out, and not imported: DYNASCOPE_BLOCK={blocked}", variant="body2", margin=(4, 12)
            )
        )
    if row.error:
        parts.append(pmui.Alert(row.error, severity="error", sizing_mode="stretch_width", margin=(4, 8), sx=ONE_LINE))
    if row.traceback:
        trace = TextPane(row.traceback, sizing_mode="stretch_width", margin=(4, 12), stylesheets=[TRACE_STYLE])
        opening = pmui.Accordion(
            ("Traceback", trace), sizing_mode="stretch_width", margin=(4, 8), title_variant="subtitle2"
        )
        parts.append(opening)
    if provided:
        rows = [(KINDS[one.kind], one.name, _about(one)) for one in provided]
        parts.append(html_table(("", "name", "what it is"), rows))
    return pmui.Paper(
        *parts, elevation=0, variant="outlined", sizing_mode="stretch_width", margin=(4, 4), css_classes=["plugin"],
        sx={"borderRadius": "8px"},
    )  # fmt: skip


def _about(one: Provided) -> str:
    """Return the line that says what something is."""
    item = one.item
    title, said = getattr(item, "title", "") or "", getattr(item, "description", "") or ""
    line = " ".join(str(said).split())
    if one.kind in ("views", "families", "probes", "reports") or not line:
        return str(title) or line
    return line


def _many(row: PluginRow, kind: str) -> str:
    return f"{len(names):,}" if (names := row.provides.get(kind, ())) else "–"


def _has(words: Sequence[str], *texts: str) -> bool:
    whole = " ".join(texts).lower()
    return all(word in whole for word in words)
