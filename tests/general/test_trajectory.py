"""Parameter trajectories along planted paths, and the similarity of rotated representations."""

import numpy as np
import pytest
from stand_ins import SeriesStandIn, measured

from dynascope.instruments import trajectory
from dynascope.instruments.similarity import CENTROID, CONSTANT, SITE, LinearCKA, linear_cka
from dynascope.instruments.trajectory import ParameterTrajectory, group_of

EPOCHS = np.array([0, 10, 20, 50, 150, 160])


def series(path, epochs=EPOCHS, still=True):
    """A path ``"epoch 5"`` in two weights of one group, beside a weight that stays."""
    return SeriesStandIn(
        epochs,
        checkpoints=[
            {"blocks.0.mlp.in.weight": point[:4].reshape(2, 2), "blocks.0.mlp.out.weight": point[4:]}
            | ({"embed.weight": np.ones(3)} if still else {})
            for point in path
        ],
    )


def test_a_straight_line_is_one_component_with_its_velocities_by_epoch():
    rng = np.random.default_rng(0)
    direction = rng.normal(size=5)
    direction /= np.linalg.norm(direction)
    place = np.array([0.0, 1.0, 3.0, 4.0, 9.0, 9.5])
    found = measured(ParameterTrajectory(), series(rng.normal(size=5) + place[:, None] * direction))
    assert found["group"].tolist() == ["all", "blocks.0.mlp", "embed"]
    assert found["group_size"].tolist() == [8, 5, 3]
    for group in (0, 1):
        np.testing.assert_allclose(found["explained_variance"][group], [1, 0, 0, 0, 0, 0], atol=1e-12)
        np.testing.assert_allclose(found["projection"][group, 0], place - place.mean(), atol=1e-7)
        np.testing.assert_allclose(found["distance"][group], place, atol=1e-12)
        np.testing.assert_allclose(found["velocity"][group, 1:], np.diff(place) / np.diff(EPOCHS), rtol=1e-7)
        np.testing.assert_allclose(found["update_cosine"][group, 1:-1], 1, rtol=1e-7)
        assert found["variance"][group] == pytest.approx(place.var())
    assert np.isnan(found["velocity"][:, 0]).all()
    assert np.isnan(found["update_cosine"][:, [0, -1]]).all()


def test_weights_that_stay_have_no_components_and_no_direction():
    found = measured(ParameterTrajectory(), series(np.arange(30.0).reshape(6, 5)))
    assert np.isnan(found["explained_variance"][2]).all()
    assert (found["projection"][2] == 0).all()
    assert found["velocity"][2, 1:].tolist() == [0] * 5
    assert np.isnan(found["update_cosine"][2]).all()


def test_a_rotation_is_two_equal_components_and_turns_by_its_angle():
    angle = 2 * np.pi * np.arange(8) / 8
    path = np.zeros((8, 5))
    path[:, 1], path[:, 4] = 2 * np.cos(angle), 2 * np.sin(angle)
    found = measured(ParameterTrajectory(), series(path, np.arange(8)))
    np.testing.assert_allclose(found["explained_variance"][0, :3], [0.5, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(np.sum(found["projection"][0, :2] ** 2, axis=0), 4)
    np.testing.assert_allclose(found["update_cosine"][0, 1:-1], np.cos(np.pi / 4))
    np.testing.assert_allclose(found["distance"][0], 4 * np.sin(angle / 2), atol=1e-7)


def test_components_are_those_of_a_singular_value_decomposition():
    path = np.random.default_rng(0).normal(size=(6, 5)).cumsum(axis=0)
    found = measured(ParameterTrajectory(), series(path, still=False))
    left, values, _ = np.linalg.svd(path - path.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found["projection"][0, :5]), np.abs(left * values).T, atol=1e-10)
    np.testing.assert_allclose(found["explained_variance"][0, :5], values**2 / np.sum(values**2))
    extreme = np.abs(found["projection"][0, :5]).argmax(axis=1)
    assert (found["projection"][0, np.arange(5), extreme] > 0).all()


def test_blocks_of_checkpoints_give_the_same_with_less_memory(monkeypatch):
    path = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    whole = series(path)
    expected = measured(ParameterTrajectory(), whole)
    assert whole.reads == 1 + 6  # the first checkpoint is what the others are seen from
    monkeypatch.setattr(trajectory, "MEMORY", 4 * 8 * 8)  # four checkpoints of eight weights: two blocks of two
    found = measured(ParameterTrajectory(), series(path))
    for name, array in expected.items():
        if name != "group":
            np.testing.assert_allclose(found[name], array, atol=1e-12)


def test_small_steps_far_from_the_start_keep_their_digits():
    path = np.full((4, 5), 100.0)
    path[0], path[2], path[3] = 0, 100.001, 100.003
    found = measured(ParameterTrajectory(), series(path, np.arange(4)))
    np.testing.assert_allclose(found["velocity"][0, 2:], np.sqrt(5) * np.array([0.001, 0.002]), rtol=1e-5)


def test_a_checkpoint_of_nan_is_left_out():
    path = np.arange(6.0)[:, None] * np.ones(5)
    path[3] = np.nan
    found = measured(ParameterTrajectory(), series(path))
    assert np.isnan(found["projection"][0, :, 3]).all()
    assert np.isnan(found["velocity"][0, [3, 4]]).all()
    assert found["explained_variance"][0, 0] == pytest.approx(1)
    np.testing.assert_allclose(np.diff(found["projection"][0, 0])[[0, 1, 4]], np.sqrt(5))


@pytest.mark.parametrize("count", [1, 2])
def test_few_checkpoints(count):
    found = measured(ParameterTrajectory(), series(np.arange(5.0 * count).reshape(count, 5), EPOCHS[:count]))
    assert found["projection"].shape == (3, count, count)
    assert found["distance"][0].tolist() == pytest.approx([0, 5 * np.sqrt(5)][:count])


def test_groups_are_the_parts_of_a_model():
    names = {
        "embed.weight": "embed",
        "embed.W_E": "embed",
        "blocks.0.attn.q.weight": "blocks.0.attn",
        "blocks.0.attn.W_Q": "blocks.0.attn",
        "layers.1.bias": "layers.1",
        "w": "w",
    }
    assert {name: group_of(name, 3) for name in names} == names


def test_cka_is_1_under_rotation_and_scale_and_that_of_unlike_ones_is_the_formula():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(20, 6))
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    other = rng.normal(size=(20, 6))
    found = linear_cka(np.stack([first, 3 * first @ rotation + 7, other]))
    np.testing.assert_allclose(np.diagonal(found), 1)
    assert found[0, 1] == pytest.approx(1)
    x, y = first - first.mean(axis=0), other - other.mean(axis=0)
    expected = np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert found[[0, 2, 1], [2, 0, 2]] == pytest.approx(expected)


def test_cka_of_orthogonal_representations_is_0():
    basis = np.linalg.qr(np.column_stack([np.ones(8), np.random.default_rng(0).normal(size=(8, 4))]))[0][:, 1:]
    assert linear_cka(np.stack([basis[:, :2], basis[:, 2:]]))[0, 1] == pytest.approx(0, abs=1e-12)


def test_cka_is_stored_by_site_and_nan_where_a_site_is_constant():
    centroid = np.random.default_rng(0).normal(size=(4, 2, 7, 3)).astype(np.float32)
    centroid[2, 1] = np.nan
    constant = np.zeros((4, 2), dtype=np.int8)
    constant[:, 0] = [1, 0, 0, 0]
    arrays = {SITE: np.array(["early", "late"]), CENTROID: centroid, CONSTANT: constant}
    found = measured(LinearCKA(), SeriesStandIn(np.array([0, 5, 9, 30]), arrays))
    assert found["other_epoch"].tolist() == [0, 5, 9, 30]
    assert np.isnan(found["cka"][0, 0]).all()
    assert np.isnan(found["cka"][0, :, 0]).all()
    assert np.isfinite(found["cka"][0, 1:, 1:]).all()
    assert np.isnan(found["cka"][1, 2]).all()
    assert found["cka"][1, 0, 3] == found["cka"][1, 3, 0]
