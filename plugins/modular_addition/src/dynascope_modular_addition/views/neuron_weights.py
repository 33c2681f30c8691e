"""Views of the weights between numbers, neurons and logits. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.pictures import Series, lines_over_training
from dynascope.style import BAR_COLOUR, GREY, LINES
from dynascope_fourier.views.spectrum import spectrum, spectrum_over_training

__all__ = ["NEURON_LOGIT_SPECTRUM", "NEURON_LOGIT_SPECTRUM_OVER_TRAINING", "NEURON_PHASES", "SPARSITY"]

Array = np.ndarray[Any, Any]

POWER_SHARE = "modular_addition.neuron_logit_frequencies/power_share"
ANALYZER = "modular_addition.effective_neuron_weights"
PHI, PSI, ALPHA, BETA, DIFFERENCE = (
    f"{ANALYZER}/{name}"
    for name in ("input_phase", "output_phase", "input_amplitude", "output_amplitude", "phase_difference")
)
BEST_FREQUENCY = f"{ANALYZER}/best_frequency"
TURN = [(-np.pi, "−π"), (-np.pi / 2, "−π/2"), (0, "0"), (np.pi / 2, "π/2"), (np.pi, "π")]
LARGEST_POINT = 9
SMALLEST_POINT = 1.5
NEAR = 0.2
"""How far from a point, in radians, a click still chooses its neuron."""

NEURON_LOGIT_SPECTRUM = spectrum(
    "neuron_logit_spectrum",
    "Frequencies of the neuron-logit map",
    POWER_SHARE,
    "Share of the non-constant Fourier power of W_L = W_out W_U over the classes, per frequency k.",
)
NEURON_LOGIT_SPECTRUM_OVER_TRAINING = spectrum_over_training(
    "neuron_logit_spectrum_over_training",
    "Frequencies of the neuron-logit map over training",
    POWER_SHARE,
    "Share of the non-constant Fourier power of W_L = W_out W_U over the classes, per frequency k, at every "
    "checkpoint. Click to go to the nearest one.",
)


GINI = {"without the constant": "gini_without_constant", "with the constant": "gini"}
LOGIT_MAP, EMBEDDING = "modular_addition.neuron_logit_frequencies", "fourier.embedding_frequencies"
RESIDUAL = f"{LOGIT_MAP}/residual"


class GiniChoice(param.Parameterized):
    """Which Gini coefficient is shown."""

    gini = param.Selector(default="without the constant", objects=list(GINI), doc="over which components")


def draw_sparsity(frame: Frame) -> Any:
    """Draw the Gini coefficients of W_L and of the embedding, and what of W_L no key frequency holds."""
    name = GINI[frame.controls.gini]
    arrays = {
        "Gini of W_L": f"{LOGIT_MAP}/{name}",
        "Gini of the embedding": f"{EMBEDDING}/{name}",
        "W_L outside the key frequencies": RESIDUAL,
    }
    found = {label: frame.series(array) for label, array in arrays.items()}
    lines = [
        Series(label, values["epoch"].values, values.values, line)
        for (label, values), line in zip(found.items(), LINES, strict=False)
    ]
    return lines_over_training(lines, "Gini coefficient, share of norm", ylim=(0, 1.02), columns=2)


SPARSITY = View(
    "weight_sparsity",
    "Sparsity of embedding and neuron-logit map",
    draw_sparsity,
    reads=(*(f"{analyzer}/{name}" for analyzer in (LOGIT_MAP, EMBEDDING) for name in GINI.values()), RESIDUAL),
    controls=GiniChoice,
    series=True,
    description=(
        "Gini coefficients of the norms of the Fourier components: 1 - m/N where m of N are equal and the others are "
        "0. And the norm of W_L = W_out W_U outside the directions of the last checkpoint's key frequencies, over its "
        "norm."
    ),
)


class PhaseChoice(param.Parameterized):
    """At which frequency phases are shown, and how."""

    phases = param.Selector(
        default="ψ against φ", objects=["ψ against φ", "2φ − ψ against φ"], doc="what the vertical axis is"
    )
    frequency = param.Integer(
        None,
        bounds=(1, None),
        allow_None=True,
        doc="frequency k; if None, the one that is best for most neurons at the last checkpoint",
    )


def _frequency(frame: Frame) -> int:
    """Return the frequency that is chosen, or else that of most neurons at the last checkpoint."""
    if frame.controls.frequency is not None:
        return int(frame.controls.frequency)
    best = frame.read(BEST_FREQUENCY, epoch=frame.epochs[-1]).values
    return int(np.bincount(best, minlength=2)[1:].argmax()) + 1


def _columns(frame: Frame) -> dict[str, Array]:
    """Return phases, amplitudes and the size of the point of each neuron."""
    k = _frequency(frame)
    upright = PSI if frame.controls.phases == "ψ against φ" else DIFFERENCE
    alpha = frame.read(ALPHA, frequency=k).values
    # The area of a point is the input amplitude, compared with the largest one at the last checkpoint.
    share = np.sqrt(alpha / (frame.read(ALPHA, epoch=frame.epochs[-1]).values.max() or 1))
    return {
        "phi": frame.read(PHI, frequency=k).values,
        "upright": frame.read(upright, frequency=k).values,
        "alpha": alpha,
        "beta": frame.read(BETA, frequency=k).values,
        "best": frame.read(BEST_FREQUENCY).values,
        "size": SMALLEST_POINT + (LARGEST_POINT - SMALLEST_POINT) * share,
    }


def _ideal(frame: Frame) -> list[Any]:
    """Return the lines on which 2 phi = psi, around the torus."""
    if frame.controls.phases != "ψ against φ":
        return [[(-np.pi, 0), (np.pi, 0)]]
    half = np.pi / 2
    return [
        [(start, -np.pi), (end, np.pi)] if inner else [(start, low), (end, high)]
        for start, end, low, high, inner in (
            (-np.pi, -half, 0, np.pi, False),
            (-half, half, -np.pi, np.pi, True),
            (half, np.pi, -np.pi, 0, False),
        )
    ]


def draw_neuron_phases(frame: Frame) -> Any:
    """Draw the phase of each neuron's output weight against that of its input weight, at one frequency.

    A point's area grows with the neuron's input amplitude at the frequency, in comparison with the largest one at the
    last checkpoint. Small points are neurons of other frequencies: their phases say nothing.
    """
    import holoviews as hv

    columns = _columns(frame)
    phi, upright = columns.pop("phi"), columns.pop("upright")
    neuron = np.arange(len(phi))
    points = hv.Points(
        (phi, upright, *columns.values(), neuron), ["phi", "upright"], [*columns, "neuron"], label="phase"
    )
    ideal = hv.Path(_ideal(frame), ["phi", "upright"], label="ideal")
    name = frame.controls.phases.partition(" against")[0]
    return ideal.opts(color=GREY, line_width=1, line_dash="dashed") * points.opts(
        color=BAR_COLOUR,
        alpha=0.7,
        show_legend=False,
        size="size",
        line_alpha=0,
        tools=["hover"],
        hover_tooltips=[
            ("neuron", "@neuron"),
            ("its best frequency", "@best"),
            ("φ", "@phi{0.00}"),
            (name, "@upright{0.00}"),
            ("input amplitude α", "@alpha{0.000}"),
            ("output amplitude β", "@beta{0.000}"),
        ],
        xlim=(-np.pi, np.pi),
        ylim=(-np.pi, np.pi),
        xticks=TURN,
        yticks=TURN,
        xlabel=f"input phase φ at k = {_frequency(frame)} (rad)",
        ylabel=f"{'output phase ψ' if name == 'ψ' else name} (rad)",
    )


def move_neuron_phases(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    return {f"phase/{name}": values for name, values in _columns(frame).items()}


def pick_neuron(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the neuron whose point is nearest to a place, unless all are far."""
    columns = _columns(frame)
    away = np.nan_to_num(np.hypot(columns["phi"] - x, columns["upright"] - y), nan=np.inf)
    return {"neuron": int(away.argmin())} if away.min() <= NEAR else {}


NEURON_PHASES = View(
    "neuron_phases",
    "Phases of the neurons",
    draw_neuron_phases,
    reads=(PHI, PSI, ALPHA, BETA, DIFFERENCE, BEST_FREQUENCY),
    columns=move_neuron_phases,
    pick=pick_neuron,
    controls=PhaseChoice,
    description=(
        "A point is a neuron, its area the amplitude of its input weight at frequency k. A neuron that computes its "
        "part of cos(w_k (a + b − c)) lies on the dashed line, ψ = 2φ. Click a point to choose its neuron."
    ),
)
