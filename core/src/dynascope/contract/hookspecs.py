"""The five hooks. A plug-in is a module with some of them, named by an entry point in group ``dynascope``.

Hooks collect objects; they take no arguments and compute nothing. Keep the module that holds them light:
it is imported by the command line and by the workbench, neither of which loads torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from dynascope.contract.analyzer import Instrument
    from dynascope.contract.family import Family
    from dynascope.contract.probe import Probe
    from dynascope.contract.report import Report
    from dynascope.contract.view import View

__all__ = ["GROUP", "Specs", "hookimpl", "hookspec"]

GROUP = "dynascope"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Specs:
    """The hook specifications; each example below is run by a test."""

    @hookspec
    def dynascope_families(self) -> Iterable[Family]:  # type: ignore[empty-body]
        """Return the model families this plug-in adds.

        Examples:
            >>> from dynascope import hookimpl
            >>> @hookimpl
            ... def dynascope_families():
            ...     from dynascope_modular_addition.family import ModularAddition1Layer
            ...     return [ModularAddition1Layer()]
            >>> [family.name for family in dynascope_families()]
            ['modular_addition_1layer']
        """

    @hookspec
    def dynascope_probes(self) -> Iterable[Probe]:  # type: ignore[empty-body]
        """Return the probes this plug-in adds.

        Examples:
            >>> import numpy as np
            >>> from dynascope import Batch, Probe, hookimpl
            >>> def diagonal(config):
            ...     a = np.arange(config.parameters.p)
            ...     tokens = np.stack([a, a, np.full_like(a, config.parameters.p)], axis=1)
            ...     return Batch(tokens, {"a": a})
            >>> @hookimpl
            ... def dynascope_probes():
            ...     return [Probe("diagonal", "Pairs with a = b", diagonal, needs=("cyclic_group",))]
            >>> [probe.name for probe in dynascope_probes()]
            ['diagonal']
        """

    @hookspec
    def dynascope_analyzers(self) -> Iterable[Instrument]:  # type: ignore[empty-body]
        """Return the analyzers this plug-in adds.

        Examples:
            >>> import numpy as np
            >>> from dynascope import Analyzer, Output, hookimpl
            >>> class DeadNeurons(Analyzer):
            ...     name = "dead_neurons"
            ...     description = "Neurons that are zero on the whole probe."
            ...     reads = ("neurons",)
            ...     outputs = {"dead": Output(("neuron",), "int8", "1", "1 where the neuron never fires")}
            ...     def analyze(self, step):
            ...         return {"dead": (step["neurons"] == 0).all(axis=0)}
            >>> @hookimpl
            ... def dynascope_analyzers():
            ...     return [DeadNeurons()]
            >>> [analyzer.name for analyzer in dynascope_analyzers()]
            ['dead_neurons']
        """

    @hookspec
    def dynascope_views(self) -> Iterable[View]:  # type: ignore[empty-body]
        """Return the views this plug-in adds.

        Examples:
            >>> from dynascope import View, hookimpl
            >>> def draw(frame):
            ...     import holoviews as hv
            ...     return hv.Curve(frame.read("example.dead_neurons/dead").values)
            >>> @hookimpl
            ... def dynascope_views():
            ...     return [View("dead_neurons", "Dead neurons", draw, reads=("example.dead_neurons/dead",))]
            >>> [view.name for view in dynascope_views()]
            ['dead_neurons']
        """

    @hookspec
    def dynascope_reports(self) -> Iterable[Report]:  # type: ignore[empty-body]
        """Return the reports this plug-in ships: views of any plug-in, in an order, with text between them.

        One that is kept as a file beside the plug-in's code is read with ``dynascope.read_report``.

        Examples:
            >>> from dynascope import Report, TextBlock, ViewBlock, hookimpl
            >>> @hookimpl
            ... def dynascope_reports():
            ...     blocks = (TextBlock(text="Do neurons die?"), ViewBlock(view="example.dead_neurons"))
            ...     return [Report(name="death", title="Death", family="modular_addition_1layer", blocks=blocks)]
            >>> [report.title for report in dynascope_reports()]
            ['Death']
        """
