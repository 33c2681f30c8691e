"""Views of spectra and clusters. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Frame, View

__all__ = ["EMBEDDING_SPECTRUM", "NEURON_CLUSTERS"]

POWER_SHARE = "fourier.embedding_frequencies/power_share"
FRACTION = "fourier.neuron_frequencies/fraction"
CLUSTER_SIZE = "fourier.neuron_frequencies/cluster_size"
BEST_FREQUENCY = "fourier.neuron_frequencies/best_frequency"
BEST_SHARE = "fourier.neuron_frequencies/best_share"

BAR_COLOUR = "#0072b2"
TEXT_COLOUR = "#8a8a8a"  # readable on white and on black


def draw_embedding_spectrum(frame: Frame) -> Any:
    """Draw the share of the embedding's power per frequency as bars."""
    import holoviews as hv

    share = frame.read(POWER_SHARE)
    frequency = share["frequency"].values
    bars = hv.Bars((frequency, share.values), hv.Dimension("frequency", label="frequency k"), "share")
    return bars.opts(
        color=BAR_COLOUR,
        line_alpha=0,
        bar_width=0.7,
        xlim=(0, int(frequency[-1]) + 1),
        ylim=(0, 1.05 * frame.range(POWER_SHARE)[1]),
        xlabel="frequency k",
        ylabel="share of power",
        tools=["hover"],
    )


def move_embedding_spectrum(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"share": frame.read(POWER_SHARE).values}


EMBEDDING_SPECTRUM = View(
    "embedding_spectrum",
    "Embedding frequencies",
    draw_embedding_spectrum,
    reads=(POWER_SHARE,),
    columns=move_embedding_spectrum,
    description="Share of the embedding's non-constant Fourier power per frequency k.",
)


def _final_order(frame: Frame) -> np.ndarray[Any, Any]:
    """Return the neurons sorted by the frequency and share they have in the end, so that none moves while scrubbing."""
    frequency = frame.read(BEST_FREQUENCY, epoch=frame.epochs[-1]).values
    share = frame.read(BEST_SHARE, epoch=frame.epochs[-1]).values
    return np.lexsort((-share, frequency))


def _cluster_labels(frame: Frame) -> np.ndarray[Any, Any]:
    size = frame.read(CLUSTER_SIZE).values
    return np.where(size > 0, size.astype(str), "")


def draw_neuron_clusters(frame: Frame) -> Any:
    """Draw, for each frequency and neuron, the share of variance; beside it the size of each cluster."""
    import holoviews as hv

    fraction = frame.read(FRACTION)
    order = _final_order(frame)
    frequency = fraction["frequency"].values
    rank = np.arange(len(order))
    neuron = np.broadcast_to(fraction["neuron"].values[order], fraction.shape)
    image = hv.Image(
        (rank, frequency, fraction.values[:, order], neuron),
        ["rank", hv.Dimension("frequency", label="frequency k")],
        [hv.Dimension("share", label="share of variance"), "neuron"],
        label="share",
        bounds=(-0.5, 0.5, len(order) - 0.5, len(frequency) + 0.5),
    )
    beside = np.full(len(frequency), 1.03 * len(order))
    sizes = hv.Labels((beside, frequency, _cluster_labels(frame)), ["rank", "frequency"], "size", label="size")
    return image.opts(
        cmap="viridis",
        clim=(0, 1),
        colorbar=True,
        colorbar_opts={"width": 8, "title": "", "padding": 4},
        tools=["hover"],
        hover_tooltips=[("neuron", "@neuron"), ("frequency k", "$y{0}"), ("share of variance", "@image{0.00}")],
    ) * sizes.opts(
        text_font_size="8pt",
        text_color=TEXT_COLOUR,
        text_align="left",
        xlim=(-0.5, 1.1 * len(order)),
        ylim=(0.5, float(frequency[-1]) + 0.5),
        xlabel="neuron, sorted by its frequency at the last checkpoint",
        ylabel="frequency k",
    )


def move_neuron_clusters(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    shares = frame.read(FRACTION).values[:, _final_order(frame)]
    return {"share/image": [np.ascontiguousarray(shares)], "size/size": _cluster_labels(frame)}


NEURON_CLUSTERS = View(
    "neuron_clusters",
    "Neuron clusters by frequency",
    draw_neuron_clusters,
    reads=(FRACTION, CLUSTER_SIZE, BEST_FREQUENCY, BEST_SHARE),
    columns=move_neuron_clusters,
    description=(
        "Share of each neuron's variance over (a, b) that one frequency explains. The numbers at the right count "
        "the neurons with a share of at least 0.85 at this epoch."
    ),
)
