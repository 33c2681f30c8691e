"""Real files of other programs: epochs, split and losses are reproduced, or the refusal says what was found."""

import json
import shutil

import numpy as np
import pytest
import torch
from foreign import DATA, demo_file, legacy, paper, same_weights, trained
from tiny import FAMILY, TINY

from dynascope import ExchangeError, InvalidSetting, Workspace, analyze, export_variant, import_run, train
from dynascope_modular_addition import ModularAddition1Layer
from dynascope_modular_addition.foreign import adopted

ANALYZERS = {
    "fourier.embedding_frequencies",
    "fourier.logit_structure",
    "fourier.neuron_frequencies",
    "fourier.progress_measures",
    "modular_addition.attention_frequencies",
    "modular_addition.attention_patterns",
    "modular_addition.effective_neuron_weights",
    "modular_addition.neuron_activations",
    "modular_addition.neuron_logit_frequencies",
}


def real(*parts):
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there: the examples made by others are kept beside the repository")
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A variant trained here, whose weights the tests write in other layouts. Do not write to it."""
    return trained(Workspace.create(tmp_path_factory.mktemp("source") / "workspace"))


@pytest.fixture(scope="module")
def nanda(tmp_path_factory):
    """The same in the paper's recipe: p + 1 outputs, trained biases."""
    workspace = Workspace.create(tmp_path_factory.mktemp("nanda") / "workspace")
    return trained(workspace, recipe="nanda", data_seed=0)


def check_analysis(variant, epochs):
    work = analyze(variant, epochs=epochs)
    assert not work.unreadable
    assert {bound.provided.id for bound in work.analyzers} >= ANALYZERS
    assert all(variant.artifacts.epochs(name) == epochs for name in ANALYZERS)


def frequencies_of(flags):
    return (np.flatnonzero(flags) + 1).tolist()


def key_sets(variant, epoch):
    """The key frequencies by each rule, of the last checkpoint."""
    found = variant.artifacts[epoch]["fourier.progress_measures"]
    return dict(
        zip(found["key_rule"].values.tolist(), map(frequencies_of, found["is_key_by_rule"].values), strict=True)
    )


def neurons_of(variant, epoch):
    """The neurons in the cluster of each frequency that has any."""
    size = variant.artifacts[epoch]["fourier.neuron_frequencies"]["cluster_size"].values
    return {k: int(count) for k, count in enumerate(size, start=1) if count}


# Real files.


def test_miscope(new_workspace):
    # MIScope's own run, p 59, seed 485, data seed 598: metadata.json has every loss, to full precision.
    path = real("miscope", "results")
    result = import_run(new_workspace, path)
    variant, check = result.variant, result.check
    assert (variant.family.name, result.declared) == (FAMILY, "")
    assert variant.name == "p59_seed485_dseed598_imported-miscope"
    assert variant.checkpoints == [251, 3001, 9001, 13001, 14751]  # epoch_e is after e + 1 updates
    assert (check.status, check.epochs, check.agreeing) == ("reproduced", 5, 5)
    assert check.largest_difference < 1e-6
    recorded = json.loads(next(path.rglob("metadata.json")).read_text())
    metrics = variant.metrics
    assert metrics.train_loss[0] == recorded["train_losses"][0]
    assert metrics.test_loss[1] == recorded["test_losses"][0]
    assert metrics.test_loss[15000] == recorded["test_losses"][-1]
    assert len(metrics) == 15001
    data = variant.family.base.data(variant.config)
    assert (data.train_inputs[:, 0] * 59 + data.train_inputs[:, 1]).tolist() == recorded["train_indices"]
    assert variant.origin["not_stated"] == ["device"]
    # The recipe is understood: the initial weights of these settings have the loss that was recorded first.
    from dynascope.exchange.check import Evaluator

    start = Evaluator(variant.family.base, variant.config).measure(variant.family.base.init(variant.config))
    assert start["train_loss"] == pytest.approx(recorded["train_losses"][0], rel=1e-8)
    check_analysis(variant, [251, 14751])


def test_miscope_with_another_split_than_any_seed_gives(new_workspace, tmp_path):
    folder = shutil.copytree(next(real("miscope").rglob("config.json")).parent, tmp_path / "run")
    for file in [folder, *folder.rglob("*")]:
        file.chmod(0o755)
    recorded = json.loads((folder / "metadata.json").read_text())
    train, test = recorded["train_indices"], recorded["test_indices"]
    train[0], test[0] = test[0], train[0]
    (folder / "metadata.json").write_text(json.dumps(recorded))
    result = import_run(new_workspace, folder)
    assert result.check.status == "not reproduced"  # the indices are not those of the run, and that is said
    assert result.variant.config.parameters.train_pairs == tuple(sorted(train))
    data = result.variant.family.base.data(result.variant.config)
    assert set((data.train_inputs[:, 0] * 59 + data.train_inputs[:, 1]).tolist()) == set(train)
    assert "data_seed" not in result.variant.origin["not_stated"]  # config.json states it
    test.pop()
    (folder / "metadata.json").write_text(json.dumps(recorded))
    with pytest.raises(ExchangeError, match="are 3480 of the 3481 pairs"):
        import_run(new_workspace, folder, name="other")


def test_flat_names_with_a_table_of_rounded_losses(new_workspace):
    # p 53: ckpt_n holds n updates, row n of metrics.csv the losses after n + 1, rounded to six decimals; the last
    # file was saved when training stopped, after the update. One update from ckpt_0 gives 3.960557 and 3.989750.
    result = import_run(new_workspace, real("samar_p53"))
    variant, check = result.variant, result.check
    assert variant.checkpoints == [0, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 7500, 8500]
    assert variant.name == "p53_seed0_dseed0_frac0.4_imported-transformer-lens"
    assert (check.status, check.shift) == ("reproduced", 1)
    assert {(one.epoch, one.how, round(one.computed, 6), one.recorded) for one in check.comparisons} == {
        (1, "updated", 3.960557, 3.960557),
        (1, "updated", 3.98975, 3.98975),
    }
    # The one row of losses that two recorded numbers show to be of ckpt_8500 is not enough to rename it.
    assert check.sentence.endswith("11 of 12 checkpoints could not be compared: no loss is recorded of their epochs.")
    assert variant.metadata["origin"]["check"]["checkpoints_not_compared"] == 11
    (note,) = (note for note in result.notes if "reproduce the losses recorded after 8501 updates" in note)
    assert note.endswith("They are kept as epoch 8500.")
    assert variant.metrics.test_loss[101] == 12.536532
    assert variant.metrics.test_loss[100] == pytest.approx(12.326156, abs=1e-5)  # of the weights: was not recorded
    assert variant.config.architecture == variant.family.base.configure().architecture
    assert variant.config.training.betas == (0.9, 0.98)
    check_analysis(variant, [0, 8500])
    # The run has grokked by four frequencies; the rules of the embedding and of the logits see k = 8, too.
    assert neurons_of(variant, 8500) == {1: 126, 4: 41, 9: 64, 19: 106}
    assert neurons_of(variant, 0) == {}
    four, five = [1, 4, 9, 19], [1, 4, 8, 9, 19]
    assert key_sets(variant, 8500) == {"neurons": four, "neuron_argmax": four, "embedding": five,
                                          "logits": five, "neurons_now": four}  # fmt: skip
    assert frequencies_of(variant.artifacts.read("modular_addition.neuron_logit_frequencies/is_key", 8500)) == four
    found = variant.artifacts[8500]["fourier.progress_measures"]
    train_loss, test_loss, _ = found["loss"].values
    assert (train_loss, test_loss) == pytest.approx((1.04096e-7, 1.648261e-3), rel=1e-4)
    assert (round(train_loss, 6), round(test_loss, 6)) == tuple(variant.metrics.loc[8501, ["train_loss", "test_loss"]])
    assert found["restricted_loss"].values[2] == pytest.approx(8.4552e-8, rel=1e-3)
    assert found["excluded_loss"].values[0] == pytest.approx(12.37618, rel=1e-4)
    assert found["excluded_accuracy"].values[2] < 0.05


def test_progress_measures_final_weights(new_workspace):
    # Trained without weight decay on 90 % of the pairs; neither the fraction nor a seed is in the file. The losses
    # recorded last are of the weights one update earlier; the curve goes on to those of the weights.
    result = import_run(new_workspace, real("progress_measures", "mod_addition_no_wd.pth"))
    variant, check = result.variant, result.check
    assert variant.checkpoints == [5000]
    settings = variant.config.settings
    assert (settings["p"], settings["recipe"]) == (113, "nanda")
    assert (settings["train_fraction"], settings["data_seed"]) == (0.9, 0)
    assert (settings["weight_decay"], settings["learning_rate"], settings["betas"]) == (0.0, 1e-3, [0.9, 0.98])
    assert variant.origin["not_stated"] == ["device", "seed"]
    assert (check.status, {one.how for one in check.comparisons}) == ("reproduced", {"continued"})
    assert check.largest_difference < 5e-5
    # The recorded ones themselves, one update earlier: 1.68137503e-10 and 1.10985249e-06.
    metrics = variant.metrics
    assert metrics.train_loss[5000] == pytest.approx(1.6813750e-10, rel=1e-3)
    assert metrics.test_loss[5000] == pytest.approx(1.1098525e-06, rel=1e-3)
    assert metrics.train_loss[4999] == pytest.approx(1.6813750272760406e-10, rel=1e-12)
    assert metrics.train_loss[0] == 4.778010574832502
    assert variant.weights(5000)["unembed.weight"].shape == (114, 128)
    assert variant.weights(5000)["blocks.0.mlp.in.bias"].any()
    check_analysis(variant, [5000])
    # On 90 % of the pairs it generalises without weight decay, by two frequencies and what is no clean cluster: W_L
    # keeps two fifths of its norm outside of them (0.41 by an independent computation on the same file).
    assert neurons_of(variant, 5000) == {36: 181, 52: 139}
    assert key_sets(variant, 5000) == {
        "neurons": [36, 52],
        "neurons_now": [36, 52],
        "neuron_argmax": [9, 24, 26, 28, 36, 41, 52, 53],
        "embedding": [9, 24, 25, 26, 27, 28, 36, 41, 43, 46, 52, 53],
        "logits": [36, 41, 52],
    }
    assert frequencies_of(variant.artifacts.read("modular_addition.neuron_logit_frequencies/is_key", 5000)) == [36, 52]
    residual = variant.artifacts.read("modular_addition.neuron_logit_frequencies/residual", 5000)
    assert float(residual) == pytest.approx(0.41, abs=5e-3)
    found = variant.artifacts[5000]["fourier.progress_measures"]
    assert found["loss"].values[:2] == pytest.approx(metrics.loc[5000, ["train_loss", "test_loss"]], rel=1e-4)
    assert found["restricted_loss"].values[2] == pytest.approx(1.1287e-8, rel=1e-3)
    assert found["trig_fit_explained"] == pytest.approx(0.94838, rel=1e-4)


@pytest.mark.parametrize("name", ["", "p97_frac0.30_wd1_seed0.pt", "p97_frac0.30_wd1_seed0_memorize.pt"])
def test_layer_norm_is_refused_by_name(new_workspace, name):
    with pytest.raises(ExchangeError) as refused:
        import_run(new_workspace, real("porth_p97_layernorm", name))
    message = str(refused.value)
    assert "layer norm (blocks.0.ln1.beta, blocks.0.ln1.gamma" in message
    assert "queries, keys and values in one matrix (blocks.0.attn.qkv.weight)" in message
    assert "no layer norm" in message
    assert not list((new_workspace.path / "results").iterdir())


def test_curves_without_weights_are_no_run(new_workspace):
    with pytest.raises(ExchangeError, match="in no layout that can be imported"):
        import_run(new_workspace, real("nanda_mainline_digitised"))


# Files in the formats of others, made from a variant trained here.


def test_the_grokking_demo(source, new_workspace, tmp_path):
    result = import_run(new_workspace, demo_file(source, tmp_path / "grokking_demo.pth"))
    variant, check = result.variant, result.check
    assert variant.checkpoints == [10, 20, 40]  # 9, 19, and "model" after all 40
    assert (check.status, check.epochs) == ("reproduced", 3)
    assert check.largest_difference < 1e-12
    assert all(same_weights(variant, epoch, source, epoch) for epoch in (10, 20, 40))
    assert (variant.config.parameters.data_seed, variant.config.parameters.train_fraction) == (598, 0.5)
    assert variant.name == "p11_seed999_dseed598_frac0.5_imported-grokking-pth"
    check_analysis(variant, [10, 40])


def test_the_progress_measures_folder(nanda, new_workspace, tmp_path):
    metrics, folder = nanda.metrics, tmp_path / "grok_1"
    folder.mkdir()
    data = nanda.family.base.data(nanda.config)
    triples = [[tuple(row) for row in one.tolist()] for one in (data.train_inputs, data.test_inputs)]
    torch.save({"model": paper(nanda, 0), "train_data": triples[0], "test_data": triples[1]}, folder / "init.pth")
    for epoch in (9, 19):
        losses = {f"{split}_loss": torch.tensor(metrics[f"{split}_loss"][epoch]) for split in ("train", "test")}
        torch.save({"model": paper(nanda, epoch + 1), **losses, "epoch": epoch}, folder / f"{epoch}.pth")
    curves = {f"{split}_losses": list(metrics[f"{split}_loss"][:40]) for split in ("train", "test")}
    last = {f"{split}_loss": curves[f"{split}_losses"][-1] for split in ("train", "test")}
    group = {"lr": 1e-3, "initial_lr": 1e-3, "betas": (0.9, 0.98), "weight_decay": 1.0, "params": [0]}
    state = {"optimizer": {"state": {}, "param_groups": [group]}}
    torch.save({"model": paper(nanda, 40), **last, **curves, "epoch": 40, **state}, folder / "final.pth")
    result = import_run(new_workspace, folder)
    variant = result.variant
    assert variant.checkpoints == [0, 10, 20, 40]
    assert all(same_weights(variant, epoch, nanda, epoch) for epoch in variant.checkpoints)
    assert (result.check.status, result.check.epochs) == ("reproduced", 3)
    assert result.check.largest_difference < 1e-12
    assert variant.config.settings["recipe"] == "nanda"
    assert (variant.config.parameters.data_seed, variant.config.parameters.train_fraction) == (0, 0.5)
    check_analysis(variant, [0, 40])


def test_a_stated_split_that_is_not_the_listed_one(source, new_workspace, tmp_path):
    path = demo_file(source, tmp_path / "grokking_demo.pth")
    with pytest.raises(ExchangeError, match="lists as trained on are those of data_seed=598, train_fraction=0.5"):
        import_run(new_workspace, path, settings={"data_seed": 7})


def test_an_imported_variant_is_drawn_like_any_other(source, new_workspace, tmp_path):
    variant = import_run(new_workspace, demo_file(source, tmp_path / "grokking_demo.pth")).variant
    analyze(variant)
    for view in ("losses", "embedding_spectrum", "neuron_clusters", "neuron_map"):
        assert variant.at(20).view(view) is not None


@pytest.mark.parametrize("layout", ["miscope", "grokking-pth"])
@pytest.mark.parametrize("recipe", ["source", "nanda"])
def test_export_and_import_give_the_same_weights(request, new_workspace, tmp_path, layout, recipe):
    variant = request.getfixturevalue(recipe)
    target = tmp_path / ("run.pth" if layout.endswith("pth") else "run")
    notes = export_variant(variant, layout, target)
    assert any("initial weights are left out" in note for note in notes)
    result = import_run(new_workspace, target)
    assert result.variant.checkpoints == [10, 20, 30, 40]
    assert all(same_weights(result.variant, epoch, variant, epoch) for epoch in (10, 20, 30, 40))
    assert (result.check.status, result.check.largest_difference < 1e-12) == ("reproduced", True)
    assert result.variant.config.settings == variant.config.settings
    with pytest.raises(ExchangeError, match="has no place for initial weights"):
        export_variant(variant, layout, tmp_path / "none", epochs=[0])


@pytest.mark.parametrize("layout", ["miscope", "grokking-pth"])
@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 2.0, "learning_rate": 0.01},
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0},
        {"recipe": "nanda", "data_seed": 0, "warmup": 10, "betas": [0.9, 0.999], "dtype": "float64"},
        {"train_pairs": [7, *range(40, 100, 2)]},
    ],
)
def test_an_export_keeps_the_recipe(new_workspace, tmp_path, layout, settings):
    variant = trained(new_workspace, **settings)
    export_variant(variant, layout, tmp_path / "run.pth")
    result = import_run(new_workspace, tmp_path / "run.pth")
    assert result.check.status == "reproduced"
    assert result.variant.config.settings == variant.config.settings
    assert result.variant.origin["not_stated"] == []


@pytest.mark.parametrize("layout", ["miscope", "grokking-pth", "transformer-lens"])
def test_an_export_states_nothing_that_nobody_knew(source, new_workspace, tmp_path, layout):
    first = import_run(new_workspace, demo_file(source, tmp_path / "grokking_demo.pth")).variant
    assert "weight_decay" in first.origin["not_stated"]
    export_variant(first, layout, tmp_path / "run.pth")
    again = import_run(new_workspace, tmp_path / "run.pth", name="again").variant
    assert again.origin["not_stated"] == first.origin["not_stated"]


def test_an_intervention_of_miscope_is_said_and_states_no_setting(source, new_workspace, tmp_path):
    export_variant(source, "miscope", tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["dynascope"], config["seed"], config["model_seed"]
    path.write_text(json.dumps({**config, "intervention": {"type": "lr_spike", "lr": 0.5, "seed": 7}}))
    result = import_run(new_workspace, tmp_path / "run")
    assert any('intervened in training ({"type": "lr_spike", "lr": 0.5, "seed": 7})' in note for note in result.notes)
    assert result.variant.config.training.learning_rate == 1e-3
    assert "seed" in result.variant.origin["not_stated"]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("metadata.json", {"train_losses": ["a"]}, r"metadata.json: train_losses\[0\] is 'a', which is not a number"),
        ("metadata.json", {"test_losses": 3}, r"metadata.json: test_losses is 3, which is not a list"),
        ("metadata.json", {"train_indices": ["q"]}, r"train_indices\[0\] is 'q', which is not a number"),
        ("metadata.json", {"train_indices": [0.5]}, r"train_indices\[0\] is 0.5, which is not a whole number"),
        ("metadata.json", {"train_indices": [], "test_indices": None}, r"lists 0 of the 121 pairs as trained on"),
        ("config.json", {"prime": "11", "dynascope": None}, r"with config.json cannot be imported. .* p = '11'"),
        ("config.json", {"training_fraction": 50, "dynascope": None}, r"With what config.json states: .* got 50"),
    ],
)
def test_a_malformed_miscope_folder(source, new_workspace, tmp_path, file, change, message):
    export_variant(source, "miscope", tmp_path / "run")
    path = tmp_path / "run" / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if "training_fraction" in change:  # it is not asked for where the split is listed
        (tmp_path / "run" / "metadata.json").write_text("{}")
    with pytest.raises(ExchangeError, match=message):
        import_run(new_workspace, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint_epochs": ["x", 19]}, r"demo.pth: checkpoint_epochs\[0\] is 'x', which is not a number"),
        ({"checkpoint_epochs": 9}, r"demo.pth: checkpoint_epochs is 9, which is not a list"),
        ({"checkpoint_epochs": [-9, 19]}, r"checkpoints\[0\] is of epoch -8; checkpoints have epochs from 0"),
        ({"train_losses": ["a"]}, r"demo.pth: train_losses\[0\] is 'a', which is not a number"),
        ({"train_losses": [torch.ones(2)]}, r"demo.pth: train_losses\[0\] is tensor.*, which is not a number"),
        ({"train_indices": ["q"]}, r"demo.pth: train_indices\[0\] is 'q', which is not a number"),
    ],
)
def test_a_malformed_demo_file(source, new_workspace, tmp_path, change, message):
    path = demo_file(source, tmp_path / "demo.pth")
    torch.save({**torch.load(path), **change}, path)
    with pytest.raises(ExchangeError, match=message):
        import_run(new_workspace, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_data": [3]}, r"init.pth: train_data\[0\] is 3, which is not a list"),
        ({"train_data": [(1, 2)]}, r"init.pth: train_data\[0\] is of 2 numbers; a, b and p were expected"),
        ({"test_losses": ["a"]}, r"init.pth: test_losses\[0\] is 'a', which is not a number"),
    ],
)
def test_a_malformed_file_of_the_paper(nanda, new_workspace, tmp_path, change, message):
    torch.save({"model": paper(nanda, 0), "train_loss": 1.0, "optimizer": 3, **change}, tmp_path / "init.pth")
    with pytest.raises(ExchangeError, match=message):
        import_run(new_workspace, tmp_path / "init.pth")


def test_an_exported_miscope_folder_is_what_miscope_reads(source, tmp_path):
    from safetensors.torch import load_file

    export_variant(source, "miscope", tmp_path / "run", epochs=[10])
    state = load_file(tmp_path / "run" / "checkpoints" / "checkpoint_epoch_00009.safetensors")
    expected = legacy(source, 10)
    assert set(state) == set(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    metadata = json.loads((tmp_path / "run" / "metadata.json").read_text())
    assert metadata["train_losses"][0] == source.metrics.train_loss[0]
    assert metadata["test_losses"][0] == source.metrics.test_loss[1]
    assert metadata["checkpoint_epochs"] == [9]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["prime"], config["data_seed"], config["training_fraction"]) == (11, 598, 0.5)


def test_a_real_miscope_run_survives_there_and_back(new_workspace, tmp_path):
    first = import_run(new_workspace, real("miscope", "results")).variant
    export_variant(first, "miscope", tmp_path / "run")
    original = next(real("miscope").rglob("checkpoint_epoch_03000.safetensors"))
    from safetensors.torch import load_file

    ours = load_file(tmp_path / "run" / "checkpoints" / original.name)
    assert all(torch.equal(ours[name], tensor) for name, tensor in load_file(original).items())
    again = json.loads((tmp_path / "run" / "metadata.json").read_text())
    recorded = json.loads((original.parents[1] / "metadata.json").read_text())
    for name in ("train_losses", "test_losses", "train_indices"):
        assert again[name] == recorded[name]


# Names and shapes.

SIZES = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32}


def test_every_way_of_naming_gives_the_same_weights(nanda):
    family = ModularAddition1Layer()
    own = {name: torch.from_numpy(array) for name, array in nanda.weights(40).items()}
    fields, hooked = family.hooked_transformer(nanda.config, own)
    assert {name: fields[name] for name in SIZES} == SIZES
    theirs = legacy(nanda, 40)
    assert all(torch.equal(hooked[name], theirs[name]) for name in theirs)
    flat = {name.rpartition(".")[2]: tensor for name, tensor in theirs.items()}
    renamed = {"W_E": "embed", "W_pos": "pos", "W_U": "unembed"}
    flat = {renamed.get(name, name): tensor for name, tensor in flat.items()}
    for state in (own, hooked, paper(nanda, 40), flat):
        result = adopted(state, {"n_heads": 2})
        assert all(torch.equal(result.weights[name], own[name]) for name in own)
        assert {name: result.settings[name] for name in SIZES} == SIZES
        assert (result.settings["p"], result.settings["recipe"]) == (11, "nanda")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update({"ln_final.w": torch.ones(16)}), r"layer norm \(ln_final.w\)"),
        (lambda s: s.update({"blocks.1.attn.W_Q": s["blocks.0.attn.W_Q"]}), "2 layers"),
        (lambda s: s.pop("unembed.W_U"), "no unembed.W_U"),
        (lambda s: s.update({"router.weight": torch.ones(2)}), "found router.weight"),
        (lambda s: s.update({"pos_embed.W_pos": torch.ones(4, 16)}), r"pos_embed.weight is of shape \(4, 16\)"),
        (lambda s: s.update({"unembed.W_U": torch.ones(16, 5)}), "vocabulary is of 12 tokens and there are 5 outputs"),
        (lambda s: s.update({"blocks.0.mlp.W_in": torch.ones(16)}), r"W_in is of shape \(16,\); an array of 2 axes"),
        (lambda s: s.update({"blocks.0.mlp.b_in": torch.ones(5)}), r"mlp.in.bias is of shape \(5,\)"),
        (lambda s: s.update({"embed.W_E": torch.ones(12, 16).int()}), "must be floating-point numbers; found torch.f"),
    ],
)
def test_another_architecture_is_refused_with_what_was_found(source, change, message):
    state = legacy(source, 10)
    change(state)
    if "unembed.b_U" in state and "5 outputs" in message:
        state["unembed.b_U"] = torch.zeros(5)
    with pytest.raises(ExchangeError, match=message):
        adopted(state, {})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"act_fn": "gelu"}, "the activation gelu"),
        ({"normalization_type": "LNPre"}, "the normalisation LNPre"),
        ({"fn_name": "subtract"}, "the operation subtract"),
        ({"n_layers": 2}, "2 layers"),
        ({"p": 13}, "p = 13, but the embedding has 12 tokens"),
    ],
)
def test_what_weights_cannot_show_is_read_from_the_facts(source, facts, message):
    with pytest.raises(ExchangeError, match=message):
        adopted(legacy(source, 10), facts)


def test_half_precision_is_widened_and_said(source):
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in legacy(source, 0).items()
    }
    result = adopted(state, {})
    assert result.weights["embed.weight"].dtype == torch.float32
    assert "torch.float16 are kept as float32" in result.notes[0]


def test_the_number_of_heads_must_be_known_for_flat_matrices(source):
    own = {name: torch.from_numpy(array) for name, array in source.weights(0).items()}
    with pytest.raises(ExchangeError, match="nothing says of how many heads: state n_heads=N"):
        adopted(own, {})
    with pytest.raises(ExchangeError, match="3 heads are stated"):
        adopted(own, {"n_heads": 3})


# A split that is listed.


def test_a_split_can_be_listed(new_workspace):
    pairs = list(range(0, 121, 2))
    variant = new_workspace.new_variant(FAMILY, {**TINY, "train_pairs": pairs, "epochs": 2})
    train(variant)
    data = variant.family.base.data(variant.config)
    assert (data.train_inputs[:, 0] * 11 + data.train_inputs[:, 1]).tolist() == pairs
    assert len(data.test_inputs) == 121 - len(pairs)
    assert len(variant.name) < 120
    with pytest.raises(InvalidSetting, match="different rows from 0 to 120"):
        new_workspace.new_variant(FAMILY, {**TINY, "train_pairs": [1, 1]})
