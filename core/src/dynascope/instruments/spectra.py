"""Singular values of every weight matrix, and how many of them count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Analyzer, Output, Step
from dynascope.contract.reads import AllWeights

__all__ = ["WeightSpectra", "matrices_of", "rank_measures"]

Array = np.ndarray[Any, Any]

RANKS = {
    "participation_ratio": "(sum s)^2 / sum s^2 of the singular values s",
    "power_participation_ratio": "(sum s^2)^2 / sum s^4 of the singular values s: that of the squared ones",
    "effective_rank": "exp of the entropy of s / sum s",
    "stable_rank": "sum s^2 / max s^2",
}
"""The measures, each n for n equal singular values, and NaN for a matrix of zeros."""


class WeightSpectra(Analyzer):
    """Singular values of every weight matrix, four measures of its rank, and the size of every weight.

    A weight with more than two axes is a stack of matrices along its last two, ``name[0]``, ``name[1]``, ...: heads
    that a family keeps apart are measured apart. Vectors (biases) have a size and no spectrum. Singular values come
    from a singular value decomposition in float64: from the eigenvalues of the Gram matrix, which take half the time,
    those below 1e-8 of the largest would be noise.

    All four measures of rank are n for n equal singular values, and NaN for zeros. "Participation ratio" is said of two
    of them: the first weighs singular values, the second their squares.
    """

    name = "weight_spectra"
    title = "Weight spectra"
    description = "Singular values, participation ratios, effective and stable rank and norms of all weights."
    citation = (
        'Both participation ratios are in use under that name; effective rank: Roy and Vetterli 2007 ("The '
        'effective rank: a measure of effective dimensionality"); stable rank: Rudelson and Vershynin 2007.'
    )
    reads = (AllWeights(),)
    outputs = {
        "weight": Output(("weight",), "str", "1", "name in the checkpoint, sorted"),
        "sum_of_squares": Output(("weight",), "float64", "1", "sum of the squares of its elements"),
        "norm": Output(("weight",), "float64", "1", "Euclidean (Frobenius) norm"),
        "largest": Output(("weight",), "float64", "1", "largest magnitude of an element"),
        "total_sum_of_squares": Output((), "float64", "1", "sum of the squares of all weights"),
        "matrix": Output(("matrix",), "str", "1", "name of the weight, with [index] for one of a stack"),
        "singular_values": Output(
            ("matrix", "singular_value"),
            "float32",
            "1",
            "singular values, descending; NaN beyond the last of a smaller matrix",
            {"singular_value": 1},
        ),
        **{name: Output(("matrix",), "float64", "1", formula) for name, formula in RANKS.items()},
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        names = sorted(step.weights)
        squares = [float(np.sum(np.square(step.weights[name], dtype=np.float64))) for name in names]
        matrices = {label: matrix for name in names for label, matrix in matrices_of(name, step.weights[name])}
        spectra = [_singular_values(matrix) for matrix in matrices.values()]
        padded = np.full((len(spectra), max(map(len, spectra), default=0)), np.nan)
        for row, values in zip(padded, spectra):
            row[: len(values)] = values
        measures = [rank_measures(values) for values in spectra]
        return {
            "weight": np.array(names, dtype=np.str_),
            "sum_of_squares": np.array(squares),
            "norm": np.sqrt(squares),
            "largest": np.array([np.max(np.abs(step.weights[name]), initial=0) for name in names]),
            "total_sum_of_squares": np.float64(sum(squares)),
            "matrix": np.array(list(matrices), dtype=np.str_),
            "singular_values": padded,
            **{name: np.array([measure[name] for measure in measures]) for name in RANKS},
        }


def matrices_of(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """Yield the matrices of a weight with their names: itself, those of a stack, none of a vector."""
    for index in np.ndindex(weight.shape[:-2] if weight.ndim >= 2 and weight.size else (0,)):
        yield name + (str(list(index)) if index else ""), weight[index]


def _singular_values(matrix: Array) -> Array:
    if not np.isfinite(matrix).all():
        return np.full(min(matrix.shape), np.nan)
    return np.linalg.svd(matrix.astype(np.float64), compute_uv=False)


def rank_measures(singular_values: Array) -> dict[str, float]:
    """Return the measures that ``RANKS`` names, of the singular values of one matrix, the largest first."""
    largest = singular_values[0]
    if not largest > 0:
        return dict.fromkeys(RANKS, np.nan)
    s = singular_values / largest  # fourth powers of small weights stay numbers
    share = s[s > 0] / s.sum()
    power = s @ s
    return {
        "participation_ratio": s.sum() ** 2 / power,
        "power_participation_ratio": power**2 / np.sum(s**4),
        "effective_rank": np.exp(-share @ np.log(share)),
        "stable_rank": power,
    }
