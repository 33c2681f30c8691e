"""Variants beside each other: their key frequencies, losses and phases, and what kind of training each was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Comparison, Output, Stored, VariantsAnalyzer

__all__ = ["KINDS", "Variants", "kind_of"]

Array = np.ndarray[Any, Any]

PROGRESS, NEURONS = "fourier.progress_measures", "fourier.neuron_frequencies"
KEY, SPLIT, LOSS, ACCURACY, RESTRICTED, EXCLUDED, EXCLUDED_ALL = (
    Stored(f"{PROGRESS}/{name}", at="last")
    for name in (
        *("is_key", "split", "loss", "accuracy"),
        *("restricted_loss", "excluded_loss", "excluded_loss_all"),
    )
)
CLUSTER_SIZE, LIVE = (Stored(f"{NEURONS}/{name}", at="last") for name in ("cluster_size", "live_neurons"))
DISTANCE = Stored("fourier.distance_irrelevance/correct", at="last")
BOUNDARY, BOUNDARY_EPOCH = (Stored(f"fourier.phases/{name}") for name in ("boundary", "epoch_reached"))
MILESTONE, MEASURED, EPOCH_REACHED, THRESHOLD = (
    Stored(f"general.milestones/{name}") for name in ("milestone", "measured", "epoch_reached", "threshold")
)
KINDS = {
    "grokked": "the train split is learned, and the test split later: at grokking_ratio times that epoch or after it",
    "learned at once": "the test split is learned before that, or without the train split",
    "memorised only": "the train split is learned, the test split is not",
    "not learned": "neither split is learned",
    "not measured": "the metrics do not hold the accuracy of both splits",
}
FREQUENCY = {"frequency": 1}


class Variants(VariantsAnalyzer):
    """The Fourier solution of each variant, one row each, and its kind by a rule that is stated.

    Everything is of the last checkpoint; epochs are those of ``fourier.phases`` and ``general.milestones``, and NaN
    where something was not reached. A split is learned at the milestone of its accuracy. The kinds are in ``kind``,
    and their rules in ``kind_rule``; with T the epoch at which the train split is learned, and U that of the test
    split, a variant has grokked where ``U > T`` and ``U >= grokking_ratio * T``. A variant that has learned the test
    split and lost it again is of the kind that it was when it had learned it, and is marked in ``degraded``.

    Epochs are those at which a metric was measured. Where an import has accuracies at its checkpoints alone, a split
    may have been learned before, and the kind is by what is known.

    Variants may have different p: what has an axis ``frequency`` is NaN above floor(p / 2) of the variant.

    Whether a solution is a "clock" or a "pizza" needs the symmetricity of gradients too, which is a measure of one
    architecture: only the distance irrelevance is here, and no such kind is derived from it.

    Parameters:
        grokking_ratio: how many times the epoch at which the train split is learned makes the test split's a late one.
    """

    name = "variants"
    title = "Variants by their Fourier solution"
    description = "Key frequencies, last losses, phases and kind of training of several variants, one row each."
    citation = (
        "Losses and phases after Nanda et al. 2023 (arXiv 2301.05217); grokking as in Power et al. 2022 (arXiv "
        "2201.02177); the rules for the kinds are ours, after the classification of the MIScope workbench."
    )
    needs = ("cyclic_group",)
    reads = (
        *(KEY, SPLIT, LOSS, ACCURACY, RESTRICTED, EXCLUDED, EXCLUDED_ALL, CLUSTER_SIZE, LIVE, DISTANCE),
        *(BOUNDARY, BOUNDARY_EPOCH, MILESTONE, MEASURED, EPOCH_REACHED, THRESHOLD),
    )
    parameters = {"grokking_ratio": 2.0}
    outputs = {
        "p": Output(("variant",), "int32", "1", "order of the group"),
        "key_frequencies": Output(("variant",), "str", "1", "the key frequencies, or none"),
        "is_key": Output(
            ("variant", "frequency"), "float32", "1", "1 for a key frequency, 0 for another; NaN above floor(p/2)",
            FREQUENCY,
        ),
        "key_count": Output(("variant",), "int32", "1", "number of key frequencies"),
        "cluster_size": Output(
            ("variant", "frequency"), "float32", "neurons", "neurons in the frequency's cluster; NaN above floor(p/2)",
            FREQUENCY,
        ),
        "clustered_neurons": Output(("variant",), "int32", "neurons", "neurons that are in a cluster"),
        "live_neurons": Output(("variant",), "int32", "neurons", "neurons that are not constant over the probe"),
        "train_loss": Output(("variant",), "float64", "nats", "loss of the training pairs"),
        "test_loss": Output(("variant",), "float64", "nats", "loss of the test pairs; NaN without any"),
        "test_accuracy": Output(("variant",), "float64", "1", "accuracy on the test pairs; NaN without any"),
        "restricted_loss": Output(("variant",), "float64", "nats", "restricted loss of all pairs"),
        "excluded_loss": Output(
            ("variant",), "float64", "nats", "loss of the training pairs without the key frequencies"
        ),
        "excluded_loss_all": Output(
            ("variant",), "float64", "nats", "loss of the training pairs without all frequencies"
        ),
        "distance_irrelevance": Output(
            ("variant",), "float64", "1", "of the right class' logit; NaN where that is the same for all pairs",
            citation="Zhong et al. 2023 (arXiv 2306.17844), section 4.2.",
        ),
        "boundary": Output(("boundary",), "str", "1", "name of a boundary of the phases"),
        "boundary_epoch": Output(("variant", "boundary"), "float64", "epochs", "where it is; NaN where not reached"),
        "train_learned_epoch": Output(
            ("variant",), "float64", "epochs", "first with the train accuracy of the milestone; NaN where not reached"
        ),
        "test_learned_epoch": Output(
            ("variant",), "float64", "epochs", "first with the test accuracy of the milestone; NaN where not reached"
        ),
        "grokking_delay": Output(
            ("variant",), "float64", "epochs", "the second less the first; NaN where one was not reached"
        ),
        "classification": Output(("variant",), "str", "1", "the kind of training: one of kind"),
        "degraded": Output(
            ("variant",), "int8", "1", "1 where the test split was learned, and its accuracy is below the milestone's"
        ),
        "kind": Output(("kind",), "str", "1", "a kind of training"),
        "kind_rule": Output(("kind",), "str", "1", "its rule in words"),
    }  # fmt: skip

    def analyze(self, comparison: Comparison) -> Mapping[str, Any]:
        variants = comparison.variants

        splits, milestones = comparison[SPLIT], comparison[MILESTONE]

        def column(read: Stored, split: str | None = None) -> Array:
            """Return a number of each variant, of one split if it has any."""
            stored = comparison[read]
            if split is None:
                return np.array([stored[name] for name in variants])
            return np.array([stored[name][list(splits[name]).index(split)] for name in variants])

        def milestone(name: str, read: Stored) -> Array:
            stored = comparison[read]
            return np.array([stored[one][list(milestones[one]).index(name)] for one in variants])

        key, size = comparison[KEY], comparison[CLUSTER_SIZE]
        train, test = (milestone(f"{split}_accuracy", EPOCH_REACHED) for split in ("train", "test"))
        measured = [milestone(f"{split}_accuracy", MEASURED) for split in ("train", "test")]
        accuracy = column(ACCURACY, "test")
        ratio = float(self.parameters["grokking_ratio"])
        return {
            "p": np.array([comparison.contexts[name]["cyclic_group"].order for name in variants], dtype=np.int32),
            "key_frequencies": np.array([_listed(key[name]) for name in variants]),
            "is_key": _padded([key[name] for name in variants]),
            "key_count": np.array([key[name].sum() for name in variants], dtype=np.int32),
            "cluster_size": _padded([size[name] for name in variants]),
            "clustered_neurons": np.array([size[name].sum() for name in variants], dtype=np.int32),
            "live_neurons": column(LIVE),
            "train_loss": column(LOSS, "train"),
            "test_loss": column(LOSS, "test"),
            "test_accuracy": accuracy,
            "restricted_loss": column(RESTRICTED, "all"),
            "excluded_loss": column(EXCLUDED, "train"),
            "excluded_loss_all": column(EXCLUDED_ALL, "train"),
            "distance_irrelevance": column(DISTANCE),
            "boundary": comparison[BOUNDARY][variants[0]],
            "boundary_epoch": column(BOUNDARY_EPOCH),
            "train_learned_epoch": train,
            "test_learned_epoch": test,
            "grokking_delay": test - train,
            "classification": np.array(
                [
                    kind_of(of_train, of_test, ratio) if known else "not measured"
                    for of_train, of_test, known in zip(train, test, np.logical_and(*measured))
                ]
            ),
            "degraded": np.isfinite(test) & (accuracy < milestone("test_accuracy", THRESHOLD)),
            "kind": np.array(list(KINDS)),
            "kind_rule": np.array(list(KINDS.values())),
        }


def kind_of(train: float, test: float, ratio: float) -> str:
    """Return the kind of a training.

    Args:
        train, test: the epochs at which the splits are learned; NaN where they are not.
        ratio: from how many times ``train`` on the test split is learned late.
    """
    if not np.isfinite(test):
        return "memorised only" if np.isfinite(train) else "not learned"
    return "grokked" if test > train and test >= ratio * train else "learned at once"


def _listed(key: Array) -> str:
    return ", ".join(map(str, np.flatnonzero(key) + 1)) or "none"


def _padded(rows: list[Array]) -> Array:
    """Return rows of different lengths as one array, filled up with NaN."""
    found = np.full((len(rows), max(map(len, rows))), np.nan, dtype=np.float32)
    for row, values in zip(found, rows):
        row[: len(values)] = values
    return found
