"""Weights through the neurons, on the network whose phases were planted and against the real model's neurons."""

import numpy as np
import pytest
from steps import FAMILY, initial, key_set, outputs_of, step_of

from dynascope import Activation
from dynascope_fourier import component_names, fourier_basis
from dynascope_modular_addition.known_models import relu_transformer
from dynascope_modular_addition.neuron_weights import EffectiveNeuronWeights, NeuronLogitFrequencies
from dynascope_modular_addition.probes import pair_tokens

PLANTED = (5, 14, 22)


def found_by(analyzer, config, weights, *key):
    return outputs_of(analyzer, step_of(analyzer, config, weights, key_set(config.parameters.p, *key)))


def waves(amplitude, phase):
    """Return the signals without their constant, ``"element neuron"``, for odd p."""
    p = 2 * len(amplitude) + 1
    angle = 2 * np.pi * np.arange(1, len(amplitude) + 1)[:, None] * np.arange(p) / p
    return (amplitude[:, None] * np.cos(angle[:, :, None] + phase[:, None])).sum(axis=0)


def test_planted_neurons_have_their_amplitudes_and_phases():
    p, each = 59, 16
    found = found_by(
        EffectiveNeuronWeights(), FAMILY.configure({"p": p}), relu_transformer(p, PLANTED, neurons_each=each)
    )
    phase = 2 * np.pi * np.arange(each) / each
    for index, k in enumerate(PLANTED):
        mine = slice(index * each, (index + 1) * each)
        assert (found["best_frequency"][mine] == k).all()
        for side, expected in (("input", phase), ("output", 2 * phase)):
            amplitude, measured = found[f"{side}_amplitude"], found[f"{side}_phase"]
            np.testing.assert_allclose(amplitude[k - 1, mine], 1, rtol=1e-6)
            np.testing.assert_allclose(np.exp(1j * (measured[k - 1, mine] - expected)), 1, atol=1e-6)
            others = np.delete(amplitude[:, mine], k - 1, axis=0)
            np.testing.assert_allclose(others, 0, atol=1e-6)
        difference = found["phase_difference"][k - 1, mine]
        np.testing.assert_allclose(difference, 0, atol=1e-6)
    assert (found["best_frequency"][3 * each :] == 0).all()  # dead neurons
    assert np.nanmax(np.abs(found["phase_difference"])) <= np.pi
    assert np.isnan(found["phase_difference"][:, 3 * each :]).all()


@pytest.mark.parametrize("settings", [{"n_heads": 1}, {"d_mlp": 1}, {"p": 3}, {}])
def test_under_uniform_attention_they_are_the_inputs_of_the_real_neurons(settings):
    """Then a pair's input to a neuron is the sum of its two numbers' weights, and a constant."""
    config = FAMILY.configure({"p": 13, "d_model": 16, "d_head": 8, "d_mlp": 8, **settings})
    p, weights = config.parameters.p, initial(config)
    weights["blocks.0.attn.q.weight"][:] = 0
    for name in ("blocks.0.attn.v.bias", "blocks.0.attn.o.bias", "blocks.0.mlp.in.bias"):
        weights[name] += 0.3
    found = found_by(EffectiveNeuronWeights(), config, weights)
    of_number = waves(found["input_amplitude"], found["input_phase"])
    a, b = pair_tokens(p)[:, :2].T

    class Inputs:
        reads = (Activation("blocks.0.mlp.hook_pre"),)

    inputs = step_of(Inputs, config, weights)[Inputs.reads[0]]
    np.testing.assert_allclose(
        inputs - inputs.mean(axis=0), of_number[a] + of_number[b], atol=1e-5 * np.abs(inputs).max()
    )
    of_class = weights["unembed.weight"].astype(np.float64) @ weights["blocks.0.mlp.out.weight"]
    measured = waves(found["output_amplitude"], found["output_phase"])
    np.testing.assert_allclose(measured, of_class - of_class.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(("p", "planted"), [(113, (14, 35, 41, 42, 52)), (12, (1, 5))])
def test_the_neuron_logit_map_of_the_planted_network_is_its_frequencies(p, planted):
    weights = relu_transformer(p, planted, neurons_each=102)
    config = FAMILY.configure({"p": p})
    found = found_by(NeuronLogitFrequencies(), config, weights, *planted)
    norms = dict(zip(found["component"], found["component_norm"], strict=True))
    wanted = {f"{wave} {k}" for k in planted for wave in ("cos", "sin")}
    for name, norm in norms.items():
        # The sum of cos^2 over 102 phases is 51, and that over the p classes p / 2.
        assert norm == pytest.approx((51 * p / 2) ** 0.5 if name in wanted else 0, rel=1e-6, abs=1e-5)
    assert (np.flatnonzero(found["is_key"]) + 1).tolist() == list(planted)
    assert found["gini"] == pytest.approx(1 - 2 * len(planted) / p, rel=1e-6)
    assert found["residual"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found["power_share"][np.array(planted) - 1], 1 / len(planted), rtol=1e-6)


def test_the_residual_is_what_the_key_frequencies_leave():
    p = 59
    weights = relu_transformer(p, PLANTED, neurons_each=16)
    config = FAMILY.configure({"p": p})
    for key, left in ((PLANTED, 0), ((5, 14), 1 / 3), ((22,), 2 / 3), ((), 1)):
        found = found_by(NeuronLogitFrequencies(), config, weights, *key)
        assert found["residual"] == pytest.approx(left**0.5, abs=1e-6)


def test_the_output_that_answers_the_equals_token_is_no_class_of_the_group():
    config = FAMILY.configure({"p": 13, "d_model": 16, "d_head": 8, "d_mlp": 8}, preset="nanda")
    weights = initial(config)
    before = found_by(NeuronLogitFrequencies(), config, weights, 5)
    weights["unembed.weight"][13] = 100
    after = found_by(NeuronLogitFrequencies(), config, weights, 5)
    np.testing.assert_array_equal(before["component_norm"], after["component_norm"])


def test_weights_of_zeros_have_no_frequency():
    config = FAMILY.configure({"p": 7, "d_model": 8, "d_head": 4, "d_mlp": 8})
    weights = {name: np.zeros_like(array) for name, array in initial(config).items()}
    assert np.isnan(found_by(NeuronLogitFrequencies(), config, weights)["residual"])
    assert np.isnan(found_by(EffectiveNeuronWeights(), config, weights)["phase_difference"]).all()
    assert not found_by(EffectiveNeuronWeights(), config, weights)["best_frequency"].any()


def test_a_frequency_of_the_map_counts_from_a_quarter_of_the_largest_norm_on():
    """W_L with a planted norm for each component, by an unembedding of waves: 22 is just below the threshold."""
    p, config = 59, FAMILY.configure({"p": 59})
    weights = initial(config)
    norms = {"cos 5": 1.0, "sin 5": 0.2, "sin 14": 0.26, "cos 22": 0.24, "sin 22": 0.24}
    rows = [list(component_names(p)).index(name) for name in norms]
    weights["unembed.weight"][:] = 0
    weights["unembed.weight"][:, : len(rows)] = fourier_basis(p)[rows].T * list(norms.values())
    weights["blocks.0.mlp.out.weight"][:] = np.eye(*weights["blocks.0.mlp.out.weight"].shape)
    found = found_by(NeuronLogitFrequencies(), config, weights, 5, 14)
    assert (np.flatnonzero(found["is_key"]) + 1).tolist() == [5, 14]
    measured = dict(zip(found["component"], found["component_norm"]))
    assert {name: measured[name] for name in norms} == pytest.approx(norms, rel=1e-6)
    sizes = np.array(list(norms.values()))
    assert found["residual"] == pytest.approx((2 * 0.24**2 / np.sum(sizes**2)) ** 0.5, rel=1e-6)
    assert NeuronLogitFrequencies.parameters == {"key_norm": 0.25}
    # Hurley and Rickard's coefficient of these five and zeros, with the constant among them and without.
    for name, count in (("gini", p), ("gini_without_constant", p - 1)):
        rank = np.arange(count - 4, count + 1)
        expected = 1 - 2 * (np.sort(sizes) / sizes.sum() * (count - rank + 0.5) / count).sum()
        assert found[name] == pytest.approx(expected, abs=1e-6)
