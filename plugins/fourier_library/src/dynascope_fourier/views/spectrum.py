"""Views of a spectrum: bars at one epoch, and a map of all epochs. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import cells_over_training, in_turn, lines_over_training
from dynascope.style import BAR_COLOUR, epoch_edges, largest, nearest_epoch
from dynascope_fourier.views.style import frequency_ticks

__all__ = [
    "EMBEDDING_GINI",
    "EMBEDDING_SPECTRUM",
    "EMBEDDING_SPECTRUM_OVER_TRAINING",
    "pick_bar",
    "spectrum",
    "spectrum_over_training",
]

Array = np.ndarray[Any, Any]

POWER_SHARE = "fourier.embedding_frequencies/power_share"
GINI = "fourier.embedding_frequencies/gini"
GINI_WITHOUT_CONSTANT = "fourier.embedding_frequencies/gini_without_constant"


def spectrum(name: str, title: str, array: str, description: str) -> View:
    """Return a view of shares of power, ``"frequency"``, as bars."""
    return View(
        name,
        title,
        partial(_draw_bars, array),
        reads=(array,),
        columns=partial(_move_bars, array),
        pick=partial(pick_bar, array),
        description=description,
    )


def _draw_bars(array: str, frame: Frame) -> Any:
    """Draw shares as bars.

    The vertical axis ends a little above the largest share at any checkpoint.
    """
    import holoviews as hv

    share = frame.read(array)
    frequency = share["frequency"].values
    bars = hv.Bars((frequency, share.values), hv.Dimension("frequency", label="frequency k"), "share")
    return bars.opts(
        color=BAR_COLOUR,
        line_alpha=0,
        bar_width=0.7,
        xlim=(0, int(frequency[-1]) + 1),
        ylim=(0, 1.05 * largest(frame.range(array))),
        xticks=frequency_ticks(len(frequency)),
        xlabel="frequency k",
        ylabel="share of power",
        tools=["hover"],
        hover_tooltips=[("frequency k", "@frequency"), ("share of power", "@share{0.000}")],
    )


def _move_bars(array: str, frame: Frame) -> Mapping[str, Any]:
    return {"share": frame.read(array).values}


def pick_bar(array: str, frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the frequency of the bar at or under a point."""
    k = round(x)
    return {"frequency": k} if 0 <= y <= 1 and 1 <= k <= frame.read(array).sizes["frequency"] else {}


def spectrum_over_training(
    name: str,
    title: str,
    array: str,
    description: str,
    controls: type[param.Parameterized] | None = None,
    *,
    shares: Callable[[Array], Array] = np.asarray,
    quantity: str = "share of power",
) -> View:
    """Return a view of shares of power at every checkpoint.

    Args:
        name, title, description: of the view.
        array: ``"frequency"``, or with more axes, for each of which there is a control of its name.
        controls: a class with these.
        shares: what is shown of the array's values.
        quantity: what that is.
    """
    return View(
        name,
        title,
        partial(_draw_map, array, shares, quantity),
        reads=(array,),
        controls=controls,
        pick=partial(_pick_on_map, array),
        series=True,
        description=description,
    )


def _series(array: str, frame: Frame) -> Any:
    controls = frame.controls
    at = {} if controls is None else {name: getattr(controls, name) for name in controls.param if name != "name"}
    return frame.series(array, **at)


def _draw_map(array: str, shares: Callable[[Array], Array], quantity: str, frame: Frame) -> Any:
    """Draw shares as a map over epoch and frequency.

    The axis is the epoch, not the checkpoint's number, so that maps, losses and the epoch line agree. A cell is as
    wide as the epochs for which a click goes to its checkpoint: narrow where checkpoints are dense.
    """
    share = _series(array, frame)
    frequency = share["frequency"].values
    return cells_over_training(
        share["epoch"].values,
        frequency,
        shares(share.values),
        quantity,
        row="frequency k",
        ticks=frequency_ticks(len(frequency)),
        axis="frequency",
    )


def _pick_on_map(array: str, frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the checkpoint and the frequency at a point."""
    share = frame.series(array)
    edge, k = epoch_edges(share["epoch"].values), round(y)
    inside = edge[0] <= x <= edge[-1] and 1 <= k <= share.sizes["frequency"]
    return {"epoch": nearest_epoch(share["epoch"].values, x), "frequency": k} if inside else {}


EMBEDDING_SPECTRUM = spectrum(
    "embedding_spectrum",
    "Embedding frequencies",
    POWER_SHARE,
    "Share of the embedding's non-constant Fourier power per frequency k.",
)
EMBEDDING_SPECTRUM_OVER_TRAINING = spectrum_over_training(
    "embedding_spectrum_over_training",
    "Embedding frequencies over training",
    POWER_SHARE,
    "Share of the embedding's non-constant Fourier power per frequency k, at every checkpoint. Click to go to the "
    "nearest one.",
)


def draw_embedding_gini(frame: Frame) -> Any:
    """Draw both Gini coefficients of the embedding's component norms at every checkpoint."""
    gini = frame.series(GINI)
    lines = {"without the constant": frame.series(GINI_WITHOUT_CONSTANT).values, "with the constant": gini.values}
    return lines_over_training(in_turn(gini["epoch"].values, lines), "Gini coefficient", ylim=(0, 1))


EMBEDDING_GINI = View(
    "embedding_gini",
    "Sparsity of the embedding",
    draw_embedding_gini,
    reads=(GINI, GINI_WITHOUT_CONSTANT),
    series=True,
    description=(
        "Gini coefficient of the norms of the embedding's Fourier components: 0 where all are equal, 1 - m/N where m "
        "of N are equal and the others are 0."
    ),
)
