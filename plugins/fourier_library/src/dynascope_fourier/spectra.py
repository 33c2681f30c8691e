"""Spectra over Z_p as pure functions on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynascope_fourier.basis import component_frequencies, fourier_basis

__all__ = ["frequency_power", "gini", "variance_fractions"]

Array = np.ndarray[Any, Any]

CONSTANT = 1e-9
"""A neuron whose variance is below this share of its power is constant up to float32 rounding."""


def frequency_power(component_power: Array) -> Array:
    """Sum the power of the cosine and sine of each frequency; the constant is left out.

    Args:
        component_power: ``"component ..."``, in the order of ``fourier_basis``.

    Returns:
        ``"frequency ..."``.
    """
    p = len(component_power)
    starts = np.flatnonzero(np.diff(component_frequencies(p), prepend=0))
    return np.add.reduceat(component_power, starts, axis=0)


def variance_fractions(maps: Array) -> Array:
    """Return the share of each map's variance over Z_p x Z_p that lies in a single frequency.

    For frequency k these are the non-constant components of {const, cos k, sin k} x {const, cos k, sin k}:
    8 of them (3 for the Nyquist frequency of an even p). Components that mix two frequencies belong to none,
    so shares sum to at most 1. A constant map has share 0 everywhere.

    Args:
        maps: ``"... a b"``, each over the full p x p grid.

    Returns:
        ``"frequency ..."``, in 0..1.

    Raises:
        ValueError: the last two axes differ in length.

    Source: Nanda et al. 2023, section 4.2 (fraction of variance explained by one frequency).
    """
    p = maps.shape[-1]
    if maps.shape[-2] != p:
        raise ValueError(f"Maps must be square, p x p; the last two axes are {maps.shape[-2:]}.")
    basis = fourier_basis(p).astype(maps.dtype)
    power = np.square(basis @ maps @ basis.T)
    constant = power[..., 0, 0].copy()
    power[..., 0, 0] = 0
    total = power.sum(axis=(-2, -1))
    # const x k and k x const, then the block k x k.
    single = np.moveaxis(power[..., 0, :] + power[..., :, 0], -1, 0)
    shared = frequency_power(single)
    pairs = (p - 1) // 2
    blocks = power[..., 1 : 2 * pairs + 1, 1 : 2 * pairs + 1].reshape(*power.shape[:-2], pairs, 2, pairs, 2)
    shared[:pairs] += np.einsum("...kikj->k...", blocks)
    if p % 2 == 0:
        shared[-1] += power[..., -1, -1]
    varies = total > CONSTANT * (total + constant)
    return np.where(varies, shared / np.where(varies, total, 1), 0)


def gini(values: Array) -> float:
    """Return the Gini coefficient of magnitudes: 0 if all are equal, 1 - m/N if m of N are equal and the rest 0.

    Source: Hurley and Rickard 2009, equation in table I.
    """
    ordered = np.sort(np.abs(np.asarray(values, dtype=np.float64)).ravel())
    total = ordered.sum()
    if total == 0:
        return 0.0
    count = len(ordered)
    weights = (count - np.arange(1, count + 1) + 0.5) / count
    return float(1 - 2 * (ordered / total) @ weights)
