"""Every instrument on the hand-built transformer, whose answers are in closed form, and at the edges of the family."""

from dataclasses import replace

import numpy as np
import pytest
from steps import FAMILY, initial, key_set, outputs_of, step_of
from tiny import SCHEDULE, TINY

from dynascope import CheckpointError, analyze, train
from dynascope_fourier.analyzers import EmbeddingFrequencies, NeuronFrequencies
from dynascope_fourier.distance import DistanceIrrelevance
from dynascope_fourier.logit_structure import LogitStructure
from dynascope_fourier.progress_measures import RULES, ProgressMeasures
from dynascope_modular_addition.ablations import Ablations
from dynascope_modular_addition.analyzers import NeuronActivations
from dynascope_modular_addition.attention import AttentionFrequencies, AttentionPatterns
from dynascope_modular_addition.composition import NeuronComposition
from dynascope_modular_addition.gradient_energy import GradientEnergy
from dynascope_modular_addition.known_models import (
    quadratic_network,
    relu_amplitude,
    relu_transformer,
    trigonometric_loss,
)
from dynascope_modular_addition.neuron_weights import EffectiveNeuronWeights, NeuronLogitFrequencies
from dynascope_modular_addition.symmetricity import GradientSymmetricity

EVERY = (
    Ablations(),
    AttentionFrequencies(),
    AttentionPatterns(),
    DistanceIrrelevance(),
    EffectiveNeuronWeights(),
    EmbeddingFrequencies(),
    GradientEnergy(),
    GradientSymmetricity(),
    LogitStructure(),
    NeuronActivations(),
    NeuronComposition(),
    NeuronFrequencies(),
    NeuronLogitFrequencies(),
    ProgressMeasures(),
)
PAPER = (14, 35, 41, 42, 52)


@pytest.fixture(scope="module")
def solved():
    """The ReLU transformer at p 113, with 102 neurons for each of the paper's frequencies and two that are dead."""
    return FAMILY.configure({"p": 113}), relu_transformer(113, PAPER, neurons_each=102)


def found_by(analyzer, solved):
    return outputs_of(analyzer, step_of(analyzer, *solved, key_set(113, *PAPER)))


def chosen(flags):
    return tuple(np.flatnonzero(flags) + 1)


def test_every_rule_finds_the_planted_frequencies(solved):
    neurons = found_by(NeuronFrequencies(), solved)
    assert chosen(neurons["is_key"]) == chosen(neurons["best_size"]) == PAPER
    assert chosen(found_by(EmbeddingFrequencies(), solved)["is_key"]) == PAPER
    assert chosen(found_by(LogitStructure(), solved)["is_key"]) == PAPER
    assert chosen(found_by(NeuronLogitFrequencies(), solved)["is_key"]) == PAPER


def test_its_neurons_have_the_published_share_and_its_embedding_the_closed_form(solved):
    neurons = found_by(NeuronFrequencies(), solved)
    assert {k: int(neurons["cluster_size"][k - 1]) for k in PAPER} == dict.fromkeys(PAPER, 102)
    assert neurons["live_neurons"] == 510
    share = neurons["best_share"][:510]
    assert share.min() >= 0.9620
    assert share.max() <= 0.9621
    assert found_by(EmbeddingFrequencies(), solved)["gini"] == pytest.approx(1 - 10 / 113, rel=1e-6)


def test_its_logits_are_explained_to_8_over_pi_squared(solved):
    found = found_by(LogitStructure(), solved)
    assert found["explained"] == pytest.approx(8 / np.pi**2, rel=1e-3)
    for k in PAPER:
        assert found["amplitude"][k - 1] == pytest.approx(relu_amplitude(102), rel=1e-3)
        assert found["similarity"][k - 1] == pytest.approx((8 / np.pi**2 / 5) ** 0.5, rel=1e-3)


def test_its_restricted_loss_is_that_of_the_trigonometric_part(solved):
    found = found_by(ProgressMeasures(), solved)
    # An amplitude of 13.8 each: 1e-14, to the accuracy of the amplitude.
    expected = trigonometric_loss(113, dict.fromkeys(PAPER, relu_amplitude(102)))
    assert np.log(found["restricted_loss"]) == pytest.approx(np.log(expected), abs=0.1)
    # All components of its key frequencies lie on the directions of a + b, so that the wider forms keep no more.
    for form in ("restricted_loss_2x2", "restricted_loss_3x3", "restricted_loss_no_mean", "trig_fit_loss"):
        assert np.log(found[form]) == pytest.approx(np.log(expected), abs=0.2), form
    assert found["trig_fit_explained"] == pytest.approx(8 / np.pi**2, rel=1e-3)
    assert found["accuracy"].tolist() == found["restricted_accuracy"].tolist() == [1, 1, 1]
    assert found["excluded_loss"].min() > np.log(113)
    assert max(found["excluded_accuracy"]) < 0.1
    # No other frequency carries anything that is needed.
    others = np.delete(found["excluded_loss_single"][2], np.array(PAPER) - 1)
    assert others.max() < 2 * found["loss"][2]


@pytest.mark.parametrize("p", [53, 60])
def test_quadratic_neurons_have_four_fifths_at_their_frequency_and_one_fifth_at_twice_it(p):
    """(cos A + cos B)^2 has the variance 1 in 2 cos A cos B, and 1/8 in each of the squares, at 2 k.

    They stay below the threshold of the default rule, and make no key frequency by it; the rule without one sees them.
    """
    planted = (5, 14, 22)
    config = FAMILY.configure({"p": p})
    of_family = step_of(NeuronFrequencies(), config, initial(config))
    activations = quadratic_network(p, planted).activations().astype(np.float32)
    found = outputs_of(NeuronFrequencies(), replace(of_family, arrays={"neurons": activations}))
    for index, k in enumerate(planted):
        mine = slice(9 * index, 9 * (index + 1))
        twice = min(2 * k, p - 2 * k)
        np.testing.assert_allclose(found["fraction"][k - 1, mine], 0.8, rtol=1e-5)
        np.testing.assert_allclose(found["fraction"][twice - 1, mine], 0.2, rtol=1e-5)
    assert chosen(found["best_size"]) == planted
    assert chosen(found["is_key"]) == ()


EDGES = [
    {"p": 2, "train_fraction": 0.5},
    {"p": 3, "train_fraction": 0.5},
    {"p": 12},
    {"p": 15},
    {"n_heads": 1},
    {"d_mlp": 1},
    {"recipe": "nanda"},
]


@pytest.mark.parametrize("analyzer", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize("settings", EDGES, ids=str)
def test_the_edges_of_the_family_have_finite_answers_of_the_declared_shapes(analyzer, settings):
    config = FAMILY.configure({"p": 7, "d_model": 8, "d_head": 4, "d_mlp": 8, **settings})
    p, weights = config.parameters.p, initial(config)
    found = outputs_of(analyzer, step_of(analyzer, config, weights, key_set(p, p // 2)))
    for name, output in analyzer.outputs.items():
        if output.dtype != "str":
            assert np.isfinite(found[name]).all(), name
        sizes = dict(zip(output.dims, np.shape(found[name])))
        assert sizes.get("frequency", p // 2) == p // 2, name


def test_dead_neurons_have_no_frequency_anywhere():
    config = FAMILY.configure({"p": 7, "d_model": 8, "d_head": 4, "d_mlp": 8})
    weights = initial(config)
    weights["blocks.0.mlp.in.bias"][3] = -1e4
    found = outputs_of(NeuronFrequencies(), step_of(NeuronFrequencies(), config, weights))
    assert found["best_frequency"][3] == found["best_share"][3] == 0
    assert found["live_neurons"] <= 7


@pytest.mark.parametrize("analyzer", EVERY, ids=lambda o: o.name)
def test_weights_that_are_not_numbers_are_one_clear_error(analyzer):
    config = FAMILY.configure({"p": 7, "d_model": 8, "d_head": 4, "d_mlp": 8})
    weights = {name: np.full_like(array, np.nan) for name, array in initial(config).items()}
    with pytest.raises(CheckpointError, match="of this checkpoint must be finite; .* move its file out"):
        analyzer.analyze(step_of(analyzer, config, weights, key_set(7)))


def test_the_engine_gives_every_instrument_what_it_reads(new_workspace):
    """What an analysis stores is what a step made directly gives, with the key frequencies of the last checkpoint."""
    variant = new_workspace.new_variant(FAMILY.name, {**TINY, "p": 12})
    train(variant, schedule=SCHEDULE)
    analyze(variant, analyzers=[one.name for one in EVERY])
    stored = variant.artifacts[20]
    key = {read.array: variant.artifacts.read(read.array, TINY["epochs"]).values for read in RULES.values()}
    weights = variant.weights(20)
    for analyzer in EVERY:
        plug_in = type(analyzer).__module__.split(".")[0].removeprefix("dynascope_")
        expected = analyzer.analyze(step_of(analyzer, variant.config, weights, key))
        for name, output in analyzer.outputs.items():
            if output.dtype.startswith("float") and not output.packed:
                values = stored[f"{plug_in}.{analyzer.name}"][name].values
                np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("p", "schedule"), [(12, "40"), (7, "0:40:20")])
def test_every_analyzer_that_is_installed_measures_an_even_p_one_checkpoint_and_a_model_that_has_learned_nothing(
    new_workspace, p, schedule
):
    variant = new_workspace.new_variant(FAMILY.name, {**TINY, "p": p})
    train(variant, schedule=schedule)
    if schedule == "40":
        variant.checkpoint_folder.file(0).unlink()
    work = analyze(variant)
    assert len(work.checkpoints) == (1 if schedule == "40" else 3)
    assert work.not_applicable == work.waiting == ()
    read = variant.artifacts.read
    assert not read("fourier.phases/reached").values[2:].any()
    assert set(read("fourier.phases/phase_at").values) == {"memorisation"}
    assert not {"grokking onset", "cleanup end"} & set(read("fourier.events/kind").values)
    assert read("fourier.frequency_groups/size").sizes["frequency"] == p // 2
    assert read("general.graduation/graduation_epoch").sizes["row"] == p * p
    loss = variant.artifacts.series("general.flatness/train_loss").values
    np.testing.assert_allclose(loss, variant.artifacts.series("general.input_trace/mean_loss").values[:, 0])
