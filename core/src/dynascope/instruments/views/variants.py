"""Views of variants beside each other. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.instruments.milestones import MILESTONES
from dynascope.instruments.views.plain import padded, said, sentence
from dynascope.style import BAR_COLOUR

__all__ = ["VARIANTS", "VARIANT_TABLE"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.variant_table"
EPOCH_REACHED, LAST_EPOCH, LAST_LOSS, LAST_ACCURACY = (
    f"{ANALYZER}/{name}" for name in ("epoch_reached", "last_epoch", "last_loss", "last_accuracy")
)
READS = (EPOCH_REACHED, LAST_EPOCH, LAST_LOSS, LAST_ACCURACY)
REACHED = "epoch of "
COLUMNS = (
    *(REACHED + name.replace("_", " ") for name in MILESTONES),
    *(f"last {split} {metric}" for metric in ("loss", "accuracy") for split in ("train", "test")),
    "last epoch",
)
INSET = 0.015
"""How far inside the left axis a note begins, as a share of it."""


def _columns(frame: Frame) -> tuple[list[str], dict[str, Array]]:
    """Return the names of the variants, and what was measured of each, by what it is called."""
    reached = frame.read(EPOCH_REACHED)
    names = [str(name) for name in reached["variant"].values]
    columns = {
        REACHED + str(milestone).replace("_", " "): reached.values[:, index]
        for index, milestone in enumerate(reached["milestone"].values)
    }
    for metric, array in (("loss", LAST_LOSS), ("accuracy", LAST_ACCURACY)):
        found = frame.read(array)
        columns |= {f"last {split} {metric}": found.values[:, i] for i, split in enumerate(found["split"].values)}
    return names, {**columns, "last epoch": frame.read(LAST_EPOCH).values}


class Order(param.Parameterized):
    """Which variant comes first."""

    sorted_by: Any = param.Selector(default="name", objects=["name", *COLUMNS], doc="the smallest first")


def _written(column: str, value: float) -> str:
    """Return a number as it stands in the table, or what there is in its place."""
    if not np.isfinite(value):
        return "not reached" if column.startswith(REACHED) else "not measured"
    return (
        f"{value:,.0f}"
        if "epoch" in column
        else f"{value:.4f}"
        if "accuracy" in column
        else f"{value:.3g}".replace("-", "−")
    )


def draw_variant_table(frame: Frame) -> Any:
    """List the variants with their milestones, last losses and last accuracies."""
    import holoviews as hv

    names, columns = _columns(frame)
    key = columns.get(frame.controls.sorted_by, np.zeros(len(names)))
    order = np.argsort(key, kind="stable")  # NaN comes last
    marks = ["●" if name == frame.variant_name else "" for name in names]
    written = [[_written(column, value) for value in values] for column, values in columns.items()]
    dimensions = [hv.Dimension(f"column_{index}", label=column) for index, column in enumerate(columns)]
    return hv.Table(
        tuple(np.array(values, dtype=np.str_)[order] for values in (marks, names, *written)),
        [],
        [hv.Dimension("shown", label=" "), "variant", *dimensions],
    )


def nothing_moves(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch: nothing."""
    return {}


VARIANT_TABLE = View(
    "variant_table",
    "Variants",
    draw_variant_table,
    reads=READS,
    columns=nothing_moves,
    controls=Order,
    description=(
        "Milestones, last losses (nats) and last accuracies of the variants that were compared last; the dot marks the "
        "one that is shown."
    ),
)


class Axes(param.Parameterized):
    """What is drawn against what."""

    x: Any = param.Selector(default=COLUMNS[0], objects=list(COLUMNS), doc="horizontal axis")
    y: Any = param.Selector(default=COLUMNS[len(MILESTONES) - 1], objects=list(COLUMNS), doc="vertical axis")


def draw_variants(frame: Frame) -> Any:
    """Draw one thing that was measured of each variant against another; the one that is shown has a ring."""
    import holoviews as hv

    names, columns = _columns(frame)
    across, up = frame.controls.x, frame.controls.y
    x, y = (np.asarray(columns.get(name, np.full(len(names), np.nan)), dtype=np.float64) for name in (across, up))
    log_x, log_y = ("loss" in name for name in (across, up))
    there = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not log_x)) & ((y > 0) | (not log_y))
    if not there.any():
        return sentence("None of the variants has both of these.")
    label = np.array(names)[there]
    points = hv.Points((x[there], y[there], label), ["x", "y"], "variant", label="variants")
    (left, right), (low, high) = padded(x[there], log=log_x), padded(y[there], log=log_y, share=0.12)
    tooltips = [("variant", "@variant"), (across, "@x{0.0000 a}"), (up, "@y{0.0000 a}")]
    ring = label == frame.variant_name
    shown = hv.Points((x[there][ring], y[there][ring], label[ring]), ["x", "y"], "variant", label="shown")
    left_out = int((~there).sum())
    text = f"{left_out} of {len(names)} variants not here: without one of these" if left_out else ""
    inside = left * (right / left) ** INSET if log_x else left + INSET * (right - left)
    note = said(text, inside, high).opts(text_baseline="top")
    return hv.Overlay(
        [
            points.opts(color=BAR_COLOUR, size=8, tools=["hover"], hover_tooltips=tooltips),
            shown.opts(size=16, fill_alpha=0, color="#d55e00", line_width=2.5),
            note,
        ]
    ).opts(
        hv.opts.Overlay(
            logx=log_x, logy=log_y, xlim=(left, right), ylim=(low, high), show_grid=True, show_legend=False,
            xlabel=_titled(across), ylabel=_titled(up),
        )
    )  # fmt: skip


def _titled(column: str) -> str:
    return f"{column} (nats)" if "loss" in column else column


VARIANTS = View(
    "variants",
    "Variants against each other",
    draw_variants,
    reads=READS,
    columns=nothing_moves,
    controls=Axes,
    description="One point for each variant that was compared last; the one that is shown has a ring.",
)
