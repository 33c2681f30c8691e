"""Products of the Hessian of a loss with vectors, at the weights of one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dynascope.analysis.forward import Model
from dynascope.contract.reads import Loss
from dynascope.errors import InvalidSetting, UnknownName

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LossCurvature"]

Array = np.ndarray[Any, Any]
Graph: TypeAlias = "tuple[dict[str, Tensor], dict[str, Tensor]]"
"""Weights and the gradients at them, by name."""

BACKWARD = 16
"""About how many bytes are kept for each of a pass: double precision, and as much again for what is differentiated."""


class LossCurvature:
    """Implements ``dynascope.contract.analyzer.HessianProduct`` by differentiating the loss twice.

    Logits are those that the family's ``observe`` gives, as analysis reads them, or else those of its hooked model, in
    double precision. Weights that training leaves alone are constants. The first derivative is kept where all
    rows fit into memory, so that a product costs one more backward pass.

    Args:
        model: of the variant, with the probe.
        weights: of one checkpoint, by name.
        over: the fact that rows must have; None for all rows.

    Raises:
        InvalidSetting: no row has it.
    """

    def __init__(self, model: Model, weights: Mapping[str, Array], over: str | None) -> None:
        self._model, self._weights, self._of = model, weights, Loss(over)

    @cached_property
    def names(self) -> tuple[str, ...]:
        variant = self._model.variant
        trained = variant.family.base.trainable(variant.config)
        return tuple(sorted(self._weights if trained is None else trained & self._weights.keys()))

    def __call__(self, vectors: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        for name, vector in vectors.items():
            if name not in self.names:
                raise UnknownName(f"weight of {self._model.variant.family.name} that training moves", name, self.names)
            if np.shape(vector) != self._weights[name].shape:
                raise InvalidSetting(
                    f"Weight {name} has the shape {self._weights[name].shape} in this checkpoint; found the vector "
                    f"{np.shape(vector)}."
                )
        along = {name: torch.from_numpy(np.array(vector, dtype=np.float64)) for name, vector in vectors.items()}
        total = {name: np.zeros(self._weights[name].shape) for name in self.names}
        with torch.enable_grad():
            for part in self._parts:
                leaves, gradients = self._whole if len(self._parts) == 1 else self._differentiated(part)
                slopes = [(gradients[name] * vector).sum() for name, vector in along.items() if name in gradients]
                slope = torch.stack(slopes).sum() if slopes else torch.zeros(())
                if not slope.requires_grad:
                    continue  # the loss is linear along the vector
                second = torch.autograd.grad(slope, list(leaves.values()), retain_graph=True, allow_unused=True)
                for name, found in zip(leaves, second):
                    if found is not None:
                        total[name] += found.numpy()
        return total

    @cached_property
    def _parts(self) -> list[Array]:
        """Return the numbers of the rows that count, in parts that fit into memory."""
        rows = self._model.counted(self._of, slice(0, len(self._model.batch.inputs)))
        positions = max(1, int(np.prod(self._model.batch.inputs.shape[1:])))
        each = BACKWARD * positions * sum(sum(array.shape) for array in self._weights.values())
        size = max(1, self._model.memory // max(each, 1))
        return [rows[first : first + size] for first in range(0, len(rows), size)]

    @cached_property
    def _whole(self) -> Graph:
        return self._differentiated(self._parts[0])

    def _differentiated(self, rows: Array) -> Graph:
        """Return the part of some rows in the gradient of the loss, as a function that can be differentiated again."""
        import torch

        variant = self._model.variant
        family, config = variant.family.base, variant.config
        inputs = torch.from_numpy(self._model.batch.inputs[rows])
        there = {name: torch.from_numpy(array.astype(np.float64)) for name, array in self._weights.items()}
        leaves = {name: there[name].requires_grad_() for name in self.names}
        observed = family.observe(config, there, inputs, ())
        if observed is not None and observed[0].requires_grad:
            logits = observed[0]
        else:
            tensors = {name: torch.from_numpy(array.copy()) for name, array in self._weights.items()}
            module: Any = family.hooked(config, tensors).double()
            for name, parameter in module.state_dict(keep_vars=True).items():
                parameter.requires_grad_(name in leaves)
                leaves.update({name: parameter} if name in leaves else {})
            logits = family.answers(config, module(inputs))
        loss = self._model.objective(self._of, logits, rows)
        found = torch.autograd.grad(loss, list(leaves.values()), create_graph=True, allow_unused=True)
        return leaves, {name: gradient for name, gradient in zip(leaves, found) if gradient is not None}
