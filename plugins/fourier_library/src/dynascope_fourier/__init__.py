"""Fourier analysis over Z_p: the orthonormal real basis, spectra, and shares of variance.

A frequency is ``k`` in 1..floor(p/2); ``k`` and ``p - k`` are the same. For even p the last frequency, p/2,
has one component (the Nyquist row) instead of two.
"""

from dynascope_fourier.basis import component_frequencies, component_names, fourier_basis, frequencies
from dynascope_fourier.group import CyclicGroup
from dynascope_fourier.spectra import frequency_power, gini, variance_fractions

__all__ = [
    "CyclicGroup",
    "component_frequencies",
    "component_names",
    "fourier_basis",
    "frequencies",
    "frequency_power",
    "gini",
    "variance_fractions",
]
