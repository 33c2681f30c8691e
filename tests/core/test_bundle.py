"""A bundle is taken over by another workspace as it was, or not at all."""

import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from tiny import FAMILY

from dynascope import DynascopeError, ExchangeError, Report, ViewBlock, Workspace, analyze, registry
from dynascope.analysis.plan import plan
from dynascope.exchange.bundle import MANIFEST, import_bundle, is_bundle, write_bundle

REPORT = Report(name="mine", title="Mine", family=FAMILY, blocks=(ViewBlock(view="training.losses"),))
MAP = "modular_addition.neuron_activations/activation"


@pytest.fixture
def bundle(shared, tmp_path):
    path = tmp_path / "one.zip"
    assert write_bundle(shared.variants()[:1], path, reports=[REPORT]) == []
    return path


@pytest.fixture
def other(tmp_path):
    return Workspace.create(tmp_path / "other")


def tampered(path, change):
    """Write a bundle again, with another content: ``change`` gets the files and the manifest."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(files.pop(MANIFEST))
    change(files, about)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, json.dumps(about))
    return path


def contents(workspace):
    return {
        str(file.relative_to(workspace.path)): file.read_bytes() for file in workspace.path.rglob("*") if file.is_file()
    }


def test_another_workspace_shows_the_same(shared, bundle, other):
    assert is_bundle(bundle)
    result = import_bundle(other, bundle)
    (variant,), (origin, *_) = other.variants(), shared.variants()
    assert result.is_new and [one.name for one in result.variants] == [origin.name]
    assert variant.identity == origin.identity and variant.recipe == origin.recipe
    assert variant.metadata == origin.metadata and variant.checkpoints == origin.checkpoints
    for epoch in origin.checkpoints:
        assert variant.checkpoint_folder.file(epoch).read_bytes() == origin.checkpoint_folder.file(epoch).read_bytes()
    np.testing.assert_array_equal(variant.artifacts.series(MAP), origin.artifacts.series(MAP))
    work = plan(variant, registry(), analyzers=origin.artifacts.analyzers())
    assert (work.units, work.stale, work.missing) == (0, 0, 0)
    assert other.reports(FAMILY).open("mine") == REPORT
    again = import_bundle(other, bundle)
    assert not again.is_new and len(other.variants()) == 1


def test_the_same_variants_make_the_same_files(shared, bundle, tmp_path):
    write_bundle(shared.variants()[:1], tmp_path / "two.zip", reports=[REPORT])
    with zipfile.ZipFile(bundle) as one, zipfile.ZipFile(tmp_path / "two.zip") as two:
        assert json.loads(one.read(MANIFEST))["files"] == json.loads(two.read(MANIFEST))["files"]
        assert not any(name.endswith(("series.h5", ".lock", ".tmp")) for name in one.namelist())


def test_several_variants_and_chosen_checkpoints(shared, other, tmp_path):
    path = tmp_path / "both.zip"
    notes = write_bundle(shared.variants(), path, epochs=[0, 40])
    assert notes == ["What is measured over all checkpoints is stale where some of them are left out."]
    import_bundle(other, path)
    assert [one.checkpoints for one in other.variants()] == [[0, 40], [0, 40]]
    assert other.variants()[0].artifacts.epochs("modular_addition.neuron_activations") == [0, 40]


def first(files, ending):
    return next(name for name in files if name.endswith(ending))


def changes_a_byte(files, about):
    name = first(files, ".safetensors")
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])


def adds_a_file(files, about):
    files["results/x.txt"] = b"x"


def lacks_a_file(files, about):
    del files[first(files, "metrics.csv")]


def climbs_out(files, about):
    name = "results/../../evil/config.json"
    files[name] = b"{}"
    about["files"][name] = {"sha256": "x", "bytes": 2}


def holds_code(files, about):
    name = f"results/{FAMILY}/{about['variants'][0]}/model.pth"
    files[name] = b"x"
    about["files"][name] = {"sha256": "x", "bytes": 1}


def is_of_tomorrow(files, about):
    about["format"] = 2


def says_nothing(files, about):
    about.clear()


def says_less_than_it_holds(files, about):
    about["files"][first(files, "metrics.csv")]["bytes"] = 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changes_a_byte, "is damaged: .* is not what was bundled|not what was bundled"),
        (adds_a_file, "'results/x.txt' is listed and not there, or there and not listed"),
        (lacks_a_file, "metrics.csv' is listed and not there"),
        (climbs_out, "is not trusted: it holds 'results/../../evil/config.json'"),
        (holds_code, "is not trusted: it holds .*model.pth"),
        (is_of_tomorrow, "is a bundle of format 2; this version of Dynascope reads 1"),
        (says_nothing, "its bundle.json is damaged"),
        (says_less_than_it_holds, "metrics.csv is not what was bundled"),
    ],
)
def test_what_is_not_as_it_was_bundled_is_refused_and_changes_nothing(bundle, other, change, said):
    before = contents(other)
    with pytest.raises(ExchangeError, match=said):
        import_bundle(other, tampered(bundle, change))
    assert contents(other) == before
    assert sorted(one.name for one in other.path.iterdir()) == ["model_families", "results"]


def test_an_artifact_that_reaches_elsewhere_is_refused(bundle, other, tmp_path):
    import hashlib

    def links(files, about):
        name = first(files, ".h5")
        (tmp_path / "x.h5").write_bytes(files[name])
        with h5py.File(tmp_path / "x.h5", "a") as file:
            file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
        files[name] = (tmp_path / "x.h5").read_bytes()
        about["files"][name] = {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}

    with pytest.raises(ExchangeError, match="is not trusted: .* is a link"):
        import_bundle(other, tampered(bundle, links))
    assert other.variants() == []


def test_another_variant_of_this_name_stays_as_it_is(shared, bundle, workspace):
    (variant, *_) = workspace.variants()
    assert not import_bundle(workspace, bundle).is_new
    with (variant.folder / "metrics.csv").open("a") as file:
        file.write("41,1,1,1,1\n")
    before = contents(workspace)
    with pytest.raises(ExchangeError, match="There is a variant .* already, and it is not that of"):
        import_bundle(workspace, bundle)
    assert contents(workspace) == before


def test_a_family_that_is_declared_otherwise_stays_and_is_told(shared, bundle, other):
    file = other.path / "model_families" / FAMILY / "family.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"settings": {"d_model": 32}}))
    before = file.read_text()
    result = import_bundle(other, bundle)
    assert result.notes[0].startswith(f"Family {FAMILY} is declared otherwise here, and stays so")
    assert file.read_text() == before
    assert result.variants[0].config.architecture == shared.variants()[0].config.architecture


def test_another_report_of_this_name_stays_beside_the_one_that_comes(bundle, other):
    here = REPORT.model_copy(update={"title": "Another"})
    other.reports(FAMILY).save(here)
    result = import_bundle(other, bundle)
    assert "the one that came with it is 'mine 2'" in result.notes[-1]
    assert other.reports(FAMILY).open("mine") == here
    assert other.reports(FAMILY).open("mine 2").title == "Mine"


def test_what_a_killed_import_left_is_removed(bundle, other):
    from dynascope.store.atomic import hidden_name

    left = hidden_name(other.path / "bundle")
    dead = left.with_name(left.name.replace(f"-{left.name.split('-')[1]}-", "-999999999-"))
    (dead / "results" / FAMILY).mkdir(parents=True)
    import_bundle(other, bundle)
    assert not dead.exists() and len(other.variants()) == 1


def test_the_commands(workspace, other, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace.reports(FAMILY).save(REPORT)
    name = workspace.variants()[0].name
    said = run("bundle", name, "--report", "mine", "-w", workspace.path)
    assert said.startswith(f"{name}.zip was written (")
    said = run("import", f"{name}.zip", "-w", other.path)
    assert said.splitlines()[0] == f"{name}: imported, as it was bundled."
    assert said.splitlines()[-1] == "Report 'mine' came with it."
    assert "already here" in run("import", f"{name}.zip", "-w", other.path)
    assert "which says everything itself; leave out p=5" in run(
        "import", f"{name}.zip", "p=5", "-w", other.path, code=2
    )
    analyze(other.variants()[0], analyzers=["fourier.embedding_frequencies"])
    shutil.rmtree(other.path / "results")
    (tmp_path / "no.zip").write_bytes(b"PK")
    with pytest.raises(DynascopeError):
        import_bundle(other, tmp_path / "no.zip")
