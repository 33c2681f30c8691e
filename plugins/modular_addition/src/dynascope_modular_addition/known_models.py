"""Models whose answers are known in closed form, to hold instruments to.

Four kinds: a quadratic network that computes the trigonometric formula exactly, the network of largest margin among
those, a ReLU transformer in the names and shapes of the family's checkpoints, and logits alone. Frequencies are
planted: an instrument that is off by one, or that swaps sine and cosine, is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

__all__ = [
    "QuadraticNetwork",
    "largest_margin",
    "quadratic_network",
    "relu_amplitude",
    "relu_transformer",
    "trigonometric_logits",
    "trigonometric_loss",
]

Array = np.ndarray[Any, Any]


def trigonometric_logits(p: int, amplitudes: Mapping[int, float]) -> Array:
    """Return ``sum_k amplitude_k cos(2 pi k (a + b - c) / p)``, ``"pair class"``, pairs a-major.

    Restricted loss equals the loss, excluded loss is ln p, the similarity of k is amplitude_k over the norm of all
    amplitudes.
    """
    a, b = np.divmod(np.arange(p * p), p)
    return _formula(p, amplitudes)[((a + b)[:, None] - np.arange(p)) % p]


def trigonometric_loss(p: int, amplitudes: Mapping[int, float]) -> float:
    """Return the cross-entropy of ``trigonometric_logits`` in nats; it is the same for every pair."""
    formula = _formula(p, amplitudes)
    return float(np.log1p(np.exp(formula[1:] - formula[0]).sum()))


@dataclass(frozen=True)
class QuadraticNetwork:
    """A network with the activation x^2: neurons ``(of_a[n, a] + of_b[n, b])^2``, logits weighted by ``of_class``.

    Attributes:
        of_a, of_b, of_class: ``"neuron element"``.
    """

    of_a: Array
    of_b: Array
    of_class: Array

    def activations(self) -> Array:
        """Return ``"pair neuron"``, pairs a-major."""
        return np.square(self.of_a[:, :, None] + self.of_b[:, None, :]).reshape(len(self.of_a), -1).T

    def logits(self) -> Array:
        """Return ``"pair class"``."""
        return self.activations() @ self.of_class

    def normalised_margin(self) -> float:
        """Return the smallest margin over the sum of the cubed norms of the neurons' weights (the L_{2,3} norm cubed).

        The network is homogeneous of degree 3, so this does not change when all weights are scaled.
        """
        p = self.of_a.shape[1]
        logits, row = self.logits(), np.arange(p * p)
        label = np.add(*np.divmod(row, p)) % p
        right = logits[row, label].copy()
        logits[row, label] = -np.inf
        size = np.sqrt(sum(np.square(part).sum(axis=1) for part in (self.of_a, self.of_b, self.of_class)))
        return float((right - logits.max(axis=1)).min() / (size**3).sum())


def quadratic_network(p: int, frequencies: Iterable[int]) -> QuadraticNetwork:
    """Return the network whose logits are ``(9 / 2) sum_k cos(w_k (a + b - c))`` exactly.

    Nine neurons for each frequency, with the phases 2 pi i / 3 and 2 pi j / 3 at a and b and their sum at the class.
    With all (p - 1) / 2 frequencies of an odd p it has the largest margin.

    Source: Gromov 2023 (arXiv 2301.02679), with the phases on a grid instead of drawn at random.
    """
    planted, number = tuple(frequencies), np.arange(p)
    i, j = np.divmod(np.arange(9), 3)

    def waves(phase: Array) -> Array:
        return np.concatenate([np.cos(2 * pi * (k * number % p / p + phase[:, None] / 3)) for k in planted])

    return QuadraticNetwork(waves(i), waves(j), waves(i + j))


def largest_margin(p: int) -> float:
    """Return the largest normalised margin that such a network can have, for odd p.

    Source: Morwani et al. 2023 (arXiv 2311.07568), theorem on modular addition.
    """
    return float((2 / 27) ** 0.5 / (p**0.5 * (p - 1)))


def relu_transformer(
    p: int,
    frequencies: Iterable[int],
    *,
    neurons_each: int,
    d_model: int = 128,
    n_heads: int = 4,
    d_head: int = 32,
    d_mlp: int = 512,
) -> dict[str, Array]:
    """Return weights that solve the task by uniform attention, float32, as a checkpoint of the family holds them.

    Every head attends to all three tokens alike and copies its share of three times the embedding; neuron j of a
    frequency is ``relu(cos(w a + f_j) + cos(w b + f_j))`` with ``f_j = 2 pi j / neurons_each``, and points to the class
    c with ``cos(w c + 2 f_j)``. As ``neurons_each`` grows, the logits become
    ``(2 neurons_each / (3 pi)) sum_k |cos(w_k (a - b) / 2)| cos(w_k (a + b - c))``; the error is 5e-4 at 102. Neurons
    that are left over are dead.

    Source: the algorithm is "pizza" of Zhong et al. 2023 (arXiv 2306.17844), section 2.

    Raises:
        ValueError: the frequencies do not fit into the widths.
    """
    planted = tuple(frequencies)
    waves = 2 * len(planted)
    if 2 * waves > d_model or waves > n_heads * d_head or neurons_each * len(planted) > d_mlp:
        raise ValueError(
            f"{len(planted)} frequencies with {neurons_each} neurons each need d_model >= {2 * waves}, "
            f"n_heads * d_head >= {waves} and d_mlp >= {neurons_each * len(planted)}."
        )
    angle = 2 * pi * (np.outer(np.arange(p), planted) % p) / p
    circles = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(p, waves)
    phase = 2 * pi * np.arange(neurons_each) / neurons_each
    width = n_heads * d_head
    shapes = {
        "embed": (p + 1, d_model),
        "pos_embed": (3, d_model),
        **{f"blocks.0.attn.{name}": (width, d_model) for name in "qkv"},
        "blocks.0.attn.o": (d_model, width),
        "blocks.0.mlp.in": (d_mlp, d_model),
        "blocks.0.mlp.out": (d_model, d_mlp),
        "unembed": (p, d_model),
    }
    weights = {f"{name}.weight": np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()}
    for name, (rows, _) in shapes.items():
        if "embed" not in name or name == "unembed":
            weights[f"{name}.bias"] = np.zeros(rows, dtype=np.float32)
    weights["embed.weight"][:p, :waves] = circles
    weights["unembed.weight"][:, waves : 2 * waves] = circles
    place = np.arange(waves)
    weights["blocks.0.attn.v.weight"][place, place] = 3
    weights["blocks.0.attn.o.weight"][place, place] = 1
    for index in range(len(planted)):
        rows = slice(index * neurons_each, (index + 1) * neurons_each)
        weights["blocks.0.mlp.in.weight"][rows, 2 * index] = np.cos(phase)
        weights["blocks.0.mlp.in.weight"][rows, 2 * index + 1] = -np.sin(phase)
        weights["blocks.0.mlp.out.weight"][waves + 2 * index, rows] = np.cos(2 * phase)
        weights["blocks.0.mlp.out.weight"][waves + 2 * index + 1, rows] = -np.sin(2 * phase)
    return weights


def relu_amplitude(neurons_each: int) -> float:
    """Return the amplitude of cos(w_k (a + b - c)) in the logits of ``relu_transformer``: 4 J / (3 pi^2).

    The mean of |cos| is 2 / pi and that of cos^2 one half, so the trigonometric part explains 8 / pi^2 of the logits.
    """
    return 4 * neurons_each / (3 * pi**2)


def _formula(p: int, amplitudes: Mapping[int, float]) -> Array:
    """Return ``sum_k amplitude_k cos(2 pi k d / p)``, ``"difference"``."""
    difference = np.arange(p)
    return sum(  # type: ignore[return-value]
        (size * np.cos(2 * pi * (k * difference % p) / p) for k, size in amplitudes.items()), np.zeros(p)
    )
