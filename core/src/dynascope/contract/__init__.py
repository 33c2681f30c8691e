"""What a plug-in author implements: families, probes, analyzers, views, and the hooks that register them."""

from dynascope.contract.analyzer import Activation, Analyzer, Output, Read, Step, Weight
from dynascope.contract.config import Architecture, Config, Label, Parameters, Training
from dynascope.contract.family import Dataset, Family
from dynascope.contract.hookspecs import Specs, hookimpl, hookspec
from dynascope.contract.probe import Batch, Probe
from dynascope.contract.view import Frame, View

__all__ = [
    "Activation",
    "Analyzer",
    "Architecture",
    "Batch",
    "Config",
    "Dataset",
    "Family",
    "Frame",
    "Label",
    "Output",
    "Parameters",
    "Probe",
    "Read",
    "Specs",
    "Step",
    "Training",
    "View",
    "Weight",
    "hookimpl",
    "hookspec",
]
