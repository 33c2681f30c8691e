"""Tables and alerts as text, in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynascope.drawing.tables import TABLE_STYLE, html_of
from dynascope_workbench.panes import HtmlPane

__all__ = ["ONE_LINE", "html_table", "table_pane"]

ONE_LINE = {"& .MuiAlertTitle-root": {"display": "none"}, "& p": {"margin": 0}}
"""Of an alert without a title: as high as its text."""


def html_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """Return a table; what stands in it is text, and never markup."""
    return table_pane(html_of(titles, rows))


def table_pane(html: str = "") -> Any:
    """Return the pane of a table whose rows change: ``object`` is what ``html_of`` returns."""
    return HtmlPane(html, stylesheets=[TABLE_STYLE], sizing_mode="stretch_width", margin=(4, 8))
