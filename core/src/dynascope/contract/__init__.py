"""What a plug-in author implements: families, probes, analyzers, views, and the hooks that register them."""

from dynascope.contract.analyzer import (
    Analyzer,
    Comparison,
    Instrument,
    Output,
    Series,
    SeriesAnalyzer,
    SlicedAnalyzer,
    Step,
    VariantsAnalyzer,
)
from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.contract.config import Architecture, Config, Label, Parameters, Training
from dynascope.contract.family import Dataset, Family
from dynascope.contract.hookspecs import Specs, hookimpl, hookspec
from dynascope.contract.layout import Adopted, ForeignRun, Layout, Snapshot
from dynascope.contract.probe import Batch, Lines, Probe, ProbeSettings
from dynascope.contract.reads import (
    METRICS,
    Activation,
    AllWeights,
    ForwardPass,
    Gradient,
    Logit,
    Logits,
    Loss,
    LossHessian,
    Read,
    Rows,
    Stored,
    Weight,
)
from dynascope.contract.report import Report, TextBlock, ViewBlock
from dynascope.contract.view import Frame, View

__all__ = [
    "METRICS",
    "Activation",
    "Adopted",
    "AllWeights",
    "Analyzer",
    "Architecture",
    "Batch",
    "ChosenProbe",
    "Comparison",
    "Config",
    "Dataset",
    "Family",
    "ForeignRun",
    "ForwardPass",
    "Frame",
    "Gradient",
    "Instrument",
    "Label",
    "Layout",
    "Lines",
    "Logit",
    "Logits",
    "Loss",
    "LossHessian",
    "Output",
    "Parameters",
    "Probe",
    "ProbeSettings",
    "Read",
    "Report",
    "Rows",
    "Series",
    "SeriesAnalyzer",
    "SlicedAnalyzer",
    "Snapshot",
    "Specs",
    "Step",
    "Stored",
    "TextBlock",
    "Training",
    "VariantsAnalyzer",
    "View",
    "ViewBlock",
    "Weight",
    "hookimpl",
    "hookspec",
]
