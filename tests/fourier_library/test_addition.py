"""Projections on the directions of a + b and a + b - c, held to their literal definitions."""

import numpy as np
import pytest

from dynascope_fourier import by_sum, difference_projections, sum_projections, trigonometric_amplitudes
from dynascope_modular_addition.known_models import trigonometric_logits

EVERY_P = [2, 3, 4, 9, 12, 13]


def unit(direction):
    return direction / np.linalg.norm(direction)


def directions(p, k):
    """cos and sin of w_k (a + b) as unit vectors over the pairs; the sine of the Nyquist frequency is nothing."""
    s = np.add(*np.divmod(np.arange(p * p), p))
    angle = 2 * np.pi * k * s / p
    return [unit(np.cos(angle))] + ([unit(np.sin(angle))] if 2 * k != p else [])


@pytest.mark.parametrize("p", EVERY_P)
def test_projections_are_those_on_the_two_directions_over_the_pairs(p):
    logits = np.random.default_rng(p).normal(size=(p * p, p))
    projections = sum_projections(by_sum(logits, p).mean(axis=1))
    a, b = np.divmod(np.arange(p * p), p)
    for k in range(1, p // 2 + 1):
        expected = sum(np.outer(direction, direction @ logits) for direction in directions(p, k))
        np.testing.assert_allclose(projections[k - 1][(a + b) % p], expected, atol=1e-12)


@pytest.mark.parametrize("p", EVERY_P)
def test_the_three_dimensional_form_is_the_projection_on_one_direction_over_all_triples(p):
    logits = np.random.default_rng(p).normal(size=(p * p, p))
    means = by_sum(logits, p).mean(axis=1)
    projections, amplitudes = difference_projections(means), trigonometric_amplitudes(means)
    a, b = np.divmod(np.arange(p * p), p)
    for k in range(1, p // 2 + 1):
        wave = np.cos(2 * np.pi * k * ((a + b)[:, None] - np.arange(p)) / p)
        amplitude = (wave * logits).sum() / np.square(wave).sum()
        assert amplitudes[k - 1] == pytest.approx(amplitude, abs=1e-12)
        np.testing.assert_allclose(projections[k - 1][(a + b) % p], amplitude * wave, atol=1e-12)


@pytest.mark.parametrize(("p", "planted"), [(59, {5: 3.0, 14: -2.0, 22: 1.0}), (12, {1: 2.0, 5: 1.0, 6: 0.5})])
def test_planted_amplitudes_are_found_at_their_frequency(p, planted):
    means = by_sum(trigonometric_logits(p, planted), p).mean(axis=1)
    expected = [planted.get(k, 0.0) for k in range(1, p // 2 + 1)]
    np.testing.assert_allclose(trigonometric_amplitudes(means), expected, atol=1e-12)


def test_pairs_are_sorted_by_their_sum():
    p = 5
    a, b = np.divmod(np.arange(p * p), p)
    assert (by_sum((a + b) % p, p) == np.arange(p)[:, None]).all()
    assert (by_sum(a, p) == np.arange(p)).all()
