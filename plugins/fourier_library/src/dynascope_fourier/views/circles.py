"""A view of the class centroids in the plane of a frequency. holoviews is imported when the view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import said
from dynascope.style import GREY, colour_bar
from dynascope_fourier.basis import component_frequencies, fourier_basis
from dynascope_fourier.views.spectrum import spectrum_over_training

__all__ = ["CLASS_CIRCLE", "CLASS_CIRCLES_OVER_TRAINING", "frequency_plane"]

Array = np.ndarray[Any, Any]

CENTROID = "general.representation_geometry/centroid"
CONSTANT = "general.representation_geometry/constant"
PLANE_SHARE = "fourier.class_circles/plane_share"
MARGIN = 1.25
CYCLIC = "cet_cyclic_protanopic_deuteranopic_bwyk_16_96_c31"


class PlaneChoice(param.Parameterized):
    """Which centroids are shown, and in which plane."""

    site = param.Selector(default="stream_after_mlp", objects=["stream_after_mlp"], doc="place in the model")
    frequency = param.Integer(
        None,
        bounds=(1, None),
        allow_None=True,
        doc="frequency k of the plane; if None, the one with the largest share at the last checkpoint",
    )
    scale = param.Selector(
        default="fixed over training",
        objects=["fixed over training", "of this epoch"],
        doc="of this epoch: in units of the largest distance from the mean at the epoch",
    )


def frequency_plane(centroid: Array, k: int) -> Array:
    """Return an orthonormal basis of the plane of frequency k, ``"2 feature"``: first the direction of its cosine.

    A direction that does not exist is zero: the sine's of p / 2, and that of equal centroids.

    Args:
        centroid: of each class in Z_p, ``"class feature"``.
        k: the frequency.
    """
    p = len(centroid)
    component = fourier_basis(p)[component_frequencies(p) == k] @ centroid
    plane = np.zeros((2, centroid.shape[1]))
    for row, direction in enumerate(component):
        rest = direction - plane.T @ (plane @ direction)
        length = np.linalg.norm(rest)
        if length > 1e-9 * np.linalg.norm(direction):
            plane[row] = rest / length
    return plane


def _frequency(frame: Frame) -> int:
    """Return the frequency that is chosen, or else the strongest at the last checkpoint."""
    if frame.controls.frequency is not None:
        return int(frame.controls.frequency)
    share = frame.read(PLANE_SHARE, epoch=frame.epochs[-1], site=frame.controls.site).values
    return int(np.nan_to_num(share).argmax()) + 1


def _last_plane(frame: Frame) -> Array:
    last = frame.read(CENTROID, epoch=frame.epochs[-1], site=frame.controls.site).values
    return frequency_plane(last.astype(np.float64), _frequency(frame))


def _place(frame: Frame) -> tuple[Array, str]:
    """Return where each class lies in the plane, ``"2 class"``, and what is to be said of it."""
    site = frame.controls.site
    if int(frame.read(CONSTANT, site=site)):
        return np.zeros((2, frame.read(CENTROID, site=site).sizes["class"])), "constant: every input is the same here"
    centroid = frame.read(CENTROID, site=site).values
    centred = centroid - centroid.mean(axis=0)
    place = _last_plane(frame) @ centred.T
    share = np.sum(place**2) / (np.sum(centred**2, dtype=np.float64) or 1)
    if frame.controls.scale == "of this epoch":
        place = place / (np.hypot(*place).max() or 1)
    return place, f"{share:.1%} of the variance in this plane"


def _limit(frame: Frame) -> float:
    """Return where the axes end: beyond the farthest class at any checkpoint."""
    if frame.controls.scale == "of this epoch":
        return MARGIN
    centroid = frame.series(CENTROID, site=frame.controls.site).values
    place = (centroid - centroid.mean(axis=1, keepdims=True)) @ _last_plane(frame).T
    return MARGIN * float(np.abs(place).max()) or 1.0


def draw_class_circle(frame: Frame) -> Any:
    """Draw the class centroids in the plane that one frequency has at the last checkpoint.

    The plane is the one that the centroids' components cos k and sin k span at the last checkpoint, so that the picture
    shows when the circle appears there; the plane of each checkpoint itself would show a circle by chance, before there
    is one. The colour of a class c is its place on the circle, kc mod p, in a cyclic map: a sorted ring of colours is a
    circle in the right order. For p / 2 the plane is a line. Early circles are small: with ``scale`` at "of this
    epoch", each is drawn in units of its own largest distance.
    """
    import holoviews as hv

    k, limit = _frequency(frame), _limit(frame)
    (x, y), text = _place(frame)
    classes = np.arange(len(x))
    points = hv.Points((x, y, classes, k * classes % len(x)), ["x", "y"], ["class", "turn"], label="class")
    return points.opts(
        color="turn",
        cmap=CYCLIC,
        clim=(0, len(x)),
        size=8,
        line_color=GREY,
        line_width=0.7,
        tools=["hover"],
        hover_tooltips=[("class c", "@class"), ("cosine", "@x{0.00}"), ("sine", "@y{0.00}")],
        show_legend=False,
        frame_width=250,
        frame_height=250,
        **colour_bar(f"{k}c mod {len(x)}"),
    ) * said(text, -0.97 * limit, 0.93 * limit).opts(
        xlim=(-limit, limit),
        ylim=(-limit, limit),
        xlabel=f"direction of cos {k}",
        ylabel=f"direction of sin {k}",
    )


def move_class_circle(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    (x, y), text = _place(frame)
    return {"class/x": x, "class/y": y, "note/said": np.array([text])}


CLASS_CIRCLE = View(
    "class_circle",
    "Class circle",
    draw_class_circle,
    reads=(CENTROID, CONSTANT, PLANE_SHARE),
    columns=move_class_circle,
    controls=PlaneChoice,
    description=(
        "Mean stream of each class c = a + b mod p, in the plane that frequency k has at the last checkpoint. On a "
        "circle of frequency k, class c stands at the angle 2πkc/p."
    ),
)


class SiteChoice(param.Parameterized):
    """Which centroids are shown."""

    site = param.Selector(default="stream_after_mlp", objects=["stream_after_mlp"], doc="place in the model")


CLASS_CIRCLES_OVER_TRAINING = spectrum_over_training(
    "class_circles_over_training",
    "Class circles over training",
    PLANE_SHARE,
    "Share of the variance of the class centroids in the plane of each frequency k, at every checkpoint; empty where "
    "every input is the same. Click to go to the nearest one and choose the frequency.",
    SiteChoice,
    quantity="share of the centroids' variance",
)
