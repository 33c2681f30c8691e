"""Views of how neurons come to their frequency, and of groups of them. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import in_turn, lines_over_training, sentence
from dynascope.style import GREY, LINES, epoch_edges, epoch_limits, largest, nearest_epoch
from dynascope_fourier.views.style import FREQUENCY_LINES, frequency_lines

__all__ = ["FREQUENCY_LIFETIMES", "GROUP_CHANGES", "NEURON_COMMITMENT", "NEURON_FREQUENCIES", "runs"]

Array = np.ndarray[Any, Any]

BEST_FREQUENCY = "fourier.neuron_frequencies/best_frequency"
CLUSTER = "fourier.neuron_frequencies/cluster"
COMMITTED_FREQUENCY, COMMITMENT, SETTLED, SWITCHING, COMMITTED = (
    f"fourier.neuron_dynamics/{name}"
    for name in ("committed_frequency", "commitment_epoch", "settled_epoch", "switching", "committed_neurons")
)
JOINED, LEFT, SIZE, FIRST_KEY, LAST_KEY, PEAK_SIZE, PEAK_EPOCH, TRANSIENT = (
    f"fourier.frequency_groups/{name}"
    for name in ("joined", "left", "size", "first_key_epoch", "last_key_epoch", "peak_size", "peak_epoch", "transient")
)
PALE = "#8a8a8a59"
HOVER = {
    "tools": ["hover"],
    "hover_tooltips": [
        ("neuron", "@neuron"),
        ("frequency k", "@frequency"),
        ("at the checkpoints", "@since{0,0} to @until{0,0}"),
    ],
}
NAMED_GROUP = 0.04
"""The share of the neurons below which a group has no tick."""


class Showing(param.Parameterized):
    """What is shown of a neuron."""

    frequency_of = param.Selector(
        default="best frequency",
        objects=["best frequency", "cluster"],
        doc="best frequency: the one with the largest share, however small; cluster: that, where the share reaches "
        "the threshold",
    )


def runs(values: Array) -> tuple[Array, Array, Array, Array]:
    """Return the stretches of equal values along the first axis: column, first row, row after the last, and value."""
    change = np.ones(values.shape, dtype=bool)
    change[1:] = values[1:] != values[:-1]
    column, start = np.nonzero(change.T)
    last = np.append(column[1:] != column[:-1], True)
    stop = np.where(last, len(values), np.append(start[1:], 0))
    return column, start, stop, values[start, column]


def _order(frame: Frame) -> tuple[Array, Array, Array]:
    """Return the neurons as they are stacked, bottom first, and the frequency and commitment of each of these.

    By the cluster at the last checkpoint, and in it by the epoch of commitment; those that are in none come last, by
    the best frequency there and the epoch from which on they have it.
    """
    frequency = frame.read(COMMITTED_FREQUENCY).values
    commitment, settled = frame.read(COMMITMENT).values, frame.read(SETTLED).values
    since = np.nan_to_num(np.where(frequency > 0, commitment, settled), nan=np.inf)
    last = frame.read(BEST_FREQUENCY, epoch=frame.epochs[-1]).values
    order = np.lexsort((since, np.where(frequency > 0, frequency, last), frequency == 0))
    return order, frequency[order], commitment[order]


def _groups(frequency: Array) -> list[tuple[float, str]]:
    """Return where the groups of a stack are named."""
    ticks = []
    for k in sorted(set(frequency.tolist())):
        (rank,) = np.nonzero(frequency == k)
        if len(rank) >= NAMED_GROUP * len(frequency):
            ticks.append((float(rank.mean()), f"k = {k}" if k else "none"))
    return ticks or [(0.0, "")]


def draw_neuron_frequencies(frame: Frame) -> Any:
    """Draw the frequency of each neuron at every checkpoint: a bar for each stretch in which it stays the same."""
    import holoviews as hv

    clusters = frame.controls.frequency_of == "cluster"
    stored = frame.series(CLUSTER if clusters else BEST_FREQUENCY)
    epochs, edge = stored["epoch"].values, epoch_edges(stored["epoch"].values)
    order, frequency, commitment = _order(frame)
    named = frequency_lines(frame)
    rank, start, stop, k = runs(stored.values[:, order])
    shown = k > 0
    rank, start, stop, k = rank[shown], start[shown], stop[shown], k[shown]
    # One element for each colour, so that the legend says which frequency has it.
    stretches = []
    for one in [*sorted(named), 0]:
        of = k == one if one else ~np.isin(k, list(named))
        if not of.any():
            continue
        colour = named[one][0] if one else PALE
        bars = hv.Rectangles(
            (
                *(edge[start[of]], rank[of] - 0.5, edge[stop[of]], rank[of] + 0.5),
                *(k[of], order[rank[of]], epochs[start[of]], epochs[stop[of] - 1]),
            ),
            ["start", "bottom", "stop", "top"],
            ["frequency", "neuron", "since", "until"],
            label=f"k = {one}" if one else "other",
        )
        stretches.append(bars.opts(color=colour, line_color=colour, line_width=0.5, **HOVER))
    committed = hv.Curve(
        (np.where(clusters, np.nan, commitment), np.arange(len(order))), "start", "bottom", label="commitment"
    )
    return hv.Overlay(
        [
            *stretches,
            committed.opts(color="white", line_width=1.5, show_legend=False),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=(edge[0], edge[-1]),
            ylim=(-0.5, len(order) - 0.5),
            yticks=_groups(frequency),
            xlabel="epoch",
            ylabel="neuron, by its last cluster",
            legend_position="top",
            legend_cols=4,
        )
    )


def pick_neuron_frequency(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the neuron, the checkpoint and, where it has one, the frequency at a point."""
    stored = frame.series(CLUSTER if frame.controls.frequency_of == "cluster" else BEST_FREQUENCY)
    edge, rank = epoch_edges(stored["epoch"].values), round(y)
    order, _, _ = _order(frame)
    if not (0 <= rank < len(order) and edge[0] <= x <= edge[-1]):
        return {}
    epoch, neuron = nearest_epoch(stored["epoch"].values, x), int(order[rank])
    k = int(stored.sel(epoch=epoch).values[neuron])
    return {"neuron": neuron, "epoch": epoch} | ({"frequency": k} if k else {})


NEURON_FREQUENCIES = View(
    "neuron_frequencies",
    "Frequencies of the neurons over training",
    draw_neuron_frequencies,
    reads=(BEST_FREQUENCY, CLUSTER, COMMITTED_FREQUENCY, COMMITMENT, SETTLED, *FREQUENCY_LINES),
    controls=Showing,
    pick=pick_neuron_frequency,
    series=True,
    description=(
        "A row is a neuron; its colour is the frequency that explains most of its variance. Neurons are stacked by "
        "their cluster at the last checkpoint, and in it by the epoch from which on they are in it: the white line. "
        "Click to choose a neuron and go to the epoch."
    ),
)


def draw_neuron_commitment(frame: Frame) -> Any:
    """Draw how many neurons are committed, and how many have another best frequency than a checkpoint ago."""
    committed, switching = frame.read(COMMITTED), frame.read(SWITCHING).values
    lines = {"committed": committed.values, "with another best frequency than before": switching}
    top = 1.05 * largest(list(lines.values()))
    return lines_over_training(in_turn(committed["epoch"].values, lines), "neurons", ylim=(0, top), number="0")


NEURON_COMMITMENT = View(
    "neuron_commitment",
    "Commitment of the neurons",
    draw_neuron_commitment,
    reads=(COMMITTED, SWITCHING),
    series=True,
    description=(
        "Neurons that from here on stay in the cluster of their last checkpoint, and neurons whose best frequency is "
        "another one than at the checkpoint before."
    ),
)


class GroupChoice(param.Parameterized):
    """Whose group is shown."""

    frequency = param.Integer(
        None,
        bounds=(1, None),
        allow_None=True,
        doc="frequency k of the group; if None, the one with the largest cluster at any checkpoint",
    )


def draw_group_changes(frame: Frame) -> Any:
    """Draw how many neurons join and leave a group at each checkpoint, and its size."""
    import holoviews as hv

    size = frame.read(SIZE)
    epochs = size["epoch"].values
    k = frame.controls.frequency
    if k is None:
        k = int(size["frequency"].values[size.values.max(axis=0).argmax()])
    edge = epoch_edges(epochs)
    of_group = {name: frame.read(array).sel(frequency=k).values for name, array in (("joined", JOINED), ("left", LEFT))}
    here = size.sel(frequency=k).values
    if not here.any():
        return sentence(f"No neuron is ever in the cluster of k = {k}.", epochs)
    top = 1.05 * largest(here)
    parts: list[Any] = []
    for sign, name, colour in ((1, "joined", LINES[0][0]), (-1, "left", LINES[1][0])):
        count = sign * of_group[name]
        bars = hv.Rectangles(
            (edge[:-1], np.minimum(count, 0), edge[1:], np.maximum(count, 0), epochs, of_group[name]),
            ["start", "bottom", "stop", "top"],
            ["epoch", "neurons"],
            label=name,
        )
        tooltips = [("epoch", "@epoch{0,0}"), ("frequency k", str(k)), (f"neurons that {name}", "@neurons")]
        parts.append(bars.opts(color=colour, line_alpha=0, tools=["hover"], hover_tooltips=tooltips))
    curve = hv.Curve((epochs, here), "epoch", "size", label=f"in the cluster of k = {k}")
    points = hv.Scatter((epochs, here), "epoch", "size", label=f"in the cluster of k = {k}")
    tooltips = [("epoch", "@epoch{0,0}"), ("frequency k", str(k)), ("neurons", "@size")]
    parts += [
        curve.opts(color=GREY, line_width=1.5),
        points.opts(color=GREY, marker="circle", size=4, tools=["hover"], hover_tooltips=tooltips),
    ]
    low = -1.05 * largest(of_group["left"]) if of_group["left"].any() else -0.05 * top
    return hv.Overlay(parts).opts(
        hv.opts.Overlay(
            xlim=epoch_limits(epochs),
            ylim=(low, top),
            show_grid=True,
            legend_position="top",
            legend_cols=3,
            xlabel="epoch",
            ylabel=f"neurons of k = {k}",
        )
    )


GROUP_CHANGES = View(
    "group_changes",
    "Neurons that join and leave a group",
    draw_group_changes,
    reads=(SIZE, JOINED, LEFT),
    controls=GroupChoice,
    series=True,
    description=(
        "Up: neurons that are in the frequency's cluster and were not at the checkpoint before. Down: those that left "
        "it since. The line is the size of the cluster."
    ),
)


def draw_frequency_lifetimes(frame: Frame) -> Any:
    """Draw, for each frequency that was a key at some checkpoint, from when to when it was one."""
    import holoviews as hv

    first, peak = frame.read(FIRST_KEY), frame.read(PEAK_EPOCH).values
    epochs = frame.read(SIZE)["epoch"].values
    (ever,) = np.nonzero(np.isfinite(first.values))
    if not len(ever):
        return sentence("No frequency is a key frequency at any checkpoint.", epochs)
    named = frequency_lines(frame)
    k = first["frequency"].values[ever]
    start, stop = first.values[ever], frame.read(LAST_KEY).values[ever]
    passing = frame.read(TRANSIENT).values[ever] > 0
    largest_size, peak = frame.read(PEAK_SIZE).values[ever], peak[ever]
    rank = np.arange(len(ever))
    colour = np.array([named.get(int(one), (GREY,))[0] for one in k], dtype=object)
    said = np.where(passing, "transient", "key at the last checkpoint")
    # A frequency that was a key at one checkpoint only is still seen.
    thin = (epochs[-1] - epochs[0]) / 400
    bars = hv.Rectangles(
        (
            start - thin,
            rank - 0.3,
            stop + thin,
            rank + 0.3,
            colour,
            np.where(passing, 0.45, 0.9),
            k,
            said,
            largest_size,
        ),
        ["start", "bottom", "stop", "top"],
        ["colour", "alpha", "frequency", "said", "size"],
        label="key",
    )
    peaks = hv.Points((peak, rank, k, largest_size), ["start", "bottom"], ["frequency", "size"], label="peak")
    low, high = epoch_limits(epochs)
    beside_left = start - low > (high - low) / 4
    labels = hv.Labels(
        (np.where(beside_left, start, low) - 3 * thin, rank, np.where(passing & beside_left, "transient", "")),
        ["start", "bottom"],
        "said",
        label="said",
    )
    return hv.Overlay(
        [
            bars.opts(
                color="colour",
                fill_alpha="alpha",
                line_color="colour",
                tools=["hover"],
                hover_tooltips=[
                    ("frequency k", "@frequency"),
                    ("first checkpoint as a key", "@start{0,0}"),
                    ("last", "@stop{0,0}"),
                    ("largest cluster, neurons", "@size"),
                    ("it is", "@said"),
                ],
            ),
            peaks.opts(
                marker="diamond",
                size=9,
                color="white",
                line_color="black",
                tools=["hover"],
                hover_tooltips=[
                    ("frequency k", "@frequency"),
                    ("largest, at epoch", "@start{0,0}"),
                    ("neurons", "@size"),
                ],
            ),
            labels.opts(text_font_size="9pt", text_color=GREY, text_align="right"),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=(low - 6 * thin, high + 6 * thin),
            ylim=(-0.7, len(ever) - 0.3),
            yticks=[(int(at), str(one)) for at, one in zip(rank, k, strict=True)],
            xlabel="epoch",
            ylabel="frequency k",
            show_legend=False,
        )
    )


def pick_lifetime(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the frequency of the row at a point."""
    first = frame.read(FIRST_KEY)
    ever, rank = first["frequency"].values[np.isfinite(first.values)], round(y)
    return {"frequency": int(ever[rank])} if 0 <= rank < len(ever) else {}


FREQUENCY_LIFETIMES = View(
    "frequency_lifetimes",
    "Key frequencies over training",
    draw_frequency_lifetimes,
    reads=(SIZE, FIRST_KEY, LAST_KEY, PEAK_SIZE, PEAK_EPOCH, TRANSIENT, *FREQUENCY_LINES),
    pick=pick_lifetime,
    series=True,
    description=(
        "From the first to the last checkpoint at which a frequency is a key one; pale where it is transient: none at "
        "the last checkpoint. The diamond is where its cluster is largest. Click a row to choose its frequency."
    ),
)
