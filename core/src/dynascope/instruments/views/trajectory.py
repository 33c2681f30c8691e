"""Views of the path of the weights over training. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import Series, lines_over_training, sentence
from dynascope.style import GREY, LINES, colour_bar, finite_limits, padded

__all__ = ["PARAMETER_MOTION", "PARAMETER_PATH", "PARAMETER_PATH_3D", "orthographic"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.parameter_trajectory"
PROJECTION = f"{ANALYZER}/projection"
EXPLAINED = f"{ANALYZER}/explained_variance"
MOTION = {"distance": "distance", "velocity": "velocity", "update cosine": "update_cosine"}
PLANES = {"PC1, PC2": (0, 1), "PC1, PC3": (0, 2), "PC2, PC3": (1, 2)}
NEAREST, FARTHEST = 9.0, 3.0
"""Sizes of points."""
STAYS = "These weights are the same at every checkpoint."


class PathChoice(param.Parameterized):
    """Whose path, and along which components."""

    group: Any = param.Selector(default="all", objects=["all"], doc="all weights, or a group of them by name")
    components: Any = param.Selector(default="PC1, PC2", objects=list(PLANES), doc="of the group's own checkpoints")


def _path(frame: Frame) -> tuple[Array, Array]:
    """Return the epochs and the first three coordinates, ``"component epoch"``; 0 for components there are not."""
    found = frame.read(PROJECTION, group=frame.controls.group)
    path = np.zeros((3, found.sizes["epoch"]))
    path[: found.sizes["component"]] = found.values[:3]
    return found["epoch"].values, path


def _titles(frame: Frame) -> list[str]:
    """Return what each component is called, with its share of the variance."""
    share = np.full(3, np.nan)
    found = frame.read(EXPLAINED, group=frame.controls.group).values[:3]
    share[: len(found)] = found
    return [
        f"PC{number}" + (f" ({one:.1%} of the variance)" if np.isfinite(one) else "")
        for number, one in enumerate(share, start=1)
    ]


def _moves(path: Array) -> bool:
    return bool(np.isfinite(path).any() and np.nanmax(np.abs(path)) > 0)


def _at_epoch(frame: Frame, epochs: Array, values: Array) -> Array:
    """Return the values at the frame's epoch; NaN if the path does not have it."""
    found = values[..., epochs == frame.epoch]
    return found[..., 0] if found.shape[-1] else np.full(values.shape[:-1], np.nan)


def _colours(epochs: Array) -> dict[str, Any]:
    return {"color": "epoch", "cmap": "viridis", "clim": finite_limits(epochs[0], epochs[-1]), **colour_bar("epoch")}


def draw_parameter_path(frame: Frame) -> Any:
    """Draw the path of the weights along two of their principal components, and where it is at this epoch."""
    import holoviews as hv

    epochs, path = _path(frame)
    if not _moves(path):
        return sentence(STAYS)
    first, second = PLANES[frame.controls.components]
    x, y = path[first], path[second]
    titles = _titles(frame)
    line = hv.Curve((x, y), "line_x", "line_y", label="path")
    points = hv.Points((x, y, epochs), ["x", "y"], "epoch", label="checkpoints")
    tooltips = [("epoch", "@epoch{0,0}"), (f"PC{first + 1}", "@x{0.000}"), (f"PC{second + 1}", "@y{0.000}")]
    return hv.Overlay(
        [
            line.opts(color=GREY, line_width=1, line_alpha=0.7),
            points.opts(size=6, line_color=GREY, line_width=0.5, tools=["hover"], hover_tooltips=tooltips)
            .opts(**_colours(epochs)),
            _ring(frame, epochs, x, y),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=padded(x), ylim=padded(y), xlabel=titles[first], ylabel=titles[second], show_grid=True,
            show_legend=False,
        )
    )  # fmt: skip


def move_parameter_path(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    epochs, path = _path(frame)
    if not _moves(path):
        return {}
    x, y = _at_epoch(frame, epochs, path[list(PLANES[frame.controls.components])])
    return {"now/x": np.array([x]), "now/y": np.array([y])}


PARAMETER_PATH = View(
    "parameter_path",
    "Path of the weights",
    draw_parameter_path,
    reads=(PROJECTION, EXPLAINED),
    columns=move_parameter_path,
    controls=PathChoice,
    description=(
        "Checkpoints along two principal components of the weights, over all checkpoints; the ring is this epoch. The "
        "axes have scales of their own. The components of a random walk look orderly too."
    ),
)


class Rotation(param.Parameterized):
    """Whose path, and from where it is looked at."""

    group: Any = param.Selector(default="all", objects=["all"], doc="all weights, or a group of them by name")
    azimuth = param.Integer(-60, bounds=(-180, 180), step=15, doc="degrees around the axis PC3, from PC1 to PC2")
    elevation = param.Integer(25, bounds=(-90, 90), step=15, doc="degrees above the plane of PC1 and PC2")


def orthographic(points: Array, azimuth: float, elevation: float) -> Array:
    """Return points as seen from a direction without perspective: right, up, and towards the eye.

    Args:
        points: ``"3 point"``.
        azimuth, elevation: of the eye, in degrees: (0, 0) is on the first axis, (90, 0) on the second, and at an
            elevation of 90 it is on the third.

    Returns:
        ``"3 point"``.
    """
    a, e = np.radians([azimuth, elevation])
    turned = np.array(
        [
            [-np.sin(a), np.cos(a), 0],
            [-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)],
            [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)],
        ]
    )
    seen: Array = turned @ points
    return seen


def _seen(frame: Frame, points: Array) -> Array:
    return orthographic(points, frame.controls.azimuth, frame.controls.elevation)


def _size(depth: Array, radius: float) -> Array:
    """Return sizes of points: the nearer, the larger, by the same measure from every side."""
    return FARTHEST + (NEAREST - FARTHEST) * np.clip((depth / radius + 1) / 2, 0, 1)


def draw_parameter_path_3d(frame: Frame) -> Any:
    """Draw the path of the weights along three principal components, from a side."""
    import holoviews as hv

    epochs, path = _path(frame)
    if not _moves(path):
        return sentence(STAYS)
    radius = float(np.nanmax(np.linalg.norm(path, axis=0)))
    x, y, depth = _seen(frame, path)
    line = hv.Curve((x, y), "line_x", "line_y", label="path")
    points = hv.Points((x, y, epochs, _size(depth, radius)), ["x", "y"], ["epoch", "size"], label="checkpoints")
    ends = _seen(frame, 0.9 * radius * np.eye(3))
    origin = np.zeros(3)
    axes = hv.Segments((origin, origin, ends[0], ends[1]), ["x0", "y0", "x1", "y1"], label="axes")
    names = hv.Labels((1.1 * ends[0], 1.1 * ends[1], ["PC1", "PC2", "PC3"]), ["name_x", "name_y"], "axis")
    tooltips = [("epoch", "@epoch{0,0}")]
    limit = 1.12 * radius
    shares = [title.partition("(")[2].partition(" of")[0] or "-" for title in _titles(frame)]
    return hv.Overlay(
        [
            axes.opts(color=GREY, line_width=1, line_dash="dotted"),
            names.opts(text_color=GREY, text_font_size="9pt"),
            line.opts(color=GREY, line_width=1, line_alpha=0.7),
            points.opts(size="size", line_color=GREY, line_width=0.5, tools=["hover"], hover_tooltips=tooltips)
            .opts(**_colours(epochs)),
            _ring(frame, epochs, x, y),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=(-limit, limit), ylim=(-limit, limit), frame_width=270, frame_height=270, show_legend=False,
            xlabel="share of the variance: " + ", ".join(shares), ylabel="", xticks=0, yticks=0,
        )
    )  # fmt: skip


def _ring(frame: Frame, epochs: Array, x: Array, y: Array) -> Any:
    import holoviews as hv

    now_x, now_y = _at_epoch(frame, epochs, np.stack([x, y]))
    now = hv.Points(([now_x], [now_y]), ["x", "y"], label="now")
    return now.opts(size=15, fill_alpha=0, color="#d55e00", line_width=2.5)


def move_parameter_path_3d(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    epochs, path = _path(frame)
    if not _moves(path):
        return {}
    x, y, _ = _at_epoch(frame, epochs, _seen(frame, path))
    return {"now/x": np.array([x]), "now/y": np.array([y])}


PARAMETER_PATH_3D = View(
    "parameter_path_3d",
    "Path of the weights in three dimensions",
    draw_parameter_path_3d,
    reads=(PROJECTION, EXPLAINED),
    columns=move_parameter_path_3d,
    controls=Rotation,
    description=(
        "Checkpoints along the first three principal components of the weights, seen without perspective; all axes "
        "have one scale. Nearer points are larger; the ring is this epoch."
    ),
)


class MotionChoice(param.Parameterized):
    """What of the motion."""

    show: Any = param.Selector(
        default="distance",
        objects=list(MOTION),
        doc="distance from the first checkpoint; velocity since the checkpoint before; cosine of successive steps",
    )


def draw_parameter_motion(frame: Frame) -> Any:
    """Draw distance, velocity or direction of the weights at every checkpoint, by group."""
    show = frame.controls.show
    found = frame.read(f"{ANALYZER}/{MOTION[show]}")
    largest = np.max(found.values, axis=1, where=np.isfinite(found.values), initial=-np.inf)
    named = dict(zip(sorted(np.argsort(-largest, kind="stable")[: len(LINES)]), LINES))
    cosine = show == "update cosine"
    return lines_over_training(
        [
            Series(str(name), found["epoch"].values, values, named.get(index))
            for index, (name, values) in enumerate(zip(found["group"].values, found.values))
        ],
        show,
        "1/epoch" if show == "velocity" else "",
        log=not cosine,
        kind="group",
        ylim=(-1.05, 1.05) if cosine else None,
    )


PARAMETER_MOTION = View(
    "parameter_motion",
    "Motion of the weights over training",
    draw_parameter_motion,
    reads=tuple(f"{ANALYZER}/{array}" for array in MOTION.values()),
    controls=MotionChoice,
    series=True,
    description=(
        "Distance of the weights from the first checkpoint, distance per epoch since the one before, or the cosine "
        "between the step to a checkpoint and the next one; of all weights and by group. Click to go to the nearest "
        "checkpoint."
    ),
)
