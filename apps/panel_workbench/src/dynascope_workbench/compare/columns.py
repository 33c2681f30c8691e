"""Columns of variants beside each other, and what stands above each: who it is, where, how far from the milestone.

They are made of as few parts of the material kind as can be: each of those is a tree of its own in the browser, and a
page of four columns has dozens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope.style import LINES
from dynascope_workbench.panes import HtmlPane

__all__ = ["ColumnHead", "beside", "caption"]

MARKERS = {"circle": "●", "square": "■", "triangle": "▲", "diamond": "◆"}
TEXT = """
:host { color: var(--mui-palette-text-primary, inherit); font-size: 13px; line-height: 1.5; overflow: hidden; }
div { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.faint { color: var(--mui-palette-text-secondary, inherit); font-variant-numeric: tabular-nums; }
"""
"""One line that is cut where it is too long: the columns must not jump while the epoch moves."""


class ColumnHead:
    """The head of one column.

    Args:
        place: of the column: its colour and marker are those of the variant's lines.
        name, title: of the variant, and what distinguishes it from the others.
        explore, remove: called when that is asked for.

    Attributes:
        text: where the variant is.
    """

    def __init__(
        self, place: int, name: str, title: str, explore: Callable[[], None], remove: Callable[[], None]
    ) -> None:
        self.text = ""
        self._where = _line("")
        go = pmui.Button(
            label="Explore", variant="text", size="small", margin=0, description=f"Show {name} on the page Explore"
        )
        leave = pmui.IconButton(icon="close", size="small", margin=0, description=f"Take {name} out of the comparison")
        go.on_click(lambda _: explore())
        leave.on_click(lambda _: remove())
        self.panel = pn.Column(
            pn.Row(
                caption(place, title, "600"), go, leave, sizing_mode="stretch_width", margin=0, align="center",
                styles={"align-items": "center"},
            ),
            self._where,
            sizing_mode="stretch_width", margin=0, css_classes=["column-head"],
            styles={"border-top": f"3px solid {LINES[place][0]}", "padding-bottom": "4px"},
        )  # fmt: skip

    def say(self, text: str) -> None:
        """Say where the variant is."""
        self.text = text
        self._where.object = f'<div class="faint" title="{escape(text)}">{escape(text)}</div>'


def caption(place: int, title: str, weight: str = "400") -> Any:
    """Return the name of a column beside its colour and marker."""
    colour, _, marker = LINES[place]
    mark = f'<span style="color: {colour}" aria-hidden="true">{MARKERS[marker]}</span>'
    return _line(f'<div title="{escape(title)}" style="font-weight: {weight}">{mark} {escape(title)}</div>')


def beside(parts: Sequence[Any]) -> Any:
    """Return parts in columns of one width: fewer where the page is narrow, so that pictures can still be read."""
    count = len(parts)
    narrow = (
        f"@media (max-width: 1100px) {{ :host {{ grid-template-columns: repeat({min(count, 2)}, minmax(0, 1fr)); }} }}"
    )
    style = f":host {{ display: grid; grid-template-columns: repeat({count}, minmax(0, 1fr)); gap: 12px 16px; }}"
    one = "@media (max-width: 600px) { :host { grid-template-columns: minmax(0, 1fr); } }"
    return pn.Column(*parts, stylesheets=[f"{style}\n{narrow}\n{one}"], sizing_mode="stretch_width", margin=0)


def _line(text: str) -> Any:
    return HtmlPane(text, stylesheets=[TEXT], sizing_mode="stretch_width", margin=(3, 8))
