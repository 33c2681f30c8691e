"""Analyzers of the weights between number tokens, neurons and logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step, Stored
from dynascope_fourier import amplitudes_and_phases, component_frequencies
from dynascope_fourier.dominant import KEY_NORM, SPECTRUM, spectrum
from dynascope_fourier.reading import finite, number_rows
from dynascope_modular_addition.paths import neuron_inputs

__all__ = ["EffectiveNeuronWeights", "NeuronLogitFrequencies", "neuron_logits"]

KEY = Stored("fourier.neuron_frequencies/is_key", at="last")


def neuron_logits(step: Step) -> np.ndarray[Any, Any]:
    """Return W_L = W_out W_U, ``"class neuron"``."""
    return number_rows(step, "unembedding") @ finite(step["neuron_output"], "neuron_output")


class NeuronLogitFrequencies(Analyzer):
    """Fourier components of the neuron-logit map W_L = W_out W_U over the classes.

    Key frequencies by this map are what the paper uses for other seeds (its appendix C.2, "nontrivial coefficients").
    No threshold is published: ``key_norm``, that of the embedding's rule, is taken here too. A component counts from
    this share of the largest non-constant norm on. A subclass of ``fourier.progress_measures`` can use this rule.

    The residual is the share of W_L's Frobenius norm outside the cosines and sines of the key frequencies, those of
    the last checkpoint: where it is small, W_L has rank two for each of them.

    With F_i the rows of the basis at key frequencies, the residual is ``sqrt(1 - sum_i ||F_i W_L||^2 / ||W_L||^2)``;
    shares, norms and Gini coefficients are as in ``fourier.embedding_frequencies``.

    Parameters:
        key_norm: share of the largest non-constant norm from which a component makes its frequency a key one.
    """

    name = "neuron_logit_frequencies"
    title = "Dominant frequencies of the neuron-logit map"
    description = "Norm over the neurons of each Fourier component of W_L = W_out W_U, and what key frequencies leave."
    citation = (
        "Nanda et al. 2023 (arXiv 2301.05217), section 4.1 and equation 2, and appendix C.2 for key frequencies, with "
        "a threshold of ours; Gini coefficient as in section 5.1."
    )
    version = 2
    needs = ("cyclic_group", "one_layer_transformer")
    reads = ("neuron_output", "unembedding", KEY)
    parameters = {"key_norm": KEY_NORM}
    outputs = {
        **SPECTRUM,
        "residual": Output(
            (),
            "float64",
            "1",
            "norm of W_L outside the directions of the last checkpoint's key frequencies, over its norm; NaN for 0",
        ),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        found = spectrum(neuron_logits(step), self.parameters["key_norm"])
        power = np.square(found["component_norm"])
        of_key = np.concatenate([[False], step[KEY].astype(bool)])[component_frequencies(len(power))]
        total = power.sum()
        return {**found, "residual": np.sqrt(power[~of_key].sum() / total) if total else np.float64(np.nan)}


class EffectiveNeuronWeights(Analyzer):
    """Amplitude and phase of each neuron's weights from the number tokens and to the logits.

    A number token reaches a neuron through the heads: its effective input weight is
    ``sum_h A_h W_E W_V^h W_O^h W_in``, with A_h the mean attention of the head from ``=`` to a number token. Its output
    weight is W_out W_U. Both are written as ``amplitude cos(w_k t + phase)``. A neuron that computes its part of
    cos(w_k (a + b - c)) has an output phase of twice its input phase.

    ``phase_difference`` is 0 where it does. A phase means nothing where its amplitude is 0, and little where it
    is small, as at most frequencies of most neurons. Only the neurons of a cluster are expected at 0, and only at
    their own frequency.
    """

    name = "effective_neuron_weights"
    title = "Effective neuron weights"
    description = "Amplitude and phase, by frequency, of each neuron's weights on the path from numbers to logits."
    citation = "He et al. 2026 (arXiv 2602.16849), for networks whose tokens reach the neurons directly."
    version = 2
    needs = ("cyclic_group", "one_layer_transformer")
    reads = (
        "embedding",
        "attention_pattern",
        "value",
        "attention_output",
        "neuron_input",
        "neuron_output",
        "unembedding",
    )
    outputs = {
        name: Output(("frequency", "neuron"), "float32", units, description, {"frequency": 1})
        for name, units, description in (
            ("input_amplitude", "1", "alpha of alpha cos(w_k t + phi) in the input weight"),
            ("input_phase", "rad", "phi"),
            ("output_amplitude", "1", "beta of beta cos(w_k c + psi) in the output weight"),
            ("output_phase", "rad", "psi"),
            ("phase_difference", "rad", "2 phi - psi, between -pi and pi; NaN where an amplitude is 0"),
        )
    } | {
        "best_frequency": Output(
            ("neuron",),
            "int32",
            "1",
            "frequency with the largest input amplitude; 0 for a neuron without input weights",
        )
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        attention = finite(step["attention_pattern"], "attention_pattern")[:, :, :-1].mean(
            axis=(0, 2), dtype=np.float64
        )
        path = (finite(step[read], read) for read in ("value", "attention_output", "neuron_input"))
        alpha, phi = amplitudes_and_phases(neuron_inputs(number_rows(step, "embedding"), attention, *path))
        beta, psi = amplitudes_and_phases(neuron_logits(step))
        difference = (2 * phi - psi + np.pi) % (2 * np.pi) - np.pi
        return {
            "input_amplitude": alpha,
            "input_phase": phi,
            "output_amplitude": beta,
            "output_phase": psi,
            "phase_difference": np.where((alpha > 0) & (beta > 0), difference, np.nan),
            "best_frequency": np.where(alpha.any(axis=0), alpha.argmax(axis=0) + 1, 0).astype(np.int32),
        }
