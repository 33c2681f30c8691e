"""A view of the curvature of the train loss, by its Hessian. holoviews is imported when it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import curve_at_checkpoints, sentence
from dynascope.style import GREY, LINES, epoch_limits, padded

__all__ = ["HESSIAN"]

Array = np.ndarray[Any, Any]

ANALYZER = "general.hessian"
QUANTITIES = {
    "eigenvalues": {
        "largest": ("largest_eigenvalue", "largest_residual"),
        "smallest": ("smallest_eigenvalue", "smallest_residual"),
    },
    "trace": {"trace": ("trace", "trace_error")},
}
"""What is drawn, by what the legend calls it, and how far off it may be."""
DECADES = 6
"""On a logarithmic scale with both signs, the most that lie on each side of 0."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class HessianChoice(param.Parameterized):
    """What is shown."""

    quantity: Any = param.Selector(
        default="eigenvalues", objects=list(QUANTITIES), doc="the largest and the smallest one, or their sum"
    )
    scale: Any = param.Selector(
        default="logarithmic on both sides of 0",
        objects=["logarithmic on both sides of 0", "linear"],
        doc="both sides: what is nearer to 0 than the ticks next to it is drawn linearly",
    )


def _place(values: Array, unit: float | None) -> Array:
    """Return places on the axis: decades of the unit on both sides of 0, linear between -unit and unit; or values.

    At the unit itself is 1, at ten times the unit 2, and so on, with the sign of the value.
    """
    if unit is None:
        return values
    with np.errstate(divide="ignore"):
        size = np.abs(values) / unit
        place: Array = np.sign(values) * np.where(size < 1, size, 1 + np.log10(np.maximum(size, 1)))
    return place


def _unit(values: Array) -> float:
    """Return the power of ten from which on the axis is logarithmic: at or below the least value, within limits."""
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(size):
        return 1.0
    top = np.floor(np.log10(size.max()))
    return float(10.0 ** max(np.floor(np.log10(size.min())), top - DECADES + 1))


def _ticks(low: float, high: float, unit: float) -> list[tuple[float, str]]:
    """Return where the powers of ten lie on the axis, and 0."""
    powers = round(float(np.log10(unit)))
    sides = range(1, int(np.ceil(max(-low, high))) + 1)
    named = [
        (float(sign * place), f"{'−' if sign < 0 else ''}10{str(powers + place - 1).translate(RAISED)}")
        for place in sides
        for sign in (-1, 1)
    ]
    return [(0.0, "0"), *((place, name) for place, name in named if low <= place <= high)]


def _written(value: float, error: float) -> str:
    text = f"{value:.4g}" + (f" ± {error:.2g}" if np.isfinite(error) else "")
    return f"{text} nats".replace("-", "−")


def draw_hessian(frame: Frame) -> Any:
    """Draw eigenvalues, or the trace, of the Hessian at every checkpoint, and how far off each may be."""
    import holoviews as hv

    quantity = frame.controls.quantity
    found = {
        name: tuple(frame.series(f"{ANALYZER}/{array}") for array in arrays)
        for name, arrays in QUANTITIES[quantity].items()
    }
    epochs = next(iter(found.values()))[0]["epoch"].values
    measured = {name: (value.values, error.values) for name, (value, error) in found.items()}
    every = np.concatenate([value for value, _ in measured.values()])
    if not np.isfinite(every).any():
        return sentence("The weights are not finite at any checkpoint.", epochs)
    unit = None if frame.controls.scale == "linear" else _unit(every)
    label = f"{'eigenvalue' if quantity == 'eigenvalues' else quantity} (nats)"
    ends, bars, parts = [np.zeros(1)], [], []
    for index, ((name, (value, error)), line) in enumerate(zip(measured.items(), LINES, strict=False)):
        off = np.nan_to_num(error, nan=0.0)
        low, high, at = (_place(each, unit) for each in (value - off, value + off, value))
        ends += [low, high]
        bar = hv.Segments((epochs, low, epochs, high), ["epoch", f"low_{index}", "end", f"high_{index}"])
        bars.append(bar.opts(color=line[0], line_width=1.5, line_alpha=0.7))
        text = np.array([_written(*pair) for pair in zip(value, error, strict=True)], dtype=object)
        tooltips = [("epoch", "@epoch{0,0}"), (name, f"@text_{index}")]
        dimension = hv.Dimension(f"at_{index}", label=label)
        parts.extend(curve_at_checkpoints(epochs, at, dimension, name, line, tooltips, {f"text_{index}": text}))
    bottom, top = padded(np.concatenate(ends))
    ticks = {} if unit is None else {"yticks": _ticks(bottom, top, unit)}
    return hv.Overlay([hv.HLine(0).opts(color=GREY, line_width=1), *bars, *parts]).opts(
        hv.opts.Overlay(
            xlim=epoch_limits(epochs), ylim=(bottom, top), legend_position="top", legend_cols=2, show_grid=True,
            xlabel="epoch", ylabel=label, **ticks,
        )
    )  # fmt: skip


HESSIAN = View(
    "hessian_over_training",
    "Hessian of the train loss over training",
    draw_hessian,
    reads=tuple(f"{ANALYZER}/{array}" for pairs in QUANTITIES.values() for pair in pairs.values() for array in pair),
    controls=HessianChoice,
    series=True,
    description=(
        "Largest and smallest eigenvalue, or trace, of the Hessian of the train loss, where it was measured: it is "
        "measured on demand. A bar is the residual, within which an eigenvalue lies, or the trace's standard error. "
        "Below 0 the loss curves down. Click to go to the nearest checkpoint."
    ),
)
