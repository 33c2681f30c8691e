"""Spectra over Z_p as pure functions on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynascope_fourier.basis import component_frequencies, fourier_basis

__all__ = ["amplitudes_and_phases", "fourier_2d", "frequency_power", "frequency_shares", "gini", "variance_fractions"]

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


def frequency_shares(signals: Array) -> Array:
    """Return the share of each frequency in the power of signals without their constant; 0 for a constant signal.

    Args:
        signals: ``"element ..."``, over Z_p.

    Returns:
        ``"frequency ..."``, in 0..1, with the sum 1.
    """
    power = np.square(fourier_basis(len(signals)) @ signals.astype(np.float64))
    varying = frequency_power(power)
    total = varying.sum(axis=0)
    varies = total > CONSTANT**2 * (total + power[0])
    return np.where(varies, varying / np.where(varies, total, 1), 0)


def amplitudes_and_phases(signals: Array) -> tuple[Array, Array]:
    """Write signals as ``constant + sum_k amplitude_k cos(2 pi k t / p + phase_k)``.

    The phase lies in -pi..pi; that of the Nyquist frequency of an even p is 0 or pi.

    Args:
        signals: ``"element ..."``, over Z_p.

    Returns:
        Amplitudes and phases in radians, each ``"frequency ..."``.

    Source: Nanda et al. 2023, section 3 (the basis); He et al. 2026 (arXiv 2602.16849) writes weights in this form.
    """
    p = len(signals)
    component = np.tensordot(fourier_basis(p), signals.astype(np.float64), axes=1)
    cosine, sine = component[1::2], np.zeros_like(component[1::2])
    sine[: (p - 1) // 2] = component[2::2]
    amplitude = np.hypot(cosine, sine) * (2 / p) ** 0.5
    if p % 2 == 0:
        amplitude[-1] *= 0.5**0.5
    return amplitude, np.arctan2(-sine, cosine)


def fourier_2d(grid: Array) -> Array:
    """Return the components over Z_p x Z_p in the basis of products of two rows of ``fourier_basis``.

    Two matrix products; in the type of ``grid``.

    Args:
        grid: ``"a b feature"``.

    Returns:
        ``"component_a component_b feature"``.

    Source: Nanda et al. 2023, section 3.
    """
    p, _, width = grid.shape
    basis = fourier_basis(p).astype(grid.dtype)
    over_a = (basis @ grid.reshape(p, p * width)).reshape(grid.shape)
    return basis @ over_a


def variance_fractions(grid: Array) -> Array:
    """Return the share of each map's variance over Z_p x Z_p that lies in a single frequency.

    For frequency k these are the non-constant components of {const, cos k, sin k} x {const, cos k, sin k}:
    8 of them (3 for the Nyquist frequency of an even p). Components that mix two frequencies belong to none,
    so shares sum to at most 1. A constant map has share 0 everywhere.

    Of the second transform, only these components are computed: three per row, instead of p.

    Args:
        grid: ``"a b ..."``, over the full p x p grid.

    Returns:
        ``"frequency ..."``, in 0..1.

    Raises:
        ValueError: the first two axes differ in length.

    Source: Nanda et al. 2023, section 4.2 (fraction of variance explained by one frequency).
    """
    p = len(grid)
    if grid.shape[1] != p:
        raise ValueError(f"Maps must be p x p; the first two axes are {grid.shape[:2]}.")
    maps = grid.reshape(p, p, -1)
    basis = fourier_basis(p).astype(maps.dtype)
    over_a = (basis @ maps.reshape(p, -1)).reshape(maps.shape)
    of_means = np.square(basis @ over_a[0])  # const x every component
    constant = of_means[0]
    # Not the sum of all squares less the constant's: where that is large, rounding would be all that is left.
    total = np.einsum("abn,abn->bn", over_a[1:], over_a[1:]).sum(axis=0) + of_means[1:].sum(axis=0)

    shared = frequency_power(of_means)
    pairs = (p - 1) // 2
    waves = over_a[1 : 2 * pairs + 1].reshape(pairs, 2, p, maps.shape[-1])
    partners = np.empty((pairs, 1, 3, p), dtype=maps.dtype)
    partners[:, 0, 0], partners[:, 0, 1:] = basis[0], basis[1 : 2 * pairs + 1].reshape(pairs, 2, p)
    block = partners @ waves  # k x {const, k}: "frequency 2 3 map"
    shared[:pairs] += np.einsum("kijn,kijn->kn", block, block)
    if p % 2 == 0:
        shared[-1] += np.square(basis[[0, -1]] @ over_a[-1]).sum(axis=0)
    varies = total > CONSTANT * (total + constant)
    fraction = np.minimum(shared / np.where(varies, total, 1), 1)
    return np.where(varies, fraction, 0).reshape(-1, *grid.shape[2:])


def gini(values: Array) -> float:
    """Return the Gini coefficient of magnitudes: 0 if all are equal, 1 - m/N if m of N are equal and the rest 0.

    Of nothing but zeros there is none: NaN.

    Source: Hurley and Rickard 2009, equation in table I.
    """
    ordered = np.sort(np.abs(np.asarray(values, dtype=np.float64)).ravel())
    total = ordered.sum()
    if total == 0:
        return float("nan")
    count = len(ordered)
    weights = (count - np.arange(1, count + 1) + 0.5) / count
    return float(1 - 2 * (ordered / total) @ weights)
