"""A view of restricted and excluded loss. holoviews is imported when the view is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import param

from dynascope import Frame, View
from dynascope.style import EXCLUDED_COLOUR, RESTRICTED_COLOUR, TEST_COLOUR, TRAIN_COLOUR, curve_at_checkpoints

__all__ = ["PROGRESS_LOSSES"]

ANALYZER = "fourier.progress_measures"
EXCLUDED = {
    "key frequencies": "excluded_loss",
    "all frequencies": "excluded_loss_all",
    "one frequency, the worst": "excluded_loss_max",
    "key frequencies, 3D": "excluded_loss_3d",
    "all frequencies, 3D": "excluded_loss_all_3d",
    "one frequency, the worst, 3D": "excluded_loss_max_3d",
}


class Excluded(param.Parameterized):
    """What excluded loss leaves out."""

    excluded = param.Selector(
        default="key frequencies",
        objects=list(EXCLUDED),
        doc="what the logits are without; 3D: only the direction cos(w_k (a + b - c)) of each",
    )


def draw_progress_losses(frame: Frame) -> Any:
    """Draw train, test, restricted and excluded loss, logarithmic, at every checkpoint.

    Restricted loss is on all pairs, excluded loss on the training pairs, as in the paper. ``excluded`` says what is
    left out: the key frequencies, all, or the one whose loss is worst; in 3D, only the direction cos(w_k (a + b - c))
    of each. The key frequencies that were used stand above the picture.
    """
    import holoviews as hv

    left_out = frame.controls.excluded
    lines = (
        ("train", "loss", "train", (TRAIN_COLOUR, "solid", "circle")),
        ("test", "loss", "test", (TEST_COLOUR, "solid", "square")),
        ("restricted (all pairs)", "restricted_loss", "all", (RESTRICTED_COLOUR, "dashed", "triangle")),
        ("excluded (train)", EXCLUDED[left_out], "train", (EXCLUDED_COLOUR, "dotted", "diamond")),
    )
    curves, shown = [], []
    for index, (label, array, split, line) in enumerate(lines):
        series = frame.series(f"{ANALYZER}/{array}", split=split)
        values = np.where(series.values > 0, series.values, np.nan)
        shown.append(values[np.isfinite(values)])
        dimension = hv.Dimension(f"value_{index}", label="loss", unit="nats")
        tooltips = [("epoch", "@epoch{0,0}"), (f"{label}, nats", f"@value_{index}")]
        curves.append(curve_at_checkpoints(series["epoch"].values, values, dimension, label, line, tooltips))
    every = np.concatenate(shown) if any(map(len, shown)) else np.ones(1)
    return (
        hv.Overlay(curves)
        .collate()
        .opts(
            hv.opts.Overlay(
                logy=True,
                ylim=(every.min() / 2, every.max() * 8),
                legend_position="top",
                legend_cols=2,
                legend_opts={"title": _key_frequencies(frame)},
                show_grid=True,
                xlabel="epoch",
                ylabel="loss (nats)",
            )
        )
    )


def _key_frequencies(frame: Frame) -> str:
    """Say which key frequencies were used: the same at every checkpoint."""
    used = frame.read(f"{ANALYZER}/is_key", epoch=frame.epochs[-1])
    names = ", ".join(str(k) for k in used["frequency"].values[used.values > 0])
    return f"key frequencies: {names}" if names else "no key frequencies"


PROGRESS_LOSSES = View(
    "progress_losses",
    "Restricted and excluded loss",
    draw_progress_losses,
    reads=tuple(f"{ANALYZER}/{name}" for name in ("is_key", "loss", "restricted_loss", *EXCLUDED.values())),
    controls=Excluded,
    series=True,
    description=(
        "Restricted loss keeps of the logits the key frequencies and the mean; excluded loss leaves them out. Key "
        "frequencies are those of the last checkpoint. Click to go to the nearest checkpoint."
    ),
)
