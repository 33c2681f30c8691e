"""Which frequencies a matrix over the elements of Z_p is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynascope import Output
from dynascope_fourier.basis import component_frequencies, component_names, fourier_basis
from dynascope_fourier.spectra import CONSTANT, frequency_power, gini

__all__ = ["KEY_NORM", "SPECTRUM", "spectrum"]

KEY_NORM = 0.25
"""A component counts from this share of the largest non-constant norm on."""

SPECTRUM = {
    "component": Output(("component",), "str", "1", "row of the Fourier basis"),
    "component_norm": Output(
        ("component",), "float32", "1", "Euclidean norm of the component over the matrix' other axis"
    ),
    "power_share": Output(
        ("frequency",), "float32", "1", "share of the non-constant power; NaN without any", {"frequency": 1}
    ),
    "is_key": Output(
        ("frequency",), "int8", "1", "1 where a component exceeds key_norm of the largest non-constant one",
        {"frequency": 1},
    ),
    "gini": Output((), "float64", "1", "Gini coefficient of the component norms, the constant among them"),
    "gini_without_constant": Output((), "float64", "1", "Gini coefficient of the non-constant component norms"),
}  # fmt: skip
"""What ``spectrum`` returns."""


def spectrum(matrix: np.ndarray[Any, Any], key_norm: float) -> dict[str, Any]:
    """Return norms, shares and sparsity of the Fourier components of a matrix over Z_p.

    Args:
        matrix: ``"element feature"``.
        key_norm: the share of the largest non-constant norm that makes a frequency a key one.

    Source: Nanda et al. 2023, section 4.1 (norms) and 5.1 (Gini coefficient); the rule for key frequencies is that of
    the TransformerLens grokking demo.
    """
    p = len(matrix)
    norm = np.linalg.norm(fourier_basis(p) @ matrix, axis=1)
    power = frequency_power(norm**2)
    total = power.sum()
    # Of rows that are all equal, rounding is what is left.
    varies = total > CONSTANT**2 * (total + norm[0] ** 2)
    large = component_frequencies(p)[1:][varies & (norm[1:] > key_norm * norm[1:].max())]
    return {
        "component": component_names(p),
        "component_norm": norm,
        "power_share": power / total if varies else np.full_like(power, np.nan),
        "is_key": np.isin(np.arange(1, len(power) + 1), large),
        "gini": np.float64(gini(norm)),
        "gini_without_constant": np.float64(gini(norm[1:]) if varies else np.nan),
    }
