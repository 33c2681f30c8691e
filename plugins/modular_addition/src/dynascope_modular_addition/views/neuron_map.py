"""A view of one neuron's activations. holoviews is imported when the view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.style import colour_bar, largest, whole_ticks

__all__ = ["NEURON_MAP"]

ACTIVATION = "modular_addition.neuron_activations/activation"
LARGEST = "modular_addition.neuron_activations/largest"


class NeuronChoice(param.Parameterized):
    """Which neuron to show, and what its brightest colour stands for."""

    neuron = param.Integer(0, bounds=(0, None), doc="index of the neuron")
    colours = param.Selector(
        default="fixed over training",
        objects=["fixed over training", "of this epoch"],
        doc="fixed: the brightest colour is the neuron's largest activation at any checkpoint; of this epoch: each "
        "epoch is shown as a share of its own largest activation",
    )


def _image(frame: Frame) -> np.ndarray[Any, Any]:
    """Return the neuron's map as a picture, ``"b a"``."""
    controls = frame.controls
    picture = frame.read(ACTIVATION, neuron=controls.neuron).values.T
    if controls.colours == "of this epoch":
        picture = picture / (float(frame.read(LARGEST, neuron=controls.neuron)) or 1.0)
    return np.ascontiguousarray(picture)


def draw_neuron_map(frame: Frame) -> Any:
    """Draw one neuron's activation over (a, b).

    With ``colours`` at "fixed over training", the brightest colour is the neuron's largest activation at any
    checkpoint; with "of this epoch", each epoch is shown as a share of its own largest one. Early maps are dark in the
    first and visible in the second.
    """
    import holoviews as hv

    controls = frame.controls
    axis = np.arange(frame.read(ACTIVATION, neuron=controls.neuron).sizes["a"])
    if controls.colours == "of this epoch":
        top, label = 1.0, "share of the largest"
    else:
        top, label = largest(frame.series(LARGEST, neuron=controls.neuron).values), "activation"
    bounds = (-0.5, -0.5, len(axis) - 0.5, len(axis) - 0.5)
    image = hv.Image((axis, axis, _image(frame)), ["a", "b"], hv.Dimension("activation", label=label), bounds=bounds)
    return image.opts(
        cmap="viridis",
        clim=(0, top),
        tools=["hover"],
        hover_tooltips=[("a", "$x{0}"), ("b", "$y{0}"), (label, "@image{0.000}")],
        xticks=whole_ticks(0, len(axis) - 1),
        yticks=whole_ticks(0, len(axis) - 1),
        xlabel="a",
        ylabel="b",
        **colour_bar(label),
    )


def move_neuron_map(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"image": [_image(frame)]}


def pick_pair(frame: Frame, x: float, y: float) -> Mapping[str, int]:
    """Return the pair at a point."""
    p, a, b = frame.read(ACTIVATION, neuron=frame.controls.neuron).sizes["a"], round(x), round(y)
    return {"a": a, "b": b} if 0 <= a < p and 0 <= b < p else {}


NEURON_MAP = View(
    "neuron_map",
    "Neuron activation",
    draw_neuron_map,
    reads=(ACTIVATION, LARGEST),
    columns=move_neuron_map,
    controls=NeuronChoice,
    pick=pick_pair,
    description="Activation of one neuron at the answer position, over all pairs (a, b).",
)
