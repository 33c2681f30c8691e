"""Views of neurons by frequency. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import Series, lines_over_training, sentence
from dynascope.style import GREY, colour_bar, largest, nearest_epoch
from dynascope_fourier.views.style import FREQUENCY_LINES, frequency_lines, frequency_ticks

__all__ = ["CLUSTER_SIZES", "NEURON_CLUSTERS"]

FRACTION = "fourier.neuron_frequencies/fraction"
CLUSTER_SIZE = "fourier.neuron_frequencies/cluster_size"
BEST_SIZE = "fourier.neuron_frequencies/best_size"
BEST_FREQUENCY = "fourier.neuron_frequencies/best_frequency"
BEST_SHARE = "fourier.neuron_frequencies/best_share"
NEAR = 0.05
"""How far from a line, as a share of the axis, a click still chooses it."""


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


def mark_neuron(frame: Frame, chosen: Mapping[str, int | str]) -> Mapping[str, float]:
    """Return where a neuron is among the sorted ones."""
    (rank,) = np.nonzero(_final_order(frame) == chosen.get("neuron", -1))
    return {"x": float(rank[0])} if len(rank) else {}


NEURON_CLUSTERS = View(
    "neuron_clusters",
    "Neuron clusters by frequency",
    draw_neuron_clusters,
    reads=(FRACTION, CLUSTER_SIZE, BEST_FREQUENCY, BEST_SHARE),
    columns=move_neuron_clusters,
    pick=pick_neuron,
    mark=mark_neuron,
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


def _sizes(frame: Frame) -> Any:
    return frame.series(CLUSTER_SIZE if frame.controls.count == "clusters" else BEST_SIZE)


def draw_cluster_sizes(frame: Frame) -> Any:
    """Draw the number of neurons of each frequency at every checkpoint; some by name, the others in grey.

    ``count`` at "clusters" counts neurons whose share reaches ``cluster_share``; at "best frequency", every neuron for
    its best one. Key frequencies have a name, then the largest others, six in all; the rest are thin grey lines.
    """
    size = _sizes(frame)
    named = frequency_lines(frame)
    lines = [
        Series(f"k = {k}", size["epoch"].values, size.values[:, index], named.get(k), of={"frequency": k})
        for index, k in enumerate(map(int, size["frequency"].values))
        if k in named or size.values[:, index].any()
    ]
    if not lines:
        return sentence("No neuron responds to any frequency.", size["epoch"].values)
    top = 1.05 * largest([line.values for line in lines])
    return lines_over_training(lines, "neurons", ylim=(0, top), kind="frequency", number="0", columns=4)


def pick_cluster_size(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the frequency whose line is nearest to a point at the checkpoint nearest to it, unless all are far."""
    size = _sizes(frame)
    here = size.sel(epoch=nearest_epoch(size["epoch"].values, x)).values
    shown = size.values.any(axis=0)
    distance = np.where(shown, np.abs(here - y), np.inf)
    if not distance.min() <= NEAR * largest(size.values):
        return {}
    return {"frequency": int(size["frequency"].values[distance.argmin()])}


CLUSTER_SIZES = View(
    "cluster_sizes",
    "Neurons per frequency",
    draw_cluster_sizes,
    reads=FREQUENCY_LINES,
    controls=Counting,
    pick=pick_cluster_size,
    series=True,
    description=(
        "Neurons of each frequency at every checkpoint. The key frequencies of the last checkpoint and the largest "
        "other clusters have a name, and the same colour in every view; others are grey. Click to go to the nearest "
        "checkpoint, and near a line to choose its frequency."
    ),
)
