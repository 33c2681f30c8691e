"""Shares of variance, held to signals whose shares are known before they are measured."""

import numpy as np
import pytest

from dynascope_fourier import (
    amplitudes_and_phases,
    component_frequencies,
    fourier_2d,
    frequency_shares,
    gini,
    variance_fractions,
)


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
    share = variance_fractions(np.stack([np.outer(sign, sign), sign[:, None] + np.zeros(p)], axis=-1))
    np.testing.assert_allclose(share[-1], [1, 1], atol=1e-12)
    np.testing.assert_allclose(share[:-1], 0, atol=1e-12)


@pytest.mark.parametrize("p", [2, 3, 8, 9])
def test_shares_lie_between_0_and_1_and_sum_to_at_most_1(p):
    share = variance_fractions(np.random.default_rng(p).normal(size=(p, p, 40)))
    assert share.shape == (p // 2, 40)
    assert share.min() >= 0
    assert share.sum(axis=0).max() <= 1 + 1e-12


def test_a_constant_or_dead_neuron_has_no_frequency():
    maps = np.stack([np.zeros((11, 11)), np.full((11, 11), 5.1), np.full((11, 11), 1e4 / 3)], axis=-1).astype(
        np.float32
    )
    np.testing.assert_array_equal(variance_fractions(maps.astype(np.float32)), 0)


def test_every_axis_after_the_first_two_is_kept():
    maps = np.random.default_rng(0).normal(size=(5, 5, 2, 3))
    share = variance_fractions(maps)
    assert share.shape == (2, 2, 3)
    np.testing.assert_allclose(share[:, 1, 2], variance_fractions(maps[:, :, 1, 2]))


@pytest.mark.parametrize("p", [2, 3, 9, 12, 13])
def test_shares_are_those_of_the_whole_two_dimensional_transform(p):
    """The definition, literally: the 8 components of each k over all but the constant."""
    maps = 3 + np.random.default_rng(p).normal(size=(p, p, 7))
    power = np.square(fourier_2d(maps))
    power[0, 0] = 0
    of = component_frequencies(p)
    for k, share in enumerate(variance_fractions(maps), start=1):
        rows = np.flatnonzero((of == k) | (of == 0))
        expected = power[np.ix_(rows, rows)].sum(axis=(0, 1)) / power.sum(axis=(0, 1))
        np.testing.assert_allclose(share, expected, rtol=1e-12)


def test_maps_must_be_square():
    with pytest.raises(ValueError, match="p x p"):
        variance_fractions(np.zeros((3, 4, 5)))


@pytest.mark.parametrize("p", [2, 5, 8, 59])
def test_the_two_dimensional_transform_is_the_fast_one_in_the_real_basis(p):
    """rfft over each axis in turn: sqrt(2/p) of its real part is the cosine, of minus its imaginary part the sine."""
    grid = np.random.default_rng(p).normal(size=(p, p, 2))

    def over(axis, values):
        fast = np.moveaxis(np.fft.rfft(values, axis=axis), axis, 0) * (2 / p) ** 0.5
        rows = [fast[:1].real / 2**0.5]
        for k in range(1, p // 2 + 1):
            rows += [fast[k : k + 1].real / 2**0.5] if 2 * k == p else [fast[k : k + 1].real, -fast[k : k + 1].imag]
        return np.moveaxis(np.concatenate(rows), 0, axis)

    np.testing.assert_allclose(fourier_2d(grid), over(1, over(0, grid)), atol=1e-12)


@pytest.mark.parametrize(
    ("p", "planted"), [(53, {5: (3.0, 0.4), 14: (0.5, -2.9)}), (12, {1: (2.0, 1.0), 5: (1.0, 3.0)})]
)
def test_amplitudes_and_phases_are_those_that_were_put_in(p, planted):
    signal = 7 + sum(size * wave(p, k, phase) for k, (size, phase) in planted.items())
    amplitude, phase = amplitudes_and_phases(signal)
    for k in range(1, p // 2 + 1):
        assert amplitude[k - 1] == pytest.approx(planted.get(k, (0, 0))[0], abs=1e-12)
        if k in planted:
            assert phase[k - 1] == pytest.approx(planted[k][1], abs=1e-12)


@pytest.mark.parametrize("p", [2, 6])
def test_the_nyquist_wave_has_its_amplitude_and_a_sign_for_a_phase(p):
    sign = 1 - 2.0 * (np.arange(p) % 2)
    amplitude, phase = amplitudes_and_phases(np.stack([1.5 * sign, -0.5 * sign], axis=1))
    np.testing.assert_allclose(amplitude[-1], [1.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(np.abs(phase[-1]), [0, np.pi], atol=1e-12)


def test_shares_of_signals_sum_to_1_and_a_constant_has_none():
    signals = np.stack([2 + wave(53, 5) + 3 * wave(53, 14, 0.2), np.full(53, 0.1), np.zeros(53)], axis=1)
    share = frequency_shares(signals)
    np.testing.assert_allclose(share[[4, 13], 0], [0.1, 0.9], atol=1e-12)
    np.testing.assert_allclose(share.sum(axis=0), [1, 0, 0], atol=1e-12)


def test_gini_of_equal_non_zeros_is_their_share_of_zeros():
    values = np.zeros(113)
    values[[3, 10, 17, 20, 31, 40, 55, 60, 80, 99]] = 2.5
    assert gini(values) == pytest.approx(1 - 10 / 113, abs=1e-12)  # 0.9115044, Hurley and Rickard 2009
    assert gini(np.ones(9)) == pytest.approx(0, abs=1e-12)
    assert np.isnan(gini(np.zeros(9)))
