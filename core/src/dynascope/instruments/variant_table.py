"""Variants beside each other, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Comparison, Output, VariantsAnalyzer
from dynascope.contract.reads import METRICS, Stored

__all__ = ["VariantTable"]

Array = np.ndarray[Any, Any]

MILESTONE = Stored("general.milestones/milestone")
REACHED = Stored("general.milestones/reached")
EPOCH_REACHED = Stored("general.milestones/epoch_reached")
SPLITS = ("train", "test")


class VariantTable(VariantsAnalyzer):
    """Milestones, and the last losses and accuracies that were measured, of each variant."""

    name = "variant_table"
    title = "Variant table"
    description = "Milestones and last losses and accuracies of several variants."
    citation = "The milestones are those of ``general.milestones``, with its thresholds."
    reads = (METRICS, MILESTONE, REACHED, EPOCH_REACHED)
    outputs = {
        "milestone": Output(("milestone",), "str", "1", "its name"),
        "reached": Output(("variant", "milestone"), "int8", "1", "1 where the variant has reached it"),
        "epoch_reached": Output(
            ("variant", "milestone"), "float64", "epochs", "first epoch at which it did; NaN where it did not"
        ),
        "split": Output(("split",), "str", "1", "train or test"),
        "last_epoch": Output(("variant",), "float64", "epochs", "last epoch with a measurement; NaN without any"),
        "last_loss": Output(("variant", "split"), "float64", "nats", "last mean loss that was measured; NaN if none"),
        "last_accuracy": Output(("variant", "split"), "float64", "1", "last accuracy that was measured; NaN if none"),
    }

    def analyze(self, comparison: Comparison) -> Mapping[str, Any]:
        variants = comparison.variants
        metrics = [comparison.metrics[variant] for variant in variants]
        return {
            "milestone": comparison[MILESTONE][variants[0]],
            "reached": np.stack([comparison[REACHED][variant] for variant in variants]),
            "epoch_reached": np.stack([comparison[EPOCH_REACHED][variant] for variant in variants]),
            "split": np.array(SPLITS),
            "last_epoch": np.array([_last(columns["epoch"]) for columns in metrics]),
            "last_loss": np.array([[_last(columns[f"{split}_loss"]) for split in SPLITS] for columns in metrics]),
            "last_accuracy": np.array(
                [[_last(columns[f"{split}_accuracy"]) for split in SPLITS] for columns in metrics]
            ),
        }


def _last(values: Array) -> float:
    """Return the last value that is a number, NaN if none is."""
    measured = values[np.isfinite(values)]
    return float(measured[-1]) if len(measured) else np.nan
