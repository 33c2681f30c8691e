"""How fast the train loss rises around the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Analyzer, Output, Step
from dynascope.contract.reads import AllWeights, ForwardPass, Rows
from dynascope.errors import InvalidSetting, NotOffered
from dynascope.instruments.input_trace import losses_and_margins

__all__ = ["Flatness", "direction_of", "loss_changes"]

Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]

LABEL, TRAIN = Rows("label"), Rows("train")
NORMALISATIONS = ("tensor", "row")


class Flatness(Analyzer):
    """The change of the train loss along random directions that are scaled to the size of the weights.

    A direction is drawn for each weight from a normal distribution, and scaled to the norm of that weight
    (``normalisation`` "tensor"), or row by row to the norms of its rows ("row", the filters of a linear layer; of a
    vector, element by element). So a step of radius r moves every weight by r times its own size, and what a
    weight decay that shrinks all weights does is not taken for flatness. A weight that is 0 stays 0. Directions are the
    same at every checkpoint: they follow from ``seed``.

    With L the mean cross-entropy of the training rows of the probe: the change is ``L(w + r d) - L(w)``, and the
    curvature along d is ``(L(w + r d) - 2 L(w) + L(w - r d)) / r^2``, which tends to d' H d as r becomes small.

    It costs ``directions`` x 2 radii, and one, passes of the training rows. Three directions are few, but among
    hundreds of thousands of weights they differ little. MIScope's flatness takes steps of one length at all weights
    together, and the loss of all pairs: its figures are other ones.

    Parameters:
        directions: random directions.
        seed: of the draw; direction i is drawn from (seed, i), weights in the order of their names.
        normalisation: ``tensor``, each weight's norm, or ``row``, the norm of each of its rows (of each element of a
            vector).
        radii: sizes of the steps, each of both signs.
    """

    name = "flatness"
    title = "Flatness"
    description = "Change and curvature of the train loss along random directions scaled to each weight's norm."
    citation = "Li et al. 2018 (arXiv 1712.09913), section 4, for filter normalisation."
    reads = (ForwardPass(), AllWeights(), LABEL, TRAIN)
    parameters = {"directions": 3, "seed": 0, "normalisation": "tensor", "radii": "0.03 0.1 0.3"}
    outputs = {
        "train_loss": Output((), "float64", "nats", "mean loss of the training rows at the checkpoint"),
        "radius": Output(
            ("radius",), "float64", "1", "signed length of the step, as a share of each weight's own norm"
        ),
        "change": Output(("direction", "radius"), "float64", "nats", "loss there less the loss at the checkpoint"),
        "mean_change": Output(("radius",), "float64", "nats", "mean over the directions"),
        "largest_change": Output(("radius",), "float64", "nats", "largest over the directions"),
        "size": Output(("size",), "float64", "1", "length of the step, of both signs"),
        "curvature": Output(
            ("direction", "size"), "float64", "nats", "second difference of the loss over the squared size"
        ),
        "mean_curvature": Output(("size",), "float64", "nats", "mean over the directions"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        train = np.flatnonzero(step[TRAIN])
        if not len(train):
            raise NotOffered("The probe has no row that is trained on, so that there is no train loss around it.")
        label = step[LABEL][train]
        seed, normalisation = int(self.parameters["seed"]), str(self.parameters["normalisation"])
        size = np.array(sorted(float(word) for word in str(self.parameters["radii"]).split()))

        def loss(weights: Weights) -> float:
            return float(losses_and_margins(step.forward(weights, train), label)[0].mean())

        at_checkpoint = loss({})
        directions = [
            direction_of(step.weights, [seed, index], normalisation)
            for index in range(int(self.parameters["directions"]))
        ]
        radius = np.concatenate([-size[::-1], size])
        change = loss_changes(loss, at_checkpoint, step.weights, directions, radius)
        count = len(size)
        curvature = (change[:, count:] + change[:, :count][:, ::-1]) / size**2
        return {
            "train_loss": np.float64(at_checkpoint),
            "radius": radius,
            "change": change,
            "mean_change": change.mean(axis=0),
            "largest_change": change.max(axis=0),
            "size": size,
            "curvature": curvature,
            "mean_curvature": curvature.mean(axis=0),
        }


def direction_of(weights: Weights, seed: Sequence[int], normalisation: str) -> dict[str, Array]:
    """Return a random direction, each weight of it as large as the weight itself; float64.

    Args:
        weights: by name; the names' order does not matter.
        seed: of the draw.
        normalisation: ``"tensor"`` or ``"row"``.

    Raises:
        InvalidSetting: another normalisation.
    """
    if normalisation not in NORMALISATIONS:
        raise InvalidSetting(f"A normalisation is one of {', '.join(NORMALISATIONS)}; found {normalisation!r}.")
    generator = np.random.default_rng(list(seed))
    found = {}
    for name in sorted(weights):
        weight = np.asarray(weights[name], dtype=np.float64)
        drawn = generator.standard_normal(weight.shape)
        axes = tuple(range(1, weight.ndim)) if normalisation == "row" and weight.ndim else None
        of_weight, of_drawn = (np.sqrt(np.sum(array**2, axis=axes, keepdims=True)) for array in (weight, drawn))
        found[name] = drawn * np.divide(of_weight, of_drawn, out=np.zeros_like(of_drawn), where=of_drawn > 0)
    return found


def loss_changes(
    loss: Callable[[Weights], float],
    at_weights: float,
    weights: Weights,
    directions: Sequence[Weights],
    radii: Array,
) -> Array:
    """Return ``L(w + r d) - L(w)`` for each direction d and radius r, ``"direction radius"``.

    Args:
        loss: L, of weights by name.
        at_weights: L(w).
        weights: w.
        directions: by the same names.
        radii: signed.
    """
    changes = np.empty((len(directions), len(radii)))
    for row, direction in zip(changes, directions):
        moving = [name for name in direction if direction[name].any()]
        for index, radius in enumerate(radii):
            row[index] = loss({name: weights[name] + radius * direction[name] for name in moving}) - at_weights
    return changes
