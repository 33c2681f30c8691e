import numpy as np
import pytest

from dynascope_fourier import component_frequencies, component_names, fourier_basis, frequencies, frequency_power

EVERY_P = [2, 3, 4, 5, 6, 12, 53, 58, 59, 113]


@pytest.mark.parametrize("p", EVERY_P)
def test_the_basis_is_orthonormal(p):
    basis = fourier_basis(p)
    assert basis.shape == (p, p)
    np.testing.assert_allclose(basis @ basis.T, np.eye(p), atol=1e-13)


def test_the_rows_are_in_the_stated_order():
    angle = 2 * np.pi * np.arange(7) / 7
    rows = [np.full(7, 1 / 7**0.5)]
    for k in (1, 2, 3):
        rows += [np.cos(k * angle) * (2 / 7) ** 0.5, np.sin(k * angle) * (2 / 7) ** 0.5]
    np.testing.assert_allclose(fourier_basis(7), rows, atol=1e-14)
    assert list(component_names(7)) == ["const", "cos 1", "sin 1", "cos 2", "sin 2", "cos 3", "sin 3"]
    assert component_frequencies(7).tolist() == [0, 1, 1, 2, 2, 3, 3]


def test_an_even_p_ends_with_the_nyquist_row():
    np.testing.assert_allclose(fourier_basis(4)[-1], [0.5, -0.5, 0.5, -0.5])
    assert list(component_names(4)) == ["const", "cos 1", "sin 1", "nyquist"]
    assert component_frequencies(4).tolist() == [0, 1, 1, 2]
    assert list(component_names(2)) == ["const", "nyquist"]


@pytest.mark.parametrize(("p", "expected"), [(2, [1]), (3, [1]), (6, [1, 2, 3]), (7, [1, 2, 3])])
def test_frequencies_run_from_1_to_half_of_p(p, expected):
    assert frequencies(p).tolist() == expected


@pytest.mark.parametrize("p", [-1, 0, 1])
def test_p_below_2_is_refused(p):
    with pytest.raises(ValueError, match="p >= 2"):
        fourier_basis(p)


@pytest.mark.parametrize("p", EVERY_P)
def test_power_per_frequency_is_that_of_the_fast_transform(p):
    signal = np.random.default_rng(p).normal(size=(p, 3))
    power = frequency_power((fourier_basis(p) @ signal) ** 2)
    transform = np.abs(np.fft.rfft(signal, axis=0)) ** 2 / p
    transform[1 : (p + 1) // 2] *= 2  # k and p - k
    np.testing.assert_allclose(power, transform[1:], atol=1e-12)
    assert power.shape == (len(frequencies(p)), 3)


def test_the_basis_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        fourier_basis(5)[0] = 0
