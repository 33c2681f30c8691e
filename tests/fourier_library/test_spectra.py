"""Shares of variance, held to signals whose shares are known before they are measured."""

import numpy as np
import pytest

from dynascope_fourier import gini, variance_fractions


def wave(p, k, phase=0.0):
    return np.cos(2 * np.pi * k * np.arange(p) / p + phase)


@pytest.mark.parametrize("p", [7, 12, 53])
def test_a_product_of_waves_belongs_to_their_frequency_alone(p):
    for k in (1, 2, p // 2 - 1):
        share = variance_fractions(np.outer(wave(p, k, 0.3), wave(p, k, 1.1)))
        expected = np.zeros(p // 2)
        expected[k - 1] = 1
        np.testing.assert_allclose(share, expected, atol=1e-12)


def test_marginal_waves_count_for_their_frequency():
    p, k = 11, 4
    maps = 3 + wave(p, k)[:, None] + 2 * wave(p, k, 0.5)[None, :]
    np.testing.assert_allclose(variance_fractions(maps)[k - 1], 1, atol=1e-12)


def test_shares_are_the_powers_that_were_put_in():
    p = 53
    a, b = np.arange(p)[:, None], np.arange(p)[None, :]
    amplitudes = {5: 3.0, 14: 2.0, 26: 1.0}
    maps = sum(amplitude * np.cos(2 * np.pi * k * (a + b) / p) for k, amplitude in amplitudes.items())
    share = variance_fractions(maps + 7.0)
    for k in range(1, 27):
        expected = amplitudes.get(k, 0.0) ** 2 / 14
        assert share[k - 1] == pytest.approx(expected, abs=1e-12)


def test_components_that_mix_two_frequencies_belong_to_none():
    p = 13
    np.testing.assert_allclose(variance_fractions(np.outer(wave(p, 2), wave(p, 5))), 0, atol=1e-12)


@pytest.mark.parametrize("p", [2, 4, 12])
def test_the_nyquist_frequency_of_an_even_p(p):
    sign = 1 - 2.0 * (np.arange(p) % 2)
    share = variance_fractions(np.stack([np.outer(sign, sign), sign[:, None] + np.zeros(p)]))
    np.testing.assert_allclose(share[-1], [1, 1], atol=1e-12)
    np.testing.assert_allclose(share[:-1], 0, atol=1e-12)


@pytest.mark.parametrize("p", [2, 3, 8, 9])
def test_shares_lie_between_0_and_1_and_sum_to_at_most_1(p):
    share = variance_fractions(np.random.default_rng(p).normal(size=(40, p, p)))
    assert share.shape == (p // 2, 40)
    assert share.min() >= 0
    assert share.sum(axis=0).max() <= 1 + 1e-12


def test_a_constant_or_dead_neuron_has_no_frequency():
    maps = np.stack([np.zeros((11, 11)), np.full((11, 11), 5.1), np.full((11, 11), 1e4 / 3)]).astype(np.float32)
    np.testing.assert_array_equal(variance_fractions(maps), 0)


def test_every_axis_before_the_last_two_is_kept():
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 5))
    share = variance_fractions(maps)
    assert share.shape == (2, 2, 3)
    np.testing.assert_allclose(share[:, 1, 2], variance_fractions(maps[1, 2]))


def test_maps_must_be_square():
    with pytest.raises(ValueError, match="p x p"):
        variance_fractions(np.zeros((3, 4, 5)))


def test_gini_of_equal_non_zeros_is_their_share_of_zeros():
    values = np.zeros(113)
    values[[3, 10, 17, 20, 31, 40, 55, 60, 80, 99]] = 2.5
    assert gini(values) == pytest.approx(1 - 10 / 113, abs=1e-12)  # 0.9115044, Hurley and Rickard 2009
    assert gini(np.ones(9)) == pytest.approx(0, abs=1e-12)
    assert gini(np.zeros(9)) == 0
