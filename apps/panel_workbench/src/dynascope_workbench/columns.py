"""What stands above each variant's column: who it is, where it is, and how far from the milestone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui

from dynascope.style import LINES

__all__ = ["ColumnHead", "sizes_of", "swatch"]

MARKERS = {"circle": "●", "square": "■", "triangle": "▲", "diamond": "◆"}


class ColumnHead:
    """The head of one column.

    Args:
        place: of the column: its colour and marker are those of the variant's lines.
        name, title: of the variant, and what distinguishes it from the others.
        explore, remove: called when that is asked for.
    """

    def __init__(
        self, place: int, name: str, title: str, explore: Callable[[], None], remove: Callable[[], None]
    ) -> None:
        self.where = pmui.Typography("", variant="body2", sx={"color": "text.secondary"}, margin=(0, 8, 2, 8))
        go = pmui.Button(
            label="Explore", variant="text", size="small", margin=0, description=f"Show {name} on the page Explore"
        )
        leave = pmui.IconButton(icon="close", size="small", margin=0, description=f"Take {name} out of the comparison")
        go.on_click(lambda _: explore())
        leave.on_click(lambda _: remove())
        who = pmui.Typography(
            title, variant="subtitle2", margin=(4, 8, 0, 0), sizing_mode="stretch_width",
            sx={"overflow": "hidden", "textOverflow": "ellipsis", "whiteSpace": "nowrap"},
        )  # fmt: skip
        self.panel = pmui.Column(
            pmui.Row(swatch(place), who, go, leave, sizing_mode="stretch_width", sx={"alignItems": "center"}, margin=0),
            self.where,
            sizing_mode="stretch_width", margin=0, css_classes=["column-head"],
            sx={"borderTop": f"3px solid {LINES[place][0]}"},
        )  # fmt: skip

    def say(self, text: str) -> None:
        """Say where the variant is."""
        self.where.object = text


def swatch(place: int) -> Any:
    """Return the colour and marker of a column."""
    colour, _, marker = LINES[place]
    return pmui.Typography(MARKERS[marker], variant="body2", sx={"color": colour}, margin=(4, 2, 0, 8))


def sizes_of(columns: int) -> dict[str, int]:
    """Return how wide each of some columns is: of twelve parts, by the width of the page."""
    return [{"xs": 12}, {"xs": 12, "sm": 6}, {"xs": 12, "sm": 6, "md": 4}, {"xs": 12, "sm": 6, "lg": 3}][columns - 1]
