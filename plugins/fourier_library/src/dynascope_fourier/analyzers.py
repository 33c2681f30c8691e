"""Analyzers that bind to ``cyclic_group``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step
from dynascope_fourier.dominant import KEY_NORM, SPECTRUM, spectrum
from dynascope_fourier.reading import number_rows, over_pairs
from dynascope_fourier.spectra import variance_fractions

__all__ = ["EmbeddingFrequencies", "NeuronFrequencies"]

TIE = 1e-6
"""Two shares that differ by less are equal: float32 rounding."""
BY_FREQUENCY = {"frequency": 1}


class EmbeddingFrequencies(Analyzer):
    """Fourier components of the embedding over the number tokens.

    With W the rows of the embedding that belong to number tokens, ``"number model"``, and F the orthonormal basis over
    Z_p, the norm of component i is ``|| (F W)_i ||``: const, cos 1, sin 1, cos 2, ..., and ``nyquist`` for even p. The
    power of a frequency is the sum of the squared norms of its components, and its share is taken of the power without
    the constant. The Gini coefficient is 0 where all norms are equal, and ``1 - m / N`` where m of N are equal and the
    others 0 (Hurley and Rickard 2009, table I).

    Key frequencies by this rule are not those by clusters of neurons: see ``fourier.neuron_frequencies``.

    Models of the kind "pizza" show power of W_E at 2k (or p - 2k) beside k: not both are key circles, and which is does
    not follow from the embedding. Look at the logits: ``fourier.logit_structure``, and ``fourier.clock_pizza`` for each
    circle by itself.

    Parameters:
        key_norm: share of the largest non-constant norm from which a component makes its frequency a key one, as in the
            TransformerLens demo.
    """

    name = "embedding_frequencies"
    title = "Dominant embedding frequencies"
    description = "Norm over the model dimension of each Fourier component of the embedding of the number tokens."
    citation = "Nanda et al. 2023, section 4.1; the Gini coefficient as in section 5.1."
    version = 3
    needs = ("cyclic_group",)
    reads = ("embedding",)
    parameters = {"key_norm": KEY_NORM}
    outputs = SPECTRUM

    def analyze(self, step: Step) -> Mapping[str, Any]:
        return spectrum(number_rows(step, "embedding"), self.parameters["key_norm"])


class NeuronFrequencies(Analyzer):
    """Which neurons respond to which single frequency.

    Each neuron's map over (a, b) is written in the two-dimensional basis. The share of k is the power of the
    non-constant components of ``{const, cos k, sin k} x {const, cos k, sin k}``, 8 of them (3 for the Nyquist
    frequency), over that of all non-constant components. A component that mixes two frequencies belongs to none, so
    that shares sum to at most 1. A neuron whose variance is below 1e-9 of its power is taken for constant: that is
    float32 rounding.

    Key frequencies are those of the checkpoint itself, not of the last one. There are several rules for them, and they
    give different sets; each is stored where it is measured, and none is the truth:

    - clusters of neurons, with a floor: ``fourier.neuron_frequencies/is_key``, the default of what reads key
      frequencies
    - every neuron's best frequency, as in the paper's code: ``fourier.neuron_frequencies/best_size`` above 0
    - norms of the embedding, as in the TransformerLens demo: ``fourier.embedding_frequencies/is_key``
    - norms of W_L: ``modular_addition.neuron_logit_frequencies/is_key``
    - similarity of the logits, as in Chughtai et al. 2023: ``fourier.logit_structure/is_key``

    A neuron without structure has a best frequency too; read it beside its share.

    Parameters:
        cluster_share: share of the variance from which a neuron counts for its frequency.
        cluster_floor: share of the live neurons from which a cluster makes a key frequency; at least one neuron.
    """

    name = "neuron_frequencies"
    title = "Neuron frequency clusters"
    description = (
        "Share of each neuron's variance over the pairs (a, b) that a single frequency explains, and clusters by it."
    )
    citation = (
        "Nanda et al. 2023, section 4.2 and appendix; key frequencies by clusters of neurons with a share of at "
        "least ``cluster_share`` and a floor of ``cluster_floor`` of the live neurons, so that a few stray "
        "neurons make no key frequency."
    )
    version = 3
    needs = ("cyclic_group",)
    reads = ("neurons",)
    probe_axes = ("a", "b")
    parameters = {"cluster_share": 0.85, "cluster_floor": 0.02}
    outputs = {
        "fraction": Output(("frequency", "neuron"), "float32", "1", "share of the neuron's variance", BY_FREQUENCY),
        "best_frequency": Output(
            ("neuron",),
            "int32",
            "1",
            "frequency with the largest share; 0 for a constant neuron, and where the two largest are equal but for "
            "rounding",
        ),
        "best_share": Output(("neuron",), "float32", "1", "that share"),
        "cluster": Output(("neuron",), "int32", "1", "best frequency where its share reaches cluster_share, else 0"),
        "cluster_size": Output(("frequency",), "int32", "neurons", "neurons in the frequency's cluster", BY_FREQUENCY),
        "best_size": Output(
            ("frequency",), "int32", "neurons", "neurons whose best frequency it is, whatever its share", BY_FREQUENCY
        ),
        "is_key": Output(
            ("frequency",), "int8", "1", "1 where the cluster reaches cluster_floor of live neurons", BY_FREQUENCY
        ),
        "live_neurons": Output((), "int32", "neurons", "neurons that are not constant over the probe"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        fraction = variance_fractions(over_pairs(step, "neurons"))
        best = fraction.argmax(axis=0)
        share = fraction.max(axis=0)
        live = share > 0
        # A neuron that is active at one pair has the same share at every frequency: rounding would choose.
        second = np.partition(fraction, -2, axis=0)[-2] if len(fraction) > 1 else np.zeros_like(share)
        best_frequency = np.where(share - second > TIE, best + 1, 0)
        cluster = np.where(share >= self.parameters["cluster_share"], best_frequency, 0)
        size, best_size = (np.bincount(of, minlength=len(fraction) + 1)[1:] for of in (cluster, best_frequency))
        floor = max(self.parameters["cluster_floor"] * live.sum(), 1)
        return {
            "fraction": fraction,
            "best_frequency": best_frequency.astype(np.int32),
            "best_share": share,
            "cluster": cluster.astype(np.int32),
            "cluster_size": size.astype(np.int32),
            "best_size": best_size.astype(np.int32),
            "is_key": size >= floor,
            "live_neurons": np.int32(live.sum()),
        }
