"""A view of how well a circle's logits fit two algorithms. holoviews is imported when the view is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import Series, lines_over_training
from dynascope.style import LINES

__all__ = ["CLOCK_AND_PIZZA"]

ANALYZER = "fourier.clock_pizza"
FREQUENCY = f"{ANALYZER}/circle_frequency"
FORMS = {"of pairs": ("clock_of_pairs", "pizza_of_pairs"), "as published": ("clock", "pizza")}


class CircleChoice(param.Parameterized):
    """Which circle, and which of its logits."""

    circle = param.Integer(1, bounds=(1, None), doc="circles by their share of the embedding's variance, from 1")
    logits = param.Selector(
        default="of pairs", objects=list(FORMS), doc="of pairs: without what every pair gives a class alike"
    )


def draw_clock_and_pizza(frame: Frame) -> Any:
    """Draw, at every checkpoint, the share of the logits of one circle alone that clock and pizza explain."""
    controls = frame.controls
    frequency = frame.series(FREQUENCY, circle=controls.circle).values
    lines = []
    for name, array, line in zip(("clock", "pizza"), FORMS[controls.logits], LINES, strict=False):
        share = frame.series(f"{ANALYZER}/{array}", circle=controls.circle)
        lines.append(Series(name, share["epoch"].values, share.values, line, also={"frequency k": frequency}))
    last = int(frequency[-1]) if np.any(frequency) else 0
    return lines_over_training(
        lines,
        "share explained, 2r − 1",
        ylim=(-1.05, 1.05),
        title=f"circle {controls.circle}: k = {last} in the end" if last else "no circle",
        columns=2,
    )


CLOCK_AND_PIZZA = View(
    "clock_and_pizza",
    "Clock and pizza, circle by circle",
    draw_clock_and_pizza,
    reads=(FREQUENCY, *(f"{ANALYZER}/{array}" for forms in FORMS.values() for array in forms)),
    controls=CircleChoice,
    series=True,
    description=(
        "With one circle of the embedding alone, the share of the logits that each algorithm explains: clock, "
        "cos(w (a + b − c)), and pizza, |cos(w (a − b) / 2)| times a wave of a + b − c. Circles are sorted by size at "
        "each checkpoint. Ideal pizza scores 0.80 and 0.99. Click to go to the nearest checkpoint."
    ),
)
