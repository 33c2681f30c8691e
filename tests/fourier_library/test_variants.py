"""The table of variants: planted rows, and variants that were trained."""

import numpy as np
import pytest
from stand_ins import ComparisonStandIn, measured
from tiny import FAMILY, SCHEDULE, TINY

from dynascope import compare, train
from dynascope_fourier import CyclicGroup
from dynascope_fourier import variants as table
from dynascope_fourier.variants import Variants, kind_of

NAN = np.nan
BOUNDARIES = np.array(["memorisation_ends_key", "memorisation_ends_all", "cleanup_starts", "cleanup_ends"])
PLANTED = {
    # p, key frequencies, train and test learned, last test accuracy, whether the metrics were measured
    "a": (113, (9, 33, 38, 45), 150, 9000, 1.0, True),
    "b": (59, (5,), 150, 299, 0.5, True),
    "c": (59, (), 150, NAN, 0.1, True),
    "d": (12, (6,), NAN, NAN, 0.1, True),
    "e": (12, (1,), NAN, NAN, 0.1, False),
    "f": (12, (1,), NAN, 40, 1.0, True),
}


def planted():
    arrays = {read: {} for read in Variants.reads}
    for name, (p, key, train_epoch, test_epoch, accuracy, known) in PLANTED.items():
        flags = np.isin(np.arange(1, p // 2 + 1), key).astype(np.int8)
        values = {
            table.KEY: flags,
            table.SPLIT: np.array(["train", "test", "all"]),
            table.LOSS: np.array([1e-7, 2e-7, 3e-7]),
            table.ACCURACY: np.array([1.0, accuracy, 0.9]),
            table.RESTRICTED: np.array([1e-8, 2e-8, 3e-8]),
            table.EXCLUDED: np.array([4.0, 5.0, 6.0]),
            table.EXCLUDED_ALL: np.array([7.0, 8.0, 9.0]),
            table.CLUSTER_SIZE: flags.astype(np.int32) * 40,
            table.LIVE: np.int32(500),
            table.DISTANCE: np.float64(0.8),
            table.BOUNDARY: BOUNDARIES,
            table.BOUNDARY_EPOCH: np.array([NAN, 100.0, NAN, test_epoch]),
            table.MILESTONE: np.array(["train_accuracy", "test_below_uniform", "test_accuracy"]),
            table.MEASURED: np.full(3, known, dtype=np.int8),
            table.EPOCH_REACHED: np.array([train_epoch, NAN, test_epoch]),
            table.THRESHOLD: np.array([0.99, 4.7, 0.99]),
        }
        for read, value in values.items():
            arrays[read][name] = value
    comparison = ComparisonStandIn(arrays, {name: {} for name in PLANTED})
    comparison.contexts = {name: {"cyclic_group": CyclicGroup(row[0])} for name, row in PLANTED.items()}
    return comparison


def test_each_variant_is_a_row_with_its_frequencies_losses_and_kind():
    found = measured(Variants(), planted())
    assert found["key_frequencies"].tolist() == ["9, 33, 38, 45", "5", "none", "6", "1", "1"]
    assert found["key_count"].tolist() == [4, 1, 0, 1, 1, 1]
    assert found["p"].tolist() == [113, 59, 59, 12, 12, 12]
    assert found["is_key"].shape == found["cluster_size"].shape == (6, 56)
    assert (np.flatnonzero(found["is_key"][0]) + 1).tolist() == [9, 33, 38, 45]
    assert np.isnan(found["is_key"]).sum(axis=1).tolist() == [0, 27, 27, 50, 50, 50]
    np.testing.assert_array_equal(np.isnan(found["cluster_size"]), np.isnan(found["is_key"]))
    assert found["clustered_neurons"].tolist() == [160, 40, 0, 40, 40, 40]
    of_one = {"train_loss": 1e-7, "test_loss": 2e-7, "restricted_loss": 3e-8, "excluded_loss": 4, "live_neurons": 500}
    for name, value in {**of_one, "excluded_loss_all": 7, "distance_irrelevance": 0.8}.items():
        assert set(found[name].tolist()) == {value}, name
    assert found["classification"].tolist() == [
        "grokked",
        "learned at once",
        "memorised only",
        "not learned",
        "not measured",
        "learned at once",
    ]
    assert set(found["classification"]) == set(found["kind"])
    assert found["degraded"].tolist() == [0, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(found["grokking_delay"], [8850, 149, NAN, NAN, NAN, NAN])
    np.testing.assert_array_equal(found["boundary_epoch"][:, 3], [9000, 299, NAN, NAN, NAN, 40])
    assert found["boundary"].tolist() == BOUNDARIES.tolist()
    assert not any((np.asarray(array) == -1).any() for array in found.values() if np.asarray(array).dtype.kind in "if")


@pytest.mark.parametrize(
    ("train_epoch", "test_epoch", "kind"),
    [
        (100, 200, "grokked"),
        (100, 199, "learned at once"),
        (100, 50, "learned at once"),
        (0, 1, "grokked"),
        (0, 0, "learned at once"),
        (NAN, 10, "learned at once"),
        (10, NAN, "memorised only"),
        (NAN, NAN, "not learned"),
    ],
)
def test_the_kind_follows_from_two_epochs_and_a_ratio(train_epoch, test_epoch, kind):
    assert kind_of(train_epoch, test_epoch, 2.0) == kind


def test_trained_variants_of_different_p_are_compared(new_workspace):
    variants = [new_workspace.new_variant(FAMILY, {**TINY, "p": p}) for p in (8, 11)]
    for variant in variants:
        train(variant, schedule=SCHEDULE)
    stored = compare(variants, analyzers=["fourier.variants"])
    found = stored.read("fourier.variants/is_key", [variant.name for variant in variants])
    assert found.dims == ("variant", "frequency")
    assert dict(zip(found["variant"].values.tolist(), np.isfinite(found.values).sum(axis=1))) == {
        variant.name: variant.config.parameters.p // 2 for variant in variants
    }
