"""When a variant has learned what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Output, Series, SeriesAnalyzer
from dynascope.contract.reads import METRICS, Stored

__all__ = ["Milestones", "first_fall", "first_reached"]

Array = np.ndarray[Any, Any]

CLASSES = Stored("general.input_trace/classes", at="last")
MILESTONES = {
    "train_accuracy": "first epoch with a train accuracy of at least the threshold",
    "test_below_uniform": "first epoch with a test loss below that of equal probabilities, ln(classes), from which on "
    "it does not come back to it before it has reached settled_share of it; it must have been above before",
    "test_accuracy": "first epoch with a test accuracy of at least the threshold",
}


class Milestones(SeriesAnalyzer):
    """The epochs at which the train split is learned, the test loss falls below chance, and the test split is learned.

    They are read off the training metrics, at every epoch that was measured. The test loss begins within a hundredth
    of chance, on either side: a dip below it in the first epochs is no milestone, hence ``settled_share``. The end of
    memorisation, the smallest excluded train loss, is not here: it needs the frequencies of a task.

    Parameters:
        train_accuracy: accuracy at which the train split is learned.
        test_accuracy: accuracy at which the test split is learned.
        settled_share: a fall below ln(classes) counts if the test loss does not come back before it is below this share
            of it, or ends below.
    """

    name = "milestones"
    title = "Milestones"
    description = "First epochs at which train accuracy, test loss and test accuracy pass their thresholds."
    citation = (
        "The rules for the phases of Nanda et al. 2023 (arXiv 2301.05217) that a public replication registered "
        "before it looked."
    )
    reads = (METRICS, CLASSES)
    parameters = {"train_accuracy": 0.99, "test_accuracy": 0.99, "settled_share": 0.5}
    outputs = {
        "milestone": Output(("milestone",), "str", "1", "its name"),
        "rule": Output(("milestone",), "str", "1", "the rule in words"),
        "threshold": Output(("milestone",), "float64", "1", "what is to be passed; nats for a loss"),
        "measured": Output(("milestone",), "int8", "1", "1 where the metrics hold what the rule needs"),
        "reached": Output(("milestone",), "int8", "1", "1 where the rule holds at some epoch"),
        "epoch_reached": Output(("milestone",), "float64", "epochs", "that epoch; NaN where it was not reached"),
        "value": Output(("milestone",), "float64", "1", "the metric then; nats for a loss"),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        settled = float(self.parameters["settled_share"])
        uniform = float(np.log(series[CLASSES]))
        threshold = {
            "train_accuracy": float(self.parameters["train_accuracy"]),
            "test_below_uniform": uniform,
            "test_accuracy": float(self.parameters["test_accuracy"]),
        }
        columns = [series.metrics[name] for name in ("train_accuracy", "test_loss", "test_accuracy")]
        found = [
            first_reached(columns[0], threshold["train_accuracy"]),
            first_fall(columns[1], uniform, settled * uniform),
            first_reached(columns[2], threshold["test_accuracy"]),
        ]

        def there(values: Array, index: int | None) -> float:
            return np.nan if index is None else float(values[index])

        return {
            "milestone": np.array(list(MILESTONES)),
            "rule": np.array(list(MILESTONES.values())),
            "threshold": np.array([threshold[name] for name in MILESTONES]),
            "measured": np.array([np.isfinite(column).any() for column in columns]),
            "reached": np.array([index is not None for index in found]),
            "epoch_reached": np.array([there(series.metrics["epoch"], index) for index in found]),
            "value": np.array([there(column, index) for column, index in zip(columns, found)]),
        }


def first_reached(values: Array, threshold: float) -> int | None:
    """Return where values are first at least a threshold; None if nowhere. NaN is skipped."""
    reached = np.flatnonzero(values >= threshold)
    return int(reached[0]) if len(reached) else None


def first_fall(values: Array, threshold: float, settled: float) -> int | None:
    """Return where values first fall below a threshold without coming back to it before they have settled.

    None if nowhere, and where they have not been at the threshold or above before. NaN is skipped.

    Args:
        values: a series.
        threshold: what they fall below.
        settled: a smaller value: after it, they may come back.
    """
    measured = np.flatnonzero(np.isfinite(values))
    known = values[measured]
    deep = np.flatnonzero(known < settled)
    until = int(deep[0]) + 1 if len(deep) else len(known)
    above = np.flatnonzero(known[:until] >= threshold)
    if not len(above) or above[-1] + 1 == until:
        return None
    return int(measured[above[-1] + 1])
