import json

import pytest
from tiny import FAMILY, TINY

from dynascope import CheckpointError, InvalidSetting, UnknownName, Workspace, WorkspaceError
from dynascope.store.workspace import find_workspace

NAME = "p11_seed0_dseed598_frac0.5_d_model16_n_heads2_d_head8_d_mlp32"


def test_a_new_workspace_declares_the_installed_families(new_workspace):
    assert [family.name for family in new_workspace.families()] == [FAMILY]
    file = new_workspace.path / "model_families" / FAMILY / "family.json"
    assert json.loads(file.read_text())["base"] == FAMILY
    assert Workspace.create(new_workspace.path).path == new_workspace.path


@pytest.mark.parametrize("make", [None, "empty", "file"])
def test_a_folder_that_is_no_workspace_is_one_clear_error(tmp_path, make):
    path = tmp_path / "x"
    if make == "empty":
        path.mkdir()
    if make == "file":
        path.touch()
    with pytest.raises(WorkspaceError, match="is not a workspace: it .* or make one with `dynascope init"):
        Workspace(path)


def test_the_workspace_is_found_by_name_then_environment_then_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_workspace() == tmp_path / "workspace"
    (tmp_path / "model_families").mkdir()
    assert find_workspace() == tmp_path
    monkeypatch.setenv("DYNASCOPE_WORKSPACE", "/elsewhere")
    assert str(find_workspace()) == "/elsewhere"
    assert str(find_workspace("named")) == "named"


def test_a_family_file_adapts_a_family_without_code(new_workspace):
    folder = new_workspace.path / "model_families" / "small"
    folder.mkdir()
    declaration = {"name": "small", "base": FAMILY, "title": "Small", "settings": TINY, "schedule": "0:5:1"}
    (folder / "family.json").write_text(json.dumps(declaration))
    variant = new_workspace.new_variant("small", {"seed": 3})
    assert variant.config.architecture.d_model == 16
    assert variant.config.parameters.seed == 3
    assert variant.family.schedule(variant.config) == "0:5:1"
    assert variant.folder == new_workspace.path / "results" / "small" / variant.name
    assert variant.config.digest != new_workspace.new_variant(FAMILY, {**TINY, "seed": 3}).config.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": "no_such_family"}, "no family 'no_such_family'"),
        ({"name": "other"}, "name 'other' must be its folder's, 'small'"),
        ({"settings": {"p": 1}}, "p: input should be greater than or equal to 2"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"format": 2}, "format: input should be 1"),
    ],
)
def test_a_family_file_that_cannot_be_used_is_a_row_and_the_others_work(new_workspace, change, message):
    folder = new_workspace.path / "model_families" / "small"
    folder.mkdir()
    declaration = {"name": "small", "base": FAMILY, "title": "Small", **change}
    (folder / "family.json").write_text(json.dumps(declaration))
    assert [family.name for family in new_workspace.families()] == [FAMILY]
    (row,) = new_workspace.broken_families()
    assert row.name == "small"
    assert message in row.error


def test_variants_are_listed_and_picked_by_their_settings(shared):
    assert [variant.config.parameters.seed for variant in shared.variants()] == [0, 1]
    assert [variant.config.parameters.seed for variant in shared.variants(seed=1, p=11)] == [1]
    assert shared.variants(p=13) == []
    assert shared.variant(NAME).name == NAME
    assert shared.variant(f"{FAMILY}/{NAME}").name == NAME


def test_an_unknown_variant_suggests_the_nearest(shared):
    with pytest.raises(UnknownName, match=r"no variant 'p11_seed0'. Did you mean 'p11_seed0_dseed598"):
        shared.variant("p11_seed0")


def test_a_config_that_was_changed_is_a_row_and_the_others_work(workspace):
    path = workspace.variant(NAME).folder / "config.json"
    config = json.loads(path.read_text())
    config["settings"]["weight_decay"] = 3.0
    path.write_text(json.dumps(config))
    assert [variant.config.parameters.seed for variant in workspace.variants()] == [1]
    (row,) = workspace.broken_variants()
    assert "was changed after training began" in row.error
    path.write_text("{")
    assert "not valid JSON" in workspace.broken_variants()[0].error


def test_a_second_variant_never_writes_over_the_first(workspace):
    first, second = workspace.variants()
    (second.folder / "config.json").rename(first.folder / "config.json")
    variant = workspace.new_variant(FAMILY, {**TINY, "seed": 0})
    with pytest.raises(WorkspaceError, match="holds another variant with the same name.* nothing is overwritten"):
        variant.save_config()


@pytest.mark.parametrize("name", ["..", "", "a/b"])
def test_names_never_leave_the_workspace(new_workspace, name):
    with pytest.raises((InvalidSetting, UnknownName)):
        new_workspace.family(name)


def test_a_variant_in_a_notebook(shared):
    variant = shared.variant(NAME)
    assert variant.checkpoints == [0, 20, 40]
    assert variant.metrics.index.tolist() == list(range(41))
    assert variant.weights(20)["embed.weight"].shape == (12, 16)
    assert variant.model(20).W_E.shape == (12, 16)
    assert variant.artifacts.series("fourier.embedding_frequencies/gini").sizes == {"epoch": 3}
    assert "trained, 3 checkpoints" in repr(variant)
    with pytest.raises(UnknownName, match="no checkpoint of .* '30'"):
        variant.at(30)


def test_views_draw_in_a_notebook(shared):
    import holoviews as hv

    hv.extension("bokeh")
    at = shared.variant(NAME).at(20)
    assert isinstance(at.view("neuron_map", neuron=5), hv.Image)
    losses = at.view("losses")
    assert any(isinstance(part, hv.VLine) for part in losses)
    with pytest.raises(UnknownName, match="no control of view neuron_map named 'nueron'. Did you mean 'neuron'"):
        at.view("neuron_map", nueron=5)
    with pytest.raises(UnknownName, match="no view 'neuron_mp'. Did you mean 'neuron_map'"):
        at.view("neuron_mp")


def test_a_checkpoint_that_does_not_fit_the_family_is_one_clear_error(workspace):
    variant = workspace.variant(NAME)
    weights = variant.weights(20)
    variant.checkpoint_folder.write(20, {name: array for name, array in weights.items() if "mlp" not in name})
    with pytest.raises(CheckpointError, match="does not fit family modular_addition_1layer"):
        variant.model(20)


def test_a_setting_that_a_family_gains_later_leaves_its_variants_as_they_are(workspace, monkeypatch):
    from pydantic import Field

    from dynascope_modular_addition.family import Architecture

    class Grown(Architecture):
        residual_scale: float = Field(1.0, gt=0)

    base = type(workspace.variant(NAME).family.base)
    monkeypatch.setattr(base, "Architecture", Grown)
    assert workspace.broken_variants() == []
    variant = workspace.variant(NAME)
    assert variant.config.architecture.residual_scale == 1.0
    assert variant.weights(20)["embed.weight"].shape == (12, 16)
    same = workspace.new_variant(FAMILY, {**TINY, "seed": 0})
    same.save_config(epochs=40)
    assert same.weights(20).keys() == variant.weights(20).keys()
    other = workspace.new_variant(FAMILY, {**TINY, "seed": 0, "residual_scale": 2.0})
    assert other.folder != variant.folder


def test_a_control_out_of_its_bounds_is_one_clear_error(shared):
    with pytest.raises(InvalidSetting, match="View neuron_map: .*neuron.*31"):
        shared.variant(NAME).at(20).view("neuron_map", neuron=9999)


def test_a_variant_keeps_its_name_when_a_default_changes(workspace, monkeypatch):
    from pydantic import Field

    from dynascope_modular_addition.family import Training

    class Other(Training):
        weight_decay: float = Field(0.5, ge=0)

    monkeypatch.setattr(type(workspace.variant(NAME).family.base), "Training", Other)
    variant = workspace.variant(NAME)
    assert variant.name == NAME
    assert variant.weights(20)["embed.weight"].shape == (12, 16)
    assert workspace.new_variant(FAMILY, {**TINY, "seed": 0, "weight_decay": 1.0}).name == NAME


def test_a_copied_folder_is_a_row_with_its_error(workspace):
    import shutil

    folder = workspace.variant(NAME).folder
    shutil.copytree(folder, folder.with_name("copy"))
    assert len(workspace.variants()) == 2
    (row,) = workspace.broken_variants()
    assert "holds a copy of variant" in row.error
