"""How alike the representations of two checkpoints are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope.contract.analyzer import Output, Series, SeriesAnalyzer
from dynascope.contract.reads import Stored

__all__ = ["LinearCKA", "linear_cka"]

Array = np.ndarray[Any, Any]

GEOMETRY = "general.representation_geometry"
SITE = Stored(f"{GEOMETRY}/site", at="last")
CENTROID = Stored(f"{GEOMETRY}/centroid")
CONSTANT = Stored(f"{GEOMETRY}/constant")


class LinearCKA(SeriesAnalyzer):
    """Linear centred kernel alignment of the class centroids of every two checkpoints, at each site.

    With X and Y the centroids at two checkpoints, ``"class feature"``, less their means over the classes:
    ``||X^T Y||^2 / (||X^T X|| ||Y^T Y||)`` in Frobenius norms. It is 1 where one is a rotation, reflection or
    multiple of the other. The examples that are compared are the classes, by their mean representation, and not the
    rows of the probe: what differs within a class does not count.
    """

    name = "linear_cka"
    title = "Similarity of checkpoints (linear CKA)"
    description = "Linear centred kernel alignment of the class centroids between every two checkpoints."
    citation = "Kornblith et al. 2019 (arXiv 1905.00414), section 3."
    reads = (SITE, CENTROID, CONSTANT)
    outputs = {
        "site": Output(("site",), "str", "1", "place in the model, by the family's common name"),
        "other_epoch": Output(("other_epoch",), "int64", "epochs", "the checkpoint that is compared with"),
        "cka": Output(
            ("site", "epoch", "other_epoch"),
            "float32",
            "1",
            "linear CKA of the class centroids; NaN where one of the sites is constant",
        ),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        centroid, constant = series[CENTROID], series[CONSTANT]
        similarity = np.stack([linear_cka(centroid[:, site]) for site in range(centroid.shape[1])])
        epoch, site = np.nonzero(constant)
        similarity[site, epoch] = similarity[site, :, epoch] = np.nan
        return {"site": series[SITE], "other_epoch": series.epochs, "cka": similarity}


def linear_cka(representations: Array) -> Array:
    """Return the similarity of every two of several representations of the same examples.

    As ``||X^T Y||^2`` is the inner product of ``X X^T`` and ``Y Y^T``, it takes one matrix product for all.

    Args:
        representations: ``"which example feature"``.

    Returns:
        ``"which which"``; NaN for one that does not vary over the examples, or is not finite.
    """
    centred = representations - representations.mean(axis=1, keepdims=True, dtype=np.float64)
    kernels = (centred @ centred.swapaxes(1, 2)).reshape(len(centred), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        kernels /= np.linalg.norm(kernels, axis=1, keepdims=True)
    similarity: Array = np.clip(kernels @ kernels.T, 0, 1)
    return similarity
