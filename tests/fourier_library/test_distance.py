"""Distance irrelevance of logits whose dependence on a + b and a - b was planted."""

import numpy as np
import pytest
from steps import outputs_of

from dynascope import Batch, Step
from dynascope_fourier import CyclicGroup
from dynascope_fourier.distance import LABEL, LOGITS, DistanceIrrelevance, distance_irrelevance
from dynascope_modular_addition.known_models import trigonometric_logits


def found(logits, p):
    a, b = np.divmod(np.arange(p * p), p)
    batch = Batch(np.stack([a, b], axis=1), {"a": np.arange(p), "b": np.arange(p)})
    arrays = {LOGITS: logits, LABEL: (a + b) % p}
    return outputs_of(DistanceIrrelevance(), Step(0, None, {"cyclic_group": CyclicGroup(p)}, batch, arrays))


def planted(p, of_sum, of_distance, correct_only=True):
    """Logits of the right class that are a function of a + b plus one of a - b."""
    a, b = np.divmod(np.arange(p * p), p)
    logits = np.zeros((p * p, p)) - 100
    value = of_sum[(a + b) % p] + of_distance[(a - b) % p]
    logits[np.arange(p * p), (a + b) % p] = value
    logits[np.arange(p * p), (a + b + 1) % p] = 0 if correct_only else value - 5
    return logits


@pytest.mark.parametrize("p", [11, 59])
def test_what_is_a_sum_of_two_functions_has_the_closed_form(p):
    rng = np.random.default_rng(0)
    of_sum, of_distance = rng.normal(size=p), 2 * rng.normal(size=p)
    one = found(planted(p, of_sum, of_distance, correct_only=False), p)
    expected = of_sum.std() / np.hypot(of_sum.std(), of_distance.std())
    assert one["correct"] == pytest.approx(expected)
    assert one["largest_wrong"] == pytest.approx(expected)
    np.testing.assert_allclose(one["correct_mean"], of_sum.mean() + of_distance)
    np.testing.assert_allclose(one["correct_deviation"], of_sum.std())
    # The reference's way for odd p: a matrix over (a + b, a - b).
    a, b = np.divmod(np.arange(p * p), p)
    matrix = np.zeros((p, p))
    matrix[(a + b) % p, (a - b) % p] = of_sum[(a + b) % p] + of_distance[(a - b) % p]
    assert one["correct"] == pytest.approx(np.mean(np.std(matrix, axis=0)) / np.std(matrix))


@pytest.mark.parametrize("p", [2, 8, 12, 13])
def test_the_two_ends_for_even_p_too(p):
    wave = np.cos(2 * np.pi * np.arange(p) / p)
    assert found(planted(p, 0 * wave, wave), p)["correct"] == pytest.approx(0, abs=1e-12)
    if p % 2:
        assert found(planted(p, wave, 0 * wave), p)["correct"] == pytest.approx(1)
    assert np.isnan(found(planted(p, wave, wave), p)["largest_wrong"])  # it is 0 for every pair


def test_the_right_logit_of_the_clock_formula_is_constant_and_says_nothing():
    one = found(trigonometric_logits(59, {5: 3.0, 14: 2.0}), 59)
    assert np.isnan(one["correct"])
    np.testing.assert_allclose(one["correct_mean"], 5)


def test_noise_is_irrelevant_of_distance():
    values = np.random.default_rng(0).normal(size=113**2)
    assert distance_irrelevance(values, 113) == pytest.approx(1, abs=0.02)
