"""Views of modular arithmetic. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param
from dynascope import Frame, View

__all__ = ["NEURON_MAP"]

ACTIVATION = "modular_addition.neuron_activations/activation"
LARGEST = "modular_addition.neuron_activations/largest"


class NeuronChoice(param.Parameterized):
    """Which neuron to show."""

    neuron = param.Integer(0, bounds=(0, None), doc="index of the neuron")


def draw_neuron_map(frame: Frame) -> Any:
    """Draw one neuron's activation over (a, b); its colours keep their meaning over training."""
    import holoviews as hv

    neuron = frame.controls.neuron
    activation = frame.read(ACTIVATION, neuron=neuron)
    top = float(frame.series(LARGEST, neuron=neuron).max()) or 1.0
    image = hv.Image(
        (activation["a"].values, activation["b"].values, activation.values.T),
        ["a", "b"],
        hv.Dimension("activation"),
    )
    return image.opts(
        cmap="viridis",
        clim=(0, top),
        colorbar=True,
        colorbar_opts={"width": 8, "title": "", "padding": 4},
        tools=["hover"],
        xlabel="a",
        ylabel="b",
    )


def move_neuron_map(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    activation = frame.read(ACTIVATION, neuron=frame.controls.neuron)
    return {"image": [np.ascontiguousarray(activation.values.T)]}


NEURON_MAP = View(
    "neuron_map",
    "Neuron activation",
    draw_neuron_map,
    reads=(ACTIVATION, LARGEST),
    columns=move_neuron_map,
    controls=NeuronChoice,
    description="Activation of one neuron at the answer position, over all pairs (a, b). Colours are fixed over training.",
)
