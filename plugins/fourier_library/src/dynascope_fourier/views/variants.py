"""Views of variants by their Fourier solution. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import Column, scatter_of_variants, sentence, short_names, table_of_variants
from dynascope.style import BAR_COLOUR, GREY, colour_bar, largest
from dynascope_fourier.views.style import frequency_ticks

__all__ = ["SOLUTIONS", "SOLUTION_FREQUENCIES", "SOLUTION_TABLE"]

Array = np.ndarray[Any, Any]

ANALYZER = "fourier.variants"
KEY, SIZE, FREQUENCIES, KIND, DEGRADED = (
    f"{ANALYZER}/{name}" for name in ("is_key", "cluster_size", "key_frequencies", "classification", "degraded")
)
LOSS: Mapping[str, Any] = {"unit": "nats", "log": True}
EPOCHS: Mapping[str, Any] = {"number": ",.0f", "unit": "epochs", "missing": "not reached"}
COUNT: Mapping[str, Any] = {"number": ",.0f"}
NUMBERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "key frequencies, number of": ("key_count", COUNT),
    "train accuracy reached": ("train_learned_epoch", EPOCHS),
    "test accuracy reached": ("test_learned_epoch", EPOCHS),
    "delay": ("grokking_delay", EPOCHS),
    "train loss": ("train_loss", LOSS),
    "test loss": ("test_loss", LOSS),
    "restricted loss": ("restricted_loss", LOSS),
    "excluded loss": ("excluded_loss", LOSS),
    "excluded loss, all frequencies": ("excluded_loss_all", LOSS),
    "test accuracy": ("test_accuracy", {"number": ".4f"}),
    "distance irrelevance": ("distance_irrelevance", {"number": ".2f"}),
    "neurons in clusters": ("clustered_neurons", COUNT),
    "live neurons": ("live_neurons", COUNT),
}
"""The array of each number, and how it is written and drawn."""
IN_TABLE = ("delay", "train loss", "test loss", "restricted loss", "excluded loss", "neurons in clusters")
READS = (*(f"{ANALYZER}/{array}" for array, _ in NUMBERS.values()), FREQUENCIES, KIND, DEGRADED)
MOST_NAMES = 24
"""Of more variants, only the pointer names one."""
LONGEST = 18
"""Characters of a name beside the map; the pointer shows all of it."""


def _names(frame: Frame) -> list[str]:
    return [str(name) for name in frame.read(KIND)["variant"].values]


def _numbers(frame: Frame) -> dict[str, Column]:
    return {title: Column(frame.read(f"{ANALYZER}/{array}").values, **look) for title, (array, look) in NUMBERS.items()}


def _kinds(frame: Frame) -> Array:
    """Return the kind of each training in words."""
    lost = np.where(frame.read(DEGRADED).values > 0, ", then lost", "")
    return np.array([f"{kind}{then}" for kind, then in zip(frame.read(KIND).values, lost, strict=True)])


class Order(param.Parameterized):
    """Which variant comes first."""

    sorted_by = param.Selector(default="name", objects=["name", "kind", *NUMBERS], doc="the smallest first")


def draw_solution_table(frame: Frame) -> Any:
    """List the variants with their key frequencies, kind, delay and losses."""
    numbers = _numbers(frame)
    order = frame.controls.sorted_by
    columns = {"key frequencies": Column(frame.read(FREQUENCIES).values), "kind": Column(_kinds(frame))}
    titles = [*IN_TABLE, *([order] if order in numbers and order not in IN_TABLE else [])]
    columns |= {title: numbers[title] for title in titles}
    return table_of_variants(_names(frame), columns, shown=frame.variant_name, sorted_by=order)


def nothing_moves(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch: nothing."""
    return {}


SOLUTION_TABLE = View(
    "variant_solutions",
    "Variants by their Fourier solution",
    draw_solution_table,
    reads=READS,
    columns=nothing_moves,
    controls=Order,
    description=(
        "Key frequencies, kind of training, last losses (nats) and neurons in clusters of the variants that were "
        "compared last; the delay is the epochs from the train to the test accuracy of the milestones. The dot marks "
        "the variant that is shown."
    ),
)


class Axes(param.Parameterized):
    """What is drawn against what."""

    x = param.Selector(default="restricted loss", objects=list(NUMBERS), doc="horizontal axis")
    y = param.Selector(default="test loss", objects=list(NUMBERS), doc="vertical axis")


def draw_solutions(frame: Frame) -> Any:
    """Draw one thing that was measured of each variant against another; the one that is shown has a ring."""
    controls = frame.controls
    return scatter_of_variants(_names(frame), _numbers(frame), controls.x, controls.y, shown=frame.variant_name)


SOLUTIONS = View(
    "variant_solutions_against_each_other",
    "Fourier solutions against each other",
    draw_solutions,
    reads=READS,
    columns=nothing_moves,
    controls=Axes,
    description="One point for each variant that was compared last; the one that is shown has a ring.",
)


class Cells(param.Parameterized):
    """What is shown of each variant and frequency, and which variant is on top."""

    show = param.Selector(
        default="neurons in the cluster",
        objects=["neurons in the cluster", "key frequencies"],
        doc="neurons whose share of variance in the frequency reaches the threshold, or which are key",
    )
    sorted_by = param.Selector(
        default="name", objects=["name", "key frequencies, the smallest first"], doc="from the top"
    )


def _order(frame: Frame) -> Array:
    """Return the variants as they are stacked, the bottom one first."""
    key = np.nan_to_num(frame.read(KEY).transpose("variant", "frequency").values) > 0
    if frame.controls.sorted_by == "name":
        return np.arange(len(key))[::-1]
    return np.lexsort((*(~key.T[::-1]),))[::-1]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def draw_solution_frequencies(frame: Frame) -> Any:
    """Draw, for each variant and frequency, the neurons of its cluster, or whether it is a key frequency."""
    import holoviews as hv

    keys = frame.controls.show == "key frequencies"
    found = frame.read(KEY if keys else SIZE).transpose("variant", "frequency")
    order, frequency, names = _order(frame), found["frequency"].values, np.array(_names(frame))
    values = found.values[order]
    if not np.isfinite(values).any():
        return sentence("No frequency was measured of any variant.")
    rows = np.arange(len(order))
    named = np.broadcast_to(names[order].astype(object)[:, None], values.shape)
    image = hv.Image(
        (frequency, rows, values, named),
        [hv.Dimension("frequency", label="frequency k"), "row"],
        ["shown", "variant"],
        bounds=(0.5, -0.5, len(frequency) + 0.5, len(rows) - 0.5),
    )
    short = np.array(short_names(names.tolist()))[order]
    ticks = [
        (int(row), ("● " if name == frame.variant_name else "") + _cut(text))
        for row, name, text in zip(rows, names[order], short, strict=True)
        if len(rows) <= MOST_NAMES or name == frame.variant_name
    ]
    if keys:
        look: dict[str, Any] = {"cmap": [f"{GREY}40", BAR_COLOUR], "clim": (0, 1), "colorbar": False}
    else:
        look = {"cmap": "viridis", "clim": (0, largest(values)), **colour_bar("neurons")}
    return image.opts(
        tools=["hover"],
        hover_tooltips=[("variant", "@variant"), ("frequency k", "$x{0}"), (frame.controls.show, "@image{0}")],
        xlim=(0.5, len(frequency) + 0.5),
        ylim=(-0.5, len(rows) - 0.5),
        xticks=frequency_ticks(len(frequency)),
        yticks=ticks,
        xlabel="frequency k",
        ylabel="" if len(rows) <= MOST_NAMES else f"{len(rows)} variants",
        **look,
    )


def pick_solution_frequency(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the frequency at a point, unless the group of the variant there has none such."""
    size, k, row = frame.read(SIZE).transpose("variant", "frequency"), round(x), round(y)
    inside = 1 <= k <= size.sizes["frequency"] and 0 <= row < size.sizes["variant"]
    return {"frequency": k} if inside and np.isfinite(size.values[_order(frame)[row], k - 1]) else {}


SOLUTION_FREQUENCIES = View(
    "variant_frequencies",
    "Frequencies of the variants",
    draw_solution_frequencies,
    reads=(KEY, SIZE, KIND),
    columns=nothing_moves,
    controls=Cells,
    pick=pick_solution_frequency,
    description=(
        "A row is a variant of those that were compared last, at its last checkpoint; the dot marks the one that is "
        "shown. Blank: a frequency that the group of the variant does not have. Click to choose a frequency."
    ),
)
