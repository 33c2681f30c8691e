"""The orthonormal real Fourier basis over Z_p."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["component_frequencies", "component_names", "fourier_basis", "frequencies"]

Array = np.ndarray[Any, Any]


@cache
def fourier_basis(p: int) -> Array:
    """Return the basis, ``"component element"``, float64, rows orthonormal.

    The rows are const, cos 1, sin 1, cos 2, sin 2, ...; for even p the last one is the Nyquist row
    ``(-1)^t / sqrt(p)``. The array is shared: it is read-only.

    Raises:
        ValueError: p is less than 2.

    Source: Nanda et al. 2023 (arXiv 2301.05217), section 3; order and normalisation as in its code.
    """
    if p < 2:
        raise ValueError(f"A Fourier basis needs p >= 2, got {p}.")
    element = np.arange(p)
    rows = [np.full(p, p**-0.5)]
    for k in range(1, (p - 1) // 2 + 1):
        # The product is reduced modulo p first: exact angles, also for large p.
        angle = 2 * np.pi * (k * element % p) / p
        rows += [np.cos(angle) * (2 / p) ** 0.5, np.sin(angle) * (2 / p) ** 0.5]
    if p % 2 == 0:
        rows.append((1 - 2 * (element % 2)) * p**-0.5)
    basis = np.stack(rows)
    basis.flags.writeable = False
    return basis


def frequencies(p: int) -> Array:
    """Return the frequencies 1..floor(p/2), ``"frequency"``."""
    return np.arange(1, p // 2 + 1)


def component_frequencies(p: int) -> Array:
    """Return the frequency of each row of the basis, 0 for the constant, ``"component"``."""
    return (np.arange(p) + 1) // 2


def component_names(p: int) -> Array:
    """Return the name of each row of the basis: ``const``, ``cos 1``, ``sin 1``, ..., ``nyquist`` for even p."""
    names = ["const"]
    for k in range(1, (p - 1) // 2 + 1):
        names += [f"cos {k}", f"sin {k}"]
    if p % 2 == 0:
        names.append("nyquist")
    return np.array(names)
