"""A model that memorises, and one that has learned nothing: no key frequency, and nothing is said to be reached."""

import numpy as np
import pytest
from tiny import FAMILY

from dynascope import Workspace, analyze, compare, train

SETTINGS = {
    "p": 17,
    "train_fraction": 0.4,
    "d_model": 32,
    "n_heads": 2,
    "d_head": 16,
    "d_mlp": 128,
    "epochs": 300,
    "weight_decay": 0.0,
    "learning_rate": 3e-3,
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Two variants, fully analysed: without weight decay, on 115 pairs, and one that is not trained at all."""
    made = Workspace.create(tmp_path_factory.mktemp("never") / "workspace")
    memorising = made.new_variant(FAMILY, SETTINGS)
    train(memorising, schedule="0:300:50")
    untrained = made.new_variant(FAMILY, {**SETTINGS, "seed": 7, "epochs": 1, "learning_rate": 1e-9})
    train(untrained, schedule="1")
    for variant in (memorising, untrained):
        analyze(variant)
    return made


@pytest.fixture
def memorising(workspace):
    return next(variant for variant in workspace.variants() if variant.config.training.epochs == 300)


@pytest.fixture
def untrained(workspace):
    return next(variant for variant in workspace.variants() if variant.config.training.epochs == 1)


def test_the_training_is_memorised_and_nothing_else(memorising):
    last = memorising.metrics.loc[300]
    assert last.train_accuracy == 1
    assert last.test_accuracy < 0.3
    assert last.test_loss > np.log(17)


def test_no_frequency_is_key_at_any_checkpoint(memorising, untrained):
    for variant in (memorising, untrained):
        for epoch in variant.checkpoints:
            found = variant.artifacts[epoch]["fourier.neuron_frequencies"]
            assert not found["is_key"].values.any()
            assert found["live_neurons"] > 64  # of 128: it is not for want of neurons
        groups = variant.artifacts.read
        assert not groups("fourier.frequency_groups/key_frequencies").values.any()
        assert np.isnan(groups("fourier.frequency_groups/first_key_epoch").values).all()
        assert not groups("fourier.frequency_groups/transient").values.any()


def test_phases_events_and_milestones_say_that_nothing_was_reached(memorising, untrained):
    read = memorising.artifacts.read
    reached = dict(
        zip(read("general.milestones/milestone").values, read("general.milestones/epoch_reached").values, strict=True)
    )
    assert reached["train_accuracy"] > 0
    assert np.isnan([reached["test_below_uniform"], reached["test_accuracy"]]).all()
    for variant in (memorising, untrained):
        read = variant.artifacts.read
        epochs = read("fourier.phases/epoch_reached").values
        assert np.isnan(epochs[[0, 2, 3]]).all()  # without key frequencies no end of memorisation by them either
        assert not read("fourier.phases/reached").values[[0, 2, 3]].any()
        assert not {"grokking onset", "cleanup end", "frequency commit"} & set(read("fourier.events/kind").values)
        graduation = read("general.graduation/graduation_epoch").values
        assert not (graduation < 0).any()
    assert np.isnan(untrained.artifacts.read("general.milestones/epoch_reached").values).all()
    assert np.isnan(untrained.artifacts.read("fourier.phases/epoch_reached").values).all()


def test_no_epoch_of_any_analyzer_is_minus_1(memorising, untrained):
    checked = 0
    for variant in (memorising, untrained):
        over_series = [name for name in variant.artifacts.analyzers() if not variant.artifacts.epochs(name)]
        for analyzer in over_series:
            for name in variant.artifacts.arrays(analyzer):
                if "epoch" in name or name.startswith("phase_"):
                    values = variant.artifacts.read(f"{analyzer}/{name}").values
                    checked += 1
                    if values.dtype.kind in "if":
                        assert not (values < 0).any(), f"{analyzer}/{name}"
    assert checked > 10


def test_without_key_frequencies_the_losses_are_those_of_no_circuit(memorising):
    found = memorising.artifacts[300]["fourier.progress_measures"]
    assert not found["is_key"].values.any()
    np.testing.assert_array_equal(found["excluded_loss"], found["loss"])
    np.testing.assert_allclose(found["restricted_loss_no_mean"], np.log(17))
    assert found["trig_fit_explained"] == 0
    np.testing.assert_allclose(found["restricted_loss_2x2"], found["restricted_loss"])


def test_the_table_of_variants_names_the_kinds(workspace, memorising, untrained):
    stored = compare([memorising, untrained], analyzers=["fourier.variants"])
    names = [memorising.name, untrained.name]

    def row(name):
        values = stored.read(f"fourier.variants/{name}", names)
        return [values.sel(variant=one).values.tolist() for one in names]

    assert row("classification") == ["memorised only", "not learned"]
    assert row("key_frequencies") == ["none", "none"]
    assert row("key_count") == row("degraded") == [0, 0]
    assert np.isnan(row("test_learned_epoch")).all()
    assert np.isnan(row("grokking_delay")).all()
    assert np.isnan(row("train_learned_epoch")).tolist() == [False, True]
