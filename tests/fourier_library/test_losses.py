"""Losses that are known in closed form, down to 1e-12."""

import numpy as np
import pytest

from dynascope_fourier import by_sum, cross_entropy, losses_without, sum_projections


def test_equal_logits_give_the_logarithm_of_the_number_of_classes():
    np.testing.assert_allclose(cross_entropy(np.full((3, 113), 7.0), np.array([0, 5, 112])), np.log(113), rtol=1e-13)


@pytest.mark.parametrize("gap", [1.0, 20.0, 30.0, 600.0])
def test_a_small_loss_keeps_its_relative_precision(gap):
    logits = np.zeros((1, 113))
    logits[0, 7] = gap
    assert cross_entropy(logits, np.array([7]))[0] == pytest.approx(np.log1p(112 * np.exp(-gap)), rel=1e-13)


def test_a_large_loss_is_right_too():
    logits = np.zeros((2, 3))
    logits[0, 1], logits[1, 1:] = 500.0, 1e4
    np.testing.assert_allclose(cross_entropy(logits, np.array([0, 0])), [500, 1e4 + np.log(2)], rtol=1e-14)


@pytest.mark.parametrize("scale", [10, 300, 3000])
@pytest.mark.parametrize("p", [2, 3, 12, 67])
def test_losses_without_a_part_are_those_of_the_logits_minus_the_part(p, scale):
    """p 67 needs several chunks; models without weight decay have logits in the hundreds, where exp overflows."""
    rng = np.random.default_rng(p)
    logits, labels = by_sum(scale * rng.normal(size=(p * p, p)), p), rng.permutation(p)
    parts = sum_projections(logits.mean(axis=1))[:3]
    removed = np.concatenate([np.zeros((1, p, p)), parts, 10 * parts])
    losses = losses_without(logits, labels, removed)
    for index, part in enumerate(removed):
        rest = (logits - part[:, None, :]).reshape(p * p, p)
        expected = cross_entropy(rest, np.repeat(labels, p)).reshape(p, p)
        np.testing.assert_allclose(losses[:, :, index], expected, rtol=1e-10)


def test_a_loss_near_1e_8_survives_single_precision_logits():
    p = 5
    logits = np.zeros((p, p, p), dtype=np.float32)
    logits[np.arange(p), :, np.arange(p)] = 20
    losses = losses_without(logits, np.arange(p), np.zeros((1, p, p)))
    np.testing.assert_allclose(losses, np.log1p(4 * np.exp(-20)), rtol=1e-14)
