"""The part of logits over Z_p x Z_p whose waves in a and in b have one frequency: the wider restricted logits.

The directions cos(w_k (a + b)) and sin(w_k (a + b)) are two of the four products of a wave of frequency k in a and one
in b. With these four the block of a frequency is 2 x 2, with the constant among the waves it is 3 x 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynascope_fourier.basis import component_frequencies, fourier_basis

__all__ = ["block_projections"]

Array = np.ndarray[Any, Any]


def block_projections(grid: Array, chosen: Array) -> tuple[Array, Array]:
    """Return the projections of logits on the 2 x 2 and on the 3 x 3 blocks of the chosen frequencies.

    The first keeps {cos k, sin k} x {cos k, sin k}, four components a frequency, and one for the Nyquist frequency;
    the second keeps {const, cos k, sin k} x {const, cos k, sin k}. Both keep the mean over the pairs, const x const,
    once. Only the chosen rows of the basis are transformed; a mask leaves the components of one frequency.

    Args:
        grid: ``"a b class"``.
        chosen: true for the frequencies whose blocks are kept, ``"frequency"``.

    Returns:
        Two arrays ``"a b class"``, float64.

    Source: the code of Nanda et al. 2023 for its restricted loss, and the fraction of variance of its section 4.2.
    """
    p, _, classes = grid.shape
    frequency = component_frequencies(p)
    kept = np.concatenate([[False], chosen])[frequency]
    waves, frequency = fourier_basis(p)[kept], frequency[kept]
    grid = grid.astype(np.float64)
    over_a = (waves @ grid.reshape(p, -1)).reshape(len(waves), p, classes)
    block = (waves @ over_a) * (frequency[:, None] == frequency)[:, :, None]
    of_b = waves.T @ block
    narrow = (waves.T @ of_b.reshape(len(waves), p * classes)).reshape(grid.shape)
    # What the constant adds is a function of a and one of b.
    means_of_a, means_of_b = grid.mean(axis=1), grid.mean(axis=0)
    narrow += means_of_b.mean(axis=0)
    wide = narrow + (waves.T @ (waves @ means_of_a))[:, None]
    wide += waves.T @ (waves @ means_of_b)
    return narrow, wide
