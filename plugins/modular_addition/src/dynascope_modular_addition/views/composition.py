"""Views of how well the neurons compose waves of the sum. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import Series, lines_over_training, sentence
from dynascope.style import GREY, LINES
from dynascope_fourier.views.style import FREQUENCY_LINES, frequency_lines

__all__ = ["NEURON_COMPOSITION", "NEURON_COMPOSITION_OVER_TRAINING"]

Array = np.ndarray[Any, Any]

ANALYZER = "modular_addition.neuron_composition"
EXPLAINED, SLOPE, WAVE = (f"{ANALYZER}/{name}" for name in ("explained", "slope", "wave"))
KEY = "fourier.neuron_frequencies/is_key"
NO_KEY = "There is no key frequency at the last checkpoint."
BAR = 0.38


class WaveChoice(param.Parameterized):
    """Which wave of the sum."""

    wave = param.Selector(default="cos", objects=["cos", "sin"], doc="cos: u_k and cos(w_k (a + b)); sin: v_k and sin")


def _key(frame: Frame) -> Array:
    """Return the key frequencies of the last checkpoint."""
    last = frame.read(KEY, epoch=frame.epochs[-1])
    return np.asarray(last["frequency"].values[last.values > 0])


def _bars(frame: Frame) -> dict[str, dict[str, Array]]:
    """Return the bars of each wave: R^2 at each key frequency, and what is said where one is hovered."""
    key = _key(frame)
    explained, slope = (frame.read(name).sel(frequency=key) for name in (EXPLAINED, SLOPE))
    waves = [str(wave) for wave in frame.read(WAVE).values]
    return {
        wave: {"top": np.nan_to_num(explained.values[:, index]), "slope": slope.values[:, index]}
        for index, wave in enumerate(waves)
    }


def draw_neuron_composition(frame: Frame) -> Any:
    """Draw, for each key frequency of the last checkpoint, R^2 of the fit of cos(w_k (a + b)), and of the sine.

    Where there is nothing to fit, the bar has no height.
    """
    import holoviews as hv

    key = _key(frame)
    if not len(key):
        return sentence(NO_KEY, np.asarray(frame.epochs)).opts(xaxis=None)
    rank, parts = np.arange(len(key)), []
    for (wave, columns), side, line in zip(_bars(frame).items(), (-1, 0), LINES, strict=False):
        left = rank + side * BAR
        bars = hv.Rectangles(
            (left, np.zeros(len(key)), left + BAR, columns["top"], columns["slope"], key),
            ["left", "bottom", "right", "top"],
            ["slope", "frequency"],
            label=wave,
        )
        tooltips = [("frequency k", "@frequency"), ("R²", "@top{0.000}"), ("slope", "@slope{0.0}")]
        parts.append(bars.opts(color=line[0], line_alpha=0, tools=["hover"], hover_tooltips=tooltips))
    return hv.Overlay(parts).opts(
        hv.opts.Overlay(
            xlim=(-0.6, len(key) - 0.4),
            ylim=(0, 1.02),
            xticks=[(int(at), str(k)) for at, k in zip(rank, key, strict=True)],
            legend_position="top",
            legend_cols=2,
            legend_opts={"title": "wave of a + b"},
            xlabel="key frequency k",
            ylabel="R²",
        )
    )


def move_neuron_composition(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    if not len(_key(frame)):
        return {}
    return {f"{wave}/{name}": values for wave, columns in _bars(frame).items() for name, values in columns.items()}


def pick_key_frequency(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the key frequency whose bars are at a point."""
    key, rank = _key(frame), round(x)
    return {"frequency": int(key[rank])} if 0 <= rank < len(key) and 0 <= y <= 1.02 else {}


NEURON_COMPOSITION = View(
    "neuron_composition",
    "Waves of the sum in the neurons",
    draw_neuron_composition,
    reads=(EXPLAINED, SLOPE, WAVE, KEY),
    columns=move_neuron_composition,
    pick=pick_key_frequency,
    description=(
        "For each key frequency of the last checkpoint: the share of the variance of the neurons' projections on the "
        "two directions that W_L reads, u_k and v_k, which cos(w_k (a + b)) and sin(w_k (a + b)) explain. Click a bar "
        "to choose its frequency."
    ),
)


def draw_neuron_composition_over_training(frame: Frame) -> Any:
    """Draw R^2 of the fit at each key frequency of the last checkpoint, at every checkpoint."""
    wave = frame.controls.wave
    explained = frame.series(EXPLAINED, wave=wave).transpose("epoch", ...)
    epochs, named, key = explained["epoch"].values, frequency_lines(frame), _key(frame)
    if not len(key):
        return sentence(NO_KEY, epochs)
    lines = [
        Series(
            f"k = {k}",
            epochs,
            explained.sel(frequency=k).values,
            named.get(int(k), (GREY, "solid", "asterisk")),
            of={"frequency": int(k)},
        )
        for k in key
    ]
    return lines_over_training(lines, f"R² of {wave}(w (a + b))", ylim=(0, 1.02))


NEURON_COMPOSITION_OVER_TRAINING = View(
    "neuron_composition_over_training",
    "Waves of the sum in the neurons over training",
    draw_neuron_composition_over_training,
    reads=(EXPLAINED, *FREQUENCY_LINES),
    controls=WaveChoice,
    series=True,
    description=(
        "Share of the variance of the neurons' projection on a direction that W_L reads, which the wave of a + b of "
        "its frequency explains, for the key frequencies of the last checkpoint. Click to go to the nearest checkpoint."
    ),
)
