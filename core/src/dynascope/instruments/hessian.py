"""The curvature of the train loss at a checkpoint: extreme eigenvalues and trace of its Hessian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dynascope.contract.analyzer import Analyzer, Output, Step
from dynascope.contract.reads import AllWeights, LossHessian

__all__ = ["Hessian", "Ritz", "extreme_eigenvalues", "trace_draws"]

Array = np.ndarray[Any, Any]
Product = Callable[[Array], Array]


class Ritz(NamedTuple):
    """An eigenvalue as Lanczos' method finds it.

    Attributes:
        value: the Ritz value.
        residual: ``||H v - value v||`` of its unit vector v: an eigenvalue lies within it of the value.
    """

    value: float
    residual: float


class Hessian(Analyzer):
    """Largest and smallest eigenvalue, and trace, of the Hessian H of the train loss, by products of H with vectors.

    The loss is the mean over the training rows of the probe, in double precision; H is with respect to the weights that
    training moves. Eigenvalues are those of H in the Krylov space of a random start: at most
    ``steps`` products, fewer where both residuals fall below ``tolerance`` of the larger absolute value. The residual
    bounds the error; the largest eigenvalue may be missed where the start is orthogonal to it. The trace is the mean
    of ``z' H z`` over ``draws`` vectors z of random signs; the standard error is theirs. All vectors follow from
    ``seed``, and are the same at every checkpoint. The kinks of ReLU have no curvature here.

    It takes up to ``steps + draws`` products, each as long as some passes over these rows, and so is measured only
    where it is asked for by name.

    Parameters:
        steps: the most products that the eigenvalues take.
        tolerance: share of the larger absolute eigenvalue below which both residuals end the search.
        draws: vectors of random signs that the trace is the mean over.
        seed: of the start and of the signs.
    """

    name = "hessian"
    title = "Hessian of the train loss"
    description = "Largest and smallest eigenvalue, and trace, of the Hessian of the train loss."
    citation = (
        "Lanczos 1950 with full reorthogonalisation; Hutchinson 1990 for the trace; both for networks as in Yao et al. "
        "2020 (PyHessian, arXiv 1912.07145)."
    )
    on_demand = True
    reads = (LossHessian(), AllWeights())
    parameters = {"steps": 40, "tolerance": 1e-3, "draws": 10, "seed": 0}
    outputs = {
        "largest_eigenvalue": Output((), "float64", "nats", "largest eigenvalue; NaN where weights are not finite"),
        "largest_residual": Output((), "float64", "nats", "an eigenvalue lies within this of it"),
        "smallest_eigenvalue": Output((), "float64", "nats", "smallest eigenvalue, negative in most directions down"),
        "smallest_residual": Output((), "float64", "nats", "an eigenvalue lies within this of it"),
        "products": Output((), "int32", "1", "products that the eigenvalues took"),
        "trace": Output((), "float64", "nats", "mean over the draws"),
        "trace_error": Output((), "float64", "nats", "its standard error; NaN for one draw"),
        "trace_draw": Output(("draw",), "float64", "nats", "z' H z of each draw"),
        "weights": Output((), "int64", "1", "number of weights that training moves"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        names = step.hessian.names
        shapes = [step.weights[name].shape for name in names]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        size = int(ends[-1]) if len(ends) else 0
        draws, seed = int(self.parameters["draws"]), int(self.parameters["seed"])

        def product(vector: Array) -> Array:
            parts = zip(names, np.split(vector, ends[:-1]), shapes)
            found = step.hessian({name: part.reshape(shape) for name, part, shape in parts})
            return np.concatenate([found[name].ravel() for name in names])

        if size and all(np.isfinite(step.weights[name]).all() for name in names):
            limit, tolerance = int(self.parameters["steps"]), float(self.parameters["tolerance"])
            smallest, largest, products = extreme_eigenvalues(product, size, limit, tolerance, seed)
            drawn = trace_draws(product, size, draws, seed)
        else:
            smallest, largest, products = Ritz(np.nan, np.nan), Ritz(np.nan, np.nan), 0
            drawn = np.full(draws, np.nan)
        return {
            "largest_eigenvalue": np.float64(largest.value),
            "largest_residual": np.float64(largest.residual),
            "smallest_eigenvalue": np.float64(smallest.value),
            "smallest_residual": np.float64(smallest.residual),
            "products": np.int32(products),
            "trace": np.float64(drawn.mean() if draws else np.nan),
            "trace_error": np.float64(drawn.std(ddof=1) / draws**0.5 if draws > 1 else np.nan),
            "trace_draw": drawn,
            "weights": np.int64(size),
        }


def extreme_eigenvalues(product: Product, size: int, steps: int, tolerance: float, seed: int) -> tuple[Ritz, Ritz, int]:
    """Return the smallest and the largest eigenvalue of a symmetric matrix, and how many products they took.

    Args:
        product: of the matrix with a vector.
        size: of the matrix.
        steps: the most products.
        tolerance: share of the larger absolute value, below which residuals are small enough.
        seed: of the start.
    """
    start = np.random.default_rng([seed, 0]).standard_normal(size)
    basis = [start / np.linalg.norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        new = product(basis[-1])
        diagonal.append(float(basis[-1] @ new))
        known = np.stack(basis)
        for _ in range(2):  # once leaves the rounding of large parts behind
            new = new - known.T @ (known @ new)
        length = float(np.linalg.norm(new))
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        residuals = length * np.abs(vectors[-1, [0, -1]])
        scale = np.abs(values).max()
        if len(diagonal) >= min(steps, size) or (residuals <= tolerance * scale).all():
            smallest, largest = (Ritz(float(value), float(of)) for value, of in zip(values[[0, -1]], residuals))
            return smallest, largest, len(diagonal)
        basis.append(new / length)
        beside.append(length)


def trace_draws(product: Product, size: int, draws: int, seed: int) -> Array:
    """Return ``z' H z`` for vectors z of random signs, ``"draw"``; its mean over all z is the trace of H."""
    found = np.empty(draws)
    for index in range(draws):
        signs = np.random.default_rng([seed, 1, index]).choice([-1.0, 1.0], size)
        found[index] = signs @ product(signs)
    return found
