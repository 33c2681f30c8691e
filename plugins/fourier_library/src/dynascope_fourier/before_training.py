"""What can be said of a split, and of a set of frequencies, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dynascope_fourier.basis import frequencies

__all__ = ["SplitCompatibility", "formula_margin", "set_separation", "split_compatibility"]

Array = np.ndarray[Any, Any]

PHASE_BINS = 20


class SplitCompatibility(NamedTuple):
    """How well training pairs show each frequency, each ``"frequency"``.

    Attributes:
        condition: of the Gram matrix of cos(w_k s) and sin(w_k s) over the pairs' sums s: 1 where both are seen alike,
            infinity where one combination of them is never seen. 1 for the Nyquist frequency, which has no sine.
        condition_score: 1 / (1 + log10 condition).
        resultant: length of the mean of exp(i w_k s): 0 for phases spread evenly about the circle, 1 for a single one.
        phase_entropy: entropy of the histogram of the phases in equal bins, over the largest one possible.
        score: mean of condition_score and phase_entropy.
    """

    condition: Array
    condition_score: Array
    resultant: Array
    phase_entropy: Array
    score: Array


def split_compatibility(p: int, train_rows: Iterable[int], phase_bins: int = PHASE_BINS) -> SplitCompatibility:
    """Return how well a split shows each frequency of the sum a + b mod p.

    The eigenvalues of the Gram matrix are N / 2 (1 +- |mean exp(2 i w_k s)|), so no matrix is made.

    Args:
        p: the modulus.
        train_rows: the a-major rows a * p + b that are trained on.
        phase_bins: bins of the histogram over the circle.

    Raises:
        ValueError: no row, or one that is none of the p * p.

    Source: the data compatibility of the MIScope workbench, in closed form; ``resultant`` is that of circular
    statistics (Mardia and Jupp 2000).
    """
    rows = np.fromiter(train_rows, dtype=np.int64)
    if not len(rows) or rows.min() < 0 or rows.max() >= p * p:
        raise ValueError(f"Training rows must be one or more of 0..{p * p - 1}.")
    count = np.bincount((rows // p + rows % p) % p, minlength=p)
    element, k = np.arange(p), frequencies(p)
    step = k[:, None] * element % p  # the phase, in steps of 2 pi / p: "frequency sum"
    share = count / count.sum()
    first, second = (np.abs(np.exp(2j * np.pi * (times * step % p) / p) @ share) for times in (1, 2))
    second = np.where(2 * k == p, 0, np.minimum(second, 1))
    gap = np.where(1 - second > 1e-12, 1 - second, 0)
    with np.errstate(divide="ignore"):
        condition = (1 + second) / gap
    score = 1 / (1 + np.log10(condition))
    bins = step * phase_bins // p
    histogram = np.stack([np.bincount(row, share, phase_bins) for row in bins])
    logarithm = np.log(histogram, out=np.zeros_like(histogram), where=histogram > 0)
    largest = np.log([min(phase_bins, len(np.unique(row))) for row in bins])
    entropy = np.divide(-(histogram * logarithm).sum(axis=1), largest, out=np.zeros(len(k)), where=largest > 0)
    return SplitCompatibility(condition, score, np.minimum(first, 1), entropy, (score + entropy) / 2)


def set_separation(p: int, chosen: Iterable[int]) -> tuple[float, int]:
    """Return the smallest distance of two residues in the planes of some frequencies, and their difference.

    A residue r lies at (cos w_k r, sin w_k r) for each k; the squared distance of two is sum_k 4 sin^2(pi k d / p) of
    their difference d alone. Residues that no frequency tells apart have the distance 0.

    Args:
        p: the modulus.
        chosen: frequencies, 1..floor(p/2).

    Returns:
        The distance, and the smallest difference in 1..floor(p/2) that has it.

    Raises:
        ValueError: a frequency that is none of Z_p, or none at all.

    Source: the smallest pairwise distance of the MIScope workbench's certificate, in closed form.
    """
    squared = 2 * _formula_margins(p, dict.fromkeys(chosen, 1.0))
    nearest = int(np.argmin(squared + 1e-12 * np.arange(len(squared))))  # of equal ones, the first
    return float(np.sqrt(max(squared[nearest], 0))), nearest + 1


def formula_margin(p: int, amplitudes: Mapping[int, float]) -> float:
    """Return the margin of the logits ``sum_k amplitude_k cos(w_k (a + b - c))``: right class less the best other one.

    Raises:
        ValueError: a frequency that is none of Z_p, or none at all.

    Source: Nanda et al. 2023 (arXiv 2301.05217), section 4.1, for the formula.
    """
    return float(_formula_margins(p, amplitudes).min())


def _formula_margins(p: int, amplitudes: Mapping[int, float]) -> Array:
    """Return ``sum_k amplitude_k (1 - cos w_k d)`` for d in 1..floor(p/2)."""
    if not amplitudes or not set(amplitudes) <= set(frequencies(p).tolist()):
        raise ValueError(f"Frequencies of Z_{p} are one or more of 1..{p // 2}; found {sorted(amplitudes)}.")
    k, size = np.array(list(amplitudes)), np.array(list(amplitudes.values()), dtype=np.float64)
    angle = np.pi * (k * np.arange(1, p // 2 + 1)[:, None] % p) / p
    margins: Array = 2 * np.sin(angle) ** 2 @ size
    return margins
