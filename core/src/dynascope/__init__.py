"""Dynascope: train small models, keep checkpoints, measure each with the same instruments, and scrub through them.

>>> import dynascope
>>> dynascope.open("workspace").variants(p=53)  # doctest: +SKIP
[<variant p53_seed999_dseed598_frac0.5 of modular_addition_1layer: trained, 62 checkpoints>]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dynascope.errors import (
    AnalysisError,
    ArtifactError,
    CheckpointError,
    DynascopeError,
    ExchangeError,
    InvalidSetting,
    JobError,
    NotOffered,
    PluginError,
    TrainingError,
    UnknownName,
    WorkspaceError,
)

if TYPE_CHECKING:
    from dynascope.analysis.comparison import compare
    from dynascope.analysis.run import analyze
    from dynascope.contract import (
        METRICS,
        Activation,
        Adopted,
        AllWeights,
        Analyzer,
        Architecture,
        Batch,
        ChosenProbe,
        Comparison,
        Config,
        Dataset,
        Family,
        ForeignRun,
        ForwardPass,
        Frame,
        Gradient,
        Instrument,
        Label,
        Layout,
        Lines,
        Logit,
        Logits,
        Loss,
        LossHessian,
        Output,
        Parameters,
        Probe,
        ProbeSettings,
        Report,
        Rows,
        Series,
        SeriesAnalyzer,
        SlicedAnalyzer,
        Snapshot,
        Step,
        Stored,
        TextBlock,
        Training,
        VariantsAnalyzer,
        View,
        ViewBlock,
        Weight,
        hookimpl,
    )
    from dynascope.exchange.exporting import export_variant
    from dynascope.exchange.importing import import_run
    from dynascope.plugins.discovery import registry
    from dynascope.plugins.registry import Registry
    from dynascope.store.reports import read_report
    from dynascope.store.variant import Variant
    from dynascope.store.workspace import Workspace
    from dynascope.training.loop import train

__all__ = [
    "METRICS",
    "Activation",
    "Adopted",
    "AllWeights",
    "AnalysisError",
    "Analyzer",
    "Architecture",
    "ArtifactError",
    "Batch",
    "CheckpointError",
    "ChosenProbe",
    "Comparison",
    "Config",
    "Dataset",
    "DynascopeError",
    "ExchangeError",
    "Family",
    "ForeignRun",
    "ForwardPass",
    "Frame",
    "Gradient",
    "Instrument",
    "InvalidSetting",
    "JobError",
    "Label",
    "Layout",
    "Lines",
    "Logit",
    "Logits",
    "Loss",
    "LossHessian",
    "NotOffered",
    "Output",
    "Parameters",
    "PluginError",
    "Probe",
    "ProbeSettings",
    "Registry",
    "Report",
    "Rows",
    "Series",
    "SeriesAnalyzer",
    "SlicedAnalyzer",
    "Snapshot",
    "Step",
    "Stored",
    "TextBlock",
    "Training",
    "TrainingError",
    "UnknownName",
    "Variant",
    "VariantsAnalyzer",
    "View",
    "ViewBlock",
    "Weight",
    "Workspace",
    "WorkspaceError",
    "analyze",
    "compare",
    "export_variant",
    "hookimpl",
    "import_run",
    "open",
    "read_report",
    "registry",
    "train",
]

# Loaded when first used: the command line answers --help without numpy, pydantic or h5py.
_HOMES = {
    "analyze": "dynascope.analysis.run",
    "compare": "dynascope.analysis.comparison",
    "export_variant": "dynascope.exchange.exporting",
    "import_run": "dynascope.exchange.importing",
    "train": "dynascope.training.loop",
    "Registry": "dynascope.plugins.registry",
    "registry": "dynascope.plugins.discovery",
    "read_report": "dynascope.store.reports",
    "Variant": "dynascope.store.variant",
    "Workspace": "dynascope.store.workspace",
}


def open(path: str | None = None) -> Workspace:
    """Open a workspace: the folder named, else ``DYNASCOPE_WORKSPACE``, else the one here or in ``./workspace``.

    Raises:
        WorkspaceError: there is none.
    """
    from dynascope.store.workspace import Workspace, find_workspace

    return Workspace(find_workspace(path))


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dynascope' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "dynascope.contract")), name)


def __dir__() -> list[str]:
    return __all__
