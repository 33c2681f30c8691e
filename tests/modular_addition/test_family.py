"""The calibration family against published numbers and against TransformerLens."""

import numpy as np
import pytest
import torch

from dynascope import Activation, Batch, InvalidSetting, Step
from dynascope.schedule import parse_schedule
from dynascope.testing import (
    check_forward_equals_hooked,
    check_global_random_state_untouched,
    check_observe_equals_hooked,
)
from dynascope.training.stack import Stack
from dynascope_modular_addition import ModularAddition1Layer, model
from dynascope_modular_addition.analyzers import NeuronActivations
from dynascope_modular_addition.probes import FULL_GRID, pair_tokens

FAMILY = ModularAddition1Layer()


def test_the_first_losses_are_those_that_miscope_published():
    # p 113, seed 999, data seed 598: MIScope's published loss figures; the first four to 1e-8.
    stack = Stack(FAMILY, [FAMILY.configure()])
    rows = [stack.step().flatten().tolist() for _ in range(3)]
    train, test = [row[0] for row in rows], [row[1] for row in rows]
    assert train == pytest.approx([4.7358857559, 4.7274707161, 4.7225084339], abs=1e-8)
    assert test[1] == pytest.approx(4.7321728924, abs=1e-8)


def test_the_initial_losses_are_those_of_the_paper():
    # p 113, seed 0: Nanda et al. 2023, the mainline run.
    config = FAMILY.configure(preset="nanda")
    train_loss, test_loss, *_ = Stack(FAMILY, [config]).evaluate().flatten().tolist()
    assert train_loss == pytest.approx(4.764052, abs=5e-7)
    assert test_loss == pytest.approx(4.768347, abs=5e-7)
    squares = sum(float(weight.double().pow(2).sum()) for weight in FAMILY.init(config).values())
    assert squares == pytest.approx(1783.378, abs=5e-4)


@pytest.mark.parametrize("preset", ["miscope", "nanda"])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("p", [11, 12])
def test_forward_is_the_hooked_model_in_values_and_gradients(preset, seed, p):
    check_forward_equals_hooked(FAMILY, FAMILY.configure({"p": p, "seed": seed}, preset=preset))


@pytest.mark.parametrize("settings", [{"n_heads": 1}, {"d_mlp": 1}, {"p": 2, "train_fraction": 0.5}, {"p": 3}])
def test_forward_is_the_hooked_model_at_the_edges(settings):
    check_forward_equals_hooked(FAMILY, FAMILY.configure({"p": 5, "d_model": 12, "d_head": 4, **settings}))


EVERYWHERE = [Activation(hook, position, axis=axis) for hook, position, axis in model.OBSERVED]


@pytest.mark.parametrize("preset", ["miscope", "nanda"])
@pytest.mark.parametrize(
    "settings", [{"p": 11}, {"p": 12}, {"p": 5, "n_heads": 1}, {"p": 5, "d_mlp": 1}, {"p": 2, "train_fraction": 0.5}]
)
def test_what_is_observed_is_what_the_hooked_model_gives(preset, settings):
    config = FAMILY.configure({"d_model": 12, "d_head": 4, **settings}, preset=preset)
    tokens = torch.from_numpy(pair_tokens(config.parameters.p))
    check_observe_equals_hooked(FAMILY, config, tokens, EVERYWHERE)


def test_what_cannot_be_observed_is_left_to_the_hooked_model():
    config = FAMILY.configure({"p": 5})
    weights, tokens = FAMILY.init(config), torch.from_numpy(pair_tokens(5))
    assert FAMILY.observe(config, weights, tokens, [Activation("hook_embed", position=0)]) is None
    assert FAMILY.observe(config, weights, tokens.flip(1), EVERYWHERE) is None
    assert FAMILY.observe(config, weights, tokens[:, 1:], EVERYWHERE) is None


def test_the_global_random_state_is_left_alone():
    check_global_random_state_untouched(FAMILY, FAMILY.configure({"p": 11}))
    check_global_random_state_untouched(FAMILY, FAMILY.configure({"p": 11}, preset="nanda"))


def test_the_initial_weights_have_the_recipe_scales():
    weights = FAMILY.init(FAMILY.configure())
    for name, weight in weights.items():
        if name.endswith("bias"):
            assert not weight.any()
        else:
            assert float(weight.std()) == pytest.approx(0.8 / 128**0.5, rel=0.1)
    assert len(weights["unembed.weight"]) == 113
    assert len(FAMILY.init(FAMILY.configure(preset="nanda"))["unembed.weight"]) == 114


def test_the_split_is_that_of_the_recipe():
    data = FAMILY.data(FAMILY.configure())
    assert (len(data.train_inputs), len(data.test_inputs)) == (3830, 8939)
    rows = data.train_inputs[:, 0] * 113 + data.train_inputs[:, 1]
    # The first training pairs of data seed 598, as MIScope draws them.
    assert rows[:8].tolist() == [2404, 3488, 5321, 9739, 11270, 1804, 6289, 3838]
    both = torch.cat([data.train_inputs, data.test_inputs])
    assert len(torch.unique(both, dim=0)) == 113 * 113
    assert torch.equal(data.test_labels, (data.test_inputs[:, 0] + data.test_inputs[:, 1]) % 113)


def test_biases_stay_at_0_where_the_recipe_freezes_them():
    for preset, moving in (("miscope", set()), ("nanda", {"blocks.0.mlp.in.bias", "blocks.0.mlp.out.bias"})):
        stack = Stack(FAMILY, [FAMILY.configure({"p": 11}, preset=preset)])
        for _ in range(3):
            stack.step()
        moved = {name for name, weight in stack.weights.items() if name.endswith("bias") and weight.any()}
        assert moved == moving


@pytest.mark.parametrize(("p", "fraction"), [(2, 0.1), (2, 0.2), (3, 0.1)])
def test_a_split_with_an_empty_part_is_refused(p, fraction):
    with pytest.raises(InvalidSetting, match="leaves 0 to train on"):
        FAMILY.data(FAMILY.configure({"p": p, "train_fraction": fraction}))


def test_the_full_grid_is_a_major():
    batch = FULL_GRID.make(FAMILY.configure({"p": 5}))
    assert batch.inputs.shape == (25, 3)
    assert batch.inputs[7].tolist() == [1, 2, 5]
    assert batch.dims == ("a", "b")
    assert batch.digest == FULL_GRID.make(FAMILY.configure({"p": 5, "seed": 1})).digest
    assert batch.digest != FULL_GRID.make(FAMILY.configure({"p": 7})).digest


def test_a_neuron_map_has_a_down_the_rows_and_b_across():
    p = 5
    tokens = pair_tokens(p)
    activations = np.stack([tokens[:, 0], 10 * tokens[:, 1]], axis=1).astype(np.float32)
    batch = Batch(tokens, {"a": np.arange(p), "b": np.arange(p)})
    result = NeuronActivations().analyze(Step(0, None, {}, batch, {"neurons": activations}))
    assert result["activation"][0, 3, 1] == 3
    assert result["activation"][1, 3, 1] == 10
    assert result["largest"].tolist() == [4, 40]


def test_the_neurons_are_read_at_the_answer_position():
    assert FAMILY.sites(FAMILY.configure())["neurons"] == Activation("blocks.0.mlp.hook_post", position=-1)


@pytest.mark.parametrize("epochs", [1, 7, 200, 201, 2_500, 25_000, 40_000])
def test_the_default_schedule_fits_and_stays_below_a_hundred_checkpoints(epochs):
    config = FAMILY.configure({"epochs": epochs})
    chosen = parse_schedule(FAMILY.schedule(config), epochs)
    assert chosen[0] == 0
    assert chosen[-1] == epochs
    assert len(chosen) <= 101
