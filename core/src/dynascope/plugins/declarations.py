"""What a declaration must say before it is registered. Each rule has one sentence."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Analyzer, Instrument, Output, SeriesAnalyzer, VariantsAnalyzer
from dynascope.contract.config import Architecture, Parameters, Training
from dynascope.contract.family import Family
from dynascope.contract.probe import Probe, ProbeSettings
from dynascope.contract.reads import (
    METRICS,
    Activation,
    AllWeights,
    ForwardPass,
    Gradient,
    Logits,
    LossHessian,
    Rows,
    Stored,
    Weight,
)
from dynascope.contract.report import Report
from dynascope.contract.view import View
from dynascope.errors import PluginError

__all__ = ["check_declaration"]

RESERVED = ("epoch", "variant", "units", "ranges")
"""Names that the store gives to what it writes beside the arrays of analyzers."""


def check_declaration(item: Family | Probe | Instrument | View | Report) -> None:
    """Check what an object declares.

    Raises:
        PluginError: naming the object, the rule, and what was seen.
    """
    if isinstance(item, Family):
        _check_family(item)
    elif isinstance(item, Instrument):
        _check_analyzer(item)
    elif isinstance(item, View):
        _check_view(item)
    elif isinstance(item, Report):
        pass  # its model checked it when it was made
    else:
        _check_probe(item)


def _require(holds: bool, owner: str, rule: str, seen: Any) -> None:
    if not holds:
        raise PluginError(f"{owner}: {rule}; found {seen!r}.")


def _check_probe(probe: Probe) -> None:
    owner = f"probe {probe.name}"
    _require(bool(probe.title), owner, "must have a title", probe.title)
    takes = "a config" if probe.Settings is None else "a config and settings"
    _require(callable(probe.make), owner, f"make must be a function of {takes}", probe.make)
    arguments = (None,) if probe.Settings is None else (None, None)
    try:
        inspect.signature(probe.make).bind(*arguments)
    except TypeError:
        _require(False, owner, f"make must be a function of {takes}", str(inspect.signature(probe.make)))
    except ValueError:  # a function that does not tell its arguments
        pass
    _require(isinstance(probe.needs, tuple), owner, "needs must be a tuple; mind the comma of ('one',)", probe.needs)
    if probe.Settings is None:
        _require(probe.titled is None, owner, "titled is for a probe that has Settings", probe.titled)
        return
    right = inspect.isclass(probe.Settings) and issubclass(probe.Settings, ProbeSettings)
    _require(right, owner, "Settings must be a subclass of dynascope.ProbeSettings", probe.Settings)
    silent = [name for name, field in probe.Settings.model_fields.items() if not field.description]
    _require(not silent, owner, "every setting must have a description", silent)
    _require(probe.titled is None or callable(probe.titled), owner, "titled must be a function", probe.titled)


def _check_family(family: Family) -> None:
    owner = f"family {family.name}"
    _require(bool(getattr(family, "title", "")), owner, "must declare a title", getattr(family, "title", None))
    groups = (("Parameters", Parameters), ("Architecture", Architecture), ("Training", Training))
    names: list[str] = []
    for attribute, base in groups:
        model = getattr(family, attribute, None)
        right = inspect.isclass(model) and issubclass(model, base)
        _require(right, owner, f"{attribute} must be a subclass of dynascope.{base.__name__}", model)
        names.extend(model.model_fields)  # type: ignore[union-attr]
    twice = sorted({name for name in names if names.count(name) > 1})
    _require(not twice, owner, "a setting belongs to one of Parameters, Architecture and Training", twice)
    models = (family.Parameters, family.Architecture, family.Training)
    required = [name for model in models for name, field in model.model_fields.items() if field.is_required()]
    _require(not required, owner, "every setting must have a default", required)
    probe = getattr(family, "default_probe", None)
    _require(isinstance(probe, str), owner, "must declare default_probe, a probe as it is written", probe)


TIERS = (
    (Analyzer, "", (str, Activation, Weight, AllWeights, ForwardPass, LossHessian, Logits, Rows, Gradient, Stored)),
    (SeriesAnalyzer, "epoch", (str, Weight, AllWeights, Stored)),
    (VariantsAnalyzer, "variant", (str, Stored)),
)
"""The classes of analyzers, the axis whose coordinates come from the core, and what each can read."""


def _check_analyzer(analyzer: Instrument) -> None:
    owner = f"analyzer {analyzer.name}"
    tiers = [(axis, reads) for tier, axis, reads in TIERS if isinstance(analyzer, tier)]
    rule = "must derive from one of dynascope's Analyzer, SlicedAnalyzer, SeriesAnalyzer and VariantsAnalyzer"
    _require(len(tiers) == 1, owner, rule, type(analyzer).__mro__)
    ((axis, readable),) = tiers
    description = getattr(analyzer, "description", "")
    _require(bool(description), owner, "must declare a description", description)
    outputs = getattr(analyzer, "outputs", None)
    _require(bool(outputs), owner, "must declare at least one output", outputs)
    assert outputs is not None
    for declared in ("needs", "reads", "probe_axes"):
        value = getattr(analyzer, declared)
        _require(isinstance(value, tuple), owner, f"{declared} must be a tuple; mind the comma of ('one',)", value)
    kinds = ", ".join("site names" if kind is str and not axis else kind.__name__ for kind in readable)
    for read in analyzer.reads:
        right = isinstance(read, readable) and (not axis or not isinstance(read, str) or read == METRICS)
        _require(right, owner, f"reads holds {kinds.replace('str', repr(METRICS))}", read)
        if isinstance(read, (Activation, Logits)):
            right = read.dtype in (None, "float32", "float64")
            _require(right, owner, "what is read has dtype None, 'float32' or 'float64'", read.dtype)
        if isinstance(read, Stored):
            _require(read.at in (None, "last", "every"), owner, "Stored is at None, 'last' or 'every'", read.at)
            named = read.array.count("/") == 1 and read.analyzer.count(".") == 1
            _require(named, owner, "a Stored array is named '<plug-in>.<analyzer>/<array>'", read.array)
    for name, output in outputs.items():
        _require(isinstance(output, Output), f"{owner}, output {name}", "must be a dynascope.Output", output)
        _check_output(f"{owner}, output {name}", output)
        for reserved in {"epoch", "variant"} - {axis}:
            _require(reserved not in output.dims, owner, f"the axis {reserved!r} belongs to the store", output.dims)
        named_well = re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None and name not in RESERVED
        _require(named_well, owner, f"outputs are named [a-z][a-z0-9_]*, and not {', '.join(RESERVED)}", name)
        others = {dim for other in outputs.values() for dim in other.dims}
        own_axis = name not in others or output.dims == (name,)
        _require(own_axis, owner, "an output named like an axis must be that axis' coordinates", name)


def _check_output(owner: str, output: Output) -> None:
    if output.dtype != "str":
        try:
            dtype = np.dtype(output.dtype)
            storable = dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize in (4, 8))
        except TypeError:
            storable = False
        _require(storable, owner, "dtype must be an integer, float32, float64 or 'str'", output.dtype)
    _require(isinstance(output.dims, tuple), owner, "dims must be a tuple of names", output.dims)
    _require(len(set(output.dims)) == len(output.dims), owner, "dims must differ", output.dims)
    _require(bool(output.units), owner, "units must be said; '1' for a number without one", output.units)
    _require(bool(output.description), owner, "must have a description", output.description)
    floats = output.packed is None or output.dtype in ("float32", "float64")
    _require(floats, owner, "only float32 and float64 can be packed", output.dtype)
    strangers = sorted({*output.chunk, *output.index_base} - set(output.dims))
    _require(not strangers, owner, "chunk and index_base name axes of dims", strangers)


def _check_view(view: View) -> None:
    owner = f"view {view.name}"
    _require(bool(view.title), owner, "must have a title", view.title)
    _require(callable(view.draw), owner, "draw must be a function of a frame", view.draw)
    _require(bool(view.reads), owner, "must declare what it reads", view.reads)
    _require(isinstance(view.reads, tuple), owner, "reads must be a tuple; mind the comma of ('one',)", view.reads)
    for read in view.reads:
        right = read == "metrics" or (read.count("/") == 1 and read.count(".") == 1)
        _require(right, owner, "reads holds 'metrics' and '<plug-in>.<analyzer>/<array>'", read)
