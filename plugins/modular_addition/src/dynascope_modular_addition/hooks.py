"""What this plug-in registers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dynascope import Analyzer, Family, Probe, Report, View, hookimpl


@hookimpl
def dynascope_families() -> Iterable[Family]:
    """Provide the calibration family."""
    from dynascope_modular_addition.family import ModularAddition1Layer

    return [ModularAddition1Layer()]


@hookimpl
def dynascope_probes() -> Iterable[Probe]:
    """Provide all pairs, random ones, those of some residue classes, and those that are listed."""
    from dynascope_modular_addition.probes import PROBES

    return PROBES


@hookimpl
def dynascope_analyzers() -> Iterable[Analyzer]:
    """Provide activation maps, and what binds to the one-layer transformer, from its attention to its ablations."""
    from dynascope_modular_addition.ablations import Ablations
    from dynascope_modular_addition.analyzers import NeuronActivations
    from dynascope_modular_addition.attention import AttentionFrequencies, AttentionPatterns
    from dynascope_modular_addition.composition import NeuronComposition
    from dynascope_modular_addition.gradient_energy import GradientEnergy
    from dynascope_modular_addition.neuron_weights import EffectiveNeuronWeights, NeuronLogitFrequencies
    from dynascope_modular_addition.symmetricity import GradientSymmetricity

    return [
        Ablations(),
        AttentionFrequencies(),
        AttentionPatterns(),
        EffectiveNeuronWeights(),
        GradientEnergy(),
        GradientSymmetricity(),
        NeuronActivations(),
        NeuronComposition(),
        NeuronLogitFrequencies(),
    ]


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide the views of neurons, attention, weights through neurons, gradients and ablations."""
    from dynascope_modular_addition.views import VIEWS

    return VIEWS


@hookimpl
def dynascope_reports() -> Iterable[Report]:
    """Provide the report that the family begins with."""
    from dynascope import read_report

    return [read_report(file) for file in sorted((Path(__file__).parent / "reports").glob("*.json"))]
