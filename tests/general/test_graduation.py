"""Rows that were made to graduate at a known checkpoint."""

import numpy as np
import pytest
from stand_ins import SeriesStandIn, measured

from dynascope.instruments import graduation
from dynascope.instruments.graduation import Graduation

EPOCHS = np.array([0, 10, 50, 200])
NAN = np.nan


def found(correct, label, train, classes=3):
    correct = np.array(correct, dtype=np.int8)
    arrays = {
        graduation.CORRECT: correct.T,
        graduation.LABEL: np.array(label, dtype=np.int32),
        graduation.TRAIN: np.array(train, dtype=np.int8),
        graduation.SPLIT: np.array(["train", "test", "all"]),
        graduation.CLASSES: np.int32(classes),
    }
    return measured(Graduation(), SeriesStandIn(EPOCHS[: correct.shape[1]], arrays))


def test_each_row_graduates_where_it_was_made_to():
    one = found(
        [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1]],
        label=[0, 0, 1, 1, 2, 0],
        train=[1, 1, 1, 0, 0, 0],
        classes=4,
    )
    np.testing.assert_array_equal(one["graduation_epoch"], [0, 200, 50, NAN, NAN, 10])
    assert one["graduated"].tolist() == [1, 1, 1, 0, 0, 1]
    assert one["forgotten"].tolist() == [0, 1, 0, 2, 0, 0]
    assert one["rows"].tolist() == [3, 3, 6]
    assert one["graduated_rows"].tolist() == [[1, 1, 2, 3], [0, 1, 1, 1], [1, 2, 3, 4]]
    np.testing.assert_array_equal(one["all_graduated_epoch"], [200, NAN, NAN])
    assert one["class_rows"].tolist() == [[2, 1, 0, 0], [1, 1, 1, 0], [3, 2, 1, 0]]
    assert one["class_graduated"].tolist() == [[2, 1, 0, 0], [1, 0, 0, 0], [3, 1, 0, 0]]
    np.testing.assert_array_equal(
        one["class_mean_epoch"], [[100, 50, NAN, NAN], [10, NAN, NAN, NAN], [70, 50, NAN, NAN]]
    )
    np.testing.assert_array_equal(
        one["class_all_graduated_epoch"], [[200, 50, NAN, NAN], [10, NAN, NAN, NAN], [200, NAN, NAN, NAN]]
    )
    assert one["epoch_quantile"][0, 2] == 50
    assert one["epoch_quantile"][2].tolist() == [0, 0, 10, 50, 200]  # of 0, 10, 50, 200


def test_a_model_that_never_learns_graduates_no_row():
    one = found(np.zeros((5, 4)), label=[0, 1, 2, 0, 1], train=[1, 0, 0, 0, 0])
    assert not one["graduated"].any()
    assert np.isnan(one["graduation_epoch"]).all()
    assert np.isnan(one["epoch_quantile"]).all()
    assert np.isnan(one["all_graduated_epoch"]).all()
    assert not one["graduated_rows"].any()


@pytest.mark.parametrize("train", [0, 1])
def test_one_checkpoint_and_a_split_without_rows(train):
    one = found([[1], [0]], label=[0, 1], train=[train, train])
    np.testing.assert_array_equal(one["graduation_epoch"], [0, NAN])
    assert one["graduated_rows"][train].tolist() == [0]
    assert np.isnan(one["all_graduated_epoch"]).all()
    assert one["forgotten"].tolist() == [0, 0]


def test_random_rows_graduate_where_a_loop_says():
    correct = np.random.default_rng(0).random((300, 4)) < 0.7
    one = found(correct, label=np.arange(300) % 3, train=np.arange(300) % 2)
    for row, epoch in zip(correct, one["graduation_epoch"]):
        places = [at for at in range(4) if row[at:].all()]
        np.testing.assert_equal(epoch, EPOCHS[places[0]] if places else NAN)
