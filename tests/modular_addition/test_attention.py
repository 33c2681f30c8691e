"""Attention, on heads whose frequencies were planted and against the pattern of the real model."""

import numpy as np
import pytest
from steps import FAMILY, initial, outputs_of, step_of

from dynascope import Activation
from dynascope_modular_addition.attention import AttentionFrequencies, AttentionPatterns, difference_shares
from dynascope_modular_addition.known_models import relu_transformer


def with_heads(p, heads, **widths):
    """The ReLU transformer with heads whose score of t is ``sum size cos(w_k t + phase)``, by head: k -> size, phase.

    The embedding holds cos and sin of each planted frequency in its first dimensions; ``=`` alone has the last one.
    """
    planted = sorted({k for head in heads for k in head})
    weights = relu_transformer(p, planted, neurons_each=4, n_heads=len(heads), d_head=8, d_model=32, d_mlp=32)
    weights["embed.weight"][p, -1] = 1
    for head, waves in enumerate(heads):
        weights["blocks.0.attn.q.weight"][8 * head, -1] = 8**0.5
        for k, (size, phase) in waves.items():
            place = 2 * planted.index(k)
            weights["blocks.0.attn.k.weight"][8 * head, place] = size * np.cos(phase)
            weights["blocks.0.attn.k.weight"][8 * head, place + 1] = -size * np.sin(phase)
    config = FAMILY.configure({"p": p, "n_heads": len(heads), "d_head": 8, "d_model": 32, "d_mlp": 32})
    return config, weights


def found_by(analyzer, config, weights):
    return outputs_of(analyzer, step_of(analyzer, config, weights))


@pytest.mark.parametrize("p", [53, 12])
def test_planted_heads_have_their_frequency_share_phase_and_sign(p):
    heads = [{5: (2.0, 0.3)}, {5: (1.0, 0.3 - np.pi)}, {4: (3.0, -1.0), 5: (4.0, 2.0)}, {4: (0.5, 1.0)}]
    found = found_by(AttentionFrequencies(), *with_heads(p, heads))
    assert found["best_frequency"].tolist() == [5, 5, 5, 4]
    np.testing.assert_allclose(found["best_share"], [1, 1, 16 / 25, 1], rtol=1e-6)
    assert found["sign"].tolist() == [1, -1, -1, 1]
    for head, waves in enumerate(heads):
        for k, (size, phase) in waves.items():
            assert found["amplitude"][k - 1, head] == pytest.approx(size, rel=1e-6)
            assert found["phase"][k - 1, head] == pytest.approx((phase + np.pi) % (2 * np.pi) - np.pi, abs=1e-6)
            assert found["share"][k - 1, head] == pytest.approx(size**2 / sum(one**2 for one, _ in waves.values()))
    assert found["share"].shape == (p // 2, 4)


def test_heads_without_a_query_have_no_frequency():
    p = 59
    weights = relu_transformer(p, (5, 14, 22), neurons_each=16)
    found = found_by(AttentionFrequencies(), FAMILY.configure({"p": p}), weights)
    assert found["best_frequency"].tolist() == found["sign"].tolist() == [0, 0, 0, 0]
    assert not found["share"].any()


@pytest.mark.parametrize("settings", [{"n_heads": 1}, {"p": 2, "train_fraction": 0.5}, {"p": 3}, {}])
def test_the_score_is_what_the_real_model_attends_by(settings):
    """The difference of two tokens' log attention is that of their scores, at the same position."""
    config = FAMILY.configure({"p": 12, "d_model": 16, "d_head": 8, "d_mlp": 8, **settings})
    weights = initial(config)
    weights["blocks.0.attn.q.bias"] += 0.5
    weights["blocks.0.attn.k.bias"] += 0.7
    p = config.parameters.p
    score = found_by(AttentionFrequencies(), config, weights)["score"]
    pattern = found_by(AttentionPatterns(), config, weights)["pattern"]
    of_a, of_b = np.log(pattern[:, 0, :, 0] / pattern[:, 2, :, 0]), np.log(pattern[:, 1, 0] / pattern[:, 2, 0])
    for attended in (of_a, of_b):
        np.testing.assert_allclose(attended - attended[:, :1], (score - score[:1]).T, atol=1e-5)
    assert score.shape == (p, config.architecture.n_heads)


def test_one_head_that_prefers_a_number_has_its_softmax_in_closed_form():
    p, k, size = 53, 5, 0.7
    config, weights = with_heads(p, [{k: (size, 0.4)}])
    found = found_by(AttentionPatterns(), config, weights)
    strength = np.exp(size * np.cos(2 * np.pi * k * np.arange(p) / p + 0.4))
    total = strength[:, None] + strength[None, :] + 1
    assert found["source"].tolist() == ["a", "b", "="]
    np.testing.assert_allclose(found["pattern"][0, 0], strength[:, None] / total, rtol=1e-5)
    np.testing.assert_allclose(found["pattern"][0, 1], strength[None, :] / total, rtol=1e-5)
    np.testing.assert_allclose(found["pattern"][0, 2], 1 / total, rtol=1e-5)
    np.testing.assert_allclose(found["mean"][0, 2], (1 / total).mean(), rtol=1e-6)
    # For a weak preference the pattern is linear in the score, and so of one frequency.
    assert (found["fraction"].argmax(axis=0) + 1).tolist() == [[k, k, k]]
    assert found["fraction"][k - 1, 0].min() > 0.97


def test_uniform_attention_is_one_third_and_has_no_frequency():
    p = 59
    weights = relu_transformer(p, (5, 14, 22), neurons_each=16)
    found = found_by(AttentionPatterns(), FAMILY.configure({"p": p}), weights)
    assert found["pattern"].shape == (4, 3, p, p)
    np.testing.assert_allclose(found["pattern"], 1 / 3, rtol=1e-6)
    assert not found["fraction"].any()


def test_attention_is_read_from_the_answer():
    assert FAMILY.sites(FAMILY.configure())["attention_pattern"] == Activation("blocks.0.attn.hook_pattern", -1, axis=2)


@pytest.mark.parametrize("p", [113, 12])
def test_the_fit_of_planted_attention_explains_the_planted_share(p):
    """A wave of a less one of b has the squared norm p^2; a product of waves, a quarter of that, is not in the fit."""
    a, b = np.ogrid[:p, :p]
    w = 2 * np.pi / p
    first = 0.5 + 0.3 * (np.cos(5 * w * a + 0.4) - np.cos(5 * w * b + 0.4))
    product = 0.3 * np.cos(5 * w * a) * np.cos(5 * w * b)
    two = first + 0.1 * (np.cos(3 * w * a) - np.cos(3 * w * b))
    symmetric = 0.5 + 0.3 * (np.cos(5 * w * a) + np.cos(5 * w * b))
    found = difference_shares(np.stack([first, first + product, two, symmetric, np.full((p, p), 0.5)], axis=2))
    np.testing.assert_allclose(found[4], [1, 1 / (1 + 1 / 4), 9 / 10, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found[2], [0, 0, 1 / 10, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.delete(found, [2, 4], axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("p", [7, 8, 3, 2])
def test_the_fit_is_that_of_least_squares(p):
    grid = np.random.default_rng(p).random((p, p, 5))
    a, b = (one.ravel() for one in np.mgrid[:p, :p])
    found = difference_shares(grid)
    assert found.shape == (p // 2, 5)
    for k in range(1, p // 2 + 1):
        w = 2 * np.pi * k / p
        waves = np.stack([np.ones(p * p), np.cos(w * a) - np.cos(w * b), np.sin(w * a) - np.sin(w * b)], axis=1)
        for share, values in zip(found[k - 1], grid.reshape(p * p, -1).T, strict=True):
            rest = values - waves @ np.linalg.lstsq(waves, values, rcond=1e-9)[0]
            assert share == pytest.approx(1 - rest.var() / values.var(), abs=1e-12)


def test_a_weak_preference_among_three_tokens_is_explained_to_nine_tenths():
    """A softmax of the scores s(a), s(b), 0 is 1/3 + 2/9 s(a) - 1/9 s(b): 1/6 of s(a) - s(b), 1/18 of s(a) + s(b)."""
    p, k = 53, 5
    found = found_by(AttentionPatterns(), *with_heads(p, [{k: (0.02, 0.4)}, {}]))
    assert found["best_fit_frequency"].tolist() == [k, 0]
    assert found["best_fit_share"][0] == found["fit_share"][k - 1, 0] == pytest.approx(0.9, rel=1e-3)
    assert not found["fit_share"][:, 1].any()
