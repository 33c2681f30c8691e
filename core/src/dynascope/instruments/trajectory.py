"""The path of the weights over training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Output, Series, SeriesAnalyzer
from dynascope.contract.reads import AllWeights

__all__ = ["ParameterTrajectory", "group_of", "inner_products", "principal_components"]

Array = np.ndarray[Any, Any]

ALL = "all"
MEMORY = 512 * 2**20
"""Bytes of weights that are held at once. Where all checkpoints fit, each is read once."""


class ParameterTrajectory(SeriesAnalyzer):
    """Principal components of the checkpoints' weights, speed, distance and direction, for all weights and by group.

    A group is what the first ``group_depth`` parts of the weights' names, without the last part, have in common:
    ``embed``, ``blocks.0.attn``, ``blocks.0.mlp``. Everything follows from the inner products of the checkpoints'
    distances from the first one, T x T: no matrix of all weights at all checkpoints is made, and as inner products
    of groups add up, ``all`` costs nothing. Components are those about the mean over checkpoints, each of which
    counts once: a stretch with many checkpoints weighs more. A checkpoint with a weight that is not finite is left
    out, and is NaN.

    The components of a random walk look orderly too: the first explains 61 % of a long one.

    Parameters:
        components: principal components, at most.
        group_depth: parts of a weight's name that make its group.
    """

    name = "parameter_trajectory"
    title = "Parameter trajectory"
    description = "Principal components, velocity, distance from the start and direction of the weights over training."
    citation = (
        'Li et al. 2018 ("Visualizing the loss landscape of neural nets", section 7) for the components; '
        "Antognini and Sohl-Dickstein 2018 for those of random walks."
    )
    reads = (AllWeights(),)
    parameters = {"components": 10, "group_depth": 3}
    outputs = {
        "group": Output(("group",), "str", "1", "all weights, then the groups of weights by name"),
        "group_size": Output(("group",), "int64", "weights", "number of weights"),
        "projection": Output(
            ("group", "component", "epoch"),
            "float64",
            "1",
            "coordinate on the principal component; of either sign, the one with the larger extreme is positive",
            {"component": 1},
        ),
        "explained_variance": Output(
            ("group", "component"),
            "float64",
            "1",
            "share of the variance over checkpoints; NaN for weights that stay",
            {"component": 1},
        ),
        "variance": Output(("group",), "float64", "1", "mean squared distance of checkpoints from their mean"),
        "distance": Output(("group", "epoch"), "float64", "1", "Euclidean distance from the first checkpoint"),
        "velocity": Output(
            ("group", "epoch"),
            "float64",
            "1/epoch",
            "distance from the checkpoint before, over the epochs between; NaN at the first",
        ),
        "update_cosine": Output(
            ("group", "epoch"),
            "float64",
            "1",
            "cosine between the step to this checkpoint and the next one; NaN at both ends, and where one step is 0",
        ),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        depth, count = int(self.parameters["group_depth"]), int(self.parameters["components"])
        sizes, products = inner_products(series, depth)
        parts = [principal_components(product, count) for product in products.values()]
        paths = [_path(product, series.epochs) for product in products.values()]
        return {
            "group": np.array(list(products)),
            "group_size": np.array([sizes[group] for group in products]),
            "projection": np.stack([projection for projection, _, _ in parts]),
            "explained_variance": np.stack([share for _, share, _ in parts]),
            "variance": np.array([variance for _, _, variance in parts]),
            "distance": np.stack([distance for distance, _, _ in paths]),
            "velocity": np.stack([velocity for _, velocity, _ in paths]),
            "update_cosine": np.stack([cosine for _, _, cosine in paths]),
        }


def group_of(weight: str, depth: int) -> str:
    """Return the group of a weight by its name."""
    return ".".join(weight.split(".")[:-1][:depth]) or weight


def inner_products(series: Series, depth: int) -> tuple[dict[str, int], dict[str, Array]]:
    """Return the size of each group, and the inner products of its distances from the first checkpoint.

    Returns:
        By group, ``"all"`` first: numbers of weights, and arrays ``"epoch epoch"``.
    """
    start = _by_group(series.weights(int(series.epochs[0])), depth)
    sizes = {group: len(values) for group, values in start.items()}
    count = len(series.epochs)
    most = MEMORY // (8 * max(sum(sizes.values()), 1))
    block = count if count <= most else max(most // 2, 1)  # two blocks at a time
    products = {group: np.empty((count, count)) for group in (ALL, *sizes)}
    blocks = [slice(at, min(at + block, count)) for at in range(0, count, block)]
    for number, rows in enumerate(blocks):
        these = _distances(series, series.epochs[rows], start, depth)
        for columns in blocks[number:]:
            others = these if columns == rows else _distances(series, series.epochs[columns], start, depth)
            for group in sizes:
                product = these[group] @ others[group].T
                products[group][rows, columns], products[group][columns, rows] = product, product.T
    products[ALL] = np.sum([products[group] for group in sizes], axis=0)
    return {ALL: sum(sizes.values()), **sizes}, products


def _by_group(weights: Mapping[str, Array], depth: int) -> dict[str, Array]:
    """Return the weights of each group in one vector, float64, groups and weights by name; NaN if one is not finite."""
    members: dict[str, list[Array]] = {}
    for name in sorted(weights):
        members.setdefault(group_of(name, depth), []).append(weights[name].ravel())
    vectors = {group: np.concatenate(members[group]).astype(np.float64) for group in sorted(members)}
    for vector in vectors.values():
        if not np.isfinite(vector).all():
            vector[:] = np.nan
    return vectors


def _distances(series: Series, epochs: Array, start: Mapping[str, Array], depth: int) -> dict[str, Array]:
    """Return the distances of some checkpoints from the first one, by group, ``"epoch weight"``."""
    found = {group: np.empty((len(epochs), len(values))) for group, values in start.items()}
    for row, epoch in enumerate(epochs):
        for group, values in _by_group(series.weights(int(epoch)), depth).items():
            np.subtract(values, start[group], out=found[group][row])
    return found


def principal_components(product: Array, count: int) -> tuple[Array, Array, float]:
    """Return coordinates of points on their principal components, shares of the variance, and the variance.

    Args:
        product: inner products of the points about any origin, ``"point point"``; points with NaN are left out.
        count: how many components, at most; there are no more than points.

    Returns:
        ``"component point"``, ``"component"``, and the mean squared distance from the mean.
    """
    count = min(count, len(product))
    projection, share = np.full((count, len(product)), np.nan), np.full(count, np.nan)
    finite = np.isfinite(np.diagonal(product))
    if not finite.any():
        return projection, share, np.nan
    inside = product[np.ix_(finite, finite)]
    mean = inside.mean(axis=0)
    centred = inside - mean - mean[:, None] + mean.mean()
    eigenvalues, vectors = np.linalg.eigh((centred + centred.T) / 2)
    # Of a rank that is smaller than the number of points, rounding leaves eigenvalues near 0 of either sign.
    eigenvalues = np.maximum(eigenvalues[::-1], 0)[:count]
    vectors = vectors[:, ::-1][:, :count] * np.sqrt(eigenvalues)
    extreme = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    found = len(eigenvalues)
    projection[:, finite] = 0
    projection[:found, finite] = (vectors * np.where(extreme < 0, -1, 1)).T
    total = float(np.trace(centred))
    if total > 0:
        share[:] = 0
        share[:found] = eigenvalues / total
    return projection, share, total / len(inside)


def _path(product: Array, epochs: Array) -> tuple[Array, Array, Array]:
    """Return distance from the first point, velocity, and cosine of successive steps, each ``"epoch"``."""
    count = len(product)
    velocity, cosine = np.full(count, np.nan), np.full(count, np.nan)
    steps = np.diff(np.diff(product, axis=0), axis=1)  # inner products of the steps
    length = np.sqrt(np.maximum(np.diagonal(steps), 0))
    velocity[1:] = length / np.diff(epochs)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine[1:-1] = np.diagonal(steps, offset=1) / (length[1:] * length[:-1])
    return np.sqrt(np.diagonal(product)), velocity, np.clip(cosine, -1, 1)
