"""Losses that tell a generalising circuit from memorisation before the test loss does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from dynascope import Analyzer, InvalidSetting, Logits, Output, Rows, Step, Stored
from dynascope_fourier.addition import by_sum, difference_projections, sum_projections
from dynascope_fourier.blocks import block_projections
from dynascope_fourier.losses import cross_entropy, losses_without
from dynascope_fourier.reading import over_pairs

__all__ = ["KEY", "RULES", "ProgressMeasures"]

BY_FREQUENCY = {"frequency": 1}
KEY = Stored("fourier.neuron_frequencies/is_key", at="last")
RULES = {
    "neurons": KEY,
    "neuron_argmax": Stored("fourier.neuron_frequencies/best_size", at="last"),
    "embedding": Stored("fourier.embedding_frequencies/is_key", at="last"),
    "logits": Stored("fourier.logit_structure/is_key", at="last"),
    "neurons_now": Stored("fourier.neuron_frequencies/is_key"),
}
"""All of the last checkpoint but ``neurons_now``, the clusters of the checkpoint itself."""
SPLITS = ("train", "test", "all")


def _loss(description: str, *axes: str) -> Output:
    base = BY_FREQUENCY if "frequency" in axes else {}
    return Output(("split", *axes), "float64", "nats", description, base)


def _accuracy(description: str) -> Output:
    return Output(("split",), "float64", "1", description)


class ProgressMeasures(Analyzer):
    """Loss and accuracy, restricted and excluded loss, and loss of the trigonometric fit, on the pairs of each split.

    With P_k the projection of the logits L on cos(w_k (a + b)) and sin(w_k (a + b)): restricted logits are the sum of
    P_k over the key frequencies plus the mean over the pairs, excluded logits are L minus P_k. The paper states
    restricted loss on all pairs, and excluded loss on the training pairs. Its figure "over all frequencies" is
    ``excluded_loss_all``. The three-dimensional form takes away the direction cos(w_k (a + b - c)) alone.

    Restricted loss has wider forms, which keep more components of each key frequency, and the mean: "2x2" the products
    of a wave in a and a wave in b, four a frequency, "3x3" those with a constant too. ``restricted_loss_no_mean`` is
    the form without the mean over the pairs, which the paper's code calls bias correction.

    The trigonometric fit is ``sum of alpha_k cos(w_k (a + b - c))`` over the key frequencies, with alpha_k by least
    squares: as the directions are orthogonal, it is ``fourier.logit_structure/amplitude``. What it explains is a share
    of the variance of the logits, centred over the classes.

    Key frequencies are those of the last checkpoint, so that all checkpoints are measured against the same circuit.
    The parameter ``key_rule`` says by which rule; a subclass that changes it has a name of its own. What depends on the
    rule most, restricted and excluded loss with all key frequencies, is there by every rule on the axis ``key_rule``:
    ``neurons`` (clusters of neurons), ``neuron_argmax`` (any neuron's best frequency, as in the paper's code),
    ``embedding`` (norms of W_E) and ``logits`` (similarity), all at the last checkpoint; and ``neurons_now``, the
    clusters at the checkpoint itself, which makes early checkpoints incomparable with later ones. A subclass can add
    rules to ``rules`` and their arrays to ``reads``, such as ``modular_addition.neuron_logit_frequencies/is_key``, the
    norms of W_L.

    Where nothing is left of the logits but rounding, the accuracy of what is left is that of noise.

    A split without pairs has NaN. Losses are ``log1p(sum exp(z_j - z_y))`` in float64, exact near 1e-8 too; the logits
    are those of the model, in its own precision. ``excluded_loss_max`` needs no key frequencies.

    Parameters:
        key_rule: the rule whose key frequencies are used: neurons, neuron_argmax, embedding, logits or neurons_now. The
            thresholds are those of the instruments that find them.
    """

    name = "progress_measures"
    title = "Progress measures"
    description = "Loss, accuracy, restricted and excluded loss, and loss of the trigonometric fit, by split."
    citation = (
        "Nanda et al. 2023 (arXiv 2301.05217), section 5.1, and its code for the form in three dimensions, for all "
        "frequencies and for the wider restricted logits."
    )
    version = 2
    needs = ("cyclic_group",)
    reads = (Logits(), Rows("label"), Rows("train"), Rows("test"), *RULES.values())
    probe_axes = ("a", "b")
    parameters = {
        "key_rule": "neurons",
    }
    rules: ClassVar[Mapping[str, Stored]] = RULES
    """For each rule the array that is above 0 at its key frequencies."""
    outputs = {
        "split": Output(("split",), "str", "1", "which pairs: train, test or all"),
        "is_key": Output(("frequency",), "int8", "1", "1 for the key frequencies that were used", BY_FREQUENCY),
        "loss": _loss("cross-entropy"),
        "accuracy": _accuracy("share of the pairs whose largest logit is the label's"),
        "restricted_loss": _loss("loss of the key frequencies' part of the logits and their mean over the pairs"),
        "restricted_accuracy": _accuracy("accuracy of the same logits"),
        "restricted_loss_no_mean": _loss("loss of the key frequencies' part of the logits without their mean"),
        "restricted_loss_2x2": _loss("loss of {cos k, sin k}^2 over a and b of the key frequencies, and the mean"),
        "restricted_loss_3x3": _loss("loss of {const, cos k, sin k}^2 over a and b of the key frequencies"),
        "excluded_loss": _loss("loss without all key frequencies"),
        "excluded_accuracy": _accuracy("accuracy of the same logits"),
        "excluded_loss_all": _loss("loss without all frequencies 1..floor(p/2)"),
        "excluded_accuracy_all": _accuracy("accuracy of the same logits"),
        "excluded_loss_single": _loss("loss without one frequency", "frequency"),
        "excluded_loss_max": _loss("largest loss without one frequency"),
        "excluded_loss_3d": _loss("loss without cos(w_k (a + b - c)) of all key frequencies"),
        "excluded_loss_all_3d": _loss("loss without cos(w_k (a + b - c)) of all frequencies"),
        "excluded_loss_single_3d": _loss("loss without one cos(w_k (a + b - c))", "frequency"),
        "excluded_loss_max_3d": _loss("largest loss without one cos(w_k (a + b - c))"),
        "trig_fit_loss": _loss("loss of the least squares fit by cos(w_k (a + b - c)) of the key frequencies"),
        "trig_fit_explained": Output(
            (),
            "float64",
            "1",
            "share of the variance of the logits, centred over the classes, that the fit explains; 0 of none",
            citation="Nanda et al. 2023, section 4.1; centred as in Chughtai et al. 2023 (arXiv 2302.03025).",
        ),
        "key_rule": Output(("key_rule",), "str", "1", "a rule for key frequencies"),
        "is_key_by_rule": Output(("key_rule", "frequency"), "int8", "1", "1 for its key frequencies", BY_FREQUENCY),
        "restricted_loss_by_rule": _loss("restricted_loss with its key frequencies", "key_rule"),
        "excluded_loss_by_rule": _loss("excluded_loss with its key frequencies", "key_rule"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        p = step.context["cyclic_group"].order
        rule = list(self.rules).index(self._rule())
        by_rule = np.stack([step[read] > 0 for read in self.rules.values()])
        key = by_rule[rule]
        # Rules often agree: what depends on the set is computed once for each set.
        sets, of_rules = np.unique(by_rule, axis=0, return_inverse=True)
        chosen = of_rules[rule]
        grid = over_pairs(step, Logits())
        logits = by_sum(grid.reshape(p * p, -1), p)
        labels = _labels_of_sums(by_sum(step[Rows("label")], p))
        train, test = by_sum(step[Rows("train")], p), by_sum(step[Rows("test")], p)
        splits = np.stack([train, test, np.ones_like(train)]).astype(np.float64)

        means = logits.mean(axis=1, dtype=np.float64)
        single, single_3d = sum_projections(means), difference_projections(means)
        kept = np.tensordot(sets.astype(np.float64), single, axes=1)
        everything, fit = single.sum(axis=0), single_3d[key].sum(axis=0)
        groups = [np.zeros_like(means), everything, fit, single_3d.sum(axis=0), *kept]
        of_split = _means(splits, losses_without(logits, labels, np.concatenate([groups, single, single_3d])))
        plain, excluded_all, excluded_3d, excluded_all_3d = of_split[:, :4].T
        excluded, singles, singles_3d = np.split(of_split[:, 4:], [len(sets), len(sets) + len(key)], axis=1)

        mean = means.mean(axis=0)
        of_sum = splits.sum(axis=2)
        restricted = _means(of_sum, np.stack([cross_entropy(part + mean, labels) for part in kept], axis=1))
        no_mean, fitted = (cross_entropy(part, labels) for part in (kept[chosen], fit))
        two, three = (_grid_losses(part, labels) for part in block_projections(grid, key))

        def accuracy(removed: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
            rest = logits if removed is None else logits - removed.astype(logits.dtype)[:, None]
            return _means(splits, rest.argmax(axis=2) == labels[:, None])

        return {
            "split": np.array(SPLITS),
            "is_key": key,
            "loss": plain,
            "accuracy": accuracy(),
            "restricted_loss": restricted[:, chosen],
            "restricted_accuracy": _means(of_sum, (kept[chosen] + mean).argmax(axis=1) == labels),
            "restricted_loss_no_mean": _means(of_sum, no_mean),
            "restricted_loss_2x2": _means(splits, two),
            "restricted_loss_3x3": _means(splits, three),
            "excluded_loss": excluded[:, chosen],
            "excluded_accuracy": accuracy(kept[chosen]),
            "excluded_loss_all": excluded_all,
            "excluded_accuracy_all": accuracy(everything),
            "excluded_loss_single": singles,
            "excluded_loss_max": singles.max(axis=1),
            "excluded_loss_3d": excluded_3d,
            "excluded_loss_all_3d": excluded_all_3d,
            "excluded_loss_single_3d": singles_3d,
            "excluded_loss_max_3d": singles_3d.max(axis=1),
            "trig_fit_loss": _means(of_sum, fitted),
            "trig_fit_explained": _explained(fit, logits),
            "key_rule": np.array(list(self.rules)),
            "is_key_by_rule": by_rule,
            "restricted_loss_by_rule": restricted[:, of_rules],
            "excluded_loss_by_rule": excluded[:, of_rules],
        }

    def _rule(self) -> str:
        """Return the rule whose key frequencies are used.

        Raises:
            InvalidSetting: there is none of this name.
        """
        rule = str(self.parameters["key_rule"])
        if rule not in self.rules:
            raise InvalidSetting(f"key_rule is one of {', '.join(self.rules)}; found {rule!r}.")
        return rule


def _grid_losses(grid: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the loss of each pair, ``"sum a"``, of logits ``"a b class"``."""
    p = len(grid)
    of_class = by_sum(grid.reshape(p * p, -1), p)
    return losses_without(of_class, labels, np.zeros((1, p, of_class.shape[2])))[:, :, 0]


def _explained(fit: np.ndarray[Any, Any], logits: np.ndarray[Any, Any]) -> np.float64:
    """Return the share of the variance of logits ``"sum a class"``, centred over the classes, in a fit by sums."""
    centred = logits - logits.mean(axis=2, keepdims=True)
    total = np.einsum("sac,sac->", centred, centred, dtype=np.float64)
    return np.float64(logits.shape[1] * np.square(fit).sum() / total if total else 0)


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
