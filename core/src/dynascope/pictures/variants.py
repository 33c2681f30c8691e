"""Variants beside each other: what was measured of each, as a table or one thing against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynascope.pictures.notes import said, sentence
from dynascope.style import BAR_COLOUR, padded

__all__ = ["Column", "scatter_of_variants", "short_names", "table_of_variants"]

Array = np.ndarray[Any, Any]

INSET = 0.015
"""How far inside the left axis a note begins, as a share of it."""


@dataclass(frozen=True)
class Column:
    """What was measured of each variant.

    Attributes:
        values: numbers or text, ``"variant"``.
        unit: of the numbers; empty for none.
        number: how they are written, as in ``format``.
        missing: what stands where there is no finite number.
        log: whether an axis is logarithmic.
    """

    values: Array
    unit: str = ""
    number: str = ".3g"
    missing: str = "not measured"
    log: bool = False

    @property
    def written(self) -> list[str]:
        """Each value in words."""
        if self.values.dtype.kind in "OSU":
            return [str(value) for value in self.values]
        return [
            format(value, self.number).replace("-", "−") if np.isfinite(value) else self.missing
            for value in self.values
        ]


def short_names(names: Sequence[str]) -> list[str]:
    """Return names of variants without the parts between underscores that all of them share; one name as it is."""
    parts = [name.split("_") for name in names]
    if len({len(of_one) for of_one in parts}) != 1:
        return list(names)
    differ = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    return [
        "_".join(part for part, kept in zip(of_one, differ, strict=True) if kept) or name
        for of_one, name in zip(parts, names, strict=True)
    ]


def table_of_variants(
    names: Sequence[str], columns: Mapping[str, Column], *, shown: str = "", sorted_by: str = ""
) -> Any:
    """Return a table with a row for each variant, by its short name; a dot marks the one that is shown.

    Args:
        names: of the variants.
        columns: by what stands above them.
        shown: the variant that is looked at.
        sorted_by: a column, the smallest first, and last where there is no value; as they are, if there is none.
    """
    import holoviews as hv

    key = columns[sorted_by].values if sorted_by in columns else np.zeros(len(names))
    order = np.argsort(key, kind="stable")  # NaN comes last
    marks = ["●" if name == shown else "" for name in names]
    dimensions = [hv.Dimension(f"column_{index}", label=title) for index, title in enumerate(columns)]
    written = (column.written for column in columns.values())
    return hv.Table(
        tuple(np.array(values, dtype=np.str_)[order] for values in (marks, short_names(names), *written)),
        [],
        [hv.Dimension("shown", label=" "), "variant", *dimensions],
    )


def scatter_of_variants(names: Sequence[str], columns: Mapping[str, Column], x: str, y: str, *, shown: str = "") -> Any:
    """Return a point for each variant, of one column against another; the one that is shown has a ring.

    A variant that has not both, or none that a logarithmic axis can show, is counted in a note.

    Args:
        names: of the variants.
        columns: by what they are called.
        x, y: the names of two columns of numbers.
        shown: the variant that is looked at.
    """
    import holoviews as hv

    of_x, of_y = (columns.get(name, Column(np.full(len(names), np.nan))) for name in (x, y))
    across, up = (np.asarray(column.values, dtype=np.float64) for column in (of_x, of_y))
    there = np.isfinite(across) & np.isfinite(up) & ((across > 0) | (not of_x.log)) & ((up > 0) | (not of_y.log))
    if not there.any():
        return sentence("None of the variants has both of these.")
    across, up, label = across[there], up[there], np.array(names)[there]
    points = hv.Points((across, up, label), ["x", "y"], "variant", label="variants")
    (left, right), (low, high) = padded(across, log=of_x.log), padded(up, log=of_y.log, share=0.12)
    tooltips = [("variant", "@variant"), (x, "@x{0.0000 a}"), (y, "@y{0.0000 a}")]
    ring = label == shown
    marked = hv.Points((across[ring], up[ring], label[ring]), ["x", "y"], "variant", label="shown")
    left_out = int((~there).sum())
    text = f"{left_out} of {len(names)} variants not here: without one of these" if left_out else ""
    inside = left * (right / left) ** INSET if of_x.log else left + INSET * (right - left)
    note = said(text, inside, high).opts(text_baseline="top")
    return hv.Overlay(
        [
            points.opts(color=BAR_COLOUR, size=8, tools=["hover"], hover_tooltips=tooltips),
            marked.opts(size=16, fill_alpha=0, color="#d55e00", line_width=2.5),
            note,
        ]
    ).opts(
        hv.opts.Overlay(
            logx=of_x.log, logy=of_y.log, xlim=(left, right), ylim=(low, high), show_grid=True, show_legend=False,
            xlabel=f"{x} ({of_x.unit})" if of_x.unit else x, ylabel=f"{y} ({of_y.unit})" if of_y.unit else y,
        )
    )  # fmt: skip
