"""Views of a spectrum: bars at one epoch, and a map of all epochs. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.style import BAR_COLOUR, colour_bar, epoch_edges
from dynascope_fourier.views.style import frequency_ticks

__all__ = ["EMBEDDING_SPECTRUM", "EMBEDDING_SPECTRUM_OVER_TRAINING", "spectrum", "spectrum_over_training"]

POWER_SHARE = "fourier.embedding_frequencies/power_share"


def spectrum(name: str, title: str, array: str, description: str) -> View:
    """Return a view of shares of power, ``"frequency"``, as bars."""
    return View(
        name,
        title,
        partial(_draw_bars, array),
        reads=(array,),
        columns=partial(_move_bars, array),
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
        ylim=(0, 1.05 * frame.range(array)[1] or 1),
        xticks=frequency_ticks(len(frequency)),
        xlabel="frequency k",
        ylabel="share of power",
        tools=["hover"],
        hover_tooltips=[("frequency k", "@frequency"), ("share of power", "@share{0.000}")],
    )


def _move_bars(array: str, frame: Frame) -> Mapping[str, Any]:
    return {"share": frame.read(array).values}


def spectrum_over_training(
    name: str, title: str, array: str, description: str, controls: type[param.Parameterized] | None = None
) -> View:
    """Return a view of shares of power at every checkpoint.

    Args:
        name, title, description: of the view.
        array: ``"frequency"``, or with more axes, for each of which there is a control of its name.
        controls: a class with these.
    """
    return View(
        name, title, partial(_draw_map, array), reads=(array,), controls=controls, series=True, description=description
    )


def _draw_map(array: str, frame: Frame) -> Any:
    """Draw shares as a map over epoch and frequency.

    The axis is the epoch, not the checkpoint's number, so that maps, losses and the epoch line agree. A cell is as
    wide as the epochs for which a click goes to its checkpoint.

    Cells are narrow where checkpoints are dense; nothing is interpolated.
    """
    import holoviews as hv

    controls = frame.controls
    at = {} if controls is None else {name: getattr(controls, name) for name in controls.param if name != "name"}
    share = frame.series(array, **at)
    epochs, frequency = share["epoch"].values, share["frequency"].values
    edge, count = epoch_edges(epochs), len(frequency)
    left, right, epoch = (np.repeat(each, count) for each in (edge[:-1], edge[1:], epochs))
    k = np.tile(frequency, len(epochs))
    cells = hv.Rectangles(
        (left, k - 0.5, right, k + 0.5, share.values.ravel(), epoch, k),
        ["left", "bottom", "right", "top"],
        [hv.Dimension("share", label="share of power"), "epoch", "k"],
    )
    return cells.opts(
        color="share",
        line_color="share",  # no seams of the page's colour between cells
        line_width=1,
        cmap="viridis",
        clim=(0, float(share.max()) or 1.0),
        tools=["hover"],
        hover_tooltips=[("epoch", "@epoch{0,0}"), ("frequency k", "@k"), ("share of power", "@share{0.000}")],
        xlim=(edge[0], edge[-1]),
        ylim=(0.5, count + 0.5),
        yticks=frequency_ticks(count),
        xlabel="epoch",
        ylabel="frequency k",
        **colour_bar("share"),
    )


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
