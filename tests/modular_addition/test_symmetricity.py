"""Gradient symmetricity against backward passes, and of models whose symmetry is known."""

import random

import numpy as np
import pytest
import torch
from steps import FAMILY, initial, outputs_of, step_of

from dynascope import InvalidSetting
from dynascope_fourier.distance import DistanceIrrelevance
from dynascope_modular_addition.known_models import relu_transformer
from dynascope_modular_addition.symmetricity import GradientSymmetricity, _gradients, drawn_triples

SMALL = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32}


def found(config, weights):
    analyzer = GradientSymmetricity()
    return outputs_of(analyzer, step_of(analyzer, config, weights))


def test_of_the_hand_built_transformer_it_is_1_and_logits_depend_on_the_distance():
    config = FAMILY.configure({"p": 59})
    weights = relu_transformer(59, (5, 14, 22), neurons_each=102)
    assert found(config, weights)["symmetricity"] == pytest.approx(1, abs=1e-6)
    analyzer = DistanceIrrelevance()
    distance = outputs_of(analyzer, step_of(analyzer, config, weights))
    assert distance["correct"] == pytest.approx(0, abs=2e-3)
    angle = 2 * np.pi * np.array([5, 14, 22])[:, None] * np.arange(59) / 59
    expected = 2 * 102 / (3 * np.pi) * np.abs(np.cos(angle / 2)).sum(axis=0)
    np.testing.assert_allclose(distance["correct_mean"], expected, atol=1e-3 * expected.max())


def test_gradients_that_are_turned_against_each_other_are_minus_1():
    """Values that are read at a with one sign, and at b with the other: two heads, each looking at one position."""
    weights = initial(FAMILY.configure({"p": 7, **SMALL}))
    for name, array in weights.items():
        if "attn" in name or name.startswith(("pos", "blocks.0.mlp")):
            array[:] = 0
    weights["embed.weight"][:, 14:] = 0
    weights["embed.weight"][7, 14] = 1  # "=" asks
    weights["pos_embed.weight"][0, 15], weights["pos_embed.weight"][1, 15] = 1, -1
    q, k = weights["blocks.0.attn.q.weight"], weights["blocks.0.attn.k.weight"]
    q[0, 14], q[8, 14] = 300, -300
    k[0, 15] = k[8, 15] = 1
    rng = np.random.default_rng(0)
    v, o = weights["blocks.0.attn.v.weight"], weights["blocks.0.attn.o.weight"]
    v[:8, :14] = rng.normal(size=(8, 14))
    v[8:] = -v[:8]
    o[:, :8] = rng.normal(size=(16, 8))
    o[:, 8:] = o[:, :8]
    assert found(FAMILY.configure({"p": 7, **SMALL}), weights)["symmetricity"] == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize(("p", "recipe"), [(11, "miscope"), (12, "nanda"), (3, "miscope")])
def test_gradients_are_those_of_a_backward_pass_with_every_bias(p, recipe):
    config = FAMILY.configure({"p": p, "recipe": recipe, **SMALL})
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=array.shape) * 0.5 for name, array in initial(config).items()}
    step = step_of(GradientSymmetricity(), config, weights)
    triples = drawn_triples(p, 100, 42, 2_000_000)
    at_a, at_b = _gradients(step, *triples.T)
    model = FAMILY.hooked(config, {name: torch.from_numpy(array) for name, array in weights.items()})
    for (a, b, c), *gradients in zip(triples[:12].tolist(), at_a, at_b):
        kept = []

        def keep(value, hook, kept=kept):
            kept.append(value.requires_grad_())
            return value

        logits = model.run_with_hooks(torch.tensor([[a, b, p]]), fwd_hooks=[("hook_embed", keep)])
        (expected,) = torch.autograd.grad(logits[0, -1, c], kept)
        np.testing.assert_allclose(gradients, expected[0, :2].numpy(), rtol=1e-9, atol=1e-12)


def test_the_triples_are_those_of_the_papers_code():
    p = 7
    everything = [(a, b, c) for a in range(p) for b in range(p) for c in range(p)]
    random.Random(42).shuffle(everything)
    assert [tuple(row) for row in drawn_triples(p, 100, 42, 2_000_000).tolist()] == everything[:100]
    assert len(drawn_triples(2, 100, 42, 2_000_000)) == 8


def test_of_very_many_triples_a_sample_is_drawn():
    triples = drawn_triples(401, 100, 42, 2_000_000)
    assert len({tuple(row) for row in triples.tolist()}) == 100
    assert 300 < triples.max() < 401
    assert len(drawn_triples(2, 100, 42, 1)) == 8


def test_a_model_of_zeros_has_no_gradient():
    config = FAMILY.configure({"p": 5, **SMALL})
    one = found(config, {name: np.zeros_like(array) for name, array in initial(config).items()})
    assert np.isnan(one["symmetricity"])
    assert np.isnan(one["cosine"]).all()


def test_it_needs_the_grid():
    config = FAMILY.configure({"p": 5, **SMALL})
    step = step_of(GradientSymmetricity(), config, initial(config))
    part = type(step)(0, config, {"cyclic_group": type(step.context["cyclic_group"])(4)}, step.batch, step.arrays)
    with pytest.raises(InvalidSetting, match="every pair"):
        GradientSymmetricity().analyze(part)
