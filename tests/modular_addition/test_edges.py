"""Every analyzer that is installed, those on demand too, at the edges of the family: an answer, or one clear error."""

import numpy as np
import pytest
import torch
from tiny import FAMILY

from dynascope import AnalysisError, Analyzer, CheckpointError, analyze, compare, registry, train
from dynascope.errors import ArtifactError

SMALL = {"p": 7, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 12, "epochs": 20}
EVERY = sorted(registry().all("analyzers"))
EDGES = {
    "two elements": {"p": 2},
    "three elements": {"p": 3},
    "even and composite": {"p": 12},
    "odd and composite": {"p": 9},
    "one head": {"n_heads": 1},
    "one neuron": {"d_mlp": 1},
    "one dimension": {"d_model": 1, "d_head": 1},
    "one training pair": {"train_pairs": [3]},
    "one test pair": {"train_pairs": list(range(48))},
    "one more output": {"recipe": "nanda"},
    "double precision": {"dtype": "float64"},
}


def trained(workspace, **settings):
    variant = workspace.new_variant(FAMILY, {**SMALL, **settings})
    train(variant, schedule="0:20:10")
    return variant


def rewritten(variant, change):
    """Write the last checkpoint anew, with other weights."""
    weights = {name: torch.from_numpy(array.copy()) for name, array in variant.weights(20).items()}
    change(weights)
    variant.checkpoint_folder.file(20).unlink()
    variant.checkpoint_folder.write(20, weights)


def read_all(variant, epoch):
    """Every array of every analyzer of checkpoints."""
    for name in EVERY:
        if isinstance(registry().find("analyzers", name).item, Analyzer):
            for array, values in variant.artifacts[epoch][name].items():
                yield f"{name}/{array}", values


@pytest.mark.parametrize("settings", EDGES.values(), ids=EDGES)
def test_an_edge_of_the_family_is_measured_by_every_analyzer(new_workspace, settings):
    variant = trained(new_workspace, **settings)
    work = analyze(variant, analyzers=EVERY)
    assert work.not_applicable == work.waiting == ()
    p = variant.config.parameters.p
    for array, values in read_all(variant, 20):
        assert values.sizes.get("frequency", p // 2) == p // 2, array
        if values.dtype.kind == "f":
            assert not np.isinf(values.values).any(), array
    for name in ("restricted_loss", "restricted_loss_2x2", "restricted_loss_3x3", "excluded_loss", "trig_fit_loss"):
        assert np.isfinite(variant.artifacts[20]["fourier.progress_measures"][name]).all(), name
    table = compare([variant], analyzers=["fourier.variants"])
    assert table.read("fourier.variants/p", [variant.name]).values.tolist() == [p]


def test_dead_neurons_have_no_frequency_and_the_others_keep_theirs(new_workspace):
    variant = trained(new_workspace)

    def kill(weights):
        weights["blocks.0.mlp.in.bias"][3:] = -1e4

    rewritten(variant, kill)
    analyze(variant, analyzers=EVERY)
    found = variant.artifacts[20]["fourier.neuron_frequencies"]
    assert not found["best_frequency"].values[3:].any()
    assert found["live_neurons"] <= 3
    for array, values in read_all(variant, 20):
        assert values.dtype.kind != "f" or not np.isinf(values.values).any(), array


def test_a_model_whose_neurons_are_all_dead_has_no_neuron_in_any_cluster(new_workspace):
    variant = trained(new_workspace)
    rewritten(variant, lambda weights: weights["blocks.0.mlp.in.bias"].fill_(-1e4))
    analyze(variant, analyzers=EVERY)
    found = variant.artifacts[20]["fourier.neuron_frequencies"]
    assert found["live_neurons"] == 0
    assert not found["is_key"].values.any()
    assert not found["cluster_size"].values.any()
    assert variant.artifacts.read("fourier.frequency_groups/share").isel(epoch=-1).values.max() == 0


def test_a_model_of_nan_has_one_clear_error_or_nan(new_workspace):
    variant = trained(new_workspace)

    def lose(weights):
        for tensor in weights.values():
            tensor.fill_(torch.nan)

    rewritten(variant, lose)
    with pytest.raises(AnalysisError) as raised:
        analyze(variant, analyzers=EVERY)
    failures = raised.value.failures
    of_checkpoints = [failure for failure in failures if failure.epoch is not None]
    assert {failure.epoch for failure in of_checkpoints} >= {20}
    for failure in failures:
        # The checkpoint's own, or that what is read is not there for this reason.
        assert isinstance(failure.error, (CheckpointError, ArtifactError)), (failure.analyzer, failure.error)
        if isinstance(failure.error, CheckpointError):
            assert "of this checkpoint must be finite" in str(failure.error)
    names = [failure.analyzer.split()[0] for failure in of_checkpoints if failure.epoch == 20]
    assert len(names) == len(set(names))
    answered = {name for name in EVERY if 20 in variant.artifacts.epochs(name)}
    assert {"general.weight_spectra", "general.input_trace", "general.hessian"} <= answered
    assert not answered & set(names)
    for name in answered & {"general.hessian", "general.flatness", "general.input_trace"}:
        for array, values in variant.artifacts[20][name].items():
            assert not np.isinf(values.values).any() if values.dtype.kind == "f" else True, array
