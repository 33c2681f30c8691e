"""Views of the logits' Fourier components. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from dynascope import Frame, View
from dynascope.pictures import Series, lines_over_training
from dynascope.style import BAR_COLOUR, GREY, colour_bar, largest
from dynascope_fourier.basis import component_frequencies
from dynascope_fourier.views.spectrum import pick_bar, spectrum_over_training
from dynascope_fourier.views.style import FREQUENCY_LINES, frequency_lines, frequency_ticks

__all__ = ["LOGIT_COMPONENTS", "LOGIT_EXPLAINED", "LOGIT_SHARES", "LOGIT_SHARES_OVER_TRAINING"]

Array = np.ndarray[Any, Any]

COMPONENT_NORM = "fourier.logit_structure/component_norm"
COMPONENT = "fourier.logit_structure/component_a"
SIMILARITY = "fourier.logit_structure/similarity"
EXPLAINED = "fourier.logit_structure/explained"
SMALLEST_SHARE = 1e-6
"""The colour map is logarithmic, and begins here."""


def _component_shares(frame: Frame) -> tuple[Array, Array]:
    """Return shares of the power, not below the smallest that is drawn, and norms, ``"component_b component_a"``."""
    norm = np.ascontiguousarray(frame.read(COMPONENT_NORM).values.T)
    power = np.square(norm, dtype=np.float64)
    return np.maximum(power / (power.sum() or 1), SMALLEST_SHARE), norm


def draw_logit_components(frame: Frame) -> Any:
    """Draw the share of the logits' power in each two-dimensional component.

    An axis is the frequency: cos k lies just before k, sin k just after it, the constant at 0.25.

    A frequency is thus a square of four cells. The colour is the component's share of the power of all, from 1e-6 to 1,
    since the logits' norm grows a hundredfold; the pointer shows the norm itself.
    """
    import holoviews as hv

    share, norm = _component_shares(frame)
    p = len(share)
    place = (np.arange(p) + 0.5) / 2
    name = frame.read(COMPONENT).values
    over_a, over_b = np.meshgrid(name, name)
    image = hv.Image(
        (place, place, share, norm, over_a, over_b),
        ["k_a", "k_b"],
        [hv.Dimension("share", label="share of power"), "norm", "over_a", "over_b"],
        bounds=(0, 0, p / 2, p / 2),
    )
    ticks = [(0.25, "const"), *((k, str(k)) for k in frequency_ticks(p // 2))]
    return image.opts(
        cmap="viridis",
        logz=True,
        clim=(SMALLEST_SHARE, 1),
        tools=["hover"],
        hover_tooltips=[
            ("component", "@over_a × @over_b"),
            ("share of power", "@image"),
            ("norm", "@norm{0.0}"),
        ],
        xticks=ticks,
        yticks=ticks,
        xlabel="frequency k over a",
        ylabel="frequency k over b",
        **colour_bar("share"),
    )


def move_logit_components(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    share, norm = _component_shares(frame)
    return {"image": [share], "norm": [norm]}


def pick_component(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the frequency at a point: that over a and b, where it is the same or one is the constant."""
    p = frame.read(COMPONENT_NORM).shape[0]
    if not (0 <= x < p / 2 and 0 <= y < p / 2):
        return {}
    chosen = {k for k in (int(component_frequencies(p)[int(2 * place)]) for place in (x, y)) if k}
    return {"frequency": chosen.pop()} if len(chosen) == 1 else {}


def mark_components(frame: Frame, chosen: Mapping[str, int | str]) -> Mapping[str, float]:
    """Return where the square of a frequency is."""
    return {"x": float(chosen["frequency"]), "y": float(chosen["frequency"])} if "frequency" in chosen else {}


LOGIT_COMPONENTS = View(
    "logit_components",
    "Components of the logits",
    draw_logit_components,
    reads=(COMPONENT_NORM, COMPONENT),
    columns=move_logit_components,
    pick=pick_component,
    mark=mark_components,
    description=(
        "Share of the logits' power in each two-dimensional Fourier component, logarithmic. The square of a frequency "
        "holds its cosine and sine over a and over b. Click one to choose its frequency."
    ),
)


def _together(frame: Frame) -> Array:
    return np.array([f"together {float(frame.read(EXPLAINED)):.3f}"])


def draw_logit_shares(frame: Frame) -> Any:
    """Draw the share of the logits' variance that each cos(w_k (a + b - c)) explains, as bars."""
    import holoviews as hv

    similarity = frame.read(SIMILARITY)
    frequency = similarity["frequency"].values
    top = 1.15 * largest(np.square(frame.range(SIMILARITY)))
    bars = hv.Bars(
        (frequency, similarity.values**2), hv.Dimension("frequency", label="frequency k"), "share", label="share"
    )
    together = hv.Labels(
        ([frequency[-1] + 0.6], [0.95 * top], _together(frame)), ["sum_x", "sum_y"], "together", label="sum"
    )
    return bars.opts(
        color=BAR_COLOUR,
        line_alpha=0,
        bar_width=0.7,
        show_legend=False,
        tools=["hover"],
        hover_tooltips=[("frequency k", "@frequency"), ("share of variance", "@share{0.000}")],
    ) * together.opts(
        text_font_size="9pt",
        text_color=GREY,
        text_align="right",
        xlim=(0, int(frequency[-1]) + 1),
        ylim=(0, top),
        xticks=frequency_ticks(len(frequency)),
        xlabel="frequency k",
        ylabel="share of variance",
    )


def move_logit_shares(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"share/share": frame.read(SIMILARITY).values ** 2, "sum/together": _together(frame)}


LOGIT_SHARES = View(
    "logit_shares",
    "Logits explained by frequency",
    draw_logit_shares,
    reads=(SIMILARITY, EXPLAINED),
    columns=move_logit_shares,
    pick=partial(pick_bar, SIMILARITY),
    description="Share of the logits' variance, centred over the classes c, that cos(w_k (a + b − c)) explains.",
)

LOGIT_SHARES_OVER_TRAINING = spectrum_over_training(
    "logit_shares_over_training",
    "Logits explained by frequency over training",
    SIMILARITY,
    "Share of the logits' variance, centred over the classes c, that cos(w_k (a + b − c)) explains, at every "
    "checkpoint. Click to go to the nearest one.",
    shares=np.square,
    quantity="share of variance",
)


def draw_logit_explained(frame: Frame) -> Any:
    """Draw the share of the logits' variance that each frequency, and that all together explain."""
    explained, similarity = frame.series(EXPLAINED), frame.series(SIMILARITY)
    epochs, named = similarity["epoch"].values, frequency_lines(frame)
    lines = [Series("together", explained["epoch"].values, explained.values, (GREY, "solid", "asterisk"))]
    for k, share in zip(map(int, similarity["frequency"].values), similarity.values.T**2, strict=True):
        lines.append(Series(f"k = {k}", epochs, share, named.get(k), of={"frequency": k}))
    return lines_over_training(lines, "share of variance", ylim=(0, 1.02), kind="frequency", columns=4)


LOGIT_EXPLAINED = View(
    "logit_explained",
    "Logits explained by the frequencies",
    draw_logit_explained,
    reads=(SIMILARITY, EXPLAINED, *FREQUENCY_LINES),
    series=True,
    description=(
        "Share of the logits' variance, centred over the classes c, that cos(w_k (a + b − c)) explains: of all k "
        "together, and of each. Frequencies have the colours that they have in every view."
    ),
)
