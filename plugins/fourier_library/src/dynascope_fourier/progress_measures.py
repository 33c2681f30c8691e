"""Losses that tell a generalising circuit from memorisation before the test loss does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, InvalidSetting, Logits, Output, Rows, Step, Stored
from dynascope_fourier.addition import by_sum, difference_projections, sum_projections
from dynascope_fourier.analyzers import NeuronFrequencies
from dynascope_fourier.losses import cross_entropy, losses_without
from dynascope_fourier.reading import over_pairs

__all__ = ["ProgressMeasures"]

BY_FREQUENCY = {"frequency": 1}
KEY = Stored("fourier.neuron_frequencies/is_key", at="last")
SPLITS = ("train", "test", "all")


def _loss(description: str, *axes: str) -> Output:
    base = BY_FREQUENCY if "frequency" in axes else {}
    return Output(("split", *axes), "float64", "nats", description, base)


class ProgressMeasures(Analyzer):
    """Loss and accuracy, restricted and excluded loss, on the pairs of each split.

    With P_k the projection of the logits on cos(w_k (a + b)) and sin(w_k (a + b)): restricted logits are the sum of
    P_k over the key frequencies plus the mean over the pairs, excluded logits are L minus P_k. The paper states
    restricted loss on all pairs, and excluded loss on the training pairs. Its figure "over all frequencies" is
    ``excluded_loss_all``. The three-dimensional form takes away the direction cos(w_k (a + b - c)) alone.

    Key frequencies are those of the last checkpoint, so that all checkpoints are measured against the same circuit.

    A split without pairs has NaN. Losses are ``log1p(sum exp(z_j - z_y))`` in float64, exact near 1e-8 too; the logits
    are those of the model, in its own precision. ``excluded_loss_max`` needs no key frequencies.

    Parameters:
        key_frequencies: the rule whose key frequencies are used, by the array that holds them.
        key_epoch: the checkpoint that they are taken from.
        cluster_share: that of the rule.
        cluster_floor: that of the rule.
    """

    name = "progress_measures"
    title = "Progress measures"
    description = "Loss, accuracy, restricted loss and excluded loss of train, test and all pairs."
    citation = (
        "Nanda et al. 2023 (arXiv 2301.05217), section 5.1, and its code for the form in three dimensions and for "
        "all frequencies."
    )
    needs = ("cyclic_group",)
    reads = (Logits(), Rows("label"), Rows("train"), Rows("test"), KEY)
    probe_axes = ("a", "b")
    parameters = {"key_frequencies": KEY.array, "key_epoch": "last", **NeuronFrequencies.parameters}
    outputs = {
        "split": Output(("split",), "str", "1", "which pairs: train, test or all"),
        "is_key": Output(("frequency",), "int8", "1", "1 for the key frequencies that were used", BY_FREQUENCY),
        "loss": _loss("cross-entropy"),
        "accuracy": Output(("split",), "float64", "1", "share of the pairs whose largest logit is the label's"),
        "restricted_loss": _loss("loss of the key frequencies' part of the logits and their mean over the pairs"),
        "restricted_accuracy": Output(("split",), "float64", "1", "accuracy of the same logits"),
        "excluded_loss": _loss("loss without all key frequencies"),
        "excluded_loss_all": _loss("loss without all frequencies 1..floor(p/2)"),
        "excluded_loss_single": _loss("loss without one frequency", "frequency"),
        "excluded_loss_max": _loss("largest loss without one frequency"),
        "excluded_loss_3d": _loss("loss without cos(w_k (a + b - c)) of all key frequencies"),
        "excluded_loss_all_3d": _loss("loss without cos(w_k (a + b - c)) of all frequencies"),
        "excluded_loss_single_3d": _loss("loss without one cos(w_k (a + b - c))", "frequency"),
        "excluded_loss_max_3d": _loss("largest loss without one cos(w_k (a + b - c))"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        p = step.context["cyclic_group"].order
        logits = by_sum(over_pairs(step, Logits()).reshape(p * p, -1), p)
        labels = _labels_of_sums(by_sum(step[Rows("label")], p))
        key = step[KEY].astype(bool)
        train, test = by_sum(step[Rows("train")], p), by_sum(step[Rows("test")], p)
        splits = np.stack([train, test, np.ones_like(train)]).astype(np.float64)

        means = logits.mean(axis=1, dtype=np.float64)
        single, single_3d = sum_projections(means), difference_projections(means)
        groups = [
            np.zeros_like(means),
            *(part[chosen].sum(axis=0) for part in (single, single_3d) for chosen in (key, slice(None))),
        ]
        losses = losses_without(logits, labels, np.concatenate([groups, single, single_3d]))
        of_split = _means(splits, losses)
        plain, excluded, excluded_all, excluded_3d, excluded_all_3d = of_split[:, :5].T
        singles, singles_3d = np.split(of_split[:, 5:], 2, axis=1)

        restricted = single[key].sum(axis=0) + means.mean(axis=0)
        of_sum = splits.sum(axis=2)
        return {
            "split": np.array(SPLITS),
            "is_key": key,
            "loss": plain,
            "accuracy": _means(splits, logits.argmax(axis=2) == labels[:, None]),
            "restricted_loss": _means(of_sum, cross_entropy(restricted, labels)),
            "restricted_accuracy": _means(of_sum, restricted.argmax(axis=1) == labels),
            "excluded_loss": excluded,
            "excluded_loss_all": excluded_all,
            "excluded_loss_single": singles,
            "excluded_loss_max": singles.max(axis=1),
            "excluded_loss_3d": excluded_3d,
            "excluded_loss_all_3d": excluded_all_3d,
            "excluded_loss_single_3d": singles_3d,
            "excluded_loss_max_3d": singles_3d.max(axis=1),
        }


def _labels_of_sums(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the label of each sum, ``"sum"``, from those of the pairs, ``"sum a"``.

    Raises:
        InvalidSetting: pairs of the same sum have different labels.
    """
    if (labels != labels[:, :1]).any():
        raise InvalidSetting(
            "Progress measures take cos(w_k (a + b)) from the logits, and so need a task whose answer is a function of "
            "a + b mod p; here pairs of the same sum have different labels."
        )
    return labels[:, 0]


def _means(pairs: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the mean over the pairs of each split, ``"split ..."``; NaN for a split without pairs.

    Args:
        pairs: how many pairs of each split there are, ``"split sum a"`` or ``"split sum"``.
        values: ``"sum a ..."`` or ``"sum ..."``.
    """
    axes = pairs.ndim - 1
    count = pairs.reshape(len(pairs), -1).sum(axis=1)
    total = np.tensordot(pairs, values, axes=axes)
    return (total.T / np.where(count > 0, count, np.nan)).T
