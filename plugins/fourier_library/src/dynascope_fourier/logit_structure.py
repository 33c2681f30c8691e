"""How much of the logits is the trigonometric formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Logits, Output, Step
from dynascope_fourier.addition import by_sum, trigonometric_amplitudes
from dynascope_fourier.basis import component_names, frequencies
from dynascope_fourier.reading import over_pairs
from dynascope_fourier.spectra import fourier_2d

__all__ = ["LogitStructure"]

BY_FREQUENCY = {"frequency": 1}


class LogitStructure(Analyzer):
    """Two-dimensional Fourier components of the logits, and their fit by cos(w_k (a + b - c)).

    The logits are centred over the classes, which changes no probability. The directions cos(w_k (a + b - c)) are
    orthogonal, so that shares of variance add up.

    With ``w_k = 2 pi k / p``; the square of a similarity is the share of variance. A frequency that
    the logits hold at another phase counts among the components, and not here.

    Parameters:
        key_similarity: similarity from which a frequency is a key one.
    """

    name = "logit_structure"
    title = "Structure of the logits"
    description = "Norms of the logits' two-dimensional Fourier components, and the share of each cos(w_k (a + b - c))."
    citation = (
        "Nanda et al. 2023 (arXiv 2301.05217), section 4 and appendix; the rule for key frequencies is that of "
        "Chughtai et al. 2023 (arXiv 2302.03025)."
    )
    needs = ("cyclic_group",)
    reads = (Logits(),)
    probe_axes = ("a", "b")
    parameters = {"key_similarity": 0.005}
    outputs = {
        "component_a": Output(("component_a",), "str", "1", "row of the Fourier basis over a"),
        "component_b": Output(("component_b",), "str", "1", "row of the Fourier basis over b"),
        "component_norm": Output(
            ("component_a", "component_b"), "float32", "1", "Euclidean norm of the component over the classes, centred"
        ),
        "amplitude": Output(
            ("frequency",), "float64", "1", "least squares coefficient of cos(w_k (a + b - c))", BY_FREQUENCY
        ),
        "similarity": Output(
            ("frequency",), "float64", "1", "cosine similarity of the logits with cos(w_k (a + b - c))", BY_FREQUENCY
        ),
        "is_key": Output(("frequency",), "int8", "1", "1 where the similarity exceeds key_similarity", BY_FREQUENCY),
        "explained": Output((), "float64", "1", "share of the logits' variance in all cos(w_k (a + b - c)) together"),
        "norm": Output((), "float64", "1", "Euclidean norm of the logits, centred over the classes"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        grid = over_pairs(step, self.reads[0])
        p = len(grid)
        centred = grid - grid.mean(axis=-1, keepdims=True)
        component = fourier_2d(centred)
        norm = np.sqrt(np.einsum("abc,abc->", centred, centred, dtype=np.float64))
        amplitude = trigonometric_amplitudes(by_sum(centred.reshape(p * p, -1), p).mean(axis=1, dtype=np.float64))
        length = np.where(frequencies(p) * 2 == p, p**3, p**3 / 2) ** 0.5
        similarity = amplitude * length / norm if norm else np.zeros_like(amplitude)
        names = component_names(p)
        return {
            "component_a": names,
            "component_b": names,
            "component_norm": np.sqrt(np.einsum("abc,abc->ab", component, component)),
            "amplitude": amplitude,
            "similarity": similarity,
            "is_key": similarity > self.parameters["key_similarity"],
            "explained": np.square(similarity).sum(),
            "norm": norm,
        }
