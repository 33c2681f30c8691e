"""What this plug-in registers."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope import Analyzer, Family, Probe, View, hookimpl


@hookimpl
def dynascope_families() -> Iterable[Family]:
    """Provide the calibration family."""
    from dynascope_modular_addition.family import ModularAddition1Layer

    return [ModularAddition1Layer()]


@hookimpl
def dynascope_probes() -> Iterable[Probe]:
    """Provide the full grid of pairs."""
    from dynascope_modular_addition.probes import FULL_GRID

    return [FULL_GRID]


@hookimpl
def dynascope_analyzers() -> Iterable[Analyzer]:
    """Provide neuron activation maps."""
    from dynascope_modular_addition.analyzers import NeuronActivations

    return [NeuronActivations()]


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide the view of one neuron's map."""
    from dynascope_modular_addition.views import NEURON_MAP

    return [NEURON_MAP]
