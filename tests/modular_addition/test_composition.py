"""Waves of the sum in the neurons: on neurons that were planted, in closed form, and against least squares."""

import numpy as np
import pytest
from steps import FAMILY, initial, outputs_of, step_of

from dynascope_modular_addition.composition import NeuronComposition, composition, wave_components
from dynascope_modular_addition.known_models import quadratic_network, relu_amplitude, relu_transformer


def found_by(config, weights):
    return outputs_of(NeuronComposition(), step_of(NeuronComposition(), config, weights))


def test_the_pizza_transformer_has_the_closed_form_at_its_frequencies_and_nothing_elsewhere():
    p, planted = 113, (14, 35, 41, 42, 52)
    found = found_by(FAMILY.configure({"p": p}), relu_transformer(p, planted, neurons_each=102))
    assert found["wave"].tolist() == ["cos", "sin"]
    index = np.array(planted) - 1
    np.testing.assert_allclose(found["amplitude"][index], relu_amplitude(102), rtol=1e-3)
    np.testing.assert_allclose(found["slope"][index], relu_amplitude(102) * (p / 2) ** 0.5, rtol=1e-3)
    np.testing.assert_allclose(found["explained"][index], 8 / np.pi**2, rtol=1e-3)
    for name in ("slope", "amplitude", "explained"):
        assert not np.delete(found[name], index, axis=0).any(), name


@pytest.mark.parametrize(("p", "planted"), [(53, (5, 14)), (12, (1, 6)), (3, (1,)), (2, (1,))])
def test_the_quadratic_network_composes_exactly(p, planted):
    """Its logits through the neurons are 4.5 cos(w_k (a + b - c)); for Nyquist the sine is 0 everywhere."""
    network = quadratic_network(p, planted)
    neurons = network.activations().reshape(p, p, -1)
    slope, explained, _ = composition(neurons, wave_components(network.of_class.T))
    for k in planted:
        waves = 1 if 2 * k == p else 2
        length = (p / 2) ** 0.5 if waves == 2 else p**0.5
        np.testing.assert_allclose(slope[k - 1, :waves], 4.5 * length, rtol=1e-9)
        np.testing.assert_allclose(explained[k - 1, :waves], 1, rtol=1e-9)
        assert not slope[k - 1, waves:].any()
        assert not explained[k - 1, waves:].any()


@pytest.mark.parametrize("p", [7, 8, 3, 2])
def test_slope_and_share_are_those_of_least_squares_on_the_real_models_neurons(p):
    config = FAMILY.configure({"p": p, "train_fraction": 0.5, "d_model": 16, "d_head": 8, "d_mlp": 12})
    weights = initial(config)
    found = found_by(config, weights)
    step = step_of(NeuronComposition(), config, weights)
    of_class = weights["unembed.weight"][:p].astype(np.float64) @ weights["blocks.0.mlp.out.weight"]
    a, b = np.divmod(np.arange(p * p), p)
    for k in range(1, p // 2 + 1):
        for index, wave in enumerate((np.cos, np.sin)):
            of_c, of_sum = wave(2 * np.pi * k * np.arange(p) / p), wave(2 * np.pi * k * (a + b) / p)
            if 2 * k == p and index:
                assert found["slope"][k - 1, 1] == found["explained"][k - 1, 1] == found["deviation"][k - 1, 1] == 0
                continue
            projection = step["neurons"] @ (of_class.T @ of_c) / np.linalg.norm(of_c)
            design = np.stack([np.ones(p * p), of_sum], axis=1)
            fitted = np.linalg.lstsq(design, projection)[0]
            share = 1 - (projection - design @ fitted).var() / projection.var()
            assert found["slope"][k - 1, index] == pytest.approx(fitted[1], rel=1e-5, abs=1e-6)
            assert found["explained"][k - 1, index] == pytest.approx(share, rel=1e-5, abs=1e-6)
            assert found["amplitude"][k - 1, index] == pytest.approx(
                fitted[1] / np.linalg.norm(of_c), rel=1e-5, abs=1e-6
            )
            assert found["deviation"][k - 1, index] == pytest.approx(projection.std(), rel=1e-5)


def test_dead_neurons_compose_nothing():
    config = FAMILY.configure({"p": 7, "d_model": 8, "d_head": 4, "d_mlp": 8})
    found = found_by(config, {name: np.zeros_like(array) for name, array in initial(config).items()})
    for name in ("slope", "amplitude", "explained", "deviation"):
        assert not found[name].any(), name
