"""What this plug-in registers."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope.contract.analyzer import Instrument
from dynascope.contract.hookspecs import hookimpl
from dynascope.contract.view import View


@hookimpl
def dynascope_analyzers() -> Iterable[Instrument]:
    """Provide the instruments that serve every family."""
    from dynascope.instruments.centroid_trajectory import CentroidTrajectory
    from dynascope.instruments.flatness import Flatness
    from dynascope.instruments.geometry import RepresentationGeometry
    from dynascope.instruments.graduation import Graduation
    from dynascope.instruments.hessian import Hessian
    from dynascope.instruments.input_trace import InputTrace
    from dynascope.instruments.milestones import Milestones
    from dynascope.instruments.similarity import LinearCKA
    from dynascope.instruments.spectra import WeightSpectra
    from dynascope.instruments.trajectory import ParameterTrajectory
    from dynascope.instruments.variant_table import VariantTable

    return [
        CentroidTrajectory(),
        Flatness(),
        Graduation(),
        Hessian(),
        InputTrace(),
        LinearCKA(),
        Milestones(),
        ParameterTrajectory(),
        RepresentationGeometry(),
        VariantTable(),
        WeightSpectra(),
    ]


@hookimpl
def dynascope_views() -> Iterable[View]:
    """Provide their views."""
    from dynascope.instruments.views import VIEWS

    return VIEWS
