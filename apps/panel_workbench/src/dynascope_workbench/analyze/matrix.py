"""A table of variants by analyzers in which cells, rows and columns are chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

__all__ = ["Matrix"]

HERE = Path(__file__).parent


class Matrix(JSComponent):
    """What is computed of each variant by each analyzer, a sign in each cell.

    The browser draws and moves the focus; what a click means is decided here, by ``clicked``, and what a cell says in
    full, by ``looked``. Both get a row and a column, None for the head of a row or column.
    """

    columns = param.List([], doc="of each: id, plugin, name, hint, mark")
    rows = param.List([], doc="of each: id, name, error, and cells of kind, sign, number and words")
    chosen = param.List([], doc="pairs of row and column, by place")
    label = param.String("", doc="what the table shows, for those who hear it")

    _esm = HERE / "matrix.js"
    _stylesheets = [HERE / "matrix.css"]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.clicked: Callable[[int | None, int | None], None] = lambda row, column: None
        self.looked: Callable[[int, int], None] = lambda row, column: None

    def _handle_msg(self, data: Any) -> None:
        """Take in what was done in the browser; a place that is not there any more is nothing."""
        if not isinstance(data, dict):
            return
        row, column = _place(data.get("row"), len(self.rows)), _place(data.get("column"), len(self.columns))
        if data.get("do") == "choose" and row != -1 and column != -1:
            self.clicked(row, column)
        elif data.get("do") == "look" and row is not None and column is not None and -1 not in (row, column):
            self.looked(row, column)


def _place(value: Any, count: int) -> int | None:
    """Return a place, None for a head; -1 for one that is not there."""
    if value is None:
        return None
    return value if isinstance(value, int) and 0 <= value < count else -1
