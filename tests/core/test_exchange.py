"""Import and export through the core: recognition, safe reading, the loss check, atomic writing, bad inputs."""

import json
import os
import pickle
import shutil

import pytest
import torch
from foreign import legacy, same_weights, state_folder, trained
from tiny import FAMILY, TINY

from dynascope import (
    CheckpointError,
    ExchangeError,
    InvalidSetting,
    UnknownName,
    Variant,
    Workspace,
    analyze,
    export_variant,
    import_run,
    train,
)
from dynascope.exchange.check import check_losses
from dynascope.exchange.files import epoch_in, read_pickle

STATED = {"train_fraction": 0.5, "data_seed": 598}
ADAPTED = f"{FAMILY}_d_model16_n_heads2_d_head8_d_mlp32"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A variant trained here, whose weights the tests write in other layouts. Do not write to it."""
    return trained(Workspace.create(tmp_path_factory.mktemp("source") / "workspace"))


# State dicts with an epoch in each name.


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_a_folder_of_state_dicts_is_a_variant_like_any_other(source, new_workspace, tmp_path, suffix):
    folder = state_folder(source, tmp_path / "run", [0, 10, 40], suffix)
    result = import_run(new_workspace, folder, settings=STATED)
    assert result.check.status == "reproduced"
    assert (result.check.epochs, result.check.shift) == (3, 0)
    (variant,) = Workspace(new_workspace.path).variants()
    assert (variant.state, variant.checkpoints) == ("imported", [0, 10, 40])
    for epoch in variant.checkpoints:
        assert same_weights(variant, epoch, source, epoch)
    assert variant.metrics.train_loss[10] == pytest.approx(source.metrics.train_loss[10], abs=1e-6)
    assert variant.metrics.test_accuracy[40] == source.metrics.test_accuracy[40]  # not recorded: computed
    assert not analyze(variant).unreadable
    share = variant.artifacts.series("fourier.embedding_frequencies/power_share")
    assert share.sizes["epoch"] == 3


def test_the_family_is_adapted_to_other_widths_once(source, new_workspace, tmp_path):
    first = import_run(new_workspace, state_folder(source, tmp_path / "a", [0, 10]), settings=STATED)
    assert (first.declared, first.variant.family.name) == (ADAPTED, ADAPTED)
    assert json.loads((new_workspace.path / "model_families" / ADAPTED / "family.json").read_text())["base"] == FAMILY
    # The widths are the family's: they are not in the variant's name. Nor is the seed, which nobody stated.
    assert first.variant.name == "p11_dseed598_frac0.5_imported-transformer-lens"
    second = import_run(new_workspace, state_folder(source, tmp_path / "b", [0, 20]), settings=STATED, name="second")
    assert (second.declared, second.variant.family.name, second.variant.name) == ("", ADAPTED, "second")
    third = import_run(new_workspace, tmp_path / "b", settings=STATED, family=FAMILY)
    assert third.variant.family.name == FAMILY


@pytest.mark.parametrize("losses", [0, 1, -1])
def test_it_is_found_out_to_which_weights_a_recorded_loss_belongs(new_workspace, tmp_path, losses):
    dense = Workspace.create(tmp_path / "dense").new_variant(FAMILY, TINY)
    train(dense, schedule="0:12", epochs=12)
    folder = state_folder(dense, tmp_path / "run", range(1, 12), losses=losses)
    result = import_run(new_workspace, folder, settings=STATED)
    assert (result.check.status, result.check.shift) == ("reproduced", losses)
    assert result.variant.metrics.train_loss[6] == pytest.approx(dense.metrics.train_loss[6], abs=1e-6)


def test_a_split_that_is_not_stated_is_found_by_its_losses(source, new_workspace, tmp_path):
    result = import_run(new_workspace, state_folder(source, tmp_path / "run", [0, 10, 40]))
    assert result.check.status == "reproduced"
    assert result.variant.config.parameters.train_fraction == 0.5
    assert result.variant.config.parameters.data_seed == 598
    assert any("data_seed=598, train_fraction=0.5 reproduces" in note for note in result.notes)
    assert "data_seed" not in result.variant.origin["not_stated"]


def test_what_the_user_states_is_not_overruled(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10, 40])
    result = import_run(new_workspace, folder, settings={"train_fraction": 0.4})
    assert result.check.status == "not reproduced"
    assert result.variant.config.parameters.train_fraction == 0.4
    assert any("that were tried reproduces its losses. State data_seed=..." in note for note in result.notes)


def test_a_wrong_split_is_said(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10, 40])
    result = import_run(new_workspace, folder, settings={"train_fraction": 0.5, "data_seed": 7})
    assert result.check.status == "not reproduced"
    assert "NOT reproduced" in result.check.sentence
    assert "train_fraction=0.3 data_seed=598" in result.check.sentence
    stored = result.variant.metadata["origin"]["check"]
    assert (stored["status"], stored["epochs_compared"], stored["epochs_agreeing"]) == ("not reproduced", 3, 0)


def test_without_losses_nothing_is_claimed(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "losses.csv").unlink()
    result = import_run(new_workspace, folder)
    assert result.check.status == "not recorded"
    assert any("split is not known" in note for note in result.notes)
    assert len(result.variant.metrics) == 0  # losses on a guessed split would be made up
    assert {"data_seed", "seed", "train_fraction"} <= set(result.variant.origin["not_stated"])
    assert result.variant.name == "p11_imported-transformer-lens"
    # What nobody stated is not found by it either.
    assert new_workspace.variants(p=11) != []
    assert new_workspace.variants(seed=999) == []


def test_facts_beside_the_weights_are_read(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "config.json").write_text(
        json.dumps({"p": 11, "frac_train": 0.5, "lr": 1e-3, "optimizer": {"wd": 1.0}, "data_seed": 598, "seed": 999})
    )
    variant = import_run(new_workspace, folder).variant
    assert variant.config.parameters.seed == 999
    assert {"learning_rate", "weight_decay", "seed"}.isdisjoint(variant.origin["not_stated"])


@pytest.mark.parametrize(
    ("stated", "refused"),
    [
        ({"frac_train": 50}, r"train_fraction: input should be less than 1, got 50"),
        ({"betas": [0.9]}, r"betas.1: field required"),
        ({"frac_train": 0.001}, r"train_fraction 0.001 of the 121 pairs of p = 11 leaves 0 to train on"),
    ],
)
def test_facts_that_no_variant_can_have(source, new_workspace, tmp_path, stated, refused):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "config.json").write_text(json.dumps({"data_seed": 598, **stated}))
    with pytest.raises(ExchangeError, match=rf"With what config.json states: .*{refused}.* or state .* KEY=VALUE"):
        import_run(new_workspace, folder)
    right = {"train_fraction": 0.5, "betas": [0.9, 0.98]}
    assert import_run(new_workspace, folder, settings=right).check.status == "reproduced"


def test_a_fact_of_another_type_names_its_file(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "config.json").write_text(json.dumps({"prime": "11"}))
    with pytest.raises(ExchangeError, match=r"model_step0.pt with config.json cannot .* p = '11', which is not a num"):
        import_run(new_workspace, folder, settings={"train_fraction": 0.5})


def test_a_run_that_was_trained_on_a_gpu_is_checked_and_analysed_without_one(
    source, new_workspace, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "config.json").write_text(json.dumps({"device": "cuda"}))
    result = import_run(new_workspace, folder, settings=STATED)
    assert result.check.status == "reproduced"
    (variant,) = Workspace(new_workspace.path).variants()
    assert variant.config.training.device == "cuda"
    assert "device" not in variant.origin["not_stated"]
    assert not analyze(variant).unreadable
    assert variant.at(10).view("embedding_spectrum") is not None


# What an imported variant is, and is not.


def test_an_import_is_not_the_variant_that_its_settings_would_train(source, tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    folder = state_folder(source, tmp_path / "run", [0, 10, 40])
    imported = import_run(workspace, folder, settings={**STATED, "seed": 999}, family=FAMILY).variant
    twin = workspace.new_variant(FAMILY, imported.config.settings)
    assert twin.folder != imported.folder
    assert imported.identity != twin.identity
    with pytest.raises(CheckpointError, match="does not belong"):
        shutil.copytree(imported.folder / "checkpoints", twin.folder / "checkpoints")
        twin.weights(0)
    with pytest.raises(InvalidSetting, match="was imported, without the optimizer's state"):
        train(imported)


def test_an_import_under_a_trained_variants_name_is_never_trained_over(source, tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    folder = state_folder(source, tmp_path / "run", [0, 10])
    settings = {**TINY, "seed": 999}
    name = workspace.new_variant(FAMILY, settings).name
    imported = import_run(workspace, folder, settings={**STATED, "seed": 999}, family=FAMILY, name=name).variant
    with pytest.raises(InvalidSetting, match="was imported"):
        train(workspace.new_variant(FAMILY, settings))
    assert imported.checkpoints == [0, 10]


def test_importing_again_does_nothing(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    first = import_run(new_workspace, folder, settings=STATED)
    files = {file: file.stat().st_mtime_ns for file in first.variant.folder.rglob("*") if file.suffix != ".lock"}
    again = import_run(new_workspace, folder, settings=STATED)
    assert not again.is_new
    assert files == {file: file.stat().st_mtime_ns for file in files}


def test_an_interrupted_import_is_no_variant_and_is_completed(source, new_workspace, tmp_path, monkeypatch):
    folder = state_folder(source, tmp_path / "run", [0, 10, 40])

    def stop(what, done, total):
        if what == "writing" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_run(new_workspace, folder, settings=STATED, progress=stop)
    assert new_workspace.variants() == []
    assert new_workspace.broken_variants() == []
    variant = import_run(new_workspace, folder, settings=STATED).variant
    assert variant.checkpoints == [0, 10, 40]
    assert not list(variant.folder.glob(".importing*"))


def test_nothing_that_is_there_is_overwritten(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    import_run(new_workspace, folder, settings=STATED, name="taken")
    other = state_folder(source, tmp_path / "other", [20, 40])
    with pytest.raises(ExchangeError, match="holds another import, .* --name"):
        import_run(new_workspace, other, settings=STATED, name="taken")
    with pytest.raises(InvalidSetting, match="cannot be a folder's name"):
        import_run(new_workspace, other, settings=STATED, name="../elsewhere")
    strange = new_workspace.variant_folder(ADAPTED, "strange")
    strange.mkdir()
    (strange / "notes.txt").write_text("mine")
    with pytest.raises(ExchangeError, match="was not begun by an import"):
        import_run(new_workspace, other, settings=STATED, name="strange")
    assert [file.name for file in strange.iterdir()] == ["notes.txt"]


def test_a_config_whose_origin_was_changed_is_refused(source, new_workspace, tmp_path):
    variant = import_run(new_workspace, state_folder(source, tmp_path / "run", [0, 10]), settings=STATED).variant
    path = variant.folder / "config.json"
    content = json.loads(path.read_text())
    del content["origin"]
    path.write_text(json.dumps(content))
    assert Workspace(new_workspace.path).variants() == []
    (broken,) = new_workspace.broken_variants()
    assert "was changed" in broken.error


# Hugging Face.


def hugging_face(source, folder, steps, history):
    from safetensors.torch import save_file

    for step in steps:
        place = folder / f"checkpoint-{step}"
        place.mkdir(parents=True)
        save_file(legacy(source, step), place / "model.safetensors", {"format": "pt"})
        (place / "config.json").write_text(json.dumps({"model_type": "modular", "seed": 999}))
        (place / "trainer_state.json").write_text(
            json.dumps({"global_step": step, "log_history": [row for row in history if row["step"] <= step]})
        )
    return folder


def test_hugging_face_checkpoints(source, new_workspace, tmp_path):
    metrics = source.metrics
    history = [{"step": n, "loss": metrics.train_loss[n - 1], "epoch": float(n)} for n in range(1, 41)]
    history += [{"step": n, "eval_loss": metrics.test_loss[n]} for n in (10, 20, 40)]
    result = import_run(new_workspace, hugging_face(source, tmp_path / "out", [10, 20, 40], history), settings=STATED)
    assert result.check.status == "reproduced"
    assert result.variant.checkpoints == [10, 20, 40]
    assert same_weights(result.variant, 40, source, 40)
    assert result.variant.metrics.train_loss[0] == metrics.train_loss[0]
    assert result.variant.name.endswith("_imported-huggingface")


def test_means_over_several_steps_are_not_losses_of_any_weights(source, new_workspace, tmp_path):
    history = [{"step": n, "loss": 3.0} for n in (10, 20)] + [{"step": 20, "eval_loss": source.metrics.test_loss[20]}]
    folder = hugging_face(source, tmp_path / "out", [10, 20], history)
    result = import_run(new_workspace, folder, settings=STATED)
    assert result.check.status == "reproduced"
    assert any("means over several steps" in note for note in result.notes)
    assert result.variant.metrics.train_loss[20] == pytest.approx(source.metrics.train_loss[20])  # computed
    single = import_run(new_workspace, folder / "checkpoint-10", settings=STATED, name="single")
    assert single.variant.checkpoints == [10]


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([{"step": "x", "eval_loss": 1.0}], r"step of an entry of log_history is 'x', which is not a number"),
        ([{"step": 10, "eval_loss": "low"}], r"eval_loss of step 10 is 'low', which is not a number"),
        ("none", r"log_history is 'none', which is not a list"),
    ],
)
def test_a_malformed_log(source, new_workspace, tmp_path, log, message):
    folder = hugging_face(source, tmp_path / "out", [10], [])
    path = folder / "checkpoint-10" / "trainer_state.json"
    path.write_text(json.dumps({"global_step": 10, "log_history": log}))
    with pytest.raises(ExchangeError, match=r"trainer_state\.json: " + message):
        import_run(new_workspace, folder, settings=STATED)


@pytest.mark.parametrize("log", [None, [{"step": 10, "eval_loss": None}]])
def test_a_log_with_null_records_no_losses(source, new_workspace, tmp_path, log):
    folder = hugging_face(source, tmp_path / "out", [10], [])
    path = folder / "checkpoint-10" / "trainer_state.json"
    path.write_text(json.dumps({"global_step": 10, "log_history": log}))
    assert import_run(new_workspace, folder, settings=STATED).check.status == "not recorded"


def test_a_step_that_is_not_what_the_folder_says(source, new_workspace, tmp_path):
    folder = hugging_face(source, tmp_path / "out", [10], [])
    shutil.move(folder / "checkpoint-10", folder / "checkpoint-20")
    with pytest.raises(ExchangeError, match="global_step 10 .* 20 in its name"):
        import_run(new_workspace, folder)


# Export.


def test_export_to_transformer_lens_and_back(source, new_workspace, tmp_path):
    target = tmp_path / "out" / "run"
    export_variant(source, "transformer-lens", target)
    written = torch.cat([tensor.flatten().float() for tensor in _load(target / "epoch_00000010.safetensors").values()])
    there = torch.cat([tensor.flatten().float() for _, tensor in sorted(legacy(source, 10).items())])
    assert torch.equal(written, there)
    assert json.loads((target / "config.json").read_text())["d_vocab_out"] == 11
    result = import_run(new_workspace, target)
    assert result.check.status == "reproduced"
    assert result.check.largest_difference < 1e-12
    assert result.variant.origin["not_stated"] == []
    assert result.variant.checkpoints == source.checkpoints
    assert all(same_weights(result.variant, epoch, source, epoch) for epoch in source.checkpoints)
    assert result.variant.metrics.equals(source.metrics)


def _load(path):
    from safetensors.torch import load_file

    return dict(sorted(load_file(path).items()))


def test_export_of_chosen_epochs(source, tmp_path):
    export_variant(source, "transformer-lens", tmp_path / "run", epochs=[20])
    assert [file.name for file in sorted((tmp_path / "run").glob("*.safetensors"))] == ["epoch_00000020.safetensors"]
    with pytest.raises(UnknownName, match="There is no checkpoint"):
        export_variant(source, "transformer-lens", tmp_path / "other", epochs=[21])
    assert not (tmp_path / "other").exists()


def test_an_export_overwrites_nothing_and_leaves_no_half(source, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    with pytest.raises(ExchangeError, match="exists; nothing is overwritten"):
        export_variant(source, "transformer-lens", tmp_path / "there")
    monkeypatch.setattr(Variant, "weights", lambda self, epoch: (_ for _ in ()).throw(CheckpointError("damaged")))
    with pytest.raises(CheckpointError):
        export_variant(source, "transformer-lens", tmp_path / "half")
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]


def test_layouts_that_cannot_be_written_or_do_not_exist(source, tmp_path):
    with pytest.raises(ExchangeError, match="not written. Those that can: grokking-pth, miscope, tensorboard, transf"):
        export_variant(source, "huggingface", tmp_path / "run")
    with pytest.raises(UnknownName, match="Did you mean 'miscope'"):
        export_variant(source, "miscop", tmp_path / "run")


# What is no run.


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_malicious_pickle_is_refused_and_not_executed(new_workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malicious()}, tmp_path / "step_1.pt")
    with pytest.raises(ExchangeError, match=r"names posix\.system, which is code and not weights. Nothing"):
        import_run(new_workspace, tmp_path / "step_1.pt")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "step_1.pt").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ExchangeError):
        import_run(new_workspace, tmp_path / "old")
    assert not (tmp_path / "executed").exists()


def test_settings_objects_in_a_pickle_are_read_without_their_class(tmp_path, monkeypatch):
    import sys
    import types

    module = types.ModuleType("transformer_lens.HookedTransformerConfig")
    kind = type("HookedTransformerConfig", (), {"__module__": module.__name__})
    module.HookedTransformerConfig = kind
    monkeypatch.setitem(sys.modules, module.__name__, module)
    config = kind()
    config.n_heads, config.dtype = 4, torch.float32
    torch.save({"config": config}, tmp_path / "x.pth")
    monkeypatch.delitem(sys.modules, module.__name__)
    assert read_pickle(tmp_path / "x.pth") == {"config": {"n_heads": 4, "dtype": torch.float32}}


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("name", ["step_1.pt", "step_1.safetensors"])
def test_a_damaged_file(new_workspace, tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ExchangeError, match="is damaged or not a"):
        import_run(new_workspace, tmp_path / name)
    assert new_workspace.variants() == []


def test_a_cut_off_file(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    path = folder / "model_step10.pt"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ExchangeError, match="is damaged or not a file of torch.save"):
        import_run(new_workspace, folder, settings=STATED)
    assert not (new_workspace.path / "results" / ADAPTED).exists()


def test_what_is_no_run_at_all(new_workspace, tmp_path):
    with pytest.raises(ExchangeError, match="There is nothing at"):
        import_run(new_workspace, tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ExchangeError, match="in no layout that can be imported: it holds nothing. Layouts: "):
        import_run(new_workspace, empty)
    (empty / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ExchangeError, match=r"it holds photo\.jpg"):
        import_run(new_workspace, empty)
    with pytest.raises(ExchangeError, match="it is a file of another kind"):
        import_run(new_workspace, empty / "photo.jpg")
    with pytest.raises(ExchangeError, match="holds no file"):
        import_run(new_workspace, empty, layout="transformer-lens")
    with pytest.raises(UnknownName, match="There is no layout 'transformer'. Did you mean 'transformer-lens'"):
        import_run(new_workspace, empty, layout="transformer")


def test_a_pickle_without_weights(new_workspace, tmp_path):
    torch.save({"losses": [1.0, 2.0]}, tmp_path / "step_1.pt")
    with pytest.raises(ExchangeError, match="holds no state dict: .* it holds a dict of 'losses'"):
        import_run(new_workspace, tmp_path / "step_1.pt")


def test_snapshots_of_different_shapes(source, new_workspace, tmp_path):
    other = trained(Workspace.create(tmp_path / "wide"), d_mlp=48)
    folder = state_folder(source, tmp_path / "run", [0, 10])
    torch.save(legacy(other, 20), folder / "model_step20.pt")
    with pytest.raises(ExchangeError, match=r"model_step20.pt is not of the same run as model_step0.pt: .* \(48"):
        import_run(new_workspace, folder, settings=STATED)


def test_an_epoch_that_no_checkpoint_can_have(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    torch.save(legacy(source, 20), folder / "model_step20240115103000.pt")
    with pytest.raises(ExchangeError, match=r"step20240115103000.pt is of epoch 20240115103000; .* 0 to 99999999\. If"):
        import_run(new_workspace, folder, settings=STATED)
    assert new_workspace.variants() == []


def test_a_bare_number_is_named_as_what_it_is_taken_for(source, new_workspace, tmp_path):
    (tmp_path / "runs").mkdir()
    for number in (1, 2):
        torch.save(legacy(source, 10 * number), tmp_path / "runs" / f"run_{number}.pt")
    notes = import_run(new_workspace, tmp_path / "runs", settings=STATED).notes
    assert "run_1.pt is taken for epoch 1, by the number at the end of its name, and 1 more alike." in notes
    named = import_run(new_workspace, state_folder(source, tmp_path / "named", [0]), settings=STATED, name="named")
    assert not any("is taken for" in note for note in named.notes)


def test_two_snapshots_of_one_epoch_or_of_none(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [10])
    torch.save(legacy(source, 20), folder / "copy_of_step10.pt")
    with pytest.raises(ExchangeError, match="are both of epoch 10"):
        import_run(new_workspace, folder, settings=STATED)
    torch.save(legacy(source, 20), tmp_path / "final.pt")
    with pytest.raises(ExchangeError, match=r"The epoch of final.pt is not known: .* or state epochs=N"):
        import_run(new_workspace, tmp_path / "final.pt", settings=STATED)
    stated = import_run(new_workspace, tmp_path / "final.pt", settings={**STATED, "epochs": 20})
    assert stated.variant.checkpoints == [20]


def test_weights_that_are_not_numbers(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    state = legacy(source, 10)
    state["embed.W_E"][0, 0] = torch.nan
    torch.save(state, folder / "model_step10.pt")
    with pytest.raises(ExchangeError, match=r"model_step10.pt: embed.weight holds numbers that are not finite"):
        import_run(new_workspace, folder, settings=STATED)


def test_several_runs_below_a_folder(source, new_workspace, tmp_path):
    state_folder(source, tmp_path / "a", [0])
    result = import_run(new_workspace, tmp_path, settings=STATED, name="one")  # the only run below
    assert result.variant.checkpoints == [0]
    state_folder(source, tmp_path / "b", [0])
    with pytest.raises(ExchangeError, match="holds 2 runs: a, b. Import them one by one"):
        import_run(new_workspace, tmp_path, settings=STATED)


def test_a_damaged_table_of_losses(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "losses.csv").write_text("step,train_loss\n0,much\n")
    with pytest.raises(ExchangeError, match=r"losses.csv, line 2: train_loss is 'much', which is not a number"):
        import_run(new_workspace, folder, settings=STATED)


@pytest.mark.parametrize("epoch", ["inf", "1.5", "1e20", ""])
def test_an_epoch_in_a_table_that_is_no_whole_number(source, new_workspace, tmp_path, epoch):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    (folder / "losses.csv").write_text(f"epoch,train_loss\n{epoch},1.0\n")
    with pytest.raises(ExchangeError, match=rf"losses.csv, line 2: epoch is '{epoch}', which is not a (whole )?number"):
        import_run(new_workspace, folder, settings=STATED)


def test_settings_that_contradict_the_source(source, new_workspace, tmp_path):
    folder = state_folder(source, tmp_path / "run", [0, 10])
    with pytest.raises(ExchangeError, match=r"d_mlp=99 was stated, but the source says 32"):
        import_run(new_workspace, folder, settings={"d_mlp": 99})
    with pytest.raises(UnknownName, match="Did you mean 'data_seed'"):
        import_run(new_workspace, folder, settings={"dataseed": 1})


# Pure functions.


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("ckpt_100.pt", 100),
        ("checkpoint_epoch_00250.safetensors", 250),
        ("model_step5000.pth", 5000),
        ("1900.pth", 1900),
        ("p53-epoch=12.pt", 12),
        ("model.300.pt", 300),
        ("p97_frac0.30_wd1_seed0.pt", None),
        ("p97_seed0_step7.pt", 7),
        ("p97_frac0.30.pt", None),
        ("model_20240115.safetensors", None),
        ("model_2024-01-15.pt", None),
        ("ckpt_20240115.pt", None),
        ("ckpt_20240115_500.pt", 500),
        ("epoch_20240115.safetensors", 20_240_115),
        ("final.pth", None),
    ],
)
def test_the_epoch_in_a_name(name, epoch):
    assert epoch_in(name) == epoch


def test_losses_are_compared_within_rounding():
    weights = {5: {"train_loss": 2.0, "test_loss": 3.0}}
    row = {"epoch": 5, "train_loss": 2.0 * (1 + 5e-6), "test_loss": 3.0}
    assert check_losses(weights, None, [row]).status == "reproduced"
    assert check_losses(weights, None, [{**row, "train_loss": 2.0001}]).status == "not reproduced"
    assert check_losses(weights, None, [{**row, "train_loss": 2.0001}], resolution=5e-4).status == "reproduced"
    assert check_losses(weights, None, [{**row, "epoch": 9}]).status == "not comparable"
    assert check_losses(weights, None, []).status == "not recorded"


def test_it_is_said_how_many_checkpoints_could_not_be_compared():
    losses = {"train_loss": 2.0, "test_loss": 3.0}
    check = check_losses({5: losses, 7: losses, 9: losses}, None, [{"epoch": 5, **losses}])
    assert (check.status, check.epochs, check.uncompared) == ("reproduced", 1, 2)
    assert check.sentence.endswith("2 of 3 checkpoints could not be compared: no loss is recorded of their epochs.")
    wrong = check_losses({5: losses, 7: losses}, None, [{"epoch": 5, "train_loss": 1.0, "test_loss": 3.0}])
    assert wrong.sentence.endswith("1 of 2 checkpoints could not be compared: no loss is recorded of their epochs.")
    assert "could not" not in check_losses({5: losses}, None, [{"epoch": 5, **losses}]).sentence


def test_a_curve_that_ends_one_update_earlier_is_continued():
    weights = {5: {"train_loss": 1.8, "test_loss": 3.0}}
    rows = [{"epoch": 3, "train_loss": 2.0, "test_loss": 3.0}, {"epoch": 4, "train_loss": 1.9, "test_loss": 3.0}]
    check = check_losses(weights, None, rows)
    assert (check.status, {one.how for one in check.comparisons}) == ("reproduced", {"continued"})


def test_weights_saved_an_update_late_are_named():
    weights = {0: {"train_loss": 5.0, "test_loss": 5.0}, 8: {"train_loss": 1.0, "test_loss": 2.0}}
    rows = [{"epoch": 0, "train_loss": 4.0, "test_loss": 4.5}, {"epoch": 8, "train_loss": 1.0, "test_loss": 2.0}]
    check = check_losses(weights, {"train_loss": 4.0, "test_loss": 4.5}, rows, shifts=(0, 1, -1))
    assert (check.status, check.shift) == ("reproduced", 1)
    assert "epoch 8 reproduce the losses recorded after 9 updates" in check.notes[0]
