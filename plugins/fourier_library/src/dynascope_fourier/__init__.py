"""Fourier analysis over Z_p: the orthonormal real basis, spectra, and shares of variance.

A frequency is ``k`` in 1..floor(p/2); ``k`` and ``p - k`` are the same. For even p the last frequency, p/2,
has one component (the Nyquist row) instead of two.
"""

from dynascope_fourier.addition import by_sum, difference_projections, sum_projections, trigonometric_amplitudes
from dynascope_fourier.basis import component_frequencies, component_names, fourier_basis, frequencies
from dynascope_fourier.before_training import formula_margin, set_separation, split_compatibility
from dynascope_fourier.group import CyclicGroup
from dynascope_fourier.losses import cross_entropy, losses_without
from dynascope_fourier.spectra import (
    amplitudes_and_phases,
    fourier_2d,
    frequency_power,
    frequency_shares,
    gini,
    variance_fractions,
)

__all__ = [
    "CyclicGroup",
    "amplitudes_and_phases",
    "by_sum",
    "component_frequencies",
    "component_names",
    "cross_entropy",
    "difference_projections",
    "formula_margin",
    "fourier_2d",
    "fourier_basis",
    "frequencies",
    "frequency_power",
    "frequency_shares",
    "gini",
    "losses_without",
    "set_separation",
    "split_compatibility",
    "sum_projections",
    "trigonometric_amplitudes",
    "variance_fractions",
]
