"""Ablations against the hooked model with hooks that take the same away, and on the model whose circuit is known."""

import numpy as np
import pytest
import torch
from steps import FAMILY, initial, key_set, outputs_of, step_of

from dynascope_fourier import cross_entropy
from dynascope_modular_addition.ablations import ABLATIONS, Ablations, row_space
from dynascope_modular_addition.known_models import relu_transformer
from dynascope_modular_addition.probes import FULL_GRID

ATTENTION, BEFORE, NEURONS, MLP = (
    f"blocks.0.{name}" for name in ("attn.hook_out", "hook_resid_pre", "mlp.hook_post", "mlp.hook_out")
)
KEY = (2, 5)


def found_by(config, weights, *key):
    return outputs_of(Ablations(), step_of(Ablations(), config, weights, key_set(config.parameters.p, *key)))


def hooked_losses(config, weights, on=None):
    """The mean loss of train, test and all pairs of the hooked model for each ablation, by hooks.

    A skip connection is taken away by taking what goes past a block off what the block adds.

    Args:
        on: projects neurons on the key frequencies' directions.
    """
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    inputs = FULL_GRID.make(config).inputs
    tokens, facts = torch.from_numpy(inputs), FAMILY.rows(config, inputs)
    model = FAMILY.hooked(config, tensors)
    kept = {}

    def keep(value, hook):
        kept["stream"] = value

    def keep_attention(value, hook):
        kept["attention"] = value

    watched = [(BEFORE, keep), (ATTENTION, keep_attention)]
    hooks = {
        "nothing": [],
        "heads zeroed": [(ATTENTION, lambda value, hook: torch.zeros_like(value))],
        "skip of attention zeroed": [(BEFORE, keep), (ATTENTION, lambda value, hook: value - kept["stream"])],
        "skip of MLP zeroed": [*watched, (MLP, lambda value, hook: value - kept["stream"] - kept["attention"])],
        "skip of MLP averaged": [
            *watched,
            (MLP, lambda value, hook: value - (past := kept["stream"] + kept["attention"]) + past.mean(dim=0)),
        ],
        "neurons zeroed": [(NEURONS, lambda value, hook: torch.zeros_like(value))],
        "neurons averaged": [(NEURONS, lambda value, hook: value.mean(dim=0).expand_as(value))],
        "neurons on directions": [(NEURONS, lambda value, hook: value @ on)],
        "neurons off directions": [(NEURONS, lambda value, hook: value - value @ on)],
    }
    assert list(hooks) == list(ABLATIONS)
    rows = np.stack([facts["train"], facts["test"], np.ones_like(facts["label"])])
    losses = []
    for fwd_hooks in hooks.values():
        with torch.no_grad():
            output = model.run_with_hooks(tokens, fwd_hooks=fwd_hooks)
        each = cross_entropy(FAMILY.answers(config, output).numpy(), facts["label"])
        losses.append([np.average(each, weights=split) for split in rows])
    return np.array(losses)


@pytest.mark.parametrize(
    ("settings", "preset"), [({}, "miscope"), ({}, "nanda"), ({"p": 12}, "miscope"), ({"n_heads": 1}, "miscope")]
)
def test_each_ablation_is_what_hooks_on_the_real_model_do(settings, preset):
    config = FAMILY.configure({"p": 13, "d_model": 16, "d_head": 8, "d_mlp": 24, **settings}, preset=preset)
    p, draw = config.parameters.p, np.random.default_rng(0)
    # Biases that are 0 in training too: an ablation takes that of its own block with it.
    weights = {
        name: array + draw.normal(scale=0.5, size=array.shape) if name.endswith("bias") else array * 2.0
        for name, array in ((name, array.astype(np.float64)) for name, array in initial(config).items())
    }
    of_class = weights["unembed.weight"][:p] @ weights["blocks.0.mlp.out.weight"]
    waves = [wave(2 * np.pi * k * np.arange(p) / p) for k in KEY for wave in (np.cos, np.sin)]
    directions = np.array(waves) @ of_class
    on = torch.from_numpy(np.linalg.pinv(directions) @ directions)
    found = found_by(config, weights, *KEY)
    np.testing.assert_allclose(found["loss"], hooked_losses(config, weights, on), rtol=1e-9)
    assert found["ablation"].tolist() == list(ABLATIONS)
    assert found["split"].tolist() == ["train", "test", "all"]
    assert found["directions"] == 4


def test_the_circuit_of_the_planted_network_is_on_its_directions():
    p, planted = 59, (5, 14, 22)
    config = FAMILY.configure({"p": p})
    weights = relu_transformer(p, planted, neurons_each=32)
    found = found_by(config, weights, *planted)
    loss = dict(zip(found["ablation"].tolist(), found["loss"][:, 2], strict=True))
    # Nothing but the neurons writes what W_U reads, and on pairs alike nothing: chance, where the circuit is away.
    for name in ("skip of attention zeroed", "skip of MLP zeroed", "skip of MLP averaged", "neurons on directions"):
        assert loss[name] == pytest.approx(loss["nothing"], rel=1e-4), name
    for name in ("heads zeroed", "neurons zeroed", "neurons averaged", "neurons off directions"):
        assert loss[name] == pytest.approx(np.log(p), rel=1e-4), name
    assert found["directions"] == 6


def test_without_a_key_frequency_nothing_lies_on_the_directions():
    config = FAMILY.configure({"p": 7, "d_model": 8, "d_head": 4, "d_mlp": 8})
    found = found_by(config, initial(config))
    loss = dict(zip(found["ablation"].tolist(), found["loss"], strict=True))
    np.testing.assert_allclose(loss["neurons on directions"], loss["neurons zeroed"], rtol=1e-12)
    np.testing.assert_allclose(loss["neurons off directions"], loss["nothing"], rtol=1e-12)
    assert found["directions"] == 0


def test_the_nyquist_frequency_has_one_direction_and_more_than_there_are_neurons_none():
    for settings, directions in (({"p": 12}, 3), ({"p": 12, "d_mlp": 1}, 1)):
        config = FAMILY.configure({"d_model": 8, "d_head": 4, "d_mlp": 8, **settings})
        assert found_by(config, initial(config), 1, 6)["directions"] == directions
    assert row_space(np.zeros((2, 3))).shape == (0, 3)
