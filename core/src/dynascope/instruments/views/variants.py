"""Views of variants beside each other. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import param

from dynascope.contract.view import Frame, View
from dynascope.instruments.milestones import MILESTONES
from dynascope.pictures import Column, scatter_of_variants, table_of_variants

__all__ = ["VARIANTS", "VARIANT_TABLE"]

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
LOOK: Mapping[str, Mapping[str, Any]] = {"loss": {"unit": "nats", "log": True}, "accuracy": {"number": ".4f"}}
"""How the metrics are written and drawn."""


def _columns(frame: Frame) -> tuple[list[str], dict[str, Column]]:
    """Return the names of the variants, and what was measured of each, by what it is called."""
    reached = frame.read(EPOCH_REACHED)
    names = [str(name) for name in reached["variant"].values]
    columns = {
        REACHED + str(milestone).replace("_", " "): Column(values, number=",.0f", missing="not reached")
        for milestone, values in zip(reached["milestone"].values, reached.values.T, strict=True)
    }
    for metric, array in (("loss", LAST_LOSS), ("accuracy", LAST_ACCURACY)):
        found = frame.read(array)
        columns |= {
            f"last {split} {metric}": Column(values, **LOOK[metric])
            for split, values in zip(found["split"].values, found.values.T, strict=True)
        }
    return names, {**columns, "last epoch": Column(frame.read(LAST_EPOCH).values, number=",.0f")}


class Order(param.Parameterized):
    """Which variant comes first."""

    sorted_by: Any = param.Selector(default="name", objects=["name", *COLUMNS], doc="the smallest first")


def draw_variant_table(frame: Frame) -> Any:
    """List the variants with their milestones, last losses and last accuracies."""
    names, columns = _columns(frame)
    return table_of_variants(names, columns, shown=frame.variant_name, sorted_by=frame.controls.sorted_by)


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
    names, columns = _columns(frame)
    return scatter_of_variants(names, columns, frame.controls.x, frame.controls.y, shown=frame.variant_name)


VARIANTS = View(
    "variants",
    "Variants against each other",
    draw_variants,
    reads=READS,
    columns=nothing_moves,
    controls=Axes,
    description="One point for each variant that was compared last; the one that is shown has a ring.",
)
