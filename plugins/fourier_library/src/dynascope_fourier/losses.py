"""Losses of logits with some of their Fourier directions kept, or taken away.

All are cross-entropies in nats, ``log(1 + sum over the other classes of exp(z_j - z_y))`` in float64: right to 1e-13
of itself however small the loss is, and finite however large the logits are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cross_entropy", "losses_without"]

Array = np.ndarray[Any, Any]

CHUNK = 2**17
"""Logits that are exponentiated at a time: 1 MB of float64, so that they stay in the cache."""
WIDEST = 600.0
"""Range over the classes of what is removed up to which no product of two exponentials that counts underflows."""


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Return the loss of each row, ``"row"``, float64.

    Args:
        logits: ``"row class"``.
        labels: class indices, ``"row"``.
    """
    row = np.arange(len(labels))
    gap = logits.astype(np.float64)
    gap -= gap[row, labels][:, None]
    gap[row, labels] = -np.inf
    highest = gap.max(axis=1)
    return _softplus(np.log(np.exp(gap - highest[:, None]).sum(axis=1)) + highest)


def losses_without(logits: Array, labels: Array, removed: Array) -> Array:
    """Return the loss of each pair after a function of the sum was subtracted from its logits, for many functions.

    With z the logits and g what is removed, ``sum_j exp((z_j - z_y) - (g_j - g_y))`` is a product of the p x p matrix
    ``exp(z_j - z_y)`` of each sum and the vector ``exp(g_y - g_j)``. So the p^3 logits are exponentiated once for all
    that is removed, and each further function costs p^3 multiplications.

    Args:
        logits: by sum, ``"sum a class"``.
        labels: the class of each sum, ``"sum"``.
        removed: ``"function sum class"``.

    Returns:
        ``"sum a function"``, float64.
    """
    p, pairs, classes = logits.shape
    lift = removed[:, np.arange(p), labels][:, :, None] - removed
    top = lift.max(axis=2)
    wide = (top - lift.min(axis=2)).max(axis=1) > WIDEST
    factors = np.exp(lift - top[:, :, None]).transpose(1, 2, 0).copy()
    losses = np.empty((p, pairs, len(removed)))
    several = max(1, CHUNK // (pairs * classes))
    for start in range(0, p, several):
        part = slice(start, start + several)
        gap = logits[part].astype(np.float64)
        at_label = np.arange(len(gap)), slice(None), labels[part]
        gap -= gap[at_label][:, :, None]
        gap[at_label] = -np.inf
        highest = gap.max(axis=2, keepdims=True)
        gap -= highest
        with np.errstate(divide="ignore"):  # 0 only for a function that is wide
            exponent = np.log(np.exp(gap, out=gap) @ factors[part])
        exponent += highest
        exponent += top.T[part, None]
        losses[part] = _softplus(exponent)
    rows = np.repeat(labels, pairs)
    for index in np.flatnonzero(wide):
        rest = logits - removed[index][:, None]
        losses[:, :, index] = cross_entropy(rest.reshape(-1, classes), rows).reshape(p, pairs)
    return losses


def _softplus(exponent: Array) -> Array:
    """Return ``log(1 + exp(exponent))`` without overflow."""
    return np.maximum(exponent, 0) + np.log1p(np.exp(-np.abs(exponent)))
