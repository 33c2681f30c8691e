"""Gradients whose frequencies were planted, and those of a model that has few."""

import numpy as np
import pytest
import torch
from steps import FAMILY, initial, outputs_of, step_of

from dynascope import Gradient
from dynascope_modular_addition.gradient_energy import OVER, PATHS, GradientEnergy, agreement
from dynascope_modular_addition.known_models import relu_transformer

SMALL = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32}


def found(config, weights, gradients):
    analyzer = GradientEnergy()
    step = step_of(analyzer, config, weights)
    step.arrays.update({Gradient(site, OVER): gradients[site] for site in PATHS})
    return outputs_of(analyzer, step)


def shapes(config, weights):
    sites = FAMILY.sites(config)
    return {site: weights[sites[site].name] for site in PATHS}


def loss_gradients(config, weights):
    """Gradients of the loss over all pairs, so that no split breaks the symmetry."""
    leaves = {name: torch.from_numpy(array).double().requires_grad_() for name, array in weights.items()}
    data = FAMILY.data(config)
    inputs = torch.cat([data.train_inputs, data.test_inputs])
    logits = FAMILY.forward(config, leaves, FAMILY.prepare(config, inputs))
    loss = FAMILY.loss(config, logits, torch.cat([data.train_labels, data.test_labels]))
    names = {site: place.name for site, place in FAMILY.sites(config).items() if site in PATHS}
    gradients = torch.autograd.grad(loss, [leaves[name] for name in names.values()])
    return {site: gradient.numpy() for site, gradient in zip(names, gradients)}


@pytest.mark.parametrize("p", [11, 12])
def test_planted_waves_have_their_shares_and_agree_as_planted(p):
    config = FAMILY.configure({"p": p, **SMALL})
    weights = initial(config)
    gradients = {site: np.zeros_like(array) for site, array in shapes(config, weights).items()}
    angle = 2 * np.pi * np.arange(p) / p
    gradients["embedding"][:p, 3] = 7 + np.cos(2 * angle + 1)
    gradients["embedding"][:p, 5] = 3**0.5 * np.sin(5 * angle)
    gradients["embedding"][p] = 100  # the gradient of "=" is that of no number
    gradients["unembedding"][:, 0] = np.cos(5 * angle)
    one = found(config, weights, gradients)
    share = dict(zip(one["site"].tolist(), one["share"]))
    np.testing.assert_allclose(share["embedding"][[1, 4]], [0.25, 0.75], rtol=1e-6)
    np.testing.assert_allclose(one["energy"][0].sum(), p * (1 + 3) / 2, rtol=1e-6)
    cosine = dict(zip(one["site"].tolist(), one["agreement"][0]))
    assert cosine["embedding"] == pytest.approx(1)
    assert cosine["unembedding"] == pytest.approx(0.75**0.5)
    assert np.isnan(share["value"]).all()
    assert np.isnan(cosine["value"])
    assert one["gradient_norm"][2] == 0


def test_a_step_along_a_gradient_changes_the_scores_and_the_neurons_inputs_by_what_is_measured():
    """Of models with random weights: finite differences of the attention scores, and of W_L."""
    config = FAMILY.configure({"p": 11, **SMALL})
    weights = {name: array.astype(np.float64) for name, array in initial(config).items()}
    gradients = loss_gradients(config, weights)
    energies = dict(zip(PATHS, found(config, weights, gradients)["energy"]))
    number, answer = weights["embed.weight"][:11], weights["embed.weight"][11] + weights["pos_embed.weight"][2]
    sites = FAMILY.sites(config)

    def score(moved, by):
        w = {**weights, sites[moved].name: weights[sites[moved].name] + by * gradients[moved]}
        q = (w["blocks.0.attn.q.weight"] @ answer).reshape(2, 8)
        k = (number @ w["blocks.0.attn.k.weight"].T).reshape(11, 2, 8)
        return np.einsum("hd,thd->th", q, k) / 8**0.5

    def neuron_logits(by):
        return weights["unembed.weight"] @ (weights["blocks.0.mlp.out.weight"] + by * gradients["neuron_output"])

    for site, function in (
        ("query", lambda by: score("query", by)),
        ("key", lambda by: score("key", by)),
        ("neuron_output", neuron_logits),
    ):
        power = np.abs(np.fft.rfft(function(1) - function(0), axis=0)) ** 2
        np.testing.assert_allclose(energies[site], 2 / 11 * power[1:].sum(axis=1), rtol=1e-9)


def test_a_model_of_planted_frequencies_is_driven_at_those_alone():
    """With p neurons for each, a shift of a and b is a shift of neurons: the symmetry is exact.

    The unembedding also sees the stream's own cos(w_k a) + cos(w_k b), which turns by w_k / 2 with each class.
    """
    p, planted = 59, np.array([5, 14, 22])
    config = FAMILY.configure({"p": p, "d_mlp": 3 * p})
    weights = relu_transformer(p, planted.tolist(), neurons_each=p, d_mlp=3 * p)
    one = found(config, weights, loss_gradients(config, weights))
    share = dict(zip(one["site"].tolist(), one["share"]))
    for site in ("embedding", "value", "attention_output", "neuron_input", "neuron_output"):
        assert share[site][planted - 1].sum() == pytest.approx(1, abs=1e-6), site
        assert (share[site][planted - 1] > 0.01).all(), site
    half = planted * (p + 1) // 2 % p
    both = np.concatenate([planted, np.minimum(half, p - half)])
    assert both.tolist() == [5, 14, 22, 27, 7, 11]
    assert share["unembedding"][both - 1].sum() == pytest.approx(1, abs=1e-6)
    assert np.isnan(share["query"]).all()  # attention is uniform: the key is 0


def test_agreement_is_symmetric_and_1_with_itself():
    share = np.random.default_rng(0).dirichlet(np.ones(9), size=4)
    cosine = agreement(share)
    np.testing.assert_allclose(np.diagonal(cosine), 1)
    np.testing.assert_allclose(cosine, cosine.T)
    assert cosine[0, 1] == pytest.approx(np.sqrt(share[0] * share[1]).sum())
