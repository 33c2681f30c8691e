"""What happens in a training, one row an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from dynascope import METRICS, Output, Series, SeriesAnalyzer, Stored

__all__ = ["Event", "Events", "group_changes", "rebounds"]

Array = np.ndarray[Any, Any]

NEURONS = "fourier.neuron_frequencies"
CLUSTER_SIZE = Stored(f"{NEURONS}/cluster_size")
LIVE = Stored(f"{NEURONS}/live_neurons")
BOUNDARY, BOUNDARY_EPOCH, BOUNDARY_VALUE = (
    Stored(f"fourier.phases/{name}") for name in ("boundary", "epoch_reached", "value")
)
MILESTONE, MEASURED, MILESTONE_EPOCH = (
    Stored(f"general.milestones/{name}") for name in ("milestone", "measured", "epoch_reached")
)


class Event(NamedTuple):
    """One row.

    Attributes:
        epoch: where it happens.
        kind: what.
        subject: to what.
        frequency: which frequency it is about; 0 for none.
        value: how large; ``unit`` says of what.
        end: where it is over; NaN where it does not end, or has no length.
        rule: why it is in the list.
    """

    epoch: float
    kind: str
    subject: str
    value: float
    unit: str
    rule: str
    frequency: int = 0
    end: float = np.nan


class Events(SeriesAnalyzer):
    """Grokking onset, the bounds of the phases, frequencies that commit, groups that dissolve, losses that rebound.

    A group is a frequency's cluster of neurons. It commits at the checkpoint where it reaches ``commit_share`` of the
    live neurons, and dissolves where it falls below ``dissolve_share``; in between it is neither, so that a group that
    hovers about one threshold makes no row for each checkpoint. A group that is there at the first checkpoint commits
    there, as far as is known.

    A loss rebounds where it has risen by ``rebound_decades`` powers of ten above its smallest value so far, on the
    logarithmic scale: from 1e-2 to 4e-2 as from 1e-6 to 4e-6. It is over where less than half of that is left. The
    test loss is judged from grokking onset on, the train loss from where the train split is learned: before, they
    have not come down.

    Rows are sorted by epoch, kind and frequency; a training without events has none.

    Kinds:
        memorisation end: a boundary of ``fourier.phases``, for each of the two excluded losses; the excluded train
            loss, in nats.
        grokking onset: the boundary ``cleanup_starts``, no earlier than the train split was learned (where train
            accuracy was not measured, that is not asked for); the test loss, in nats.
        cleanup end: the boundary ``cleanup_ends``; the test accuracy.
        frequency commit: first checkpoint at which a group has ``commit_share`` of the live neurons, again after it has
            dissolved; neurons in the cluster.
        group dissolve: first checkpoint at which such a group has less than ``dissolve_share`` of them; neurons in the
            cluster.
        rebound: as above; the greatest height above the smallest value, in decades.

    Between checkpoints, groups are not seen.

    Parameters:
        commit_share: share of the live neurons from which on a cluster is a group.
        dissolve_share: share below which it no longer is; in between nothing changes.
        rebound_decades: powers of ten that a loss must rise.
    """

    name = "events"
    title = "Events"
    description = "What happens in the training, one row an event: epoch, kind, subject, value and rule."
    citation = (
        "Clusters and phases after Nanda et al. 2023 (arXiv 2301.05217); the rules are ours, and in ``parameters``."
    )
    reads = (
        *(METRICS, CLUSTER_SIZE, LIVE, BOUNDARY, BOUNDARY_EPOCH, BOUNDARY_VALUE),
        *(MILESTONE, MEASURED, MILESTONE_EPOCH),
    )
    parameters = {
        "commit_share": 0.02,
        "dissolve_share": 0.01,
        "rebound_decades": 0.5,
    }
    outputs = {
        "event_epoch": Output(("event",), "float64", "epochs", "where it happens"),
        "event_end": Output(
            ("event",), "float64", "epochs", "where a rebound is over; NaN where it is not, and for what has no length"
        ),
        "kind": Output(("event",), "str", "1", "what happens"),
        "subject": Output(("event",), "str", "1", "to what"),
        "frequency": Output(("event",), "int32", "1", "the frequency that it is about; 0 for none"),
        "value": Output(("event",), "float64", "1", "how large; value_unit says of what"),
        "value_unit": Output(("event",), "str", "1", "unit of the value"),
        "rule": Output(("event",), "str", "1", "why it is an event"),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        rows = [*self._of_phases(series), *self._of_groups(series), *self._of_losses(series)]
        rows.sort(key=lambda row: (row.epoch, row.kind, row.frequency, row.subject))

        def column(name: str, dtype: type) -> Array:
            return np.array([getattr(row, name) for row in rows], dtype=dtype)

        return {
            "event_epoch": column("epoch", np.float64),
            "event_end": column("end", np.float64),
            "kind": column("kind", np.str_),
            "subject": column("subject", np.str_),
            "frequency": column("frequency", np.int32),
            "value": column("value", np.float64),
            "value_unit": column("unit", np.str_),
            "rule": column("rule", np.str_),
        }

    def _learned(self, series: Series) -> float:
        """Return where the train split is learned; -inf where its accuracy was not measured."""
        at = list(series[MILESTONE]).index("train_accuracy")
        return float(series[MILESTONE_EPOCH][at]) if series[MEASURED][at] else -np.inf

    def _of_phases(self, series: Series) -> Iterator[Event]:
        found = dict(zip(series[BOUNDARY].tolist(), zip(series[BOUNDARY_EPOCH], series[BOUNDARY_VALUE])))
        for which, words in (("key", "the key frequencies"), ("all", "all frequencies")):
            epoch, value = found[f"memorisation_ends_{which}"]
            if np.isfinite(epoch):
                rule = f"smallest excluded train loss, without {words}"
                yield Event(epoch, "memorisation end", f"excluded loss ({which})", value, "nats", rule)
        epoch, value = found["cleanup_starts"]
        if self._learned(series) <= epoch:
            rule = "the test loss falls below ln(classes), and then below half of it, after the train split was learned"
            yield Event(epoch, "grokking onset", "test loss", value, "nats", rule)
        epoch, value = found["cleanup_ends"]
        if np.isfinite(epoch):
            yield Event(epoch, "cleanup end", "test accuracy", value, "1", "the test split is learned")

    def _of_groups(self, series: Series) -> Iterator[Event]:
        commit, dissolve = float(self.parameters["commit_share"]), float(self.parameters["dissolve_share"])
        size = series[CLUSTER_SIZE]
        share = size / np.maximum(series[LIVE], 1)[:, None]
        for name, threshold, words, changes in zip(
            ("frequency commit", "group dissolve"),
            (commit, dissolve),
            ("reaches {:g} of the live neurons", "falls below {:g} of the live neurons"),
            group_changes(share, commit, dissolve),
        ):
            for at, frequency in np.argwhere(changes).tolist():
                yield Event(
                    float(series.epochs[at]),
                    name,
                    f"frequency {frequency + 1}",
                    float(size[at, frequency]),
                    "neurons",
                    f"its cluster {words.format(threshold)}",
                    frequency + 1,
                )

    def _of_losses(self, series: Series) -> Iterator[Event]:
        onset = float(series[BOUNDARY_EPOCH][list(series[BOUNDARY]).index("cleanup_starts")])
        decades = float(self.parameters["rebound_decades"])
        for split, since in (("test", onset), ("train", self._learned(series))):
            epochs = series.metrics["epoch"]
            later = epochs >= since  # nowhere for NaN
            for first, last, height in rebounds(series.metrics[f"{split}_loss"][later], decades):
                yield Event(
                    float(epochs[later][first]),
                    "rebound",
                    f"{split} loss",
                    height,
                    "decades",
                    f"the loss rises by {decades:g} powers of ten above its smallest value so far",
                    end=np.nan if last is None else float(epochs[later][last]),
                )


def group_changes(share: Array, commit: float, dissolve: float) -> tuple[Array, Array]:
    """Return where groups commit and where they dissolve, each ``"epoch frequency"``, true there.

    Args:
        share: of the neurons that are in the group, ``"epoch frequency"``.
        commit: the share from which on a group is one.
        dissolve: the share below which it no longer is.
    """
    there = _with_memory(share >= commit, share < dissolve)
    before = np.concatenate([np.zeros_like(there[:1]), there[:-1]])
    return there & ~before, before & ~there


def rebounds(loss: Array, decades: float) -> list[tuple[int, int | None, float]]:
    """Return where a loss rises above its smallest value so far, judged on its logarithm.

    Values that are not finite, or not above 0, are skipped.

    Args:
        loss: a series.
        decades: by how many powers of ten it must rise; it is over where less than half of that is left.

    Returns:
        For each: where it begins, where it is over (None if it is not), and the greatest height in decades.
    """
    measured = np.flatnonzero(np.isfinite(loss) & (loss > 0))
    level = np.log10(loss[measured])
    height = level - np.minimum.accumulate(level)
    there = _with_memory(height >= decades, height < decades / 2)
    edges = np.diff(there.astype(np.int8), prepend=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [
        (int(measured[start]), None if end is None else int(measured[end]), float(height[start:end].max()))
        for start, end in zip(starts.tolist(), [*ends.tolist(), None])
    ]


def _with_memory(on: Array, off: Array) -> Array:
    """Return a state along the first axis that is switched on and off, and otherwise stays; at first it is off."""
    place = np.arange(len(on)).reshape(-1, *[1] * (on.ndim - 1))
    latest = np.maximum.accumulate(np.where(on | off, place, -1), axis=0)
    return np.take_along_axis(on, np.maximum(latest, 0), axis=0) & (latest >= 0)
