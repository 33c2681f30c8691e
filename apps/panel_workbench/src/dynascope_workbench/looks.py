"""How rows and bars of the pages look, said once."""

from __future__ import annotations

__all__ = ["ONE_LINE", "STICKY"]

ONE_LINE = {"alignItems": "center", "flexWrap": "wrap"}
"""Of a row of widgets: beside each other, as far as there is room."""
STICKY = {"position": "sticky", "top": 0, "zIndex": 5, "padding": "2px 10px", "borderRadius": "10px"}
"""Of the bar with the epoch control: it stays while one scrolls."""
