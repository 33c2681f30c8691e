"""Whether logits depend on the distance a - b."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dynascope import Analyzer, Logits, Output, Rows, Step
from dynascope_fourier.reading import over_pairs

__all__ = ["DistanceIrrelevance", "distance_irrelevance"]

Array = np.ndarray[Any, Any]

LOGITS, LABEL = Logits(), Rows("label")


class DistanceIrrelevance(Analyzer):
    """How little the logit of the answer depends on a - b: the mean deviation at one distance over that of all.

    With x(a, b) a logit, ``mean over d of std of x where a - b = d, over std of x``. It is near 0 where x is a function
    of a - b, as for the algorithm "pizza", whose logits carry |cos(w (a - b) / 2)|; and 1 where a - b says nothing, as
    for "clock". Two forms are in use: the text of the paper takes the logit of the right class, its table the largest
    logit of a wrong one. Logits are taken as they are; a constant that is added to all classes of a pair counts.

    Published for p = 59, by the second form: 0.17 for the paper's model A (pizza), 0.85 for its model B (clock).

    Parameters:
        constant_share: share of the power up to which the variance of a logit is rounding.
    """

    name = "distance_irrelevance"
    title = "Distance irrelevance"
    description = "How little the right logit, and the largest wrong one, depend on a - b."
    citation = (
        "Zhong et al. 2023 (arXiv 2306.17844), section 4.2; the second form from its code. For even p, where a + "
        "b and a - b do not name a pair, deviations at one distance are over its p pairs."
    )
    needs = ("cyclic_group",)
    reads = (LOGITS, LABEL)
    probe_axes = ("a", "b")
    parameters = {"constant_share": 1e-9}
    outputs = {
        "correct": Output((), "float64", "1", "of the right class' logit; NaN where that is the same for all pairs"),
        "largest_wrong": Output((), "float64", "1", "of the largest other logit; NaN where that is the same for all"),
        "correct_mean": Output(
            ("distance",), "float32", "1", "mean of the right class' logit at a - b = distance, modulo p"
        ),
        "correct_deviation": Output(("distance",), "float32", "1", "its standard deviation there"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        logits = over_pairs(step, LOGITS)
        p = len(logits)
        rows = logits.reshape(p * p, -1)
        place, label = np.arange(p * p), step[LABEL]
        correct = rows[place, label]
        others = rows.copy()
        others[place, label] = -np.inf
        share = float(self.parameters["constant_share"])
        by_distance = correct.astype(np.float64)[_pairs_of_difference(p)]
        return {
            "correct": distance_irrelevance(correct, p, share),
            "largest_wrong": distance_irrelevance(others.max(axis=1), p, share),
            "correct_mean": by_distance.mean(axis=1),
            "correct_deviation": by_distance.std(axis=1),
        }


def distance_irrelevance(values: Array, p: int, constant_share: float = 0.0) -> float:
    """Return the mean standard deviation at one distance a - b over the standard deviation of all.

    Args:
        values: ``"pair"``, a-major.
        p: the modulus.
        constant_share: the share of the power up to which variance is rounding: then it is NaN.
    """
    by_distance = values.astype(np.float64)[_pairs_of_difference(p)]
    variance = float(by_distance.var())
    if variance <= constant_share * float(np.square(by_distance).mean()):
        return np.nan
    return float(by_distance.std(axis=1).mean() / variance**0.5)


@cache
def _pairs_of_difference(p: int) -> Array:
    """Return the a-major row of the pair (a, a - d), ``"d a"``."""
    a = np.arange(p)
    rows = a * p + (a - a[:, None]) % p
    rows.flags.writeable = False
    return rows
