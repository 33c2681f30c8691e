"""The command line: what is asked for, or one clear error and exit code 2."""

import json
import sys

import pytest
from tiny import ANALYZERS, FAMILY, TINY, declare_analyzers

from dynascope.cli import main

SETTINGS = [f"{name}={value}" for name, value in TINY.items() if name != "epochs"]


def test_from_an_empty_folder_to_artifacts(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "has the families modular_addition_1layer" in run("init")
    declare_analyzers(tmp_path / "workspace")
    assert "No variant yet" in run("variants")
    assert "epochs 0 to 6" in run("train", FAMILY, *SETTINGS, "--epochs", 6, "--schedule", "0:6:3")
    assert "already trained to epoch 6: nothing to do" in run("train", FAMILY, *SETTINGS, "--epochs", 6)
    assert "epochs 6 to 9" in run("train", FAMILY, *SETTINGS, "--epochs", 9)
    chosen = [option for name in ANALYZERS for option in ("-a", name)]
    assert "9 units computed (9 missing)" in run("analyze", "--epochs", "0:7", *chosen)
    assert "all 9 units are fresh" in run("analyze", "--epochs", "0,3,6", *chosen)
    (row,) = json.loads(run("variants", "--json"))
    assert (row["state"], row["epoch"], row["checkpoints"]) == ("trained", 9, len([0, 3, 6, 9]))
    assert set(row["analysed"].values()) == {3}


def test_listings(run, shared):
    where = ("--workspace", shared.path)
    assert "p11_seed0" in run("variants", *where)
    assert "Modular addition, 1-layer transformer" in run("families", *where)
    views = json.loads(run("views", shared.variants()[0].name, "--json", *where))
    missing = {row["view"]: row["missing"] for row in views}
    assert (
        missing["fourier.embedding_spectrum"] == missing["fourier.neuron_clusters"] == missing["training.losses"] == []
    )
    assert "fourier.logit_structure/similarity" in missing["fourier.logit_shares"]
    rows = {row["plugin"]: row for row in json.loads(run("plugins", "--json"))}
    assert rows["fourier"]["status"] == "active"
    assert {"embedding_frequencies", "neuron_frequencies"} <= set(rows["fourier"]["provides"]["analyzers"])


def test_one_analyzer_by_name_and_by_force(run, workspace):
    name = workspace.variants()[0].name
    where = ("--workspace", workspace.path)
    assert "all 3 units are fresh" in run("analyze", name, "-a", "embedding_frequencies", *where)
    assert "3 units computed (forced)" in run("analyze", name, "-a", "embedding_frequencies", "--force", *where)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "modular_adition_1layer"], "Did you mean 'modular_addition_1layer'"),
        (["train", FAMILY, "sed=1"], "'sed'. Did you mean 'seed'"),
        (["train", FAMILY, "p"], "Settings are written KEY=VALUE, like p=53; found 'p'"),
        (["train", FAMILY, "p=5", "p=7"], "Setting 'p' is given twice"),
        (["train", FAMILY, "p=1"], "p: input should be greater than or equal to 2, got 1"),
        (["train", FAMILY, "p=5.5"], "p: input should be a valid integer"),
        (["train", FAMILY, "p=x"], "p: input should be a valid integer, got 'x'"),
        (["train", FAMILY, "train_fraction=1"], "train_fraction: input should be less than 1"),
        (["train", FAMILY, "p=2", "train_fraction=0.1"], "leaves 0 to train on and 4 to test on"),
        (["train", FAMILY, "--preset", "nanna"], "Did you mean 'nanda'"),
        (["train", FAMILY, "--epochs", "0"], "epochs: input should be greater than or equal to 1, got 0"),
        (["train", FAMILY, "--epochs", "10", "--schedule", "0:10:x"], "'0:10:x' is neither an epoch nor a range"),
        (
            ["train", FAMILY, "--epochs", "10", "--schedule", "0:99:1"],
            "reaches epoch 98, but training ends at",
        ),
        (["train", FAMILY, "--schedule", "lgo"], "There is no schedule 'lgo'. Did you mean 'log'?"),
        (["train", FAMILY, "device=gpu"], "device: input should be 'cpu' or 'cuda', got 'gpu'"),
        (["train", FAMILY, "dtype=float16"], "dtype: input should be 'float32' or 'float64', got 'float16'"),
        (["train", FAMILY, "p=7", "--overwrite", "p7"], "--overwrite names 'p7', but these settings are those of 'p7_"),
        (["train", FAMILY, "--seeds", "4:2"], "the range '4:2' is empty"),
        (["analyze", "--memory", "much"], "Memory is written like 512MiB or 4GiB; found 'much'"),
        (["analyze", "--memory", "0GiB"], "Memory is written like 512MiB or 4GiB; found '0GiB'"),
        (["train", FAMILY, "seed=1", "--seeds", "0:2"], "Setting 'seed' is given twice: as seed= and as --seeds"),
        (["train", FAMILY, "--grid", "sed=0:2"], "named 'sed'. Did you mean 'seed'"),
        (["train", FAMILY, "--grid", "none.yaml"], "Grid none.yaml cannot be read"),
        (["train", FAMILY, "seed=0:3"], "seed=0:3 is several values: use --grid seed=0:3"),
        (["train", FAMILY, "--grid", "epochs=20,30"], "epochs is the length of training"),
        (["train", FAMILY, "--grid", "seed=1,2", "seed=3"], "Setting 'seed' is given twice"),
        (["train", FAMILY, "--epochs", "9", "--schedule", "0:3000000000"], "reaches epoch 2999999999"),
        (["replay", "p11", "--epoch", "3"], "There is no variant 'p11'"),
        (["checkpoints", "add", "p11", "3"], "There is no variant 'p11'"),
        (["analyze", "p13"], "There is no variant 'p13'"),
        (["analyze", "-a", "neuron_freq"], "no analyzer 'neuron_freq'. Did you mean 'neuron_frequencies'"),
        (["analyze", "--probe", "grid"], "There is no probe 'grid'"),
        (["analyze", "--epochs", "7"], "There is no checkpoint of"),
        (["views", "nothing"], "There is no variant 'nothing'"),
    ],
)
def test_a_mistake_is_one_clear_error(run, workspace, arguments, message):
    printed = run(*arguments, "--workspace", workspace.path, code=2)
    assert printed.startswith("Error: ")
    assert message in printed
    assert "Traceback" not in printed


def test_a_folder_that_is_no_workspace(run, tmp_path):
    for command in ("variants", "analyze", "families"):
        assert "is not a workspace" in run(command, "--workspace", tmp_path, code=2)


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    from dynascope import WorkspaceError

    monkeypatch.setattr(sys, "argv", ["dynascope", "variants", "--workspace", str(tmp_path), "--debug"])
    with pytest.raises(WorkspaceError):
        main()


def test_failures_of_work_exit_with_1_and_keep_the_rest(run, workspace):
    variant = workspace.variants()[0]
    path = variant.checkpoint_folder.file(20)
    path.write_bytes(path.read_bytes()[:-50])
    printed = run("analyze", variant.name, "--force", "--workspace", workspace.path, code=1)
    assert "1 unit of analysis failed; the others are stored" in printed
    assert str(path) in printed


def test_the_stacked_series_is_rebuilt_where_it_is_missing(run, workspace):
    series = next(iter(workspace.path.rglob("series.h5")))
    series.unlink()
    assert "nothing to do" in run("analyze", "--workspace", workspace.path)
    assert series.exists()


def test_what_a_plug_in_says_is_not_read_as_markup(run, install, monkeypatch, caplog):
    import logging
    from importlib import metadata

    from dynascope.cli import tables
    from dynascope.plugins import discover

    caplog.set_level(logging.CRITICAL)
    broken = install("raise TypeError('list[int] [/red] and [bold]')", name="odd")
    found = discover([*metadata.distributions(), broken])
    monkeypatch.setattr(tables, "registry", lambda: found)
    assert "list[int] [/red] and [bold]" in run("plugins")


def test_epochs_given_twice_is_a_mistake(run, workspace):
    printed = run("train", FAMILY, "epochs=5", "--epochs", 9, "--workspace", workspace.path, code=2)
    assert "Setting 'epochs' is given twice" in printed


def test_version(run):
    from importlib import metadata

    assert run("--version").strip() == metadata.version("dynascope")


def test_epochs_that_no_checkpoint_has(run, workspace):
    printed = run("analyze", "--epochs", "5000:6000:10", "--workspace", workspace.path, code=2)
    assert "No checkpoint lies in '5000:6000:10'; there are 3, from 0 to 40" in printed


def test_numbers_separated_by_commas_are_a_list(run, workspace):
    from dynascope.settings import parse_settings

    assert parse_settings(["betas=0.9,0.95", "recipe=nanda"]) == {"betas": [0.9, 0.95], "recipe": "nanda"}


def test_import_and_export(run, workspace, tmp_path):
    where = ("--workspace", workspace.path)
    name = workspace.variants()[0].name
    out = tmp_path / "exported"
    assert f"was exported to {out}" in run("export", name, "--to", "transformer-lens", "--out", out, *where)
    printed = run("import", out, *where)
    assert "3 checkpoints, epochs 0 to 40" in printed
    assert "Recorded losses are reproduced from the weights at 3 of 3 epochs" in printed
    assert "was declared for it" in printed
    assert "is already imported: nothing to do" in run("import", out, *where)
    (row,) = [row for row in json.loads(run("variants", "--json", *where)) if row["state"] == "imported"]
    chosen = [option for name in ANALYZERS for option in ("-a", name)]
    assert "9 units computed" in run("analyze", row["variant"], *chosen, *where)
    assert "exists; nothing is overwritten" in run(
        "export", name, "--to", "transformer-lens", "--out", out, *where, code=2
    )
    assert "Settings are written KEY=VALUE" in run("import", out, "p", *where, code=2)
    assert "There is no layout 'misscope'. Did you mean 'miscope'" in run(
        "import", out, "--as", "misscope", *where, code=2
    )


def test_an_import_prints_no_empty_line(run, workspace, tmp_path, monkeypatch, capsys):
    where = ("--workspace", workspace.path)
    run("export", workspace.variants()[0].name, "--to", "transformer-lens", "--out", tmp_path / "run", *where)
    monkeypatch.setattr(sys, "argv", ["dynascope", "import", *map(str, (tmp_path / "run", *where))])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr()
    assert "" not in printed.out.splitlines()
    assert printed.err == ""
    for refused in ((tmp_path / "nowhere",), (tmp_path / "run", "--name", "../x")):
        assert "" not in run("import", *refused, *where, code=2).splitlines()


def test_a_usage_error_says_which_option_and_what_it_takes(run, workspace):
    where = ("--workspace", workspace.path)
    assert "--stack is for many variants" in run("train", FAMILY, "--stack", 2, *where, code=2)
    assert "--dask is for many variants" in run("train", FAMILY, "--dask", "local", *where, code=2)
    assert "--overwrite names one variant" in run("train", FAMILY, "--seeds", "0:2", "--overwrite", "x", *where, code=2)
    assert "--overwrite needs the name" in run("train", FAMILY, "--overwrite", "--epochs", 5, *where, code=2)
    assert "'all', 'last', 'none'" in run("train", FAMILY, "--keep-optimizer", "some", *where, code=2)


def test_status_and_a_dry_run_say_what_is_there_and_compute_nothing(run, workspace):
    where = ("--workspace", workspace.path)
    name = workspace.variants()[0].name
    unit = next(workspace.variants()[0].artifacts.folder.glob("fourier.neuron_frequencies/00000020-*.h5"))
    unit.unlink()
    rows = {row["analyzer"]: row for row in json.loads(run("status", name, "--json", *where))}
    assert (rows["fourier.neuron_frequencies"]["fresh"], rows["fourier.neuron_frequencies"]["missing"]) == (2, 1)
    assert (rows["fourier.embedding_frequencies"]["fresh"], rows["fourier.embedding_frequencies"]["stale"]) == (3, 0)
    said = run("analyze", name, "--dry-run", *where)
    assert "1 unit at 1 checkpoint would be computed" in said
    assert not unit.exists()
    rows = [row["analyzer"] for row in json.loads(run("status", "--json", *where))]
    assert len([analyzer for analyzer in rows if analyzer != "general.variant_table"]) == 6


def test_replay_and_added_checkpoints(run, workspace, tmp_path):
    where = ("--workspace", workspace.path)
    variant = workspace.variants()[0]
    assert f"{variant.name} has a checkpoint of epoch 20" in run("replay", variant.name, "--epoch", 20, *where)
    said = run("replay", variant.name, "--epoch", 23, *where)
    assert "replayed from epoch 20: equal to the last bit to 21 recorded losses" in said
    assert variant.replayed_folder.epochs() == [23]
    assert "lies beyond" in run("replay", variant.name, "--epoch", 41, *where, code=2)
    out = tmp_path / "weights.safetensors"
    assert "Could not write" in run("replay", variant.name, "--epoch", 21, "--out", "/dev/null/x", *where, code=2)
    run("replay", variant.name, "--epoch", 21, "--out", out, *where)
    assert "nothing is overwritten" in run("replay", variant.name, "--epoch", 22, "--out", out, *where, code=2)

    assert "2 checkpoints added, 1 were there" in run("checkpoints", "add", variant.name, "20:23", *where)
    assert "nothing to do" in run("checkpoints", "add", variant.name, "20:23", *where)
    rows = json.loads(run("checkpoints", "list", variant.name, "--json", *where))
    assert [row["epoch"] for row in rows] == [0, 20, 21, 22, 40]
    assert all(row["replayable"] and not row["inexact"] for row in rows)
    assert "6 units computed (6 missing)" in run("analyze", variant.name, *where)


def test_an_ensemble_and_one_of_it_again(run, tmp_path):
    where = ("--workspace", tmp_path / "workspace")
    run("init", tmp_path / "workspace")
    common = [FAMILY, *SETTINGS, "--epochs", 4, "--schedule", "0,4", *where]
    said = run("train", *common, "--seeds", "0:2", "--workers", 1)
    assert "2 variants in 1 stack of up to 2, in this process" in said
    assert "2 of 2 variants trained" in said
    said = run("train", *common, "--grid", "data_seed=0:2", "--workers", 1, "seed=0,1")
    assert "4 of 4 variants trained" in said
    assert "4 variants already trained: nothing to do" in run("train", *common, "--grid", "data_seed=0:2", "seed=0:2")
    rows = json.loads(run("variants", "--json", *where))
    assert len(rows) == 6
    name = rows[0]["variant"]
    said = run("train", *common, "seed=0", "data_seed=0", "--overwrite", name)
    assert f"{name}: epochs 0 to 4" in said


def test_a_list_that_is_a_setting_is_no_axis(run, tmp_path):
    where = ("--workspace", tmp_path / "workspace")
    run("init", tmp_path / "workspace")
    run("train", FAMILY, *SETTINGS, "--epochs", 2, "betas=0.8,0.9", "--seeds", "0:2", "--workers", 1, *where)
    from dynascope import Workspace

    variants = Workspace(tmp_path / "workspace").variants()
    assert [variant.config.training.betas for variant in variants] == [(0.8, 0.9)] * 2


def test_an_ensemble_in_which_one_diverges_exits_with_1_and_names_it(run, tmp_path):
    where = ("--workspace", tmp_path / "workspace")
    run("init", tmp_path / "workspace")
    said = run(
        "train", FAMILY, *SETTINGS, "--epochs", 9, "--schedule", "0,9", "weight_decay=0",
        "--grid", "learning_rate=0.001,1e30", "--workers", 1, *where, code=1,
    )  # fmt: skip
    assert "1 variant could not be trained to the end" in said
    assert "lr1e+30_wd0 diverged" in said


def test_series_and_comparisons_are_computed_with_what_they_read(run, workspace):
    where = ("--workspace", workspace.path)
    dry = run("analyze", "-a", "variant_table", "--dry-run", *where)
    assert dry.count("2 units at 1 checkpoint would be computed") == 2  # milestones, and the last trace
    assert "(2 variants)" in dry
    printed = run("analyze", "-a", "variant_table", "--memory", "64MiB", *where)
    assert printed.count("2 units computed (2 missing)") == 2
    assert "general.variant_table: computed over 2 variants." in printed
    rows = json.loads(run("status", "-a", "variant_table", "--json", *where))
    fresh = {(row["variant"], row["analyzer"]): row["fresh"] for row in rows}
    first = workspace.variants()[0].name
    assert fresh[first, "general.milestones"] == 1
    assert fresh[first, "general.input_trace"] == 1
    assert fresh["(2 variants)", "general.variant_table"] == 1
    assert run("analyze", "-a", "variant_table", *where).count("nothing to do") == 2
    assert workspace.comparisons().read("general.variant_table/last_loss").sizes == {"variant": 2, "split": 2}
    assert "all is well" in run("artifacts", "verify", *where)


@pytest.mark.parametrize(
    ("text", "bytes_"), [("512MiB", 2**29), ("1.5 GB", 1_500_000_000), ("2048", 2048), ("1k", 1000)]
)
def test_memory_is_a_number_of_bytes(text, bytes_):
    from dynascope.cli.work import parse_bytes

    assert parse_bytes(text) == bytes_


def test_a_dry_run_of_training_says_what_there_would_be_and_what_it_takes(run, new_workspace):
    where = ("-w", new_workspace.path, "--schedule", "0:40:20", "--epochs", "40")
    found = json.loads(run("train", FAMILY, *SETTINGS, "--seeds", "0:2", "--dry-run", "--json", *where))
    assert [row["variant"].rpartition("/")[2][:9] for row in found["variants"]] == ["p11_seed0", "p11_seed1"]
    assert not (new_workspace.path / "results" / FAMILY).exists()
    run("train", FAMILY, *SETTINGS, "seed=0", *where)
    (variant,) = new_workspace.variants()
    weights, state = (
        [file.stat().st_size for file in folder.path.glob("*.safetensors")]
        for folder in (variant.checkpoint_folder, variant.optimizer_folder)
    )
    one = found["variants"][0]
    assert len(weights) == len(state) == one["checkpoints"] == 3
    # A file holds the tensors, and a header of a few KB.
    assert 0 <= weights[0] - one["weights_bytes"] < 3_000
    assert 0 <= max(state) - one["optimizer_bytes"] < 6_000  # at epoch 0 there is none
    assert one["bytes"] == 3 * (one["weights_bytes"] + one["optimizer_bytes"]) + 41 * 70
    assert 0.7 < variant.metrics_file.path.stat().st_size / (41 * 70) < 1.3
    again = json.loads(run("train", FAMILY, *SETTINGS, "seed=0", "--dry-run", "--json", *where))
    assert (again["variants"][0]["state"], again["bytes"]) == ("trained", 0)
    assert "of the disk" in run("train", FAMILY, *SETTINGS, "--dry-run", *where)
    assert "--dry-run" in run("train", FAMILY, "--json", *where, code=2)


def test_families_says_what_a_choice_is_of(run, shared):
    (row,) = json.loads(run("families", "--json", "-w", shared.path))
    assert row["choices"]["optimizer"] == ["adamw", "adam", "sgd"]
    assert row["choices"]["recipe"] == ["miscope", "nanda"]
    assert "optimizer: adamw, adam, sgd" in run("families", "-w", shared.path)
