"""What this plug-in registers."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope import Instrument, View, hookimpl


@hookimpl
def dynascope_analyzers() -> Iterable[Instrument]:
    """Provide the analyzers that bind to ``cyclic_group``, and those over the series that read them."""
    from dynascope_fourier.analyzers import EmbeddingFrequencies, NeuronFrequencies
    from dynascope_fourier.circles import ClassCircles
    from dynascope_fourier.clock_pizza import ClockPizza
    from dynascope_fourier.distance import DistanceIrrelevance
    from dynascope_fourier.dynamics import FrequencyGroups, NeuronDynamics
    from dynascope_fourier.events import Events
    from dynascope_fourier.logit_structure import LogitStructure
    from dynascope_fourier.phases import Phases
    from dynascope_fourier.progress_measures import ProgressMeasures
    from dynascope_fourier.variants import Variants

    return [
        ClassCircles(),
        ClockPizza(),
        DistanceIrrelevance(),
        EmbeddingFrequencies(),
        Events(),
        FrequencyGroups(),
        LogitStructure(),
        NeuronDynamics(),
        NeuronFrequencies(),
        Phases(),
        ProgressMeasures(),
        Variants(),
    ]


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide their views."""
    from dynascope_fourier.views import VIEWS

    return VIEWS
