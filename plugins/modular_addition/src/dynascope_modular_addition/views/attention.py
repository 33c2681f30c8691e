"""Views of what ``=`` attends to. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.style import GREY, colour_bar, whole_ticks
from dynascope_fourier.views.spectrum import spectrum_over_training
from dynascope_fourier.views.style import frequency_ticks

__all__ = ["ATTENTION_PATTERN", "HEAD_FREQUENCIES", "HEAD_FREQUENCIES_OVER_TRAINING"]

Array = np.ndarray[Any, Any]

PATTERN = "modular_addition.attention_patterns/pattern"
SHARE = "modular_addition.attention_frequencies/share"
BEST_FREQUENCY = "modular_addition.attention_frequencies/best_frequency"
FIT_SHARE = "modular_addition.attention_patterns/fit_share"
BEST_FIT = "modular_addition.attention_patterns/best_fit_frequency"
BEST_FIT_SHARE = "modular_addition.attention_patterns/best_fit_share"
SIGN = "modular_addition.attention_frequencies/sign"


class PatternChoice(param.Parameterized):
    """Which attention to show."""

    head = param.Integer(0, bounds=(0, None), doc="index of the head")
    source = param.Selector(default="a", objects=["a", "b", "="], doc="the token that is attended to")


class HeadChoice(param.Parameterized):
    """Which head to show."""

    head = param.Integer(0, bounds=(0, None), doc="index of the head")


def _pattern(frame: Frame) -> Array:
    """Return the attention as a picture, ``"b a"``."""
    chosen = frame.read(PATTERN, head=frame.controls.head, source=frame.controls.source)
    return np.ascontiguousarray(chosen.values.T)


def draw_attention_pattern(frame: Frame) -> Any:
    """Draw the attention of one head from ``=`` to one token, over (a, b).

    The three sources add up to 1. Colours run from 0 to 1.
    """
    import holoviews as hv

    picture = _pattern(frame)
    axis = np.arange(len(picture))
    image = hv.Image(
        (axis, axis, picture),
        ["a", "b"],
        "attention",
        bounds=(-0.5, -0.5, len(axis) - 0.5, len(axis) - 0.5),
    )
    ticks = whole_ticks(0, len(axis) - 1)
    return image.opts(
        cmap="viridis",
        clim=(0, 1),
        tools=["hover"],
        hover_tooltips=[("a", "$x{0}"), ("b", "$y{0}"), ("attention", "@image{0.000}")],
        xticks=ticks,
        yticks=ticks,
        xlabel="a",
        ylabel="b",
        **colour_bar("attention"),
    )


def move_attention_pattern(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"image": [_pattern(frame)]}


def pick_pair(frame: Frame, x: float, y: float) -> Mapping[str, int]:
    """Return the pair at a point of a picture whose axes are a and b."""
    p, a, b = frame.read(PATTERN, head=0, source="a").sizes["a"], round(x), round(y)
    return {"a": a, "b": b} if 0 <= a < p and 0 <= b < p else {}


ATTENTION_PATTERN = View(
    "attention_pattern",
    "Attention from =",
    draw_attention_pattern,
    reads=(PATTERN,),
    columns=move_attention_pattern,
    controls=PatternChoice,
    pick=pick_pair,
    description="Attention of one head from = to a, to b or to = itself, over all pairs (a, b).",
)


SCORE, FIT = "the score's power", "the attention's variance"


class QuantityChoice(param.Parameterized):
    """What of a head is taken apart by frequency."""

    share_of = param.Selector(
        default=SCORE,
        objects=[SCORE, FIT],
        doc="power of the score over the numbers, or variance of the attention to a that waves of a less b fit",
    )


def _shares(frame: Frame) -> Any:
    return frame.read(FIT_SHARE if frame.controls.share_of == FIT else SHARE)


def _best(frame: Frame) -> Array:
    """Return each head's best frequency, of the score with its sign, of the fit with its share."""
    if frame.controls.share_of == FIT:
        best, share = frame.read(BEST_FIT).values, frame.read(BEST_FIT_SHARE).values
        return np.array([f"{k}: {of:.1%}" if k else "" for k, of in zip(best, share, strict=True)])
    signs = np.where(frame.read(SIGN).values < 0, "−", "+")
    return np.array(
        [f"{sign}{k}" if k else "" for sign, k in zip(signs, frame.read(BEST_FREQUENCY).values, strict=True)]
    )


def draw_head_frequencies(frame: Frame) -> Any:
    """Draw, for each head and frequency, the share of the score's power, or of the attention's variance.

    Beside it stands the best frequency; for the attention, with the share that the fit at this frequency explains.
    """
    import holoviews as hv

    share, quantity = _shares(frame), f"share of {frame.controls.share_of}"
    frequency, head = share["frequency"].values, share["head"].values
    image = hv.Image(
        (frequency, head, np.ascontiguousarray(share.values.T)),
        [hv.Dimension("frequency", label="frequency k"), "head"],
        hv.Dimension("share", label=quantity),
        label="share",
        bounds=(0.5, -0.5, len(frequency) + 0.5, len(head) - 0.5),
    )
    beside = np.full(len(head), 0.5 + 1.02 * len(frequency))
    best = hv.Labels((beside, head, _best(frame)), ["frequency", "head"], "best", label="best")
    return image.opts(
        cmap="viridis",
        clim=(0, 1),
        tools=["hover"],
        hover_tooltips=[("head", "$y{0}"), ("frequency k", "$x{0}"), (quantity, "@image{0.000}")],
        **colour_bar("share"),
    ) * best.opts(
        text_font_size="9pt",
        text_color=GREY,
        text_align="left",
        xlim=(0.5, 0.5 + (1.22 if frame.controls.share_of == FIT else 1.12) * len(frequency)),
        ylim=(-0.5, len(head) - 0.5),
        xticks=frequency_ticks(len(frequency)),
        yticks=whole_ticks(0, len(head) - 1),
        xlabel="frequency k",
        ylabel="head",
    )


def move_head_frequencies(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {"share/image": [np.ascontiguousarray(_shares(frame).values.T)], "best/best": _best(frame)}


def pick_head(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the head and the frequency at a point."""
    share, k, head = _shares(frame), round(x), round(y)
    inside = 1 <= k <= share.sizes["frequency"] and 0 <= head < share.sizes["head"]
    return {"head": int(share["head"].values[head]), "frequency": k} if inside else {}


HEAD_FREQUENCIES = View(
    "head_frequencies",
    "Frequencies of the heads",
    draw_head_frequencies,
    reads=(SHARE, BEST_FREQUENCY, SIGN, FIT_SHARE, BEST_FIT, BEST_FIT_SHARE),
    columns=move_head_frequencies,
    pick=pick_head,
    controls=QuantityChoice,
    description=(
        "Share of the power of each head's attention score over the number tokens. At the right, its best frequency; "
        "the sign is relative to the first head with the same one. Or the share of the variance of its attention to a "
        "that waves of a less waves of b explain. Click to choose a head and a frequency."
    ),
)

HEAD_FREQUENCIES_OVER_TRAINING = spectrum_over_training(
    "head_frequencies_over_training",
    "Frequencies of a head over training",
    SHARE,
    "Share of the power of a head's attention score over the number tokens, at every checkpoint. Click to go to the "
    "nearest one.",
    HeadChoice,
)
