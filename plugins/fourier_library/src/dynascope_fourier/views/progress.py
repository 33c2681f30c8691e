"""Views of restricted and excluded loss. holoviews is imported when a view is drawn."""

from __future__ import annotations

from typing import Any

import param

from dynascope import Frame, View
from dynascope.pictures import Series, lines_over_training
from dynascope.style import GREY, TEST_COLOUR, TRAIN_COLOUR
from dynascope_fourier.views.style import FREQUENCY_LINES, frequency_lines

__all__ = ["EXCLUDED_BY_FREQUENCY", "PROGRESS_LOSSES"]

ANALYZER = "fourier.progress_measures"
RESTRICTED_COLOUR, EXCLUDED_COLOUR = "#009e73", "#cc79a7"
RESTRICTED = {
    "as published": ("restricted_loss", "restricted"),
    "without the mean": ("restricted_loss_no_mean", "restricted, without the mean"),
    "2×2 blocks": ("restricted_loss_2x2", "restricted, 2×2 blocks"),
    "3×3 blocks": ("restricted_loss_3x3", "restricted, 3×3 blocks"),
    "trigonometric fit": ("trig_fit_loss", "trigonometric fit"),
}
"""The array of each form, and what the legend calls it."""
EXCLUDED = {
    "key frequencies": "excluded_loss",
    "all frequencies": "excluded_loss_all",
    "one frequency, the worst": "excluded_loss_max",
    "key frequencies, 3D": "excluded_loss_3d",
    "all frequencies, 3D": "excluded_loss_all_3d",
    "one frequency, the worst, 3D": "excluded_loss_max_3d",
}


class Forms(param.Parameterized):
    """What restricted loss keeps, and what excluded loss leaves out."""

    restricted = param.Selector(
        default="as published",
        objects=list(RESTRICTED),
        doc="what is kept of the logits at each key frequency k; as published: the waves of w_k (a + b), and the mean "
        "over the pairs; 2×2 blocks: cos and sin of w_k a times those of w_k b, and the mean; 3×3 blocks: with a "
        "constant too; trigonometric fit: cos(w_k (a + b - c)) alone, by least squares",
    )
    excluded = param.Selector(
        default="key frequencies",
        objects=list(EXCLUDED),
        doc="what the logits are without; 3D: only the direction cos(w_k (a + b - c)) of each",
    )


def draw_progress_losses(frame: Frame) -> Any:
    """Draw train, test, restricted and excluded loss, logarithmic, at every checkpoint.

    Restricted loss is on all pairs, excluded loss on the training pairs, as in the paper. ``restricted`` says what is
    kept of the key frequencies. ``excluded`` says what is left out: the key frequencies, all, or the one whose loss is
    worst; in 3D, only the direction cos(w_k (a + b - c)) of each. The key frequencies that were used stand above the
    picture.
    """
    kept, kept_label = RESTRICTED[frame.controls.restricted]
    lines = []
    for label, array, split, line in (
        ("train", "loss", "train", (TRAIN_COLOUR, "solid", "circle")),
        ("test", "loss", "test", (TEST_COLOUR, "solid", "square")),
        (f"{kept_label} (all pairs)", kept, "all", (RESTRICTED_COLOUR, "dashed", "triangle")),
        ("excluded (train)", EXCLUDED[frame.controls.excluded], "train", (EXCLUDED_COLOUR, "dotted", "diamond")),
    ):
        series = frame.series(f"{ANALYZER}/{array}", split=split)
        lines.append(Series(label, series["epoch"].values, series.values, line))
    return lines_over_training(
        lines, "loss", "nats", log=True, title=_key_frequencies(frame), number="0.00e+0", columns=2
    )


def _key_frequencies(frame: Frame) -> str:
    """Say which key frequencies were used: the same at every checkpoint."""
    used = frame.read(f"{ANALYZER}/is_key", epoch=frame.epochs[-1])
    names = ", ".join(str(k) for k in used["frequency"].values[used.values > 0])
    return f"key frequencies: {names}" if names else "no key frequencies"


READS = ("is_key", "loss", *(array for array, _ in RESTRICTED.values()), *EXCLUDED.values())
PROGRESS_LOSSES = View(
    "progress_losses",
    "Restricted and excluded loss",
    draw_progress_losses,
    reads=tuple(f"{ANALYZER}/{name}" for name in READS),
    controls=Forms,
    series=True,
    description=(
        "Restricted loss keeps of the logits the key frequencies, excluded loss leaves them out. A "
        "frequency is key whose cluster (neurons with at least 0.85 of their variance in it) holds 2 % of the live "
        "neurons at the last checkpoint, unless the settings say otherwise. The rules that bound the phases are in the "
        "view Phases and their rules. Click to go to the nearest checkpoint."
    ),
)


class Single(param.Parameterized):
    """Which loss without one frequency."""

    split = param.Selector(default="train", objects=["train", "test", "all"], doc="on which pairs")
    without = param.Selector(
        default="the frequency",
        objects=["the frequency", "its direction, 3D"],
        doc="the frequency: cos and sin of w_k (a + b); 3D: only cos(w_k (a + b - c))",
    )


def draw_excluded_by_frequency(frame: Frame) -> Any:
    """Draw the loss without one frequency, for each, at every checkpoint; beside them the loss itself."""
    controls = frame.controls
    array = "excluded_loss_single" if controls.without == "the frequency" else "excluded_loss_single_3d"
    whole, single = (
        frame.series(f"{ANALYZER}/{name}", split=controls.split).transpose("epoch", ...) for name in ("loss", array)
    )
    epochs, named = single["epoch"].values, frequency_lines(frame)
    lines = [Series("nothing left out", whole["epoch"].values, whole.values, (GREY, "solid", "asterisk"))]
    for k, values in zip(map(int, single["frequency"].values), single.values.T, strict=True):
        lines.append(Series(f"k = {k}", epochs, values, named.get(k), f"loss without k = {k}", of={"frequency": k}))
    return lines_over_training(
        lines, "loss", "nats", log=True, title=_key_frequencies(frame), kind="without", number="0.00e+0", columns=4
    )


EXCLUDED_BY_FREQUENCY = View(
    "excluded_by_frequency",
    "Loss without one frequency",
    draw_excluded_by_frequency,
    reads=tuple(f"{ANALYZER}/{name}" for name in ("is_key", "loss", "excluded_loss_single", "excluded_loss_single_3d"))
    + FREQUENCY_LINES,
    controls=Single,
    series=True,
    description=(
        "Loss of the logits without one frequency. It rises above the loss itself where the model relies on that "
        "frequency. Frequencies have the colours that they have in every view."
    ),
)
