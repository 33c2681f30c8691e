"""Milestones of planted curves, and the table of variants."""

import numpy as np
import pytest
from stand_ins import ComparisonStandIn, SeriesStandIn, measured, metrics

from dynascope.instruments.milestones import CLASSES, Milestones
from dynascope.instruments.variant_table import EPOCH_REACHED, MILESTONE, REACHED, VariantTable

UNIFORM = np.log(113)


def milestones(**columns):
    length = len(next(iter(columns.values())))
    arrays = {CLASSES: np.int32(113)}
    return measured(Milestones(), SeriesStandIn(arrays=arrays, metrics=metrics(10 * np.arange(length), **columns)))


def fall(*losses):
    found = milestones(test_loss=losses)
    return found["epoch_reached"][1] if found["reached"][1] else None


def test_each_milestone_is_the_first_epoch_of_its_rule():
    found = milestones(
        train_accuracy=[0.1, 0.98, 0.99, 0.5, 1.0],
        test_accuracy=[0, 0, 0, 0.98999, 0.991],
        test_loss=[4.73, 20, 9, 4.7, 0.1],
    )
    assert found["milestone"].tolist() == ["train_accuracy", "test_below_uniform", "test_accuracy"]
    assert found["epoch_reached"].tolist() == [20, 30, 40]
    assert found["value"].tolist() == [0.99, 4.7, 0.991]
    np.testing.assert_allclose(found["threshold"], [0.99, UNIFORM, 0.99])
    assert found["reached"].all()
    assert found["measured"].all()


def test_what_is_not_reached_is_nan_and_what_was_not_measured_is_another_thing():
    found = milestones(train_accuracy=[0.1, 0.2], test_loss=[5.0, 30.0])
    assert not found["reached"].any()
    assert np.isnan(found["epoch_reached"]).all()
    assert np.isnan(found["value"]).all()
    assert found["measured"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [
        ((4.73, 4.72, 4.9, 25, 4.7, 1.0), 40),  # a dip while the loss is still that of equal probabilities
        ((4.73, 25, 4.7, 4.8, 4.7, 1.0), 40),  # it comes back before it has settled
        ((4.73, 25, 4.0, 2.0, 30, 2.0), 20),  # a spike after it has settled
        ((4.72, 25, 4.0), 20),  # it begins below, and is falling at the end
        ((4.73, 4.6, 2.0), 10),  # without a rise
        ((4.72, 4.6, 1.0), None),  # it was never above
        ((4.73, 25, 4.6, 5.0), None),
        ((4.73, np.nan, 25, np.nan, 4.0, np.nan), 40),  # measured now and then
        ((np.nan, np.nan), None),
        ((UNIFORM, 1.0), 10),
    ],
)
def test_the_fall_below_chance_is_the_one_that_leads_down(losses, epoch):
    assert fall(*losses) == epoch


def test_the_table_has_a_row_for_each_variant():
    epoch = {"grokked": [10.0, 500.0, 900.0], "memorised": [20.0, np.nan, np.nan]}
    arrays = {
        MILESTONE: dict.fromkeys(epoch, np.array(["train_accuracy", "test_below_uniform", "test_accuracy"])),
        EPOCH_REACHED: {name: np.array(values) for name, values in epoch.items()},
        REACHED: {name: np.isfinite(values).astype(np.int8) for name, values in epoch.items()},
    }
    columns = {
        "grokked": metrics([0, 1], train_loss=[4, 1e-7], test_loss=[4, 3e-7], test_accuracy=[0, 1]),
        "memorised": metrics([0, 1, 2], train_loss=[4, 1e-7, 1e-8], test_loss=[4, 30, np.nan]),
    }
    found = measured(VariantTable(), ComparisonStandIn(arrays, columns))
    assert found["reached"].tolist() == [[1, 1, 1], [1, 0, 0]]
    np.testing.assert_array_equal(found["epoch_reached"], list(epoch.values()))
    assert found["last_epoch"].tolist() == [1, 2]
    assert found["last_loss"].tolist() == [[1e-7, 3e-7], [1e-8, 30]]
    np.testing.assert_array_equal(found["last_accuracy"], [[np.nan, 1], [np.nan, np.nan]])


def test_a_table_of_no_measurements_is_nan():
    arrays = {
        MILESTONE: {"one": np.array(["a"])},
        EPOCH_REACHED: {"one": np.array([np.nan])},
        REACHED: {"one": np.array([0], dtype=np.int8)},
    }
    found = measured(VariantTable(), ComparisonStandIn(arrays, {"one": metrics([])}))
    assert np.isnan(found["last_epoch"]).all()
    assert np.isnan(found["last_loss"]).all()
