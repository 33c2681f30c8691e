"""Views of neurons by frequency. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.style import GREY, LINES, colour_bar, curve_at_checkpoints
from dynascope_fourier.views.style import frequency_ticks

__all__ = ["CLUSTER_SIZES", "NEURON_CLUSTERS"]

FRACTION = "fourier.neuron_frequencies/fraction"
CLUSTER_SIZE = "fourier.neuron_frequencies/cluster_size"
BEST_SIZE = "fourier.neuron_frequencies/best_size"
BEST_FREQUENCY = "fourier.neuron_frequencies/best_frequency"
BEST_SHARE = "fourier.neuron_frequencies/best_share"


def _final_order(frame: Frame) -> np.ndarray[Any, Any]:
    """Return the neurons sorted by the frequency and share they have in the end, so that none moves while scrubbing."""
    frequency = frame.read(BEST_FREQUENCY, epoch=frame.epochs[-1]).values
    share = frame.read(BEST_SHARE, epoch=frame.epochs[-1]).values
    return np.lexsort((-share, frequency))


def _cluster_labels(frame: Frame) -> np.ndarray[Any, Any]:
    size = frame.read(CLUSTER_SIZE).values
    return np.where(size > 0, size.astype(str), "")


def draw_neuron_clusters(frame: Frame) -> Any:
    """Draw, for each frequency and neuron, the share of variance; beside it the size of each cluster.

    Neurons are sorted by the frequency and share that they have at the last checkpoint, so that none changes its place
    while one scrubs. Colours run from 0 to 1.
    """
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
        **colour_bar("share"),
        tools=["hover"],
        hover_tooltips=[("neuron", "@neuron"), ("frequency k", "$y{0}"), ("share of variance", "@image{0.00}")],
    ) * sizes.opts(
        text_font_size="8pt",
        text_color=GREY,
        text_align="left",
        xlim=(-0.5, 1.1 * len(order)),
        ylim=(0.5, float(frequency[-1]) + 0.5),
        xlabel="neuron, sorted by its frequency at the last checkpoint",
        yticks=frequency_ticks(len(frequency)),
        ylabel="frequency k",
    )


def move_neuron_clusters(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    shares = frame.read(FRACTION).values[:, _final_order(frame)]
    return {"share/image": [np.ascontiguousarray(shares)], "size/size": _cluster_labels(frame)}


def pick_neuron(frame: Frame, x: float, y: float) -> Mapping[str, int]:
    """Return the neuron and the frequency at a point."""
    order, rank, k = _final_order(frame), round(x), round(y)
    inside = 0 <= rank < len(order) and 1 <= k <= frame.read(FRACTION).sizes["frequency"]
    return {"neuron": int(order[rank]), "frequency": k} if inside else {}


NEURON_CLUSTERS = View(
    "neuron_clusters",
    "Neuron clusters by frequency",
    draw_neuron_clusters,
    reads=(FRACTION, CLUSTER_SIZE, BEST_FREQUENCY, BEST_SHARE),
    columns=move_neuron_clusters,
    pick=pick_neuron,
    description=(
        "Share of each neuron's variance over (a, b) that one frequency explains. The numbers at the right count "
        "the neurons with a share of at least 0.85 at this epoch. Click a neuron to see its map."
    ),
)


class Counting(param.Parameterized):
    """Which neurons count for a frequency."""

    count = param.Selector(
        default="clusters",
        objects=["clusters", "best frequency"],
        doc="clusters: neurons whose share reaches the threshold; best frequency: all neurons, by their largest share",
    )


def draw_cluster_sizes(frame: Frame) -> Any:
    """Draw the number of neurons of each frequency at every checkpoint; the largest by name, the others in grey.

    ``count`` at "clusters" counts neurons whose share reaches ``cluster_share``; at "best frequency", every neuron for
    its best one. The six frequencies that have had the most have a name; others are thin grey lines.
    """
    import holoviews as hv

    size = frame.series(CLUSTER_SIZE if frame.controls.count == "clusters" else BEST_SIZE)
    epochs, frequency, largest = size["epoch"].values, size["frequency"].values, size.values.max(axis=0)
    ever = [index for index in np.argsort(-largest, kind="stable") if largest[index]] or [0]
    parts = []
    for index in ever[len(LINES) :]:
        curve = hv.Curve((epochs, size.values[:, index]), "epoch", f"of_{frequency[index]}")
        parts.append(curve.opts(color=GREY, line_width=0.7, line_alpha=0.6))
    for index, line in zip(sorted(ever[: len(LINES)]), LINES):
        k = frequency[index]
        dimension = hv.Dimension(f"of_{k}", label="neurons")
        tooltips = [("epoch", "@epoch{0,0}"), ("frequency k", str(k)), ("neurons", f"@of_{k}")]
        parts.append(curve_at_checkpoints(epochs, size.values[:, index], dimension, f"k = {k}", line, tooltips))
    return (
        hv.Overlay(parts)
        .collate()
        .opts(
            hv.opts.Overlay(
                ylim=(0, 1.05 * largest.max() or 1),
                legend_position="top",
                legend_cols=3,
                show_grid=True,
                xlabel="epoch",
                ylabel="neurons",
            )
        )
    )


CLUSTER_SIZES = View(
    "cluster_sizes",
    "Neurons per frequency",
    draw_cluster_sizes,
    reads=(CLUSTER_SIZE, BEST_SIZE),
    controls=Counting,
    series=True,
    description=(
        "Neurons of each frequency at every checkpoint. The largest clusters have a name; others are grey. Click to "
        "go to the nearest checkpoint."
    ),
)
