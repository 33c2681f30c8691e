"""Whether the classes lie on circles, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, NotOffered, Output, Step, Stored
from dynascope_fourier.basis import fourier_basis
from dynascope_fourier.spectra import CONSTANT as ROUNDING
from dynascope_fourier.spectra import frequency_power

__all__ = ["ClassCircles", "plane_circles", "principal_circle"]

Array = np.ndarray[Any, Any]

GEOMETRY = "general.representation_geometry"
SITE = Stored(f"{GEOMETRY}/site")
CLASS = Stored(f"{GEOMETRY}/class")
CENTROID = Stored(f"{GEOMETRY}/centroid")
CONSTANT = Stored(f"{GEOMETRY}/constant")
PRINCIPAL = 3
"""Principal components whose share of the variance is stored."""


class ClassCircles(Analyzer):
    """How circular the class centroids are, in the plane of each frequency, and in their first two components.

    A centroid is a function of its class in Z_p. Its part at frequency k is an ellipse in the plane of the cosine's
    and the sine's coefficients u and v, in the model's space; with semi-axes s1 >= s2 its circularity is
    ``2 s1 s2 / (s1^2 + s2^2) = 2 sqrt(|u|^2 |v|^2 - (u.v)^2) / (|u|^2 + |v|^2)``: 1 for a circle, 0 for a line. A
    model with several frequencies has a circle in each of their planes. In many dimensions, chance is circular too:
    the plane's share of the variance says which planes count.

    ``principal_circularity`` and ``alignment`` are the forms of the MIScope workbench. The first fits a circle to the
    first two principal components, and multiplies the share of their variance that it explains with
    ``(v1 + v2) v2 / v1`` of their shares of the whole variance: it is small by design where there are several
    frequencies. The second is the largest ``|mean_c exp(i (theta_c - 2 pi k c / p))|^2`` of the angles about that
    circle's centre: 1 where the classes go around it evenly in steps of k.
    """

    name = "class_circles"
    title = "Class circles"
    description = "How circular the class centroids of each site are, per frequency and in two principal components."
    citation = (
        "The planes after Nanda et al. 2023 (arXiv 2301.05217), section 4; the circle by least squares: Kasa 1976."
    )
    version = 2
    needs = ("cyclic_group",)
    reads = (SITE, CLASS, CENTROID, CONSTANT)
    outputs = {
        "site": Output(("site",), "str", "1", "place in the model, by the family's common name"),
        "plane_share": Output(
            ("site", "frequency"),
            "float32",
            "1",
            "share of the centroids' variance; NaN where centroids coincide",
            {"frequency": 1},
        ),
        "plane_circularity": Output(
            ("site", "frequency"),
            "float32",
            "1",
            "circularity of the ellipse; 0 for the line of p / 2, NaN where centroids coincide",
            {"frequency": 1},
        ),
        "principal_share": Output(
            ("site", "principal_component"),
            "float32",
            "1",
            "share of the centroids' variance; NaN where centroids coincide",
            {"principal_component": 1},
        ),
        "principal_circularity": Output(("site",), "float64", "1", "circularity in the first two principal components"),
        "alignment": Output(
            ("site",), "float64", "1", "how evenly classes go around the circle, at the best frequency"
        ),
        "alignment_frequency": Output(("site",), "int32", "1", "that frequency; 0 where they coincide"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        p = step.context["cyclic_group"].order
        if not np.array_equal(step[CLASS], np.arange(p)):
            raise NotOffered(
                f"The circles of Z_{p} need a probe with rows of every class 0 to {p - 1}; this one has rows of "
                f"{len(step[CLASS])} classes."
            )
        found = [
            _measured(centroid)
            if np.isfinite(centroid).all() and np.ptp(centroid, axis=0).any() and not constant
            else _unmeasured(p)
            for centroid, constant in zip(step[CENTROID].astype(np.float64), step[CONSTANT])
        ]
        return {"site": step[SITE], **{name: np.stack([site[name] for site in found]) for name in found[0]}}


def _measured(centroid: Array) -> dict[str, Any]:
    plane_share, plane_circularity = plane_circles(centroid)
    principal_share, circularity, alignment, frequency = principal_circle(centroid)
    return {
        "plane_share": plane_share,
        "plane_circularity": plane_circularity,
        "principal_share": principal_share,
        "principal_circularity": circularity,
        "alignment": alignment,
        "alignment_frequency": np.int32(frequency),
    }


def _unmeasured(p: int) -> dict[str, Any]:
    return {
        "plane_share": np.full(p // 2, np.nan),
        "plane_circularity": np.full(p // 2, np.nan),
        "principal_share": np.full(PRINCIPAL, np.nan),
        "principal_circularity": np.nan,
        "alignment": np.nan,
        "alignment_frequency": np.int32(0),
    }


def plane_circles(centroid: Array) -> tuple[Array, Array]:
    """Return the share of the variance, and the circularity, of each frequency's plane, ``"frequency"``.

    Args:
        centroid: of each class in Z_p, ``"class feature"``.
    """
    p = len(centroid)
    component = fourier_basis(p) @ centroid
    power = frequency_power(np.sum(component**2, axis=1))
    pairs = (p - 1) // 2
    cosine, sine = component[1 : 2 * pairs + 1 : 2], component[2 : 2 * pairs + 1 : 2]
    u, v, product = np.sum(cosine**2, axis=1), np.sum(sine**2, axis=1), np.sum(cosine * sine, axis=1)
    circularity = np.zeros(len(power))
    area = 2 * np.sqrt(np.maximum(u * v - product**2, 0))
    np.divide(area, u + v, out=circularity[:pairs], where=u + v > ROUNDING**2 * power.sum())
    return power / power.sum(), circularity


def principal_circle(centroid: Array) -> tuple[Array, float, float, int]:
    """Return shares of the first principal components, circularity, alignment, and the frequency of the latter.

    Args:
        centroid: of each class in Z_p, ``"class feature"``.
    """
    p = len(centroid)
    left, singular, _ = np.linalg.svd(centroid - centroid.mean(axis=0), full_matrices=False)
    share = np.zeros(max(PRINCIPAL, 2))
    share[: len(singular)] = (singular**2 / np.sum(singular**2))[: len(share)]
    x, y = np.zeros((2, p))
    x[:] = left[:, 0] * singular[0]
    if len(singular) > 1:
        y[:] = left[:, 1] * singular[1]
    # x^2 + y^2 = 2 x0 x + 2 y0 y + c, with R^2 = c + x0^2 + y0^2: linear in what is sought.
    solution, *_ = np.linalg.lstsq(np.stack([2 * x, 2 * y, np.ones(p)], axis=1), x**2 + y**2)
    x0, y0, c = solution
    distance = np.hypot(x - x0, y - y0)
    residual = np.mean((distance - np.sqrt(max(c + x0**2 + y0**2, 0))) ** 2) / (x.var() + y.var())
    circularity = float(np.clip((1 - residual) * (share[0] + share[1]) * share[1] / share[0], 0, 1))
    turns = np.abs(np.fft.fft(np.exp(1j * np.arctan2(y - y0, x - x0))) / p) ** 2
    k = int(turns[1:].argmax()) + 1
    return share[:PRINCIPAL], circularity, float(turns[k]), min(k, p - k)
