"""What this plug-in registers."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope import Analyzer, View, hookimpl


@hookimpl
def dynascope_analyzers() -> Iterable[Analyzer]:
    """Provide the analyzers that bind to ``cyclic_group``."""
    from dynascope_fourier.analyzers import EmbeddingFrequencies, NeuronFrequencies
    from dynascope_fourier.circles import ClassCircles
    from dynascope_fourier.logit_structure import LogitStructure
    from dynascope_fourier.progress_measures import ProgressMeasures

    return [ClassCircles(), EmbeddingFrequencies(), LogitStructure(), NeuronFrequencies(), ProgressMeasures()]


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide their views."""
    from dynascope_fourier.views import VIEWS

    return VIEWS
