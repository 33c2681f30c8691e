"""What the model answers to each row of the probe, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Analyzer, Output, Step
from dynascope.contract.probe import Batch
from dynascope.contract.reads import Logits, Rows
from dynascope.errors import InvalidSetting

__all__ = ["InputTrace", "losses_and_margins"]

Array = np.ndarray[Any, Any]

SPLITS = ("train", "test", "all")
LABEL, TRAIN, LOGITS = Rows("label"), Rows("train"), Logits()


class InputTrace(Analyzer):
    """Prediction, margin, confidence and loss of every row of the probe, and their means by split and by class.

    The split ``test`` is what is not trained on. Losses are ``log(1 + sum_j exp(z_j - z_y))`` over the wrong classes
    j, in float64: that is the cross-entropy, and keeps its digits near 1e-8 and below.

    The axes that the probe's rows unfold to are stored with them: row ``r`` has the place
    ``numpy.unravel_index(r, probe_axis_length)``.
    """

    name = "input_trace"
    title = "Input trace"
    description = "What the model answers to each row of the probe, with margin, confidence and loss."
    citation = (
        "The loss is that of Nanda et al. 2023 (arXiv 2301.05217), in nats; the margin is the usual one of multi- "
        "class classification (Crammer and Singer 2001)."
    )
    version = 2
    reads = (LOGITS, LABEL, TRAIN)
    outputs = {
        "probe_axis": Output(("probe_axis",), "str", "1", "axes that the probe's rows unfold to, slowest first"),
        "probe_axis_length": Output(("probe_axis",), "int32", "1", "number of places along the axis"),
        "probe_coordinate": Output(
            ("probe_axis", "place"),
            "float64",
            "1",
            "coordinate of each place along the axis; NaN beyond the last one, and where it is no number",
        ),
        "row": Output(("row",), "int32", "1", "row of the probe"),
        "label": Output(("row",), "int32", "1", "the right class"),
        "train": Output(("row",), "int8", "1", "1 where the row is trained on"),
        "prediction": Output(("row",), "int32", "1", "class of the largest logit; -1 where a logit is not a number"),
        "correct": Output(("row",), "int8", "1", "1 where the prediction is the right class"),
        "margin": Output(("row",), "float32", "1", "logit of the right class less the largest other one"),
        "confidence": Output(("row",), "float32", "1", "probability of the right class"),
        "loss": Output(("row",), "float32", "nats", "cross-entropy"),
        "classes": Output((), "int32", "classes", "number of classes"),
        "split": Output(("split",), "str", "1", "train, test (not trained on), or all rows"),
        "rows": Output(("split",), "int32", "rows", "rows in the split; the means below are NaN where there are none"),
        "mean_loss": Output(("split",), "float64", "nats", "mean loss"),
        "accuracy": Output(("split",), "float64", "1", "share of correct rows"),
        "mean_margin": Output(("split",), "float64", "1", "mean margin"),
        "smallest_margin": Output(("split",), "float64", "1", "smallest margin"),
        "mean_confidence": Output(("split",), "float64", "1", "mean confidence"),
        "class_rows": Output(("split", "class"), "int32", "rows", "rows of the split whose right class it is"),
        "class_loss": Output(("split", "class"), "float32", "nats", "mean loss of these rows"),
        "class_accuracy": Output(("split", "class"), "float32", "1", "share of correct ones among these rows"),
        "class_margin": Output(("split", "class"), "float32", "1", "mean margin of these rows"),
        "class_confidence": Output(("split", "class"), "float32", "1", "mean confidence of these rows"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        logits, label, train = step[LOGITS], step[LABEL], step[TRAIN].astype(bool)
        classes = logits.shape[1]
        if len(label) and not 0 <= label.min() <= label.max() < classes:
            raise InvalidSetting(
                f"Labels must be classes, 0 to {classes - 1}; the probe's rows have {label.min()} to {label.max()}."
            )
        loss, margin = losses_and_margins(logits, label)
        prediction = np.where(np.isnan(margin), -1, logits.argmax(axis=1))
        of_rows = {
            "loss": loss,
            "accuracy": prediction == label,
            "margin": margin,
            "confidence": np.exp(-loss),
        }
        members = (train, ~train, np.ones_like(train))
        count = np.stack([np.bincount(label[rows], minlength=classes) for rows in members])
        total = {
            name: np.stack([np.bincount(label[rows], values[rows], classes) for rows in members])
            for name, values in of_rows.items()
        }
        with np.errstate(invalid="ignore"):
            by_class = {name: sums / count for name, sums in total.items()}
            by_split = {name: sums.sum(axis=1) / count.sum(axis=1) for name, sums in total.items()}
        return {
            **_probe_axes(step.batch),
            "row": np.arange(len(label), dtype=np.int32),
            "label": label.astype(np.int32),
            "train": train,
            "prediction": prediction.astype(np.int32),
            "correct": of_rows["accuracy"],
            "margin": margin,
            "confidence": of_rows["confidence"],
            "loss": loss,
            "classes": np.int32(classes),
            "split": np.array(SPLITS),
            "rows": count.sum(axis=1).astype(np.int32),
            "mean_loss": by_split["loss"],
            "accuracy": by_split["accuracy"],
            "mean_margin": by_split["margin"],
            "smallest_margin": np.array([margin[rows].min() if rows.any() else np.nan for rows in members]),
            "mean_confidence": by_split["confidence"],
            "class_rows": count.astype(np.int32),
            **{f"class_{name}": values for name, values in by_class.items()},
        }


def _probe_axes(batch: Batch) -> dict[str, Array]:
    """Return the axes that the rows of a batch unfold to, with their coordinates."""
    coordinate = np.full((len(batch.shape), max(batch.shape, default=0)), np.nan)
    for row, values in zip(coordinate, map(np.asarray, batch.axes.values())):
        if values.dtype.kind in "iuf":
            row[: len(values)] = values
    return {
        "probe_axis": np.array(batch.dims, dtype=np.str_),
        "probe_axis_length": np.array(batch.shape, dtype=np.int32),
        "probe_coordinate": coordinate,
    }


def losses_and_margins(logits: Array, label: Array) -> tuple[Array, Array]:
    """Return cross-entropy and margin of each row, float64; NaN where a logit is.

    An infinite logit is taken for what it is the limit of: the loss is 0 where only that of the right class is.

    Args:
        logits: ``"row class"``.
        label: the right class, ``"row"``.
    """
    rows = np.arange(len(label))
    largest = logits.max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        z = np.subtract(logits, largest, dtype=np.float64)
    z[np.isposinf(logits)] = 0
    right = z[rows, label]
    z[rows, label] = -np.inf
    with np.errstate(invalid="ignore"):
        margin = right - z.max(axis=1, initial=-np.inf)
    others = np.exp(z, out=z).sum(axis=1)
    with np.errstate(divide="ignore"):
        loss = np.where(right == 0, np.log1p(others), np.log(others + np.exp(right)) - right)
    return loss, margin
