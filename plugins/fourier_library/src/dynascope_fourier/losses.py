"""Losses of logits with some of their Fourier directions kept, or taken away.

All are cross-entropies in nats as ``log1p(sum over the other classes of exp(z_j - z_y))`` in float64, which keeps its
relative precision however small the loss is. Where a logit exceeds that of the label by more than 709, exp overflows,
and the loss is infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cross_entropy", "losses_without"]

Array = np.ndarray[Any, Any]

CHUNK = 2**17
"""Logits that are exponentiated at a time: 1 MB of float64, so that they stay in the cache."""


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Return the loss of each row, ``"row"``, float64.

    Args:
        logits: ``"row class"``.
        labels: class indices, ``"row"``.
    """
    row = np.arange(len(labels))
    gap = logits.astype(np.float64)
    gap -= gap[row, labels][:, None]
    with np.errstate(over="ignore"):
        others = np.exp(gap)
        others[row, labels] = 0
        return np.log1p(others.sum(axis=1))


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
    p, element = len(logits), np.arange(len(logits))
    losses = np.empty((p, logits.shape[1], len(removed)))
    with np.errstate(over="ignore"):
        factors = np.exp(removed[:, element, labels][:, :, None] - removed).transpose(1, 2, 0).copy()
        several = max(1, CHUNK // logits[0].size)
        for start in range(0, p, several):
            part = slice(start, start + several)
            gap = logits[part].astype(np.float64)
            at_label = np.arange(len(gap)), slice(None), labels[part]
            gap -= gap[at_label][:, :, None]
            others = np.exp(gap, out=gap)
            others[at_label] = 0
            np.log1p(others @ factors[part], out=losses[part])
    return losses
