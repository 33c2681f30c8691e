"""The part of logits over Z_p x Z_p that is a function of the sum a + b, and its trigonometric directions.

Whatever a direction cos(w_k (a + b)) or cos(w_k (a + b - c)) takes from the logits depends on ``a`` and ``b`` through
their sum alone. So logits are averaged over the pairs of each sum once, ``"sum class"``, and what is said of p^3
numbers is computed from p^2.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dynascope_fourier.basis import fourier_basis

__all__ = ["by_sum", "difference_projections", "sum_projections", "trigonometric_amplitudes"]

Array = np.ndarray[Any, Any]


@cache
def _pairs_of_sum(p: int) -> Array:
    """Return the a-major row of the pair (a, s - a), ``"sum a"``."""
    a = np.arange(p)
    rows = a * p + (a[:, None] - a) % p
    rows.flags.writeable = False
    return rows


def by_sum(rows: Array, p: int) -> Array:
    """Return what is known of each pair by its sum: ``"sum a ..."``, where b = sum - a mod p.

    Args:
        rows: ``"pair ..."``, a-major.
        p: the modulus.
    """
    return rows[_pairs_of_sum(p)]


def sum_projections(means: Array) -> Array:
    """Return the projections of logits on the directions cos(w_k (a + b)) and sin(w_k (a + b)) of each frequency.

    With c_k and s_k these directions as unit vectors over the pairs, P_k(L) = c_k c_k^T L + s_k s_k^T L for each
    class. For the Nyquist frequency there is one direction.

    Args:
        means: mean logits of the pairs of each sum, ``"sum class"``.

    Returns:
        ``"frequency sum class"``.

    Source: Nanda et al. 2023, section 5.1 and appendix (restricted and excluded loss).
    """
    p = len(means)
    pairs = (p - 1) // 2
    basis = fourier_basis(p)
    component = basis @ means
    waves, weights = (rows[1 : 2 * pairs + 1].reshape(pairs, 2, p) for rows in (basis, component))
    projected = np.empty((p // 2, *means.shape))
    np.matmul(waves.transpose(0, 2, 1), weights, out=projected[:pairs])
    if p % 2 == 0:
        np.outer(basis[-1], component[-1], out=projected[-1])
    return projected


def trigonometric_amplitudes(means: Array) -> Array:
    """Return alpha of the least squares fit ``L[a, b, c] = sum_k alpha_k cos(w_k (a + b - c))``, ``"frequency"``.

    These directions are orthogonal; the squared norm of one is p^3 / 2, and p^3 for the Nyquist frequency.

    Args:
        means: mean logits of the pairs of each sum, ``"sum class"``.

    Source: Nanda et al. 2023, section 4.1, equation 1 and table of the trigonometric fit.
    """
    p = len(means)
    cosines = fourier_basis(p)[1::2]
    amplitude = cosines @ _difference_means(means) * (2 / p) ** 0.5
    if p % 2 == 0:
        amplitude[-1] *= 0.5**0.5
    return amplitude


def difference_projections(means: Array) -> Array:
    """Return the projections of logits on the single direction cos(w_k (a + b - c)) of each frequency.

    Args:
        means: mean logits of the pairs of each sum, ``"sum class"``.

    Returns:
        ``"frequency sum class"``.

    Source: the three-dimensional form of the excluded loss in the code of Nanda et al. 2023.
    """
    p = len(means)
    cosines = fourier_basis(p)[1::2]
    fitted = cosines * (cosines @ _difference_means(means))[:, None]
    element = np.arange(p)
    return fitted[:, (element[:, None] - element) % p]


def _difference_means(means: Array) -> Array:
    """Return the mean logit of the triples of each difference a + b - c, ``"difference"``."""
    p = len(means)
    element = np.arange(p)
    return means[element, (element - element[:, None]) % p].mean(axis=1)
