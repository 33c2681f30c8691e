"""Views of the class centroids on axes that are the same over the training. holoviews is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.instruments.views.trajectory import PLANES
from dynascope.pictures import in_turn, lines_over_training, said, sentence
from dynascope.style import GREY, colour_bar, finite_limits

__all__ = ["CENTROIDS", "CENTROID_SHARES"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.centroid_trajectory"
PROJECTION, CENTER, SHARE, CAPTURED, CLASS = (
    f"{ANALYZER}/{name}" for name in ("projection", "center", "share", "captured", "class")
)
ONE_FRAME = "the last epoch's mean"
ALL, NONE = "all classes", "none"
MARGIN = 1.1
STAYS = "Every input is the same here at the last checkpoint."


class CentroidChoice(param.Parameterized):
    """Where in the model, along which components, and seen from where."""

    site: Any = param.Selector(default="stream_after_mlp", objects=["stream_after_mlp"], doc="place in the model")
    components: Any = param.Selector(default="PC1, PC2", objects=list(PLANES), doc="of the centroids, one basis")
    origin: Any = param.Selector(
        default="the mean at each epoch",
        objects=["the mean at each epoch", ONE_FRAME],
        doc="what is at 0: with the last epoch's mean, the classes are seen to move together too",
    )
    trails: Any = param.Selector(default=ALL, objects=[ALL, NONE], doc="the way of the classes over the training")


def _paths(frame: Frame) -> tuple[Array, Array]:
    """Return the epochs, and the coordinates of the classes along two components, ``"component class epoch"``.

    A component that there is not is 0 for all, if there is another; without any, all are NaN.
    """
    controls = frame.controls
    found = frame.read(PROJECTION, site=controls.site)
    path = found.transpose("principal_component", "class", "epoch").values
    if controls.origin == ONE_FRAME:
        center = frame.read(CENTER, site=controls.site).transpose("principal_component", "epoch").values
        path = path + center[:, None]
    if np.isfinite(path).any():
        path = np.where(np.isfinite(path).any(axis=(1, 2), keepdims=True), path, 0)
    whole = np.zeros((3, *path.shape[1:])) if np.isfinite(path).any() else np.full((3, *path.shape[1:]), np.nan)
    whole[: len(path)] = path[:3]
    return found["epoch"].values, whole[list(PLANES[controls.components])]


def _here(frame: Frame) -> dict[str, Array]:
    """Return where the classes are at the frame's epoch, and what is said of it."""
    epochs, path = _paths(frame)
    at = np.flatnonzero(epochs == frame.epoch)
    x, y = path[:, :, at[0]] if len(at) else np.full(path.shape[:2], np.nan)
    return {"classes/x": x, "classes/y": y, "note/said": np.array([_said(frame)])}


def _said(frame: Frame) -> str:
    """Return how much of what the classes do at this epoch is seen here."""
    share = frame.read(SHARE, site=frame.controls.site)
    if frame.epoch not in share["epoch"].values:
        return "not measured at this epoch"
    values = np.full(3, np.nan)
    found = share.sel(epoch=frame.epoch).values[:3]
    values[: len(found)] = found
    of_two = values[list(PLANES[frame.controls.components])]
    if not np.isfinite(of_two).any():
        return "every input is the same here"
    return f"{np.nansum(of_two):.1%} of the variance in this plane"


def draw_centroids(frame: Frame) -> Any:
    """Draw the class centroids at this epoch along two components, and the way that they take."""
    import holoviews as hv

    epochs, path = _paths(frame)
    here = _here(frame)
    if not np.isfinite(path).any():
        return sentence(STAYS)
    classes = frame.read(CLASS).values
    limit = MARGIN * float(np.nanmax(np.abs(path))) or 1.0
    colours = {"cmap": "viridis", "clim": finite_limits(classes[0], classes[-1])}
    first, second = (f"PC{number + 1}" for number in PLANES[frame.controls.components])
    parts = []
    if frame.controls.trails == ALL and len(epochs) > 1:
        paths = [{"way_x": x, "way_y": y, "of": of} for x, y, of in zip(*path, classes, strict=True)]
        ways = hv.Contours(paths, ["way_x", "way_y"], "of", label="ways")
        parts.append(ways.opts(color="of", line_width=0.8, line_alpha=0.35, **colours))
    points = hv.Points((here["classes/x"], here["classes/y"], classes), ["x", "y"], "class", label="classes")
    tooltips = [("right class", "@class"), (first, "@x{0.000}"), (second, "@y{0.000}")]
    dots = points.opts(
        color="class", size=8, line_color=GREY, line_width=0.7, tools=["hover"], hover_tooltips=tooltips,
        **colours, **colour_bar("right class"),
    )  # fmt: skip
    note = said(str(here["note/said"][0]), -0.97 * limit, 0.97 * limit).opts(text_baseline="top")
    return hv.Overlay([*parts, dots, note]).opts(
        hv.opts.Overlay(
            xlim=(-limit, limit), ylim=(-limit, limit), frame_width=270, frame_height=270, show_grid=True,
            show_legend=False, xlabel=first, ylabel=second,
        )
    )  # fmt: skip


def move_centroids(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return _here(frame) if np.isfinite(_paths(frame)[1]).any() else {}


CENTROIDS = View(
    "centroids",
    "Class centroids",
    draw_centroids,
    reads=(PROJECTION, CENTER, SHARE, CLASS),
    columns=move_centroids,
    controls=CentroidChoice,
    description=(
        "Mean stream of each right class at this epoch, on two principal axes that are the same at every epoch; the "
        "line behind a point is its way over the training. Both axes have one scale, fixed over training."
    ),
)


class SiteChoice(param.Parameterized):
    """Where in the model."""

    site: Any = param.Selector(default="stream_after_mlp", objects=["stream_after_mlp"], doc="place in the model")


def draw_centroid_shares(frame: Frame) -> Any:
    """Draw the share of the centroids' variance along each axis, and along all of them, at every checkpoint."""
    share = frame.read(SHARE, site=frame.controls.site).transpose("principal_component", "epoch")
    together = frame.read(CAPTURED, site=frame.controls.site).values
    lines = {"together": together}
    lines |= {f"PC{number}": values for number, values in enumerate(share.values, start=1)}
    return lines_over_training(
        in_turn(share["epoch"].values, lines), "share of variance", ylim=(0, 1.02), kind="component", columns=4
    )


CENTROID_SHARES = View(
    "centroid_shares",
    "Class centroids on one basis over training",
    draw_centroid_shares,
    reads=(SHARE, CAPTURED),
    controls=SiteChoice,
    series=True,
    description=(
        "Share of the variance of each checkpoint's class centroids along the axes of the one basis: how much of what "
        "the classes do is seen in the view Class centroids. Click to go to the nearest checkpoint."
    ),
)
