"""Circles that turn, tilt and drift, seen in the frame of the last checkpoint."""

import numpy as np
import pytest
from stand_ins import SeriesStandIn, measured

from dynascope import InvalidSetting
from dynascope.instruments.centroid_trajectory import CENTROID, CLASS, CONSTANT, SITE, CentroidTrajectory

TILT = np.array([np.pi / 2, np.pi / 3, 0.0])
TURN = np.array([0.3, 0.1, 0.0])
SIZE = np.array([0.5, 2.0, 3.0])


def tilted_circles(classes=12, features=7, seed=0):
    """An ellipse with semi-axes 2 and 1 times SIZE, turned about its centre, in a plane that is tilted by TILT about
    its first axis; the centre goes along the first axis and along one that no class uses."""
    frame = np.linalg.qr(np.random.default_rng(seed).normal(size=(features, features)))[0].T
    angle = 2 * np.pi * np.arange(classes) / classes + TURN[:, None]
    x, y = 2 * SIZE[:, None] * np.cos(angle), SIZE[:, None] * np.sin(angle)
    second = np.cos(TILT)[:, None] * frame[1] + np.sin(TILT)[:, None] * frame[2]
    drift = np.array([5.0, 4.0, 1.0])[:, None] * frame[0] + np.array([3.0, 0.0, 7.0])[:, None] * frame[4]
    return frame, x[:, :, None] * frame[0] + y[:, :, None] * second[:, None] + drift[:, None], x, y


def series(*sites, constant=None):
    centroid = np.stack(sites, axis=1)
    epochs, count, classes, _ = centroid.shape
    arrays = {
        SITE: np.array([f"site_{index}" for index in range(count)]),
        CLASS: np.arange(classes, dtype=np.int32),
        CENTROID: centroid.astype(np.float32),
        CONSTANT: np.zeros((epochs, count), dtype=np.int8) if constant is None else constant,
    }
    return SeriesStandIn(np.arange(epochs) * 100, arrays)


def test_a_circle_is_seen_in_the_plane_of_the_last_checkpoint_with_the_share_that_lies_in_it():
    frame, centroid, x, y = tilted_circles()
    found = measured(CentroidTrajectory(), series(centroid))
    axes = found["axis"][0]
    assert np.isnan(axes[2]).all()  # the last circle has two dimensions
    signs = np.sign((axes[:2] * frame[:2]).sum(axis=1))
    np.testing.assert_allclose(axes[:2], signs[:, None] * frame[:2], atol=1e-6)
    largest = np.abs(axes[:2]).argmax(axis=1)
    assert (axes[[0, 1], largest] > 0).all()
    projection = found["projection"][0]
    np.testing.assert_allclose(projection[:, :, 0], signs[0] * x, atol=1e-5)
    np.testing.assert_allclose(projection[:, :, 1], signs[1] * y * np.cos(TILT)[:, None], atol=1e-5)
    np.testing.assert_allclose(found["center"][0, :, 0], signs[0] * np.array([4, 3, 0]), atol=1e-5)
    np.testing.assert_allclose(found["center"][0, :, 1], 0, atol=1e-5)
    expected = np.stack([np.full(3, 0.8), 0.2 * np.cos(TILT) ** 2], axis=1)
    np.testing.assert_allclose(found["share"][0, :, :2], expected, atol=1e-6)
    np.testing.assert_allclose(found["captured"][0], expected.sum(axis=1), atol=1e-6)


class Pooled(CentroidTrajectory):
    parameters = {"basis": "pooled", "components": 3}


def test_the_pooled_axes_hold_what_all_checkpoints_do():
    frame, centroid, _, _ = tilted_circles()
    found = measured(Pooled(), series(centroid))
    np.testing.assert_allclose(found["captured"][0], 1, atol=1e-6)
    np.testing.assert_allclose(np.abs(found["axis"][0] @ frame[0]), [1, 0, 0], atol=1e-6)
    weights = found["axis"][0] @ frame[:3].T
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1, atol=1e-6)


def test_a_rotation_of_all_checkpoints_changes_the_axes_alone():
    _, centroid, _, _ = tilted_circles()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(7, 7)))[0]
    one, other = (measured(CentroidTrajectory(), series(each)) for each in (centroid, centroid @ turn))
    np.testing.assert_allclose(np.abs(one["projection"]), np.abs(other["projection"]), atol=1e-4)
    np.testing.assert_allclose(one["share"], other["share"], atol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(one["axis"] @ turn * other["axis"], axis=2))[:, :2], 1, atol=1e-5)


def test_a_site_that_is_constant_is_nan_and_the_others_are_not():
    _, centroid, _, _ = tilted_circles()
    constant = np.zeros((3, 3), dtype=np.int8)
    constant[:, 1] = 1
    constant[0, 2] = 1
    found = measured(CentroidTrajectory(), series(centroid, centroid, centroid, constant=constant))
    assert np.isnan(found["axis"][1]).all()
    assert np.isnan(found["projection"][1]).all()
    assert np.isnan(found["captured"]).tolist() == [[0, 0, 0], [1, 1, 1], [1, 0, 0]]


def test_a_checkpoint_of_nan_is_left_out_and_one_at_the_end_leaves_no_axes():
    _, centroid, _, _ = tilted_circles()
    first, last = centroid.copy(), centroid.copy()
    first[0], last[-1] = np.nan, np.nan
    for analyzer in (CentroidTrajectory(), Pooled()):
        found = measured(analyzer, series(first, last))
        assert np.isnan(found["captured"]).tolist() == [[1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("classes", "features"), [(1, 5), (2, 1), (2, 5), (3, 2)])
def test_few_classes_and_features(classes, features):
    rng = np.random.default_rng(0)
    found = measured(CentroidTrajectory(), series(rng.normal(size=(2, classes, features))))
    there = np.isfinite(found["axis"][0]).all(axis=1).sum()
    assert there == min(classes - 1, features)
    if there:
        assert found["captured"][0, -1] == pytest.approx(1)


def test_another_basis_is_refused():
    other = type("Other", (CentroidTrajectory,), {"parameters": {"basis": "first", "components": 3}})
    with pytest.raises(InvalidSetting, match="one of last, pooled; found 'first'"):
        other().analyze(series(np.zeros((1, 2, 2))))
