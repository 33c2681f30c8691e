"""Columns of tables: widths, and what stands where there is no number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["column_widths", "number_formats"]


def column_widths(widths: Mapping[str, int]) -> Callable[[Any, Any], None]:
    """Return a hook of a table that sets the width of columns, in pixels."""

    def apply(plot: Any, element: Any) -> None:
        for column in plot.handles["table"].columns:
            column.width = widths.get(column.field, column.width)

    return apply


def number_formats(formats: Mapping[str, str], missing: Mapping[str, str]) -> Callable[[Any, Any], None]:
    """Return a hook of a table that sets how numbers of columns are written, and what stands for NaN."""

    def apply(plot: Any, element: Any) -> None:
        from bokeh.models.widgets.tables import NumberFormatter

        for column in plot.handles["table"].columns:
            if column.field in formats:
                instead = missing.get(column.field, "-")
                column.formatter = NumberFormatter(
                    format=formats[column.field], nan_format=instead, null_format=instead, text_align="right"
                )

    return apply
