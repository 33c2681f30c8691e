"""Analyzers of what ``=`` attends to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step
from dynascope_fourier import amplitudes_and_phases, fourier_basis, frequency_shares, variance_fractions
from dynascope_fourier.reading import finite, in_double, number_rows, over_pairs
from dynascope_fourier.spectra import frequency_power
from dynascope_modular_addition.paths import answer_scores

__all__ = ["AttentionFrequencies", "AttentionPatterns", "difference_shares"]

Array = np.ndarray[Any, Any]

BY_FREQUENCY = {"frequency": 1}
CONSTANT = 1e-9
"""A head whose variance is below this share of its power is constant up to float32 rounding."""


class AttentionPatterns(Analyzer):
    """The attention of every head from ``=`` to each token, on every pair.

    The sources are a, b and =, whose attentions sum to 1 on every pair. They are stored packed; the
    mean and the shares are of the attention itself.

    The fit is that of the attention A from = to a by least squares,
    ``A(a, b) = const + alpha (cos w_k a - cos w_k b) + beta (sin w_k a - sin w_k b)``, for each frequency by itself:
    a softmax over a and b whose scores are one wave, as far as it is linear. ``fit_share`` is the share of the variance
    of A over the pairs that it explains, 0 for a constant A; with d(t) the mean of A over the pairs with a = t, less
    that over the pairs with b = t, and D_k the orthonormal components of d at k, it is
    ``(p / 2) ||D_k||^2 / sum (A - mean A)^2``. The waves of different frequencies are orthogonal: shares sum to at
    most 1. They are at most ``fraction``, which counts waves of a plus waves of b and products too.
    """

    name = "attention_patterns"
    title = "Attention patterns"
    version = 2
    description = "Attention of each head from the answer position to each token, over the pairs (a, b)."
    citation = (
        "Nanda et al. 2023 (arXiv 2301.05217), section 4.2, its table 2 for the fit; shares of frequencies as for "
        "neurons."
    )
    needs = ("cyclic_group", "one_layer_transformer")
    reads = ("attention_pattern",)
    probe_axes = ("a", "b")
    outputs = {
        "source": Output(("source",), "str", "1", "the token that is attended to"),
        "pattern": Output(
            ("head", "source", "a", "b"), "float32", "1", "attention", chunk=("head", "source"), packed="int16"
        ),
        "mean": Output(("head", "source"), "float32", "1", "mean attention over the pairs"),
        "fraction": Output(
            ("frequency", "head", "source"),
            "float32",
            "1",
            "share of the variance over the pairs in one frequency",
            BY_FREQUENCY,
        ),
        "fit_share": Output(
            ("frequency", "head"),
            "float32",
            "1",
            "share of the variance of the attention to a that the fit by waves of a less waves of b explains",
            BY_FREQUENCY,
        ),
        "best_fit_frequency": Output(
            ("head",), "int32", "1", "frequency with the largest fit_share; 0 for a constant attention"
        ),
        "best_fit_share": Output(("head",), "float32", "1", "that share"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        pattern = over_pairs(step, "attention_pattern")
        fit = difference_shares(pattern[:, :, :, 0])
        best = fit.argmax(axis=0)
        best_share = fit[best, np.arange(fit.shape[1])]
        return {
            "source": np.array(["a", "b", "="]),
            "pattern": pattern.transpose(2, 3, 0, 1),
            "mean": pattern.mean(axis=(0, 1), dtype=np.float64),
            "fraction": variance_fractions(pattern),
            "fit_share": fit,
            "best_fit_frequency": np.where(best_share > 0, best + 1, 0).astype(np.int32),
            "best_fit_share": best_share,
        }


def difference_shares(grid: Array) -> Array:
    """Return the share of each map's variance in the span of ``cos w_k a - cos w_k b`` and ``sin w_k a - sin w_k b``.

    The squared norm of such a wave over the pairs is p^2, and 2 p^2 for the Nyquist frequency of an even p, which has
    a cosine alone. Its product with a map needs the map's means over a and over b only. A constant map has share 0.

    Args:
        grid: ``"a b map"``.

    Returns:
        ``"frequency map"``, float64.

    Source: Nanda et al. 2023, table 2.
    """
    p = len(grid)
    mean = grid.mean(axis=(0, 1), dtype=np.float64)
    centred = grid - mean
    total = np.einsum("abn,abn->n", centred, centred)
    difference = centred.mean(axis=1) - centred.mean(axis=0)
    explained = frequency_power(np.square(fourier_basis(p) @ difference)) * (p / 2)
    varies = total > CONSTANT * (total + (p * mean) ** 2)
    return np.where(varies, np.minimum(explained / np.where(varies, total, 1), 1), 0)


class AttentionFrequencies(Analyzer):
    """Fourier components of the attention score that a number token has at ``=``.

    The query at ``=`` is the same for every pair, so the score is a function of one token, ``q_= . K(t)``. Two heads
    of one frequency may have opposite signs.

    The position's part and the key's bias are the same for all numbers, and left out. A sign compares
    a head with the first one of the same best frequency: of a head alone it says nothing.
    """

    name = "attention_frequencies"
    title = "Attention frequencies"
    description = "Fourier components of each head's attention score from the answer position over the number tokens."
    citation = "Nanda et al. 2023 (arXiv 2301.05217), section 4.2 and appendix."
    needs = ("cyclic_group", "one_layer_transformer")
    reads = ("embedding", "position_embedding", "query", "query_bias", "key")
    outputs = {
        "score": Output(("number", "head"), "float32", "1", "score of a number token, without its position"),
        "share": Output(("frequency", "head"), "float32", "1", "share of the score's non-constant power", BY_FREQUENCY),
        "amplitude": Output(
            ("frequency", "head"), "float32", "1", "A of A cos(w_k t + phase) in the score", BY_FREQUENCY
        ),
        "phase": Output(("frequency", "head"), "float32", "rad", "phase of A cos(w_k t + phase)", BY_FREQUENCY),
        "best_frequency": Output(("head",), "int32", "1", "frequency with the largest share; 0 for a constant score"),
        "best_share": Output(("head",), "float32", "1", "that share"),
        "sign": Output(
            ("head",),
            "int8",
            "1",
            "1 or -1: that of the best frequency's component times that of the first head with this best frequency; 0 "
            "for a constant score",
        ),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        model = step.context["one_layer_transformer"]
        answer = step["embedding"][model.answer_token] + step["position_embedding"][-1]
        query, bias, key = (in_double(step, read) for read in ("query", "query_bias", "key"))
        answer = finite(answer, "embedding and position_embedding of =").astype(np.float64)
        score = answer_scores(answer, number_rows(step, "embedding"), query, bias, key, model.n_heads)
        share = frequency_shares(score)
        amplitude, phase = amplitudes_and_phases(score)
        best, head = share.argmax(axis=0), np.arange(model.n_heads)
        first = (best[:, None] == best).argmax(axis=1)
        same = np.cos(phase[best, head] - phase[best, first]) >= 0
        constant = share[best, head] == 0
        return {
            "score": score,
            "share": share,
            "amplitude": amplitude,
            "phase": phase,
            "best_frequency": np.where(constant, 0, best + 1).astype(np.int32),
            "best_share": share[best, head],
            "sign": np.where(constant, 0, np.where(same, 1, -1)).astype(np.int8),
        }
