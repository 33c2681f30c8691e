"""What a plug-in author implements: families, probes, analyzers, views, and the hooks that register them."""

from dynascope.contract.analyzer import Activation, Analyzer, Output, Read, Step, Stored, Weight
from dynascope.contract.config import Architecture, Config, Label, Parameters, Training
from dynascope.contract.family import Dataset, Family
from dynascope.contract.hookspecs import Specs, hookimpl, hookspec
from dynascope.contract.layout import Adopted, ForeignRun, Layout, Snapshot
from dynascope.contract.probe import Batch, Probe
from dynascope.contract.view import Frame, View

__all__ = [
    "Activation",
    "Adopted",
    "Analyzer",
    "Architecture",
    "Batch",
    "Config",
    "Dataset",
    "Family",
    "ForeignRun",
    "Frame",
    "Label",
    "Layout",
    "Output",
    "Parameters",
    "Probe",
    "Read",
    "Snapshot",
    "Specs",
    "Step",
    "Stored",
    "Training",
    "View",
    "Weight",
    "hookimpl",
    "hookspec",
]
