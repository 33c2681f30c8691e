"""Clock and pizza on logits and models that are one of them."""

import numpy as np
import pytest
from steps import FAMILY, initial, outputs_of, step_of

from dynascope_fourier.clock_pizza import ClockPizza, algorithm_shares, component_circularity
from dynascope_modular_addition.known_models import relu_transformer


def formulas(p, k):
    """Both as the paper's code has them, over all triples."""
    a, b, c = np.ogrid[:p, :p, :p]
    w = 2 * np.pi * k / p
    x, y = np.cos(w * a) + np.cos(w * b), np.sin(w * a) + np.sin(w * b)
    pizza = np.abs(np.cos(w * c / 2) * x + np.sin(w * c / 2) * y)
    pizza = pizza - np.abs(-np.sin(w * c / 2) * x + np.cos(w * c / 2) * y)
    return np.cos(w * (a + b - c)) + 0 * pizza, pizza


def explained(logits, formula):
    """The explained variance score of two arrays with mean 0 and deviation 1."""
    one, other = ((array - array.mean()) / array.std() for array in (logits, formula))
    return 1 - np.var(one - other)


@pytest.mark.parametrize(("p", "k"), [(7, 3), (8, 2), (8, 4), (12, 5), (3, 1), (2, 1), (59, 17)])
def test_shares_are_those_of_the_papers_formulas(p, k):
    logits = np.random.default_rng(p).normal(size=(p, p, p)) + 3
    clock, pizza = formulas(p, k)
    for given in (logits, clock, pizza, -clock, logits + 5 * pizza):
        found = algorithm_shares(given.reshape(p * p, p), k)
        # Without any variance a formula explains nothing.
        wanted = [explained(given, one) if one.std() > 1e-9 else None for one in (clock, pizza)]
        for share, right in zip(found, wanted, strict=True):
            assert right is None or share == pytest.approx(right, abs=1e-9)
    assert algorithm_shares(clock.reshape(p * p, p), k)[0] == pytest.approx(1)
    assert all(np.isnan(algorithm_shares(np.ones((p * p, p)), k)))


def test_circularity_of_waves_and_noise():
    p, t = 59, np.arange(59)
    for k in (1, 17, 29):
        wave = np.cos(2 * np.pi * k * t / p + 0.7)
        assert component_circularity(wave / np.linalg.norm(wave)) == (pytest.approx(1), k)
    alternating = (-1.0) ** np.arange(12) / 12**0.5
    assert component_circularity(alternating) == (1.0, 6)  # the minimum: its power is 2
    mixed = np.cos(2 * np.pi * 3 * t / p) + np.cos(2 * np.pi * 5 * t / p) * 0.5
    assert component_circularity(mixed / np.linalg.norm(mixed)) == (pytest.approx(0.8), 3)


def test_the_transformer_built_as_pizza_is_pizza():
    p = 59
    config = FAMILY.configure({"p": p})
    weights = relu_transformer(p, [17], neurons_each=102)
    found = outputs_of(ClockPizza(), step_of(ClockPizza(), config, weights))
    assert found["circle_frequency"].tolist() == [17, 0, 0]
    assert found["circle_share"].tolist() == [pytest.approx(1), 0, 0]
    assert found["circularity"] == pytest.approx(1)
    # Of |cos x| cos y: r with cos y is sqrt(8) / pi; with |cos(y / 2)| - |sin(y / 2)| it is 4 / (3 pi) over the norms.
    assert found["clock"][0] == pytest.approx(2 * 8**0.5 / np.pi - 1, abs=2e-3)
    assert found["pizza"][0] == pytest.approx(8 / (3 * np.pi) / (0.5 * (1 - 2 / np.pi)) ** 0.5 - 1, abs=2e-3)
    assert np.isnan(found["clock"][1])


class AsPublished(ClockPizza):
    parameters = {"circles": 2, "isolation": "components"}


@pytest.mark.parametrize("analyzer", [ClockPizza(), AsPublished()])
def test_circles_of_their_own_size_are_isolated_either_way(analyzer):
    """With one circle alone, the logits are those of a model that has no other."""
    p = 59
    config = FAMILY.configure({"p": p})
    weights = relu_transformer(p, [17, 3], neurons_each=102)
    weights["embed.weight"][:, 2:4] *= 0.5
    found = {name: value[:2] for name, value in outputs_of(analyzer, step_of(analyzer, config, weights)).items()
             if name.startswith(("c", "p")) and np.ndim(value)}  # fmt: skip
    assert found["circle_frequency"].tolist() == [17, 3]
    assert found["circle_share"].tolist() == pytest.approx([0.8, 0.2])
    assert found["circle_purity"].tolist() == pytest.approx([1, 1])
    for name, right in (("clock", 0.801), ("pizza", 0.991)):
        assert found[name].tolist() == pytest.approx([right, right], abs=3e-3)
        assert found[f"{name}_of_pairs"].tolist() == pytest.approx([right, right], abs=3e-3)


def test_what_every_pair_gives_a_class_alike_is_left_out_of_the_logits_of_pairs():
    p = 59
    config = FAMILY.configure({"p": p})
    weights = relu_transformer(p, [17], neurons_each=102)
    bias = np.zeros(p, dtype=np.float32)
    bias[7] = 1_000
    found = outputs_of(ClockPizza(), step_of(ClockPizza(), config, {**weights, "unembed.bias": bias}))
    assert found["pizza"][0] < 0.9 < 0.99 < found["pizza_of_pairs"][0]


def test_a_model_without_training_has_no_circle():
    config = FAMILY.configure({"p": 59})
    found = outputs_of(ClockPizza(), step_of(ClockPizza(), config, initial(config)))
    assert found["circularity"] < 0.5
    assert max(found["clock"].max(), found["pizza"].max()) < 0  # a correlation below one half


def test_equal_numbers_have_no_component():
    config = FAMILY.configure({"p": 5})
    weights = initial(config)
    weights["embed.weight"][:5] = 1
    found = outputs_of(ClockPizza(), step_of(ClockPizza(), config, weights))
    assert np.isnan(found["circularity"]) and np.isnan(found["pizza"]).all()
    assert found["circle_frequency"].tolist() == [0, 0, 0]
