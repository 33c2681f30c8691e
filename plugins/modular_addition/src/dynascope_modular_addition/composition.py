"""Whether the neurons, read along the directions of W_L, are waves of the sum a + b."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step
from dynascope_fourier import fourier_basis
from dynascope_fourier.addition import by_sum
from dynascope_fourier.reading import over_pairs
from dynascope_modular_addition.neuron_weights import neuron_logits

__all__ = ["NeuronComposition", "composition", "wave_components"]

Array = np.ndarray[Any, Any]

WAVES = ("cos", "sin")
BY_FREQUENCY = {"frequency": 1}
ROUNDING = 1e-6
"""A projection whose deviation is below this share of the largest one is rounding."""


class NeuronComposition(Analyzer):
    """Fit of cos(w_k (a + b)) and sin(w_k (a + b)) to the neurons' projections on the directions that W_L reads.

    W_L = W_out W_U, from the neurons to the logits of the classes c, is written in the orthonormal basis: u_k and v_k
    are its components at the unit vectors of cos(w_k c) and sin(w_k c), ``u_k = sqrt(2 / p) sum_c cos(w_k c) W_L[c]``.
    With N(a, b) the activations of the neurons, ``f_u = u_k . N(a, b)`` is what the logits have of cos(w_k c) through
    the neurons, and f_v what they have of sin(w_k c). A model that composes waves of a and of b to waves of the sum
    has f_u as a multiple of cos(w_k (a + b)), and f_v of sin(w_k (a + b)).

    ``slope`` is that multiple, by least squares over all pairs with a constant, of the cosine itself, whose largest
    value is 1. With this pair of conventions the paper's slopes come out: at k = 14, 44.6 and 43.6 are published, and
    our run of its recipe has 43.8 and 43.6. ``explained`` is R^2, the share of the variance of f_u (f_v) over the pairs
    that the fit explains. ``amplitude`` is ``sqrt(2 / p) slope``, the number before cos(w_k (a + b)) cos(w_k c) in the
    logits; where those of cosine and sine are alike, it is that of cos(w_k (a + b - c)). For the Nyquist frequency of
    an even p the root is ``sqrt(1 / p)``.

    Ideal "pizza" neurons have R^2 = 8 / pi^2, about 0.81. At a frequency that W_L does not use, f_u is noise, and R^2
    that of noise: read it at key frequencies, or where ``deviation`` is large. Slope, amplitude and R^2 are 0 where f
    varies by less than rounding, 1e-6 of the one that varies most, and for the sine of the Nyquist frequency, which
    there is none of.
    """

    name = "neuron_composition"
    title = "Composition of sums by the neurons"
    description = "Least squares fit of the waves of a + b to the neurons' projections on the directions of W_L."
    citation = "Nanda et al. 2023 (arXiv 2301.05217), table 1; amplitude and deviation are ours."
    needs = ("cyclic_group", "one_layer_transformer")
    reads = ("neurons", "neuron_output", "unembedding")
    probe_axes = ("a", "b")
    outputs = {
        "wave": Output(("wave",), "str", "1", "cos for u_k and cos(w_k (a + b)), sin for v_k and the sine"),
        "slope": Output(
            ("frequency", "wave"), "float64", "1", "of the projection on the wave of a + b, as in the paper's table 1",
            BY_FREQUENCY,
        ),
        "amplitude": Output(
            ("frequency", "wave"), "float64", "1",
            "of cos(w_k (a + b)) cos(w_k c), or the product of sines, in the logits: sqrt(2 / p) slope", BY_FREQUENCY,
        ),
        "explained": Output(
            ("frequency", "wave"), "float64", "1", "R^2 of that fit: share of the projection's variance over the pairs",
            BY_FREQUENCY,
        ),
        "deviation": Output(
            ("frequency", "wave"), "float64", "1", "standard deviation of the projection over the pairs", BY_FREQUENCY
        ),
    }  # fmt: skip

    def analyze(self, step: Step) -> Mapping[str, Any]:
        neurons = over_pairs(step, "neurons")
        directions = wave_components(neuron_logits(step))
        slope, explained, deviation = composition(neurons.astype(np.float64), directions)
        amplitude = slope * _wave_scale(len(neurons))
        return {
            "wave": np.array(WAVES),
            "slope": slope,
            "amplitude": amplitude,
            "explained": explained,
            "deviation": deviation,
        }


def wave_components(matrix: Array) -> Array:
    """Return the components at the unit vectors of each cosine and sine, ``"frequency 2 feature"``.

    The sine of the Nyquist frequency of an even p has 0.

    Args:
        matrix: ``"element feature"``, over Z_p.
    """
    p = len(matrix)
    component = np.zeros((p // 2 * 2, matrix.shape[1]))
    component[: p - 1] = fourier_basis(p)[1:] @ matrix
    return component.reshape(p // 2, 2, -1)


def composition(neurons: Array, directions: Array) -> tuple[Array, Array, Array]:
    """Return slope, R^2 and deviation of the projections of neurons, each ``"frequency wave"``.

    Args:
        neurons: ``"a b neuron"``, float64.
        directions: ``"frequency 2 neuron"``.

    Source: Nanda et al. 2023, table 1.
    """
    p, count = len(neurons), len(directions)
    projected = by_sum(neurons.reshape(p * p, -1) @ directions.reshape(2 * count, -1).T, p)
    projected -= projected.mean(axis=(0, 1))
    deviation = np.sqrt(np.einsum("san,san->n", projected, projected) / p**2).reshape(count, 2)
    # A wave of the sum has only to do with the mean over the pairs of each sum.
    of_sum = wave_components(projected.mean(axis=1)).reshape(count, 2, count, 2)
    along = np.einsum("kwkw->kw", of_sum)
    there = deviation > ROUNDING * deviation.max(initial=0)
    if p % 2 == 0:
        there[-1, 1] = False
    explained = np.zeros((count, 2))
    np.divide(along**2 / p, deviation**2, out=explained, where=there)
    return np.where(there, along * _wave_scale(p), 0), np.minimum(explained, 1), deviation


def _wave_scale(p: int) -> Array:
    """Return what a component at a unit vector is multiplied with, to have that of the wave, ``"frequency 1"``."""
    scale = np.full((p // 2, 1), (2 / p) ** 0.5)
    if p % 2 == 0:
        scale[-1] = p**-0.5
    return scale
