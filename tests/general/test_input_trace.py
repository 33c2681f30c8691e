"""The input trace on logits whose losses and margins are known."""

import numpy as np
import pytest
from stand_ins import measured, step

from dynascope import InvalidSetting
from dynascope.instruments.input_trace import LABEL, LOGITS, TRAIN, InputTrace, losses_and_margins


def trace(logits, label, train=None):
    train = np.zeros(len(label), dtype=np.int8) if train is None else np.asarray(train, dtype=np.int8)
    return measured(InputTrace(), step({LOGITS: np.asarray(logits), LABEL: np.asarray(label), TRAIN: train}))


def one_margin(margin, classes, label, rows=1):
    """Logits whose right class leads all others by the same margin."""
    logits = np.zeros((rows, classes), dtype=np.float32)
    logits[np.arange(rows), label] = margin
    return logits


@pytest.mark.parametrize("margin", [-30.0, -1.0, 0.0, 1.0, 10.0, 23.0])
def test_loss_and_confidence_are_the_closed_forms(margin):
    found = trace(5 + one_margin(margin, 59, [7]), [7])
    assert found["margin"][0] == margin
    assert found["mean_loss"][2] == pytest.approx(np.log1p(58 * np.exp(-margin)), rel=1e-12)
    assert found["confidence"][0] == pytest.approx(1 / (1 + 58 * np.exp(-margin)), rel=1e-12)
    assert found["correct"][0] == (margin > 0)


def test_losses_far_below_float64s_step_at_1_keep_their_digits():
    loss, _ = losses_and_margins(one_margin(np.float32(60), 113, [3]), np.array([3]))
    assert loss[0] == pytest.approx(112 * np.exp(-60), rel=1e-12)  # 9.8e-25
    assert trace(one_margin(60, 113, [3]), [3])["loss"].astype(np.float32)[0] > 0


def test_large_logits_do_not_overflow():
    found = trace([[1e38, 0.0], [-1e38, 1e38]], [0, 0])
    assert found["loss"].tolist() == [0, 2e38]
    assert found["confidence"].tolist() == [1, 0]


def test_infinite_logits_are_the_limit():
    inf = np.inf
    found = trace([[inf, 0, 1], [0, inf, 1], [0, -inf, -inf], [-inf, 0, 0], [inf, inf, 0]], [0, 0, 0, 0, 0])
    np.testing.assert_allclose(found["loss"], [0, inf, 0, inf, np.log(2)])
    np.testing.assert_allclose(found["confidence"], [1, 0, 1, 0, 0.5])
    assert found["margin"].tolist() == [inf, -inf, inf, -inf, 0]
    assert found["prediction"].tolist() == [0, 1, 0, 1, 0]


def test_means_are_by_split_and_by_class():
    logits = one_margin(0, 3, [0], rows=5)
    logits[range(5), [0, 0, 1, 1, 2]] = 9.0  # predictions
    found = trace(logits, [0, 1, 1, 1, 0], train=[1, 1, 0, 0, 0])
    assert found["split"].tolist() == ["train", "test", "all"]
    assert found["rows"].tolist() == [2, 3, 5]
    np.testing.assert_allclose(found["accuracy"], [1 / 2, 2 / 3, 3 / 5])
    assert found["smallest_margin"].tolist() == [-9, -9, -9]
    np.testing.assert_allclose(found["mean_margin"], [0, 3, 9 / 5])
    assert found["class_rows"].tolist() == [[1, 1, 0], [1, 2, 0], [2, 3, 0]]
    np.testing.assert_allclose(found["class_accuracy"], [[1, 0, np.nan], [0, 1, np.nan], [1 / 2, 2 / 3, np.nan]])
    right, wrong = np.log1p(2 * np.exp(-9)), np.log1p(np.exp(-9) * 2) + 9
    np.testing.assert_allclose(found["class_loss"][2, :2], [(right + wrong) / 2, (2 * right + wrong) / 3])


def test_a_split_without_rows_is_nan_and_not_0():
    found = trace(one_margin(1, 3, [1]), [1], train=[1])
    assert found["rows"].tolist() == [1, 0, 1]
    for name in ("mean_loss", "accuracy", "mean_margin", "smallest_margin", "mean_confidence"):
        assert np.isnan(found[name][1])


def test_a_checkpoint_of_nan_has_no_answers():
    found = trace(np.full((4, 3), np.nan, dtype=np.float32), [0, 1, 2, 0])
    assert found["prediction"].tolist() == [-1] * 4
    assert found["accuracy"][2] == 0
    assert np.isnan(found["loss"]).all()
    assert np.isnan(found["mean_loss"][2])


def test_one_class_is_always_right():
    found = trace([[0.5], [0.1]], [0, 0])
    assert found["loss"].tolist() == [0, 0]
    assert found["accuracy"][2] == 1
    assert found["classes"] == 1


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_are_no_classes_are_an_error(label):
    with pytest.raises(InvalidSetting, match=r"Labels must be classes, 0 to 2"):
        trace(np.zeros((2, 3)), [0, label])
