"""Losses whose curvature is known, along directions whose size is."""

import numpy as np
import pytest
from stand_ins import measured

from dynascope import Batch, InvalidSetting, NotOffered, Step
from dynascope.instruments.flatness import LABEL, TRAIN, Flatness, direction_of, loss_changes

RADII = np.array([-0.3, -0.1, 0.1, 0.3])


def test_a_quadratic_loss_changes_by_its_curvature():
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    stiffness = {"w": rng.random((3, 4)), "b": rng.random(4)}

    def loss(at):
        return sum(0.5 * float((stiffness[name] * (array - weights[name]) ** 2).sum()) for name, array in at.items())

    directions = [direction_of(weights, [0, index], "tensor") for index in range(3)]
    changes = loss_changes(loss, 0.0, weights, directions, RADII)
    curvature = np.array([sum(float((stiffness[n] * d[n] ** 2).sum()) for n in weights) for d in directions])
    np.testing.assert_allclose(changes, 0.5 * np.outer(curvature, RADII**2))


@pytest.mark.parametrize("normalisation", ["tensor", "row"])
def test_a_direction_is_as_large_as_the_weights_and_follows_from_its_seed(normalisation):
    weights = {"w": 10 * np.random.default_rng(1).normal(size=(5, 6)), "b": np.zeros(4), "s": np.array(2.0)}
    weights["w"][2] = 0
    direction = direction_of(weights, [7, 0], normalisation)
    assert np.linalg.norm(direction["w"]) == pytest.approx(np.linalg.norm(weights["w"]))
    assert not direction["b"].any()
    assert abs(direction["s"]) == pytest.approx(2)
    sizes = np.linalg.norm(direction["w"], axis=1)
    assert np.allclose(sizes, np.linalg.norm(weights["w"], axis=1)) == (normalisation == "row")
    again = direction_of(dict(reversed(weights.items())), [7, 0], normalisation)
    np.testing.assert_array_equal(again["w"], direction["w"])
    assert not np.allclose(direction_of(weights, [7, 1], normalisation)["w"], direction["w"])


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(InvalidSetting, match="one of tensor, row; found 'layer'"):
        direction_of({}, [0], "layer")


class FarApart(Flatness):
    parameters = {**Flatness.parameters, "directions": 3, "radii": "0.5 0.001"}


def step(weight, train=(1, 0, 1)):
    """Two classes, whose logits are the only weight and 0: the loss of the first is log(1 + exp(-w))."""

    def forward(weights, rows=None):
        rows = np.arange(3) if rows is None else rows
        assert rows.tolist() == np.flatnonzero(train).tolist()
        return np.stack([np.full(len(rows), float(weights.get("w", weight))), np.zeros(len(rows))], axis=1)

    batch = Batch(np.zeros((3, 1)), {"row": np.arange(3)})
    arrays = {LABEL: np.zeros(3, dtype=int), TRAIN: np.array(train)}
    weights = {"w": np.array(weight), "still": np.zeros(2)}
    return Step(0, None, {}, batch, arrays, weights, forward=forward)


@pytest.mark.parametrize("weight", [2.0, -1.0, 12.0])
def test_the_loss_of_one_logit_has_its_closed_form(weight):
    found = measured(FarApart(), step(weight))
    assert found["train_loss"] == pytest.approx(np.log1p(np.exp(-weight)))
    assert found["radius"].tolist() == [-0.5, -0.001, 0.001, 0.5]
    assert found["size"].tolist() == [0.001, 0.5]
    ends = {np.log1p(np.exp(-weight * (1 + sign * 0.5))) - found["train_loss"] for sign in (-1, 1)}
    for change in found["change"]:
        assert sorted([change[0], change[-1]]) == pytest.approx(sorted(ends))
    sigmoid = 1 / (1 + np.exp(-weight))
    np.testing.assert_allclose(found["curvature"][:, 0], weight**2 * sigmoid * (1 - sigmoid), rtol=1e-4)
    assert found["largest_change"][-1] == max(found["change"][:, -1])
    np.testing.assert_allclose(found["mean_curvature"], found["curvature"].mean(axis=0))


def test_a_weight_of_0_does_not_move_and_a_probe_without_training_rows_is_refused():
    assert not measured(FarApart(), step(0.0))["change"].any()
    with pytest.raises(NotOffered, match="no row that is trained on"):
        FarApart().analyze(step(1.0, (0, 0, 0)))
