"""Tables as text, in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import panel as pn

__all__ = ["TABLE_STYLE", "html_table"]

TABLE_STYLE = """
:host { color: inherit; font-size: 13px; overflow: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; }
td { border-top: 1px solid rgba(138, 138, 138, 0.3); }
th { font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
"""
"""A table takes the colours of the page, light or dark."""


def html_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """Return a table; what stands in it is text, and never markup."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return pn.pane.HTML(
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        stylesheets=[TABLE_STYLE],
        sizing_mode="stretch_width",
        margin=(4, 8),
    )
