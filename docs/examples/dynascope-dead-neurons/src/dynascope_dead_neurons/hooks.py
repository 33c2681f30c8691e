"""What this plug-in registers. Imported by every command: keep it light."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope import Analyzer, View, hookimpl


@hookimpl
def dynascope_analyzers() -> Iterable[Analyzer]:
    """Provide the analyzer."""
    from dynascope_dead_neurons.analyzers import Firing

    return [Firing()]


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide its views."""
    from dynascope_dead_neurons.views import DEAD_OVER_TRAINING, FIRING_SHARES

    return [DEAD_OVER_TRAINING, FIRING_SHARES]
