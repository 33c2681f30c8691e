"""What a notebook asks of workspaces and variants, and what it shows of them."""

import numpy as np
import pytest
import torch
from tiny import FAMILY, TINY

import dynascope
from dynascope import AnalysisError, Analyzer, ArtifactError, InvalidSetting, Output, UnknownName

MAP = "modular_addition.neuron_activations/activation"


@pytest.fixture
def variant(shared):
    return shared.variants(seed=0)[0]


def test_arrays_are_labelled_by_their_name(variant):
    found = variant.artifacts[MAP]
    assert found.dims == ("epoch", "neuron", "a", "b") and found.epoch.values.tolist() == [0, 20, 40]
    np.testing.assert_array_equal(
        found.sel(epoch=20), variant.artifacts[20]["modular_addition.neuron_activations"]["activation"]
    )
    assert 20 in variant.artifacts and 21 not in variant.artifacts and MAP not in variant.artifacts
    keys = variant.artifacts._ipython_key_completions_()
    assert {0, 20, 40, MAP} <= set(keys)
    with pytest.raises((UnknownName, ArtifactError), match="actvation"):
        variant.artifacts["modular_addition.neuron_activations/actvation"]


def test_the_model_runs_on_a_probe_with_its_activations(variant):
    output, cache = variant.run_with_cache(40)
    assert output.shape[0] == 121 and output.shape[-1] == 11
    neurons = cache["blocks.0.mlp.hook_post"][:, -1]
    stored = variant.artifacts.read(MAP, 40).values.reshape(32, 121).T
    np.testing.assert_allclose(neurons.numpy(), stored, atol=0.02)
    few, cache = variant.run_with_cache(40, "random_pairs:count=5", names_filter="blocks.0.mlp.hook_post")
    assert few.shape[0] == 5 and "blocks.0.mlp.hook_post" in cache and "blocks.0.attn.hook_pattern" not in cache
    assert not few.requires_grad and isinstance(few, torch.Tensor)


def test_views_can_be_completed_and_drawn(variant):
    at = variant.at(20)
    assert {"neuron_map", "neuron_clusters", "losses"} <= set(dir(at.views)) and "centroids" not in dir(at.views)
    drawn, same = at.views.neuron_map(neuron=3), at.view("neuron_map", neuron=3)
    np.testing.assert_array_equal(drawn.dimension_values(2), same.dimension_values(2))
    with pytest.raises(AttributeError, match="Did you mean 'neuron_map'"):
        at.views.neuron_mop  # noqa: B018


def test_what_things_are_is_a_small_table(shared, variant):
    said = variant._repr_html_()
    assert variant.name in said and "3, epochs 0 to 40" in said and "d_mlp 32" in said and "neuron_activations" in said
    assert variant.name in shared._repr_html_()
    assert f"<td>{MAP}</td><td>neuron (32), a (11), b (11)</td>" in variant.artifacts._repr_html_()


def test_a_report_shows_itself_and_is_saved(variant, tmp_path):
    report = variant.report("grokking")
    assert repr(report) == f"<report 'From memorising to Fourier' of {variant.name}: 6 views>"
    assert repr(variant.report()) == repr(report)
    shown = report._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;') and "<script" not in shown
    assert [file.name for file in report.save(tmp_path / "r.html", epochs=[0, 40])] == ["r.html"]
    with pytest.raises(UnknownName, match="modular_addition.grokking"):
        variant.report("goking")


def test_a_variant_is_trained_and_analysed_with_a_bar(new_workspace, capsys):
    variant = new_workspace.new_variant(FAMILY, {**TINY, "epochs": 5})
    result = variant.train(schedule="0,5")
    assert (result.epochs, variant.checkpoints) == (5, [0, 5])
    plan = variant.analyze(analyzers=["fourier.embedding_frequencies"])
    assert repr(plan) == f"<plan of {variant.name}: 2 units to compute, 0 were fresh>"
    assert variant.name in capsys.readouterr().out
    assert dynascope.open(str(new_workspace.path)).variants()[0].artifacts.analyzers()


class Firing(Analyzer):
    name = "firing"
    description = "Share of the probe's rows on which each neuron is positive."
    reads = ("neurons",)
    outputs = {"fires": Output(("neuron",), "float32", "1", "share of rows on which it fires")}

    def analyze(self, step):
        return {"fires": (step["neurons"] > 0).mean(axis=0)}


class Wrong(Firing):
    def analyze(self, step):
        raise RuntimeError("not yet")


def test_an_analyzer_is_tried_before_it_is_a_plug_in_and_nothing_is_stored(variant):
    before = sorted(file for file in variant.folder.rglob("*"))
    found = variant.measure(Firing(), epochs=[0, 40])
    assert found.fires.dims == ("epoch", "neuron") and found.epoch.values.tolist() == [0, 40]
    _, cache = variant.run_with_cache(40, names_filter="blocks.0.mlp.hook_post")
    fires = (cache["blocks.0.mlp.hook_post"][:, -1] > 0).float().mean(0)
    np.testing.assert_allclose(found.fires.sel(epoch=40), fires, atol=1e-6)
    assert variant.measure(Firing()).epoch.values.tolist() == [40]
    with pytest.raises(AnalysisError, match="not yet"):
        variant.measure(Wrong())
    with pytest.raises(InvalidSetting, match="An analyzer is an object"):
        variant.measure(Firing)
    assert sorted(file for file in variant.folder.rglob("*")) == before
    assert "notebook.firing" not in dynascope.registry().all("analyzers")
