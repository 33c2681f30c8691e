"""Views of the gradients' frequencies, and of clock and pizza. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import Series, cells_over_training, lines_over_training, said
from dynascope.style import GREY, LINES, colour_bar, epoch_edges, largest, nearest_epoch
from dynascope_fourier.views.spectrum import spectrum_over_training
from dynascope_fourier.views.style import frequency_ticks

__all__ = [
    "CLOCK_OR_PIZZA",
    "GRADIENT_AGREEMENT",
    "GRADIENT_AGREEMENT_OVER_TRAINING",
    "GRADIENT_ENERGY",
    "GRADIENT_ENERGY_OVER_TRAINING",
    "SYMMETRICITY",
]

Array = np.ndarray[Any, Any]

ENERGY, SHARE, NORM, AGREEMENT, PATH = (
    f"modular_addition.gradient_energy/{name}" for name in ("energy", "share", "gradient_norm", "agreement", "path")
)
SYMMETRY = "modular_addition.gradient_symmetricity/symmetricity"
IRRELEVANCE = {
    "of the right logit": "fourier.distance_irrelevance/correct",
    "of the largest other logit": "fourier.distance_irrelevance/largest_wrong",
}


def _words(names: Array) -> list[str]:
    return [str(name).replace("_", " ") for name in names]


def _share(frame: Frame) -> Array:
    return np.ascontiguousarray(frame.read(SHARE).values)


def draw_gradient_energy(frame: Frame) -> Any:
    """Draw, for each weight, the share of its gradient's energy in each frequency; beside it the gradient's norm."""
    import holoviews as hv

    share = frame.read(SHARE)
    frequency, sites = share["frequency"].values, _words(share["site"].values)
    row = np.arange(len(sites))
    path = np.broadcast_to(frame.read(PATH).values.astype(object)[:, None], share.shape)
    name = np.broadcast_to(np.array(sites, dtype=object)[:, None], share.shape)
    image = hv.Image(
        (frequency, row, _share(frame), name, path),
        [hv.Dimension("frequency", label="frequency k"), "row"],
        [hv.Dimension("share", label="share of energy"), "site", "path"],
        label="share",
        bounds=(0.5, -0.5, len(frequency) + 0.5, len(sites) - 0.5),
    )
    beside = np.full(len(sites), 0.5 + 1.02 * len(frequency))
    norms = hv.Labels((beside, row, _norms(frame)), ["frequency", "row"], "norm", label="norm")
    return image.opts(
        cmap="viridis",
        clim=(0, largest(frame.series(SHARE).values)),
        tools=["hover"],
        hover_tooltips=[
            ("weight", "@site"),
            ("frequency k", "$x{0}"),
            ("share of energy", "@image{0.000}"),
            ("of", "@path"),
        ],
        **colour_bar("share"),
    ) * norms.opts(
        text_font_size="8pt",
        text_color=GREY,
        text_align="left",
        xlim=(0.5, 0.5 + 1.25 * len(frequency)),
        ylim=(-0.5, len(sites) - 0.5),
        xticks=frequency_ticks(len(frequency)),
        yticks=list(enumerate(sites)),
        xlabel="frequency k",
        ylabel="",
    )


def _norms(frame: Frame) -> Array:
    return np.array([f"{norm:.1e}" for norm in frame.read(NORM).values], dtype=object)


def move_gradient_energy(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"share/image": [_share(frame)], "norm/norm": _norms(frame)}


def pick_gradient_energy(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the weight and the frequency at a point."""
    share, k, row = frame.read(SHARE), round(x), round(y)
    inside = 1 <= k <= share.sizes["frequency"] and 0 <= row < share.sizes["site"]
    return {"site": str(share["site"].values[row]), "frequency": k} if inside else {}


GRADIENT_ENERGY = View(
    "gradient_energy",
    "Frequencies of the gradients",
    draw_gradient_energy,
    reads=(SHARE, NORM, PATH),
    columns=move_gradient_energy,
    pick=pick_gradient_energy,
    description=(
        "Share of the energy of the train loss' gradient in each frequency, for each weight, along the path on which "
        "numbers reach it. At the right, the norm of the gradient."
    ),
)


class WeightChoice(param.Parameterized):
    """Which weight is shown."""

    site = param.Selector(default="embedding", objects=["embedding"], doc="the weight")


GRADIENT_ENERGY_OVER_TRAINING = spectrum_over_training(
    "gradient_energy_over_training",
    "Frequencies of a gradient over training",
    SHARE,
    "Share of the energy of the train loss' gradient at one weight in each frequency, at every checkpoint. Click to "
    "go to the nearest one.",
    WeightChoice,
    quantity="share of energy",
)


def _agreement(frame: Frame) -> Array:
    return np.ascontiguousarray(frame.read(AGREEMENT).values)


def _least(frame: Frame) -> float:
    """Return where the scale of agreement begins: a tenth below the least at any checkpoint, so that much is seen."""
    values = frame.series(AGREEMENT).values
    finite = values[np.isfinite(values)]
    return max(0.0, min(0.9, float(np.floor(10 * finite.min()) / 10))) if finite.size else 0.0


def draw_gradient_agreement(frame: Frame) -> Any:
    """Draw how alike the spectra of the gradients at two weights are, for every two."""
    import holoviews as hv

    agreement = _agreement(frame)
    sites = _words(frame.read(AGREEMENT)["site"].values)
    axis = np.arange(len(sites))
    across, up = np.meshgrid(np.array(sites, dtype=object), np.array(sites, dtype=object))
    image = hv.Image(
        (axis, axis, agreement, across, up),
        ["site", "other_site"],
        ["agreement", "across", "up"],
        bounds=(-0.5, -0.5, len(sites) - 0.5, len(sites) - 0.5),
    )
    ticks = list(enumerate(sites))
    return image.opts(
        cmap="viridis",
        clim=(_least(frame), 1),
        tools=["hover"],
        hover_tooltips=[("weights", "@across, @up"), ("agreement", "@image{0.000}")],
        xticks=ticks,
        yticks=ticks,
        xrotation=35,
        xlabel="",
        ylabel="",
        **colour_bar("agreement"),
    )


def move_gradient_agreement(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"image": [_agreement(frame)]}


def pick_gradient_agreement(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the weight of the row at a point."""
    sites = frame.read(AGREEMENT)["site"].values
    inside = 0 <= round(x) < len(sites) and 0 <= round(y) < len(sites)
    return {"site": str(sites[round(y)])} if inside else {}


GRADIENT_AGREEMENT = View(
    "gradient_agreement",
    "Agreement between gradients",
    draw_gradient_agreement,
    reads=(AGREEMENT,),
    columns=move_gradient_agreement,
    pick=pick_gradient_agreement,
    description=(
        "How alike the frequencies of the gradients at two weights are: the cosine of their amplitude spectra, 1 where "
        "they are the same. Colours begin at the least agreement of the training. Click a row to choose its weight."
    ),
)


def draw_gradient_agreement_over_training(frame: Frame) -> Any:
    """Draw how alike the spectra of one weight's gradient and of each other one are, at every checkpoint."""
    agreement = frame.series(AGREEMENT, site=frame.controls.site)
    others = _words(agreement["other_site"].values)
    return cells_over_training(
        agreement["epoch"].values,
        np.arange(len(others)),
        agreement.values,
        "agreement",
        row="",
        ticks=list(enumerate(others)),
        names=np.array(others, dtype=object),
        clim=(_least(frame), 1),
        bar="agreement",
        tooltip=f"{frame.controls.site.replace('_', ' ')} with",
    )


def pick_agreement_over_training(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the checkpoint and the weight at a point."""
    agreement = frame.series(AGREEMENT)
    edge, row = epoch_edges(agreement["epoch"].values), round(y)
    inside = edge[0] <= x <= edge[-1] and 0 <= row < agreement.sizes["site"]
    site = agreement["site"].values
    return {"epoch": nearest_epoch(agreement["epoch"].values, x), "site": str(site[row])} if inside else {}


GRADIENT_AGREEMENT_OVER_TRAINING = View(
    "gradient_agreement_over_training",
    "Agreement between gradients over training",
    draw_gradient_agreement_over_training,
    reads=(AGREEMENT,),
    controls=WeightChoice,
    pick=pick_agreement_over_training,
    series=True,
    description=(
        "How alike the frequencies of the gradient at one weight and at each other one are, at every checkpoint; empty "
        "where a gradient is 0. Click to go to the nearest one and choose the weight."
    ),
)


def draw_symmetricity(frame: Frame) -> Any:
    """Draw gradient symmetricity and both forms of distance irrelevance at every checkpoint."""
    arrays = {
        "gradient symmetricity": SYMMETRY,
        **{f"distance irrelevance {form}": array for form, array in IRRELEVANCE.items()},
    }
    lines = []
    for (label, array), line in zip(arrays.items(), LINES, strict=False):
        values = frame.series(array)
        lines.append(Series(label, values["epoch"].values, values.values, line))
    finite = np.concatenate([line.values[np.isfinite(line.values)] for line in lines] + [np.zeros(1)])
    low, high = min(0.0, 1.05 * float(finite.min())), max(1.02, 1.05 * float(finite.max()))
    return lines_over_training(lines, "symmetricity, irrelevance", ylim=(low, high), columns=1)


SYMMETRICITY = View(
    "gradient_symmetricity",
    "Clock or pizza over training",
    draw_symmetricity,
    reads=(SYMMETRY, *IRRELEVANCE.values()),
    series=True,
    description=(
        "Gradient symmetricity is 1 for a pizza, whose logits are functions of the sum of two embeddings; distance "
        "irrelevance is 1 for a clock, whose right logit does not depend on a − b. Both published forms of the latter."
    ),
)


class FormChoice(param.Parameterized):
    """Which form of distance irrelevance."""

    irrelevance = param.Selector(
        default="of the right logit", objects=list(IRRELEVANCE), doc="which published form of distance irrelevance"
    )


def _path(frame: Frame) -> tuple[Array, Array, Array]:
    """Return distance irrelevance and gradient symmetricity where both are stored, and the epochs."""
    x, y = frame.series(IRRELEVANCE[frame.controls.irrelevance]), frame.series(SYMMETRY)
    epochs = np.intersect1d(x["epoch"].values, y["epoch"].values)
    return x.sel(epoch=epochs).values, y.sel(epoch=epochs).values, epochs


def _here(frame: Frame) -> dict[str, Any]:
    x = float(frame.read(IRRELEVANCE[frame.controls.irrelevance]))
    y = float(frame.read(SYMMETRY))
    text = f"epoch {frame.epoch:,}: {x:.2f}, {y:.2f}" if np.isfinite(x + y) else f"epoch {frame.epoch:,}: no value"
    return {"here/x": np.array([x]), "here/y": np.array([y]), "note/said": np.array([text], dtype=object)}


def draw_clock_or_pizza(frame: Frame) -> Any:
    """Draw the way of the training in the plane of distance irrelevance and gradient symmetricity."""
    import holoviews as hv

    x, y, epochs = _path(frame)
    here = _here(frame)
    high = max(1.05, 1.05 * largest(x))
    low = min(-0.05, 1.1 * float(np.nanmin(y, initial=0.0)))
    path = hv.Curve((x, y), "x", "y", label="path")
    # The later, the lighter: the lightness of the points tells the direction.
    points = hv.Points((x, y, epochs, np.arange(len(epochs))), ["x", "y"], ["epoch", "turn"], label="checkpoints")
    mark = hv.Points((here["here/x"], here["here/y"]), ["x", "y"], label="here")
    corners = hv.Labels(
        ([0.1, high - 0.1], [1.0, 0.0], ["pizza", "clock"]), ["corner_x", "corner_y"], "corner", label="corner"
    )
    return hv.Overlay(
        [
            path.opts(color=GREY, line_width=1, show_legend=False),
            points.opts(
                color="epoch",
                cmap="viridis",
                clim=(float(epochs[0]), float(max(epochs[-1], epochs[0] + 1))),
                size=6,
                line_color=GREY,
                line_width=0.5,
                show_legend=False,
                tools=["hover"],
                hover_tooltips=[
                    ("epoch", "@epoch{0,0}"),
                    ("distance irrelevance", "@x{0.00}"),
                    ("gradient symmetricity", "@y{0.00}"),
                ],
                **colour_bar("epoch"),
            ),
            mark.opts(
                marker="circle", fill_alpha=0, line_color=LINES[1][0], line_width=2.5, size=15, show_legend=False
            ),
            corners.opts(text_font_size="10pt", text_font_style="bold", text_color=GREY, text_align="center"),
            said(here["note/said"][0], 0.0, 0.0),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=(-0.03, high),
            ylim=(low, 1.1),
            show_grid=True,
            show_legend=False,
            xlabel=f"distance irrelevance {frame.controls.irrelevance}",
            ylabel="gradient symmetricity",
        )
    )


def pick_clock_or_pizza(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the checkpoint whose point is at a place, unless all are far."""
    across, up, epochs = _path(frame)
    away = np.nan_to_num(np.hypot(across - x, up - y), nan=np.inf)
    return {"epoch": int(epochs[away.argmin()])} if away.min() <= 0.05 else {}


CLOCK_OR_PIZZA = View(
    "clock_or_pizza",
    "Clock or pizza",
    draw_clock_or_pizza,
    reads=(SYMMETRY, *IRRELEVANCE.values()),
    columns=_here,
    controls=FormChoice,
    pick=pick_clock_or_pizza,
    description=(
        "The way of the training: a pizza is at the upper left, a clock at the lower right. The ring is this epoch; "
        "click a point to go to its epoch."
    ),
)
