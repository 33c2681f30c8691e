"""Analyzers of modular arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step
from dynascope_fourier.reading import finite

__all__ = ["NeuronActivations"]


class NeuronActivations(Analyzer):
    """The activation of every neuron on every pair, at the answer position.

    For the eye: stored in steps of 1/254 of the checkpoint's largest activation, in a quarter of the bytes. Analyzers
    that measure neurons read the activations themselves.

    A step is one of the whole checkpoint, not of the neuron: a quiet neuron beside a loud one has few of them. The
    largest error that packing made is stored with the array.
    """

    name = "neuron_activations"
    title = "Neuron activation maps"
    version = 2
    description = "Activation of each neuron after its non-linearity, at the answer position, over the pairs (a, b)."
    citation = "Nanda et al. 2023 (arXiv 2301.05217), section 4.2, look at neurons in this way."
    reads = ("neurons",)
    probe_axes = ("a", "b")
    outputs = {
        "activation": Output(
            ("neuron", "a", "b"),
            "float32",
            "1",
            "activation after the non-linearity",
            chunk=("neuron",),
            packed="int8",
        ),
        "largest": Output(("neuron",), "float32", "1", "largest activation over the pairs"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        maps = np.moveaxis(finite(step.unfolded("neurons"), "neurons"), -1, 0)
        return {"activation": maps, "largest": maps.max(axis=(1, 2))}
