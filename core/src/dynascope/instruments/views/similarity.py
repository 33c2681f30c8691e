"""A view of how alike checkpoints are. holoviews is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import sentence
from dynascope.style import colour_bar, epoch_pixels

__all__ = ["CHECKPOINT_SIMILARITY"]

Array = np.ndarray[Any, Any]

CKA = "general.linear_cka/cka"


class SiteChoice(param.Parameterized):
    """Where in the model, and from which similarity on there are colours."""

    site: Any = param.Selector(default="stream_after_mlp", objects=["stream_after_mlp"], doc="place in the model")
    colours: Any = param.Selector(
        default="from 0 to 1", objects=["from 0 to 1", "from the smallest to 1"], doc="the range of the colours"
    )


def _cross(frame: Frame, ends: tuple[float, float]) -> dict[str, Array]:
    """Return the two lines that cross where this epoch is compared with itself."""
    (low, high), at = ends, float(frame.epoch)
    return {
        "x0": np.array([at, low]), "y0": np.array([low, at]),
        "x1": np.array([at, high]), "y1": np.array([high, at]),
    }  # fmt: skip


def draw_checkpoint_similarity(frame: Frame) -> Any:
    """Draw the similarity of every two checkpoints."""
    import holoviews as hv

    found = frame.read(CKA, site=frame.controls.site)
    values, epochs = found.values, found["epoch"].values
    if not np.isfinite(values).any():
        return sentence("Nothing to compare: every input is the same here, at every checkpoint.")
    at, nearest, ends = epoch_pixels(epochs, 300)
    whose = epochs[nearest]
    image = hv.Image(
        (at, at, values[np.ix_(nearest, nearest)], *np.meshgrid(whose, whose)),
        ["epoch", "other"],
        ["cka", "one_epoch", "other_epoch"],
        label="cka",
        bounds=(ends[0], ends[0], ends[1], ends[1]),
    )
    low = 0.0 if frame.controls.colours == "from 0 to 1" else min(float(np.nanmin(values)), 1 - 1e-6)
    cross = hv.Segments(tuple(_cross(frame, ends).values()), ["x0", "y0", "x1", "y1"], label="now")
    return image.opts(
        cmap="viridis",
        clim=(low, 1),
        tools=["hover"],
        hover_tooltips=[
            ("epoch", "@one_epoch{0,0}"), ("and epoch", "@other_epoch{0,0}"), ("linear CKA", "@image{0.000}"),
        ],
        **colour_bar("linear CKA"),
    ) * cross.opts(
        color="#d55e00",
        line_width=1.5,
        line_dash="dashed",
        xlim=ends,
        ylim=ends,
        xlabel="epoch",
        ylabel="epoch",
        show_legend=False,
        frame_width=270,
        frame_height=270,
    )  # fmt: skip


def move_checkpoint_similarity(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    found = frame.read(CKA, site=frame.controls.site)
    if not np.isfinite(found.values).any():
        return {}
    ends = epoch_pixels(found["epoch"].values)[2]
    return {f"now/{name}": values for name, values in _cross(frame, ends).items()}


def pick_checkpoint(frame: Frame, x: float, y: float) -> Mapping[str, int]:
    """Return the epoch at a point."""
    low, high = epoch_pixels(frame.read(CKA, site=frame.controls.site)["epoch"].values)[2]
    return {"epoch": round(x)} if low <= x <= high else {}


CHECKPOINT_SIMILARITY = View(
    "checkpoint_similarity",
    "Similarity of checkpoints",
    draw_checkpoint_similarity,
    reads=(CKA,),
    columns=move_checkpoint_similarity,
    controls=SiteChoice,
    pick=pick_checkpoint,
    description=(
        "Linear CKA of the class centroids at every two checkpoints, at one site. The lines cross at this epoch; click "
        "to go to the nearest checkpoint."
    ),
)
