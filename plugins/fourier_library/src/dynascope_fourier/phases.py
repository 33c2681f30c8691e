"""The phases of training by rule, not by eye: memorisation, circuit formation, cleanup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Output, Series, SeriesAnalyzer, Stored

__all__ = ["BOUNDARIES", "Phases", "lowest"]

Array = np.ndarray[Any, Any]

MILESTONES = "general.milestones"
MILESTONE = Stored(f"{MILESTONES}/milestone")
OF_MILESTONES = {
    name: Stored(f"{MILESTONES}/{name}") for name in ("threshold", "measured", "reached", "epoch_reached", "value")
}
EXCLUDED = {
    "key": Stored("fourier.progress_measures/excluded_loss"),
    "all": Stored("fourier.progress_measures/excluded_loss_all"),
}
SPLIT = Stored("fourier.progress_measures/split", at="last")
KEY = Stored("fourier.progress_measures/is_key", at="last")
PHASES = ("memorisation", "circuit formation", "cleanup", "after cleanup")
BOUNDARIES = {
    "memorisation_ends_key": "checkpoint with the smallest excluded loss of the training pairs, without the key "
    "frequencies of the last checkpoint; the first and the last checkpoint do not count, nor does a minimum after "
    "which the loss is never rise times as large; without key frequencies there is none",
    "memorisation_ends_all": "the same of the excluded loss without all frequencies 1..floor(p/2)",
    "cleanup_starts": "milestone test_below_uniform: the test loss falls below ln(classes), and does not come back to "
    "it before it has reached half of it",
    "cleanup_ends": "milestone test_accuracy: first epoch with a test accuracy of at least the threshold",
}


class Phases(SeriesAnalyzer):
    """Memorisation, circuit formation and cleanup, between boundaries that are found by rules.

    Memorisation ends where the excluded train loss is smallest: until then the model learns the pairs by heart, and
    afterwards more and more of what it knows lies in the frequencies that this loss does without. It is measured at
    checkpoints, so this boundary is one of them. Cleanup starts where the test loss falls below ln(classes), and ends
    where the test split is learned: these are ``general.milestones``, and so are their thresholds.

    Both excluded losses are judged; ``excluded`` says which of them bounds the phases. Without all frequencies it is
    the paper's curve, and needs no key frequencies.

    A minimum at the first or the last checkpoint does not count, nor one after which the loss never becomes ``rise``
    times as large: the loss of a model that never groks has a smallest value too. Without any key frequency, the
    boundary by key frequencies was not measured. The other two are found at every epoch of the metrics. What was not
    reached is NaN, with 0 in ``reached``; a model that generalises before it memorises has its boundaries out of order,
    and says so in ``in_order``.

    The boundary by all frequencies and the one by key frequencies differ: say which one is meant.

    Parameters:
        excluded: the excluded loss whose minimum bounds the phases, ``all`` (that of the paper's figure) or ``key``.
        rise: how many times as large as its minimum the excluded loss must become afterwards.
    """

    name = "phases"
    title = "Phases"
    description = "Where memorisation ends, and where cleanup starts and ends, by rule; and the phase at each epoch."
    citation = (
        "The phases are those of Nanda et al. 2023 (arXiv 2301.05217), section 5.2, who set them by eye; the "
        "rules are those that a public replication registered before it looked."
    )
    version = 2
    reads = (MILESTONE, *OF_MILESTONES.values(), *EXCLUDED.values(), SPLIT, KEY)
    parameters = {"excluded": "all", "rise": 2.0}
    outputs = {
        "boundary": Output(("boundary",), "str", "1", "its name"),
        "rule": Output(("boundary",), "str", "1", "the rule in words"),
        "threshold": Output(
            ("boundary",), "float64", "1", "what is to be passed, in nats or as an accuracy; for a minimum, what the "
            "loss must rise to after it"
        ),
        "measured": Output(("boundary",), "int8", "1", "1 where there is what the rule needs"),
        "reached": Output(("boundary",), "int8", "1", "1 where the rule fires"),
        "epoch_reached": Output(("boundary",), "float64", "epochs", "where it does; NaN where it does not"),
        "value": Output(("boundary",), "float64", "1", "the loss in nats, or the accuracy, there"),
        "phase": Output(("phase",), "str", "1", "its name"),
        "phase_start": Output(("phase",), "float64", "epochs", "its first epoch; NaN where it was not reached"),
        "phase_end": Output(("phase",), "float64", "epochs", "where the next one starts; NaN where it does not"),
        "in_order": Output((), "int8", "1", "1 where the boundaries that were reached follow in the phases' order"),
        "phase_at": Output(
            ("epoch",), "str", "1", "the phase of each checkpoint: that of the last boundary up to it, in their order"
        ),
    }  # fmt: skip

    def analyze(self, series: Series) -> Mapping[str, Any]:
        rise = float(self.parameters["rise"])
        train = list(series[SPLIT]).index("train")
        any_key = bool(series[KEY].any())
        columns: dict[str, list[Any]] = {name: [] for name in OF_MILESTONES}
        for which, read in EXCLUDED.items():
            loss = series[read][:, train]
            measured = np.isfinite(loss).any() and (any_key or which == "all")
            at = lowest(loss, rise) if measured else None
            columns["measured"].append(measured)
            columns["reached"].append(at is not None)
            columns["epoch_reached"].append(np.nan if at is None else float(series.epochs[at]))
            columns["value"].append(np.nan if at is None else loss[at])
            columns["threshold"].append(rise * np.nanmin(loss) if measured else np.nan)
        milestones = list(series[MILESTONE])
        for milestone in ("test_below_uniform", "test_accuracy"):
            for name, values in columns.items():
                values.append(series[OF_MILESTONES[name]][milestones.index(milestone)])
        found = {name: np.array(values) for name, values in columns.items()}
        first = list(EXCLUDED).index(str(self.parameters["excluded"]))
        between = found["epoch_reached"][[first, 2, 3]]
        start = np.concatenate([[0.0], between])
        there = np.isfinite(start)
        passed = there & (series.epochs[:, None] >= np.where(there, start, 0))  # epoch phase
        return {
            "boundary": np.array(list(BOUNDARIES)),
            "rule": np.array(list(BOUNDARIES.values())),
            **found,
            "phase": np.array(PHASES),
            "phase_start": start,
            "phase_end": np.concatenate([between, [np.nan]]),
            "in_order": np.array((np.diff(start[there]) >= 0).all()),
            "phase_at": np.array(PHASES)[len(PHASES) - 1 - passed[:, ::-1].argmax(axis=1)],
        }


def lowest(values: Array, rise: float) -> int | None:
    """Return where values are smallest; None at the first and the last one, and where they do not rise afterwards.

    NaN is skipped.

    Args:
        values: a series.
        rise: how many times as large as the minimum a later value must be.
    """
    measured = np.flatnonzero(np.isfinite(values))
    if not len(measured):
        return None
    known = values[measured]
    at = int(known.argmin())
    if at in (0, len(known) - 1) or known[at:].max() < rise * known[at]:
        return None
    return int(measured[at])
