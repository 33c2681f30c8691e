"""Views of singular values, ranks and sizes of weights. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import Series, in_turn, lines_over_training, sentence
from dynascope.style import BAR_COLOUR, GREY, padded, whole_ticks

__all__ = ["SINGULAR_VALUES", "WEIGHT_RANKS", "WEIGHT_SIZES"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.weight_spectra"
VALUES = f"{ANALYZER}/singular_values"
TOTAL = f"{ANALYZER}/total_sum_of_squares"
RANKS = {
    "participation ratio": "participation_ratio",
    "participation ratio of squares": "power_participation_ratio",
    "effective rank": "effective_rank",
    "stable rank": "stable_rank",
}
SIZES = {"sum of squares": "sum_of_squares", "norm": "norm", "largest element": "largest"}
ALL_FOUR = "all four"
NOISE = 1e-8
"""The share of the largest singular value below which single precision says nothing."""
EMBEDDING = "embed.weight"
"""What is shown first, where the model has a weight of that name."""
MATRIX_DOC = "name of the weight, with [index] for one of a stack"
NO_MATRIX = "The model has no weight matrix."


class MatrixChoice(param.Parameterized):
    """Which matrix."""

    matrix: Any = param.Selector(
        default=EMBEDDING, objects=[EMBEDDING], doc="name of the weight, with [index] for one of a stack"
    )


def _values(frame: Frame, epoch: int | None = None) -> Array:
    """Return the singular values of the chosen matrix; NaN for those that a logarithmic axis cannot show."""
    values = frame.read(VALUES, epoch, matrix=frame.controls.matrix).values
    return np.where(values > 0, values, np.nan)


def draw_singular_values(frame: Frame) -> Any:
    """Draw the singular values of a matrix, those of the first and the last checkpoint in grey."""
    import holoviews as hv

    if not frame.read(VALUES).size:
        return sentence(NO_MATRIX)
    matrix = frame.controls.matrix
    every = frame.series(VALUES, matrix=matrix).values
    rank = frame.read(VALUES)["singular_value"].values
    count = int(np.isfinite(every).any(axis=0).sum()) or len(rank)
    largest = np.max(every, where=np.isfinite(every), initial=0)
    low, high = padded(every[every > NOISE * largest], log=True)
    number, height = hv.Dimension("number"), hv.Dimension("value", label="singular value")
    parts = []
    for name, epoch, dash in (("first", frame.epochs[0], "dotted"), ("last", frame.epochs[-1], "dashed")):
        of_then = hv.Dimension(name, label="singular value")
        curve = hv.Curve((rank[:count], _values(frame, epoch)[:count]), number, of_then, label=f"epoch {epoch:,}")
        parts.append(curve.opts(color=GREY, line_dash=dash, line_width=1))
    now = hv.Scatter((rank[:count], _values(frame)[:count]), number, height, label="this epoch")
    points = now.opts(
        color=BAR_COLOUR, size=5, tools=["hover"], hover_tooltips=[("number", "@number"), ("value", "@value{0.000 a}")]
    )
    if len(frame.epochs) == 1:
        parts = []
    return hv.Overlay([*parts, points]).opts(
        hv.opts.Overlay(
            logy=True,
            xlim=(0, count + 1),
            ylim=(low, high),
            xticks=whole_ticks(1, count),
            legend_position="top",
            legend_cols=3,
            show_grid=True,
            xlabel="number of the singular value, the largest first",
            ylabel="singular value",
        )
    )


def move_singular_values(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    if not frame.read(VALUES).size:
        return {}
    every = frame.series(VALUES, matrix=frame.controls.matrix).values
    count = int(np.isfinite(every).any(axis=0).sum()) or every.shape[1]
    return {"this epoch/value": _values(frame)[:count]}


SINGULAR_VALUES = View(
    "singular_values",
    "Singular values",
    draw_singular_values,
    reads=(VALUES,),
    columns=move_singular_values,
    controls=MatrixChoice,
    description=(
        "Singular values of one weight matrix at this epoch; those of the first and the last checkpoint are grey. "
        "The axes are fixed over training."
    ),
)


class RankChoice(param.Parameterized):
    """Which matrix has colours, and what is measured of it."""

    matrix: Any = param.Selector(
        default=EMBEDDING, objects=[EMBEDDING], doc="name of the weight, with [index] for one of a stack"
    )
    measure: Any = param.Selector(
        default=ALL_FOUR,
        objects=[ALL_FOUR, *RANKS],
        doc="all four measures of the matrix, or one, with that of the other matrices in grey",
    )


def draw_weight_ranks(frame: Frame) -> Any:
    """Draw measures of the rank of a matrix at every checkpoint."""
    matrix, measure = frame.controls.matrix, frame.controls.measure
    if measure == ALL_FOUR:
        every = {name: frame.series(f"{ANALYZER}/{array}") for name, array in RANKS.items()}
        if not every["stable rank"].sizes["matrix"]:
            return sentence(NO_MATRIX, every["stable rank"]["epoch"].values)
        lines = {name: found.sel(matrix=matrix).values for name, found in every.items()}
        return lines_over_training(in_turn(every["stable rank"]["epoch"].values, lines), "rank", title=matrix)
    return _one_among_others(frame.series(f"{ANALYZER}/{RANKS[measure]}"), matrix, "matrix", measure)


def _one_among_others(found: Any, chosen: str, axis: str, quantity: str, **options: Any) -> Any:
    """Return the line of the chosen coordinate of an axis, the others' in grey."""
    if not found.sizes[axis]:
        return sentence(f"The model has no {'weight matrix' if axis == 'matrix' else axis}.", found["epoch"].values)
    epochs = found["epoch"].values
    values = {str(name): found.values[:, index] for index, name in enumerate(found[axis].values)}
    named = {chosen: values.pop(chosen)} | options.pop("more", {})
    lines = [*in_turn(epochs, named), *(Series(label, epochs, each, None) for label, each in values.items())]
    return lines_over_training(lines, quantity, kind=axis, **options)


WEIGHT_RANKS = View(
    "weight_ranks_over_training",
    "Rank of weights over training",
    draw_weight_ranks,
    reads=tuple(f"{ANALYZER}/{array}" for array in RANKS.values()),
    controls=RankChoice,
    series=True,
    description=(
        "How many singular values of a weight matrix count, by four measures: each is n for n equal ones. Click to go "
        "to the nearest checkpoint."
    ),
)


class SizeChoice(param.Parameterized):
    """Which weight has a colour, and what is measured of it."""

    weight: Any = param.Selector(default=EMBEDDING, objects=[EMBEDDING], doc="name in the checkpoint")
    measure: Any = param.Selector(default="sum of squares", objects=list(SIZES), doc="of the elements of each weight")


def draw_weight_sizes(frame: Frame) -> Any:
    """Draw the size of every weight at every checkpoint, and that of all weights together."""
    measure = frame.controls.measure
    total = frame.series(TOTAL).values
    together = {"sum of squares": {"all weights": total}, "norm": {"all weights": np.sqrt(total)}}
    return _one_among_others(
        frame.series(f"{ANALYZER}/{SIZES[measure]}"),
        frame.controls.weight,
        "weight",
        measure,
        log=True,
        more=together.get(measure, {}),
    )


WEIGHT_SIZES = View(
    "weight_sizes_over_training",
    "Size of weights over training",
    draw_weight_sizes,
    reads=(*(f"{ANALYZER}/{array}" for array in SIZES.values()), TOTAL),
    controls=SizeChoice,
    series=True,
    description=(
        "Sum of squares, norm or largest element of one weight, of all together, and, in grey, of each of the others. "
        "Click to go to the nearest checkpoint."
    ),
)
