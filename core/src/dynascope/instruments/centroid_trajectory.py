"""How the classes move in the residual stream, seen in one frame over the whole training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Output, Series, SeriesAnalyzer
from dynascope.contract.reads import Stored
from dynascope.errors import InvalidSetting

__all__ = ["CentroidTrajectory", "in_one_frame", "principal_axes"]

Array = np.ndarray[Any, Any]

GEOMETRY = "general.representation_geometry"
SITE, CLASS = (Stored(f"{GEOMETRY}/{name}", at="last") for name in ("site", "class"))
CENTROID, CONSTANT = (Stored(f"{GEOMETRY}/{name}") for name in ("centroid", "constant"))
BASES = ("last", "pooled")


class CentroidTrajectory(SeriesAnalyzer):
    """The class centroids of every checkpoint, projected on axes that are the same at all of them.

    With m_t the mean over the classes at checkpoint t, and mu_tc the centroid of class c: the axes are the principal
    axes of ``mu_Tc - m_T`` at the last checkpoint T (``basis`` "last"), or those of ``mu_tc - m_t`` of all checkpoints
    and classes together ("pooled"). The projection is of ``mu_tc - m_t``; that of ``m_t - m_T`` is ``center``, and
    their sum is the path in one frame. A checkpoint's share is the part of its own variance over the classes along an
    axis: how much of what the classes do then is seen here.

    An axis is turned so that its largest coordinate is positive. Where a site has fewer axes, the others are NaN; so is
    all of a site that is constant at the last checkpoint, and the shares of a checkpoint at which it is.

    Parameters:
        basis: whose principal axes: last, those of the last checkpoint, or pooled, those of all together.
        components: how many axes.
    """

    name = "centroid_trajectory"
    title = "Centroid trajectory"
    description = "Class centroids of every checkpoint on the principal axes of the last one, with shares of variance."
    citation = "Principal components of class centroids over training as in the MIScope workbench; the frame is ours."
    reads = (SITE, CLASS, CENTROID, CONSTANT)
    parameters = {"basis": "last", "components": 3}
    outputs = {
        "site": Output(("site",), "str", "1", "place in the model, by the family's common name"),
        "class": Output(("class",), "int32", "1", "the right classes that the probe's rows have"),
        "axis": Output(
            ("site", "principal_component", "feature"), "float32", "1", "unit vector; NaN where there is none",
            {"principal_component": 1},
        ),
        "projection": Output(
            ("site", "epoch", "class", "principal_component"), "float32", "1",
            "centroid less the mean of the checkpoint's centroids, along the axis", {"principal_component": 1},
        ),
        "center": Output(
            ("site", "epoch", "principal_component"), "float32", "1",
            "mean of the checkpoint's centroids less that of the last checkpoint, along the axis",
            {"principal_component": 1},
        ),
        "share": Output(
            ("site", "epoch", "principal_component"), "float32", "1",
            "share of the variance of the checkpoint's centroids along the axis", {"principal_component": 1},
        ),
        "captured": Output(("site", "epoch"), "float64", "1", "share along all these axes together"),
    }  # fmt: skip

    def analyze(self, series: Series) -> Mapping[str, Any]:
        basis, count = str(self.parameters["basis"]), int(self.parameters["components"])
        if basis not in BASES:
            raise InvalidSetting(f"basis is one of {', '.join(BASES)}; found {basis!r}.")
        centroid, constant = series[CENTROID], series[CONSTANT].astype(bool)
        found = [
            in_one_frame(centroid[:, index].astype(np.float64), constant[:, index], basis, count)
            for index in range(centroid.shape[1])
        ]
        return {
            "site": series[SITE],
            "class": series[CLASS],
            **{name: np.stack([site[name] for site in found]) for name in found[0]},
        }


def in_one_frame(centroid: Array, constant: Array, basis: str, count: int) -> dict[str, Array]:
    """Return axes, projections and shares of one site.

    Args:
        centroid: ``"epoch class feature"``.
        constant: true where the site is constant, ``"epoch"``.
        basis: ``"last"`` or ``"pooled"``.
        count: how many axes.
    """
    mean = centroid.mean(axis=1)
    centred = centroid - mean[:, None]
    usable = np.isfinite(centred).all(axis=(1, 2)) & ~constant
    features = centroid.shape[2]
    axes = np.full((count, features), np.nan)
    if usable[-1]:
        examples = centred[-1] if basis == "last" else centred[usable].reshape(-1, features)
        there = principal_axes(examples)[:count]
        axes[: len(there)] = there
    projection = centred @ axes.T
    total = np.where(usable, np.square(centred).sum(axis=(1, 2)), np.nan)
    share = np.square(projection).sum(axis=1) / np.where(total > 0, total, np.nan)[:, None]
    measured = np.isfinite(axes).all(axis=1)
    captured = share[:, measured].sum(axis=1) if measured.any() else np.full(len(share), np.nan)
    return {
        "axis": axes,
        "projection": projection,
        "center": (mean - mean[-1]) @ axes.T,
        "share": share,
        "captured": captured,
    }


def principal_axes(examples: Array) -> Array:
    """Return the principal axes of examples that have the mean 0, ``"component feature"``, the largest first.

    Directions in which nothing but rounding lies are left out.

    Args:
        examples: ``"example feature"``.
    """
    _, singular, axes = np.linalg.svd(examples, full_matrices=False)
    kept = axes[singular > singular[:1] * max(examples.shape) * np.finfo(np.float32).eps]
    largest = np.abs(kept).argmax(axis=1)
    found: Array = kept * np.sign(kept[np.arange(len(kept)), largest])[:, None]
    return found
