"""The page of the plug-ins: what was found, in which version, what it provides, and what failed."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope_workbench.session import Session
from dynascope_workbench.tables import html_table

__all__ = ["Plugins"]


class Plugins:
    """The discovery table."""

    title = "Plug-ins"

    def __init__(self, session: Session) -> None:
        self.session = session

    def panel(self) -> Any:
        """Return the page's content."""
        found = self.session.plugins.plugins
        alerts = [
            pmui.Alert(
                title=f"{row.name} of {row.distribution} {row.version}: {row.status}",
                object=row.error or "It was left out by DYNASCOPE_BLOCK.",
                severity="error" if row.status == "failed" else "info",
                sizing_mode="stretch_width",
                margin=(4, 8),
            )
            for row in found
            if row.status != "active"
        ]
        rows = [
            (
                row.name,
                f"{row.distribution} {row.version}",
                row.status,
                *(", ".join(row.provides.get(kind, ())) or "–" for kind in KINDS),
            )
            for row in found
        ]
        table = html_table(("plug-in", "distribution", "status", *KINDS), rows)
        return pn.Column(*alerts, table, sizing_mode="stretch_width", margin=(14, 14))


KINDS = ("families", "probes", "analyzers", "views")
