"""How the residual stream separates the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Analyzer, Output, Step
from dynascope.contract.reads import Rows
from dynascope.errors import InvalidSetting

__all__ = ["RepresentationGeometry", "Site", "site_geometry"]

Array = np.ndarray[Any, Any]
Site = dict[str, Any]
"""The arrays of one site, by name."""

SITES = ("stream_after_embedding", "stream_after_attention", "stream_after_mlp")
LABEL = Rows("label")


class RepresentationGeometry(Analyzer):
    """Centroid, radius and dimensionality of each class in the residual stream, and how far classes lie apart.

    With mu_c the mean of the rows of class c: the radius is ``sqrt(mean ||x - mu_c||^2)``; the dimensionality is the
    participation ratio ``(sum l)^2 / sum l^2`` of the eigenvalues l of the class' covariance; the spread of the
    centres is ``sqrt(mean_c ||mu_c - mean_c mu_c||^2)``; the signal-to-noise ratio is its square over the square of
    the mean radius; the Fisher ratio of two classes is ``||mu_r - mu_s||^2 / (radius_r^2 + radius_s^2)``.

    Where every row has the same activation, up to ``constant_share`` of its power, the site is constant: what
    rounding leaves of variance there says nothing, and all but the centroids is NaN.

    A stream before attention is constant at a position whose token is always the same. Where every class has one row,
    radii are 0, and ratios over them infinite.

    Parameters:
        constant_share: share of the power up to which the variance of a site is rounding.
    """

    name = "representation_geometry"
    title = "Representation geometry"
    description = "Class centroids, radii, dimensionality, signal-to-noise and Fisher ratios of the residual stream."
    citation = (
        "After the manifold geometry of Chung, Lee and Sompolinsky 2018 (Phys. Rev. X 8, 031003), in the form of "
        "the MIScope workbench; Fisher 1936."
    )
    reads = (*SITES, LABEL)
    parameters = {"constant_share": 1e-9}
    outputs = {
        "site": Output(("site",), "str", "1", "place in the model, by the family's common name"),
        "class": Output(("class",), "int32", "1", "the right classes that the probe's rows have"),
        "class_rows": Output(("class",), "int32", "rows", "rows of the class"),
        "constant": Output(("site",), "int8", "1", "1 where every row has the same activation"),
        "centroid": Output(("site", "class", "feature"), "float32", "1", "mean activation of the class"),
        "radius": Output(("site", "class"), "float32", "1", "root mean square distance of its rows from the centroid"),
        "dimensionality": Output(
            ("site", "class"), "float32", "1", "participation ratio of its covariance; NaN for a radius of 0"
        ),
        "mean_radius": Output(("site",), "float64", "1", "mean radius over the classes"),
        "mean_dimensionality": Output(
            ("site",), "float64", "1", "mean dimensionality over the classes that have a radius"
        ),
        "center_spread": Output(("site",), "float64", "1", "root mean square distance of centroids from their mean"),
        "snr": Output(("site",), "float64", "1", "center_spread^2 / mean_radius^2"),
        "fisher_mean": Output(("site",), "float64", "1", "mean Fisher ratio over pairs of classes"),
        "fisher_min": Output(("site",), "float64", "1", "smallest Fisher ratio of two classes"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        widths = {site: step[site].shape[1] for site in SITES}
        if len(set(widths.values())) > 1:
            raise InvalidSetting(f"The sites of a residual stream must have one width; the family's have {widths}.")
        classes, label, count = np.unique(step[LABEL], return_inverse=True, return_counts=True)
        order = np.argsort(label, kind="stable")
        found = [site_geometry(step[site][order], count, float(self.parameters["constant_share"])) for site in SITES]
        return {
            "site": np.array(SITES),
            "class": classes.astype(np.int32),
            "class_rows": count.astype(np.int32),
            **{name: np.stack([site[name] for site in found]) for name in found[0]},
        }


def site_geometry(activation: Array, count: Array, constant_share: float) -> Site:
    """Return what ``RepresentationGeometry`` measures of one site.

    Args:
        activation: ``"row feature"``, the rows of a class one after the other.
        count: rows of each class, ``"class"``.
        constant_share: the share of the power, up to which variance is rounding.
    """
    starts = np.cumsum(count) - count
    classes = [activation[start : start + size] for start, size in zip(starts, count)]
    centroid = np.stack([rows.mean(axis=0, dtype=np.float64) for rows in classes])
    squared_radius = np.empty(len(classes))
    dimensionality = np.empty(len(classes))
    for index, rows in enumerate(classes):
        squared_radius[index], dimensionality[index] = _spread(rows - centroid[index].astype(rows.dtype))

    share = count / count.sum()
    from_mean = centroid - share @ centroid
    variance = share @ (squared_radius + np.sum(from_mean**2, axis=1))
    constant = variance <= constant_share * (variance + np.sum((share @ centroid) ** 2))
    if constant:
        squared_radius[:] = dimensionality[:] = np.nan
    radius = np.sqrt(squared_radius)
    spread = np.sqrt(np.mean(np.sum((centroid - centroid.mean(axis=0)) ** 2, axis=1)))
    fisher = _fisher_ratios(from_mean, squared_radius)
    measured = np.isfinite(dimensionality)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "constant": constant,
            "centroid": centroid,
            "radius": radius,
            "dimensionality": dimensionality,
            "mean_radius": radius.mean(),
            "mean_dimensionality": dimensionality[measured].mean() if measured.any() else np.nan,
            "center_spread": np.nan if constant else spread,
            "snr": spread**2 / radius.mean() ** 2,
            "fisher_mean": fisher.mean() if len(fisher) else np.nan,
            "fisher_min": fisher.min() if len(fisher) else np.nan,
        }


def _spread(deviation: Array) -> tuple[float, float]:
    """Return mean square and participation ratio of deviations from a mean, ``"row feature"``.

    No eigenvalues are needed: their sum is the trace, and the sum of their squares the squared Frobenius norm, of
    the covariance or of the Gram matrix, whichever is smaller.
    """
    rows, features = deviation.shape
    product = deviation @ deviation.T if rows < features else deviation.T @ deviation
    trace = float(np.trace(product, dtype=np.float64))
    return trace / rows, trace**2 / float(np.vdot(product, product)) if trace > 0 else np.nan


def _fisher_ratios(centroid: Array, squared_radius: Array) -> Array:
    """Return the Fisher ratio of every pair of classes."""
    first, second = np.triu_indices(len(centroid), k=1)
    product = centroid @ centroid.T
    square = np.diagonal(product)
    distance = np.maximum(square[first] + square[second] - 2 * product[first, second], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = distance / (squared_radius[first] + squared_radius[second])
    return ratio
