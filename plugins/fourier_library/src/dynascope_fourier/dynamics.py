"""How neurons choose their frequency, and how groups of them come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Output, Series, SeriesAnalyzer, Stored

__all__ = ["FrequencyGroups", "NeuronDynamics", "stays_from", "switches_of"]

Array = np.ndarray[Any, Any]

BY_FREQUENCY = {"frequency": 1}
NEURONS = "fourier.neuron_frequencies"
BEST, CLUSTER, CLUSTER_SIZE, LIVE, KEY = (
    Stored(f"{NEURONS}/{name}") for name in ("best_frequency", "cluster", "cluster_size", "live_neurons", "is_key")
)


class NeuronDynamics(SeriesAnalyzer):
    """When each neuron settles on a frequency, and how often it changes its mind.

    A neuron is committed from the first checkpoint on from which it is in the cluster of one frequency until the last
    checkpoint. It has settled from the first checkpoint on from which that frequency is its best, whatever its share.
    Switches of the best frequency count what a neuron without any frequency does by chance too; those of the cluster
    count only the ways from one cluster to another, with any time outside of clusters between.

    Between checkpoints nothing is seen: a dense schedule finds more switches.
    """

    name = "neuron_dynamics"
    title = "Neuron dynamics"
    description = "Switches of each neuron's best frequency, and the epochs at which it settles and commits."
    citation = (
        "Clusters as in Nanda et al. 2023 (arXiv 2301.05217), section 4.2; switches and commitment after the "
        "MIScope workbench, which takes 3 / floor(p / 2) for the share of a commitment."
    )
    reads = (BEST, CLUSTER)
    outputs = {
        "switches": Output(
            ("neuron",), "int32", "1", "changes of the best frequency between checkpoints where it has one"
        ),
        "cluster_switches": Output(("neuron",), "int32", "1", "changes from one cluster to another"),
        "settled_epoch": Output(
            ("neuron",),
            "float64",
            "epochs",
            "first checkpoint from which on the best frequency is the last one; NaN for a neuron that is then constant",
        ),
        "commitment_epoch": Output(
            ("neuron",),
            "float64",
            "epochs",
            "first checkpoint from which on it is in the cluster that it is in at the last; NaN for none",
        ),
        "committed": Output(("neuron",), "int8", "1", "1 where it is in a cluster at the last checkpoint"),
        "committed_frequency": Output(("neuron",), "int32", "1", "that cluster's frequency; 0 for none"),
        "switching": Output(
            ("epoch",),
            "float64",
            "neurons",
            "neurons whose best frequency is another one than at the checkpoint before; NaN at the first",
        ),
        "committed_neurons": Output(("epoch",), "int32", "neurons", "neurons that are committed by this checkpoint"),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        best, cluster = series[BEST], series[CLUSTER]
        commits, settles = stays_from(cluster), stays_from(best)
        committed = cluster[-1] > 0
        switching = np.full(len(best), np.nan)
        switching[1:] = ((best[1:] != best[:-1]) & (best[1:] > 0) & (best[:-1] > 0)).sum(axis=1)
        since = np.where(committed, commits, len(best))
        return {
            "switches": switches_of(best),
            "cluster_switches": switches_of(cluster),
            "settled_epoch": np.where(best[-1] > 0, series.epochs[settles], np.nan),
            "commitment_epoch": np.where(committed, series.epochs[commits], np.nan),
            "committed": committed,
            "committed_frequency": cluster[-1],
            "switching": switching,
            "committed_neurons": np.cumsum(np.bincount(since, minlength=len(best) + 1)[:-1]).astype(np.int32),
        }


class FrequencyGroups(SeriesAnalyzer):
    """The clusters of neurons of each frequency over training, and the frequencies that do not last.

    A frequency is transient where it was a key frequency of some checkpoint, and is not of the last one.

    MIScope calls a frequency transient by two thresholds instead, of neurons with a share of at least 0.7: 5 % of all
    neurons at its peak, and less than 10 % of all in the end.
    """

    name = "frequency_groups"
    title = "Frequency groups"
    description = "Neurons in, joining and leaving the cluster of each frequency, and which frequencies are transient."
    citation = (
        "Clusters as in Nanda et al. 2023 (arXiv 2301.05217), section 4.2; transient frequencies after the "
        "MIScope workbench, with the rule for key frequencies in place of its own two thresholds."
    )
    reads = (CLUSTER, CLUSTER_SIZE, LIVE, KEY)
    outputs = {
        "size": Output(("epoch", "frequency"), "int32", "neurons", "neurons in the cluster", BY_FREQUENCY),
        "share": Output(("epoch", "frequency"), "float32", "1", "these of the live neurons; 0 of none", BY_FREQUENCY),
        "joined": Output(
            ("epoch", "frequency"),
            "int32",
            "neurons",
            "those that are not in it at the checkpoint before; at the first, all",
            BY_FREQUENCY,
        ),
        "left": Output(
            ("epoch", "frequency"),
            "int32",
            "neurons",
            "neurons that are in it at the checkpoint before, and no longer",
            BY_FREQUENCY,
        ),
        "key_frequencies": Output(("epoch",), "int32", "1", "number of key frequencies of the checkpoint"),
        "first_key_epoch": Output(
            ("frequency",), "float64", "epochs", "first checkpoint that has it as a key; NaN if none has", BY_FREQUENCY
        ),
        "last_key_epoch": Output(
            ("frequency",), "float64", "epochs", "last checkpoint that has it as a key; NaN if none has", BY_FREQUENCY
        ),
        "peak_size": Output(("frequency",), "int32", "neurons", "its largest cluster", BY_FREQUENCY),
        "peak_epoch": Output(
            ("frequency",), "float64", "epochs", "first checkpoint with that; NaN without any neuron", BY_FREQUENCY
        ),
        "transient": Output(
            ("frequency",), "int8", "1", "1 where it was a key at some checkpoint and is not at the last", BY_FREQUENCY
        ),
    }

    def analyze(self, series: Series) -> Mapping[str, Any]:
        cluster, size, key, epochs = series[CLUSTER], series[CLUSTER_SIZE], series[KEY].astype(bool), series.epochs
        before = np.concatenate([np.zeros_like(cluster[:1]), cluster[:-1]])
        moved, ever = cluster != before, key.any(axis=0)
        count = size.shape[1]
        last = len(key) - 1 - key[::-1].argmax(axis=0)
        return {
            "size": size,
            "share": size / np.maximum(series[LIVE], 1)[:, None],
            "joined": _count(np.where(moved, cluster, 0), count),
            "left": _count(np.where(moved, before, 0), count),
            "key_frequencies": key.sum(axis=1, dtype=np.int32),
            "first_key_epoch": np.where(ever, epochs[key.argmax(axis=0)], np.nan),
            "last_key_epoch": np.where(ever, epochs[last], np.nan),
            "peak_size": size.max(axis=0),
            "peak_epoch": np.where(size.any(axis=0), epochs[size.argmax(axis=0)], np.nan),
            "transient": ever & ~key[-1],
        }


def stays_from(values: Array) -> Array:
    """Return from where on each column holds its last value: the first index of the last run, ``"column"``.

    Args:
        values: ``"epoch column"``.
    """
    other = (values != values[-1])[::-1]
    return np.where(other.any(axis=0), len(values) - other.argmax(axis=0), 0)


def switches_of(values: Array) -> Array:
    """Return how often each column goes from one value above 0 to another one, ``"column"``; zeros are skipped.

    Args:
        values: ``"epoch column"``.
    """
    place = np.arange(len(values))[:, None]
    latest = np.maximum.accumulate(np.where(values > 0, place, 0), axis=0)
    held = np.take_along_axis(values, latest, axis=0)  # 0 only before the first value
    return ((held[1:] != held[:-1]) & (held[:-1] > 0)).sum(axis=0, dtype=np.int32)


def _count(frequency: Array, count: int) -> Array:
    """Return how often each of 1..count is in each row, ``"epoch frequency"``.

    Args:
        frequency: ``"epoch neuron"``; 0 counts for nothing.
        count: the largest frequency.
    """
    row = np.arange(len(frequency))[:, None] * (count + 1)
    found = np.bincount((row + frequency).ravel(), minlength=len(frequency) * (count + 1))
    return found.reshape(len(frequency), count + 1)[:, 1:].astype(np.int32)
