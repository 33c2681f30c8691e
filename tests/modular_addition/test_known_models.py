"""The models of known answers, held to the closed forms and the published losses that they are built from."""

import numpy as np
import pytest
import torch
from steps import FAMILY

from dynascope_fourier import cross_entropy
from dynascope_modular_addition.known_models import (
    largest_margin,
    quadratic_network,
    relu_amplitude,
    relu_transformer,
    trigonometric_logits,
    trigonometric_loss,
)


@pytest.mark.parametrize(
    ("p", "planted"), [(113, (14, 35, 41, 42, 52)), (59, (3, 15, 17)), (12, (1, 5)), (8, (4,)), (2, (1,)), (3, (1,))]
)
def test_the_quadratic_network_computes_the_formula_exactly(p, planted):
    a, b = np.divmod(np.arange(p * p), p)
    difference = (a + b)[:, None] - np.arange(p)
    expected = 4.5 * sum(np.cos(2 * np.pi * k * difference / p) for k in planted)
    network = quadratic_network(p, planted)
    np.testing.assert_allclose(network.logits(), expected, atol=1e-11)
    np.testing.assert_allclose(trigonometric_logits(p, dict.fromkeys(planted, 4.5)), expected, atol=1e-11)
    assert len(network.of_a) == 9 * len(planted)


@pytest.mark.parametrize(
    ("p", "planted", "loss"),
    [
        (113, (14, 35, 41, 42, 52), 7.937929622e-5),
        (59, (3, 15, 17), 4.141500581e-2),
        (12, (1, 5), 2.270156743e-2),
    ],
)
def test_its_loss_is_the_published_one(p, planted, loss):
    assert trigonometric_loss(p, dict.fromkeys(planted, 4.5)) == pytest.approx(loss, rel=1e-9)
    labels = np.add(*np.divmod(np.arange(p * p), p)) % p
    assert cross_entropy(quadratic_network(p, planted).logits(), labels).mean() == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize(("p", "margin"), [(23, 0.0025795652), (59, 0.00061091265)])
def test_with_all_frequencies_it_has_the_largest_margin(p, margin):
    assert largest_margin(p) == pytest.approx(margin, rel=1e-7)
    everything = quadratic_network(p, range(1, (p + 1) // 2))
    assert everything.normalised_margin() == pytest.approx(largest_margin(p), rel=1e-12)
    fewer = quadratic_network(p, range(1, (p - 1) // 2))
    assert fewer.normalised_margin() < 0.99 * largest_margin(p)


@pytest.mark.parametrize(
    ("p", "neurons_each", "error"), [(113, 16, 4e-2), (113, 32, 1.1e-2), (59, 102, 1e-3), (12, 32, 1.1e-2)]
)
def test_the_relu_transformer_is_a_checkpoint_of_the_family_with_the_stated_logits(p, neurons_each, error):
    planted = (1, 5) if p == 12 else (5, 14, 22)
    weights = relu_transformer(p, planted, neurons_each=neurons_each)
    config = FAMILY.configure({"p": p})
    first = FAMILY.init(config)
    assert {name: tuple(array.shape) for name, array in weights.items()} == {
        name: tuple(tensor.shape) for name, tensor in first.items()
    }
    a, b = np.divmod(np.arange(p * p), p)
    angle = 2 * np.pi * np.array(planted)[:, None, None] / p
    waves = np.abs(np.cos(angle * (a - b)[:, None] / 2)) * np.cos(angle * ((a + b)[:, None] - np.arange(p)))
    expected = 2 * neurons_each / (3 * np.pi) * waves.sum(axis=0)
    tokens = torch.from_numpy(np.stack([a, b, np.full_like(a, p)], axis=1))
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    logits = FAMILY.forward(config, tensors, FAMILY.prepare(config, tokens)).numpy()
    assert np.abs(logits - expected).max() <= error * np.abs(expected).max()


def test_the_amplitude_of_the_relu_transformer_is_the_mean_of_its_logits_envelope():
    angle = (np.arange(100_000) + 0.5) * np.pi / 100_000
    assert relu_amplitude(102) == pytest.approx(2 * 102 / (3 * np.pi) * np.abs(np.cos(angle)).mean(), rel=1e-9)


def test_frequencies_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 frequencies with 16 neurons each need d_model >= 12, .* d_mlp >= 48"):
        relu_transformer(59, (5, 14, 22), neurons_each=16, d_mlp=47)
