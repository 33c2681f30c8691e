"""Weight spectra of matrices whose singular values are known."""

import numpy as np
import pytest
from stand_ins import measured, step

from dynascope.instruments.spectra import RANKS, WeightSpectra, rank_measures


def with_singular_values(values, rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.normal(size=(rows, len(values))))
    right, _ = np.linalg.qr(rng.normal(size=(columns, len(values))))
    return (left * values) @ right.T


def spectra(**weights):
    return measured(WeightSpectra(), step(weights=weights))


@pytest.mark.parametrize("n", [1, 3, 8])
def test_n_equal_singular_values_give_n_by_every_measure(n):
    found = spectra(w=with_singular_values(np.full(n, 0.3), 12, 8).astype(np.float32))
    np.testing.assert_allclose(found["singular_values"][0, :n], 0.3, rtol=1e-6)
    for measure in RANKS:
        assert found[measure][0] == pytest.approx(n, rel=1e-5)


def test_the_measures_of_unequal_singular_values_are_the_closed_forms():
    found = rank_measures(np.array([2.0, 1.0, 1.0, 0.0]))
    assert found["participation_ratio"] == pytest.approx(16 / 6)
    assert found["power_participation_ratio"] == pytest.approx(36 / 18)
    assert found["effective_rank"] == pytest.approx(2**1.5)  # entropy of (1/2, 1/4, 1/4): 1.5 bits
    assert found["stable_rank"] == pytest.approx(6 / 4)


def test_small_singular_values_keep_their_digits():
    values = np.array([1.0, 1e-5, 1e-10])
    found = spectra(w=with_singular_values(values, 40, 20))
    np.testing.assert_allclose(found["singular_values"][0, :3], values, rtol=1e-4)


def test_sizes_are_of_every_weight_and_add_up():
    found = spectra(b=np.array([3.0, -4.0]), a=np.full((2, 2), 0.5), c=np.zeros(5))
    assert found["weight"].tolist() == ["a", "b", "c"]
    assert found["norm"].tolist() == [1, 5, 0]
    assert found["largest"].tolist() == [0.5, 4, 0]
    assert found["total_sum_of_squares"] == found["sum_of_squares"].sum() == 26


def test_spectra_of_different_lengths_are_filled_up_and_stacks_are_measured_apart():
    heads = np.stack([with_singular_values([2.0, 2.0], 6, 3), with_singular_values([1.0, 1.0, 1.0], 6, 3)])
    found = spectra(o=np.eye(5), heads=heads, bias=np.ones(4))
    assert found["matrix"].tolist() == ["heads[0]", "heads[1]", "o"]
    assert found["singular_values"].shape == (3, 5)
    assert np.isnan(found["singular_values"][:2, 3:]).all()
    np.testing.assert_allclose(found["stable_rank"], [2, 3, 5])


def test_zeros_and_numbers_that_are_none_have_no_rank_and_others_keep_theirs():
    found = spectra(bad=np.full((3, 2), np.nan), good=np.eye(2), zero=np.zeros((2, 2)), inf=np.array([[np.inf, 1.0]]))
    by_name = dict(zip(found["matrix"].tolist(), found["effective_rank"], strict=True))
    assert by_name.pop("good") == pytest.approx(2)
    assert np.isnan(list(by_name.values())).all()
    assert found["singular_values"][found["matrix"] == "zero"].tolist() == [[0, 0]]


def test_tiny_weights_have_a_rank():
    assert spectra(w=1e-120 * np.eye(3))["power_participation_ratio"][0] == pytest.approx(3)


@pytest.mark.parametrize("weights", [{}, {"b": np.ones(3)}, {"w": np.ones((0, 3))}])
def test_a_model_without_a_matrix_has_sizes_only(weights):
    found = spectra(**weights)
    assert found["singular_values"].shape == (0, 0)
    assert len(found["norm"]) == len(weights)
