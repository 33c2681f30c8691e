"""From when on each row of the probe is answered right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Output, Series, SeriesAnalyzer
from dynascope.contract.reads import Stored

__all__ = ["Graduation"]

Array = np.ndarray[Any, Any]

TRACE = "general.input_trace"
CORRECT = Stored(f"{TRACE}/correct")
LABEL, TRAIN, SPLIT, CLASSES = (Stored(f"{TRACE}/{name}", at="last") for name in ("label", "train", "split", "classes"))


class Graduation(SeriesAnalyzer):
    """The first checkpoint from which on each row is answered right until the last one, by split and by right class.

    A row that is wrong at the last checkpoint has not graduated: its epoch is NaN, and so is whatever would need it.
    Quantiles are of the rows that have; with the share of those that have, they say all. How often a row was right
    and then wrong at the next checkpoint is counted too; between checkpoints nothing is seen.

    Quantiles (5, 25, 50, 75, 95 %) are epochs of checkpoints: the smallest one by which that share of the graduated
    rows has graduated. For the addition of two numbers, the class of a row is its residue class, (a + b) mod p.
    """

    name = "graduation"
    title = "Graduation"
    description = "First checkpoint from which on each row of the probe is answered right, by split and class."
    citation = (
        "The events of forgetting are those of Toneva et al. 2019 (arXiv 1812.05159); graduation after the "
        "MIScope workbench, which asks for three checkpoints in a row in place of all that follow."
    )
    reads = (CORRECT, LABEL, TRAIN, SPLIT, CLASSES)
    outputs = {
        "row": Output(("row",), "int32", "1", "row of the probe"),
        "graduated": Output(("row",), "int8", "1", "1 where the row is right at the last checkpoint"),
        "graduation_epoch": Output(
            ("row",), "float64", "epochs", "first checkpoint from which on it stays right; NaN where it is not at last"
        ),
        "forgotten": Output(("row",), "int32", "1", "how often it is right at a checkpoint and wrong at the next one"),
        "split": Output(("split",), "str", "1", "train, test (not trained on), or all rows"),
        "rows": Output(("split",), "int32", "rows", "rows in the split"),
        "graduated_rows": Output(("split", "epoch"), "int32", "rows", "rows that have graduated by the checkpoint"),
        "quantile": Output(("quantile",), "float64", "1", "of the graduated rows"),
        "epoch_quantile": Output(
            ("split", "quantile"), "float64", "epochs", "graduation epochs of the graduated rows; NaN if there are none"
        ),
        "all_graduated_epoch": Output(
            ("split",), "float64", "epochs", "epoch by which every row has graduated; NaN if one has not"
        ),
        "class_rows": Output(("split", "class"), "int32", "rows", "rows of the split whose right class it is"),
        "class_graduated": Output(("split", "class"), "int32", "rows", "graduated ones among them"),
        "class_mean_epoch": Output(
            ("split", "class"), "float64", "epochs", "mean graduation epoch of these; NaN if there are none"
        ),
        "class_all_graduated_epoch": Output(
            ("split", "class"), "float64", "epochs", "epoch by which every row of the class has graduated; NaN if not"
        ),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        correct, label, train = series[CORRECT].astype(bool), series[LABEL], series[TRAIN].astype(bool)
        count, classes = len(correct), int(series[CLASSES])
        wrong = ~correct[::-1]
        since = np.where(wrong.any(axis=0), count - wrong.argmax(axis=0), 0)  # count: wrong at the last one
        graduated = since < count
        epoch = np.where(graduated, series.epochs[np.minimum(since, count - 1)], np.nan)
        members = np.stack([train, ~train, np.ones_like(train)])

        class_rows, class_graduated, class_all = (np.zeros((3, classes), dtype) for dtype in (int, int, float))
        class_sum = np.zeros((3, classes))
        for split, rows in enumerate(members):
            class_rows[split] = np.bincount(label[rows], minlength=classes)
            done = rows & graduated
            class_graduated[split] = np.bincount(label[done], minlength=classes)
            class_sum[split] = np.bincount(label[done], epoch[done], classes)
            np.maximum.at(class_all[split], label[done], epoch[done])
        complete = (class_graduated == class_rows) & (class_rows > 0)
        quantiles = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
        with np.errstate(invalid="ignore"):
            mean = class_sum / class_graduated
        return {
            "row": np.arange(len(label), dtype=np.int32),
            "graduated": graduated,
            "graduation_epoch": epoch,
            "forgotten": (correct[:-1] & ~correct[1:]).sum(axis=0, dtype=np.int32),
            "split": series[SPLIT],
            "rows": members.sum(axis=1, dtype=np.int32),
            "graduated_rows": np.stack(
                [np.cumsum(np.bincount(since[rows], minlength=count + 1)[:count]) for rows in members]
            ).astype(np.int32),
            "quantile": quantiles,
            "epoch_quantile": np.stack([_quantiles(epoch[rows & graduated], quantiles) for rows in members]),
            "all_graduated_epoch": np.array(
                [epoch[rows].max() if rows.any() and graduated[rows].all() else np.nan for rows in members]
            ),
            "class_rows": class_rows.astype(np.int32),
            "class_graduated": class_graduated.astype(np.int32),
            "class_mean_epoch": mean,
            "class_all_graduated_epoch": np.where(complete, class_all, np.nan),
        }


def _quantiles(values: Array, quantiles: Array) -> Array:
    """Return quantiles that are values themselves, not between two of them; NaN of none."""
    if not len(values):
        return np.full(len(quantiles), np.nan)
    return np.quantile(values, quantiles, method="inverted_cdf")
