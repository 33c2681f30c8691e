"""Splits and sets of frequencies whose figures are in closed form."""

import numpy as np
import pytest

from dynascope_fourier import formula_margin, set_separation, split_compatibility
from dynascope_modular_addition.known_models import trigonometric_logits


@pytest.mark.parametrize("p", [2, 12, 53])
def test_all_pairs_show_every_frequency_alike(p):
    found = split_compatibility(p, range(p * p))
    np.testing.assert_allclose(found.condition, 1, atol=1e-9)
    np.testing.assert_allclose(found.resultant, 0, atol=1e-12)
    np.testing.assert_allclose(found.condition_score, 1, atol=1e-9)
    if p < 20:
        np.testing.assert_allclose(found.phase_entropy, 1, atol=1e-9)
    assert (found.phase_entropy > 0.98).all()


@pytest.mark.parametrize("p", [11, 12])
def test_pairs_of_a_single_sum_show_one_phase(p):
    found = split_compatibility(p, [a * p + (4 - a) % p for a in range(p)])
    circle = np.arange(1, p // 2 + 1) * 2 != p
    assert np.isinf(found.condition[circle]).all()
    assert (found.condition[~circle] == 1).all()
    assert (found.condition_score[circle] == 0).all()
    np.testing.assert_allclose(found.resultant, 1)
    np.testing.assert_allclose(found.phase_entropy, 0, atol=1e-12)


def test_the_condition_is_that_of_the_gram_matrix():
    p = 59
    rows = np.random.default_rng(0).permutation(p * p)[:300]
    found = split_compatibility(p, rows)
    for k in range(1, p // 2 + 1):
        angle = 2 * np.pi * k * ((rows // p + rows % p) % p) / p
        waves = np.stack([np.cos(angle), np.sin(angle)])
        small, large = np.linalg.eigvalsh(waves @ waves.T)
        assert found.condition[k - 1] == pytest.approx(large / small)
        assert found.resultant[k - 1] == pytest.approx(np.abs(np.exp(1j * angle).mean()))
    np.testing.assert_allclose(found.score, (found.condition_score + found.phase_entropy) / 2)


@pytest.mark.parametrize("rows", [[], [-1], [25]])
def test_rows_must_be_pairs(rows):
    with pytest.raises(ValueError, match="0..24"):
        split_compatibility(5, rows)


@pytest.mark.parametrize(("p", "chosen"), [(113, (14, 35, 41, 42, 52)), (12, (1, 5)), (8, (4, 1)), (59, (3,))])
def test_separation_is_the_smallest_distance_of_two_residues(p, chosen):
    angle = 2 * np.pi * np.outer(np.arange(p), chosen) / p
    places = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    distance = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(p)
    separation, difference = set_separation(p, chosen)
    assert separation == pytest.approx(distance.min())
    assert distance[0, difference] == pytest.approx(separation)
    logits = trigonometric_logits(p, dict.fromkeys(chosen, 4.5))[0]
    assert formula_margin(p, dict.fromkeys(chosen, 4.5)) == pytest.approx(logits[0] - logits[1:].max())


def test_frequencies_that_share_a_divisor_with_p_tell_some_residues_not_apart():
    assert set_separation(12, (3, 6)) == (pytest.approx(0, abs=1e-9), 4)


@pytest.mark.parametrize("chosen", [(), (0,), (6,)])
def test_frequencies_must_be_those_of_the_group(chosen):
    with pytest.raises(ValueError, match="1..5"):
        set_separation(11, chosen)
