"""How rows and bars of the pages look, said once."""

from __future__ import annotations

__all__ = ["BAR", "ONE_LINE", "STICKY"]

ONE_LINE = {"alignItems": "center", "flexWrap": "wrap"}
"""Of a row of widgets: beside each other, as far as there is room."""
BAR = {"padding": "2px 10px", "borderRadius": "10px"}
STICKY = {"position": "sticky", "top": "0", "z-index": "5"}
"""Of the bar with the epoch control, ``styles`` beside its ``sx``: it stays while one scrolls."""
