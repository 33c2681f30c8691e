"""Probes at settings: how they are written, where their artifacts lie, and that those never mix."""

import json
import shutil
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field
from tiny import ANALYZERS, FAMILY

from dynascope import (
    Batch,
    ChosenProbe,
    InvalidSetting,
    Lines,
    Probe,
    ProbeSettings,
    UnknownName,
    WorkspaceError,
    analyze,
    compare,
    registry,
)
from dynascope.analysis import upkeep
from dynascope.analysis.plan import plan
from dynascope.contract.chosen_probe import parse_probe, write_value
from dynascope.errors import PluginError
from dynascope.executors import Where
from dynascope.plugins.declarations import check_declaration
from dynascope.testing import check_probe

EMBEDDING = "fourier.embedding_frequencies"
FIVE = "random_pairs:count=5"
SEVEN = "random_pairs:count=7,seed=1"


class Settings(ProbeSettings):
    text: str = Field("", description="any text")
    numbers: tuple[int, ...] = Field((), description="numbers")
    share: float = Field(0.5, description="a share", gt=0)
    table: Annotated[str, Lines()] = Field("", description="lines")


PROBE = Probe("any", "Any", lambda config, settings: Batch(np.zeros((1, 1)), {"row": np.arange(1)}), Settings=Settings)


def chosen(**settings):
    return ChosenProbe.of(PROBE, settings)


@pytest.fixture
def variant(workspace):
    return workspace.variants()[0]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("any", {}),
        ("any:", {}),
        ("any:text=a", {"text": "a"}),
        ("any:text=a,b,numbers=1,2", {"text": "a,b", "numbers": "1,2"}),
        ("any:text=0 1;2+3;4,5, share=0.25", {"text": "0 1;2+3;4,5", "share": "0.25"}),
        ('any:text="a,share=1",share=2', {"text": "a,share=1", "share": "2"}),
        ('any:table="0 1\\n2 3"', {"table": "0 1\n2 3"}),
        ("any:text=a=b", {"text": "a=b"}),
        ("any:text=@/etc/passwd", {"text": "@/etc/passwd"}),
    ],
)
def test_a_comma_ends_a_value_only_where_the_next_setting_begins(text, read):
    assert parse_probe(text) == ("any", read)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("any:5", "found '5' where a SETTING= should begin"),
        ("any:text=a,text=b", "'text' of probe any is given twice"),
        ('any:text="a', "a value that begins with a quote is a JSON string"),
        ('any:text="a"b', "after the closing quote comes a comma or the end; found 'b'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, said):
    with pytest.raises(InvalidSetting, match=said):
        parse_probe(text)


@pytest.mark.parametrize(
    "text", ["", "5", "a,b", "a,share=2", '"a"', "@file", " a ", "a\nb", "null", "[1]", "ä → ∞", "\t"]
)
def test_whatever_is_written_reads_back_as_the_same_choice(text):
    for one in (chosen(text=text), chosen(table=text, numbers=[1, 2], share=0.25)):
        check_probe(one, None)
    _, settings = parse_probe(f"any:text={write_value(text)},share=3")
    assert ChosenProbe.of(PROBE, settings).settings.text == text


def test_values_are_read_as_what_the_setting_holds():
    assert registry().choose("residue_classes:residues=3").settings.residues == (3,)
    assert registry().choose("residue_classes", residues=[3, 1]).settings.residues == (1, 3)
    assert ChosenProbe.of(PROBE, {"text": "5", "share": "1", "numbers": "4"}).settings == Settings(
        text="5", share=1.0, numbers=(4,)
    )


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("random_piars", UnknownName, "no probe 'random_piars'. Did you mean 'random_pairs'"),
        ("random_pairs:cuont=5", UnknownName, "no setting of probe random_pairs named 'cuont'. Did you mean 'count'"),
        ("random_pairs", InvalidSetting, "Probe random_pairs: count must be given: how many pairs"),
        ("random_pairs:count=0", InvalidSetting, "count: input should be greater than or equal to 1, got 0"),
        ("random_pairs:count=few", InvalidSetting, "count: input should be a valid integer, got 'few'"),
        ("full_grid:p=5", UnknownName, "no setting of probe full_grid named 'p'"),
    ],
)
def test_an_unknown_probe_or_setting_or_a_bad_value_is_one_clear_error(variant, text, error, said):
    for use in (variant.artifacts_of, lambda text: analyze(variant, probe=text), variant.table):
        with pytest.raises(error, match=said):
            use(text) if use != variant.table else variant.table(probe=text)


def test_the_name_of_a_folder_leads_nowhere_else(variant):
    for name in ("..", "../full_grid", "/etc", "full_grid/..", "FULL_GRID"):
        with pytest.raises(UnknownName):
            variant.artifacts_of(name)


def test_a_probe_at_no_settings_keeps_its_name_and_others_have_a_digest(variant):
    assert registry().choose("full_grid").key == "full_grid"
    assert variant.artifacts_of("full_grid").folder == variant.artifacts.folder
    five = registry().choose(FIVE)
    assert five.key.startswith("random_pairs-") and five.key != registry().choose(SEVEN).key
    assert registry().choose("random_pairs:count=5,seed=0") == five  # a default that is written is the same choice
    assert (five.text, five.title) == (FIVE, "5 random pairs (seed 0)")
    assert chosen().key == "any" and chosen(share=0.5) == chosen()


def test_artifacts_of_different_probes_lie_apart_and_the_folder_says_which(variant):
    before = {unit.path: unit.path.read_bytes() for unit in variant.artifacts.units(EMBEDDING).values()}
    for text, rows in ((FIVE, 5), (SEVEN, 7)):
        analyze(variant, probe=text, analyzers=["general.input_trace"])
        assert variant.artifacts_of(text).arrays("general.input_trace")["loss"] == {"row": rows}
    assert "general.input_trace" not in variant.artifacts.analyzers()
    assert {path: path.read_bytes() for path in before} == before
    folder = variant.artifacts_of(FIVE).folder
    content = json.loads((folder / "probe.json").read_text())
    assert content == {
        "format": 1, "probe": "random_pairs", "plugin": "modular_addition", "settings": {"count": 5, "seed": 0},
        "text": FIVE,
    }  # fmt: skip
    assert not (variant.artifacts.folder / "probe.json").exists()
    assert [one.text for one in variant.probes()] == [
        "full_grid", *sorted((FIVE, SEVEN), key=lambda text: registry().choose(text).key)
    ]  # fmt: skip
    stamp = variant.artifacts_of(folder.name).stamp("general.input_trace", 20)
    assert (stamp["probe"], stamp["epoch"]) == (folder.name, 20)


def test_text_folder_and_object_are_the_same_everywhere(variant, workspace):
    asked = registry().choose(FIVE)
    analyze(variant, probe=asked, analyzers=["general.input_trace"])
    other = workspace.variants()[1]
    for probe in (FIVE, asked.key, asked):
        assert variant.artifacts_of(probe).folder.name == asked.key
        assert plan(variant, registry(), probe=probe, analyzers=["general.input_trace"]).fresh == 3
        assert plan(other, registry(), probe=probe, analyzers=["general.input_trace"]).missing == 3
        assert len(workspace.table(columns=["general.input_trace/accuracy"], probe=probe).dropna()) == 3
        assert upkeep.verify(variant, probe=probe).units == 3
    with pytest.raises(UnknownName, match="no probe with artifacts 'random_pairs-00000000'"):
        plan(variant, registry(), probe="random_pairs-00000000")
    with pytest.raises(UnknownName, match="random_pairs-00000000"):
        workspace.table(probe="random_pairs-00000000")


def test_workers_make_the_same_rows(variant):
    work = analyze(variant, probe=FIVE, analyzers=["general.input_trace"], where=Where("processes", 1))
    assert (work.missing, plan(variant, registry(), probe=FIVE, analyzers=["general.input_trace"]).fresh) == (3, 3)
    here = {epoch: variant.artifacts_of(FIVE).read("general.input_trace/loss", epoch).values for epoch in (0, 20, 40)}
    analyze(variant, probe=FIVE, analyzers=["general.input_trace"], force=True)
    for epoch, loss in here.items():
        np.testing.assert_array_equal(variant.artifacts_of(FIVE).read("general.input_trace/loss", epoch).values, loss)


def test_the_file_is_there_before_the_first_unit_and_is_mended(variant, monkeypatch):
    from dynascope.analysis import desk

    folder = variant.artifacts_of(FIVE).folder
    seen = []
    original = desk.write_unit
    monkeypatch.setattr(
        desk,
        "write_unit",
        lambda *args, **more: (seen.append((folder / "probe.json").exists()), original(*args, **more)),
    )
    analyze(variant, probe=FIVE, analyzers=[EMBEDDING])
    assert seen == [True] * 3
    (folder / "probe.json").write_text("{")
    with pytest.raises(WorkspaceError, match="is not valid JSON"):
        plan(variant, registry(), probe=folder.name)
    assert variant.probes()[1:] == []
    analyze(variant, probe=FIVE, analyzers=[EMBEDDING], force=True)
    assert [one.text for one in variant.probes()[1:]] == [FIVE]


def test_a_file_that_contradicts_its_folder_is_found_and_left_to_a_person(variant):
    analyze(variant, probe=FIVE, analyzers=[EMBEDDING])
    folder = variant.artifacts_of(FIVE).folder
    file = folder / "probe.json"
    file.write_text(file.read_text().replace('"count": 5', '"count": 6'))
    (folder.parent / "My notes").mkdir()
    (folder.parent / ".DS_Store").write_text("")
    seen = upkeep.verify(variant)
    found = {finding.path.name: finding for finding in seen.findings}
    assert {name: one.kind for name, one in found.items()} == {
        "probe.json": "damaged", "My notes": "foreign", ".DS_Store": "foreign"
    }  # fmt: skip
    assert "settings that belong to random_pairs-" in found["probe.json"].reason
    assert upkeep.prunable(variant) == []
    assert "settings that belong to" in upkeep.undecided(variant)[EMBEDDING]
    upkeep.repair(variant)
    assert file.exists() and (folder.parent / "My notes").is_dir()
    assert upkeep.verify(variant, probe="full_grid").findings == ()


def test_a_probe_that_is_gone_leaves_orphans(variant):
    analyze(variant, probe=FIVE, analyzers=[EMBEDDING])
    folder = variant.artifacts_of(FIVE).folder
    gone = folder.with_name("vanished-0123abcd")
    shutil.move(folder, gone)
    assert {found.reason for found in upkeep.prunable(variant)} == {"Probe vanished is not installed."}
    upkeep.prune(variant, upkeep.prunable(variant))
    assert not list(gone.glob("*/*.h5"))


def test_a_default_probe_with_settings_is_declared_in_the_workspace(workspace):
    file = workspace.path / "model_families" / FAMILY / "family.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"probe": FIVE, "analyzers": [EMBEDDING]}))
    variant = workspace.variants()[0]
    analyze(variant)
    assert variant.artifacts.folder.name == registry().choose(FIVE).key
    assert variant.probes()[0].text == FIVE
    assert variant.artifacts_of("full_grid").analyzers() == ANALYZERS
    file.write_text(json.dumps(json.loads(file.read_text()) | {"probe": "random_pairs:count=0"}))
    with pytest.raises(WorkspaceError, match="greater than or equal to 1"):
        workspace.family(FAMILY)


def test_comparisons_of_different_probes_lie_apart(fully_analysed, tmp_path):
    from dynascope import Workspace

    workspace = Workspace(shutil.copytree(fully_analysed, tmp_path / "copy"))
    before = workspace.comparisons().analyzers()
    assert before
    found = compare(workspace.variants(), probe=FIVE, analyzers=["general.variant_table"])
    assert found.folder.name == registry().choose(FIVE).key
    assert found.analyzers() == ["general.variant_table"]
    assert json.loads((found.folder / "probe.json").read_text())["text"] == FIVE
    assert workspace.comparisons(probe=FIVE).analyzers() == found.analyzers()
    assert workspace.comparisons().analyzers() == before
    (owner,) = upkeep.between(workspace)
    assert not upkeep.verify(owner).damaged


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"make": lambda config: None}, "make must be a function of a config and settings"),
        ({"Settings": dict}, "Settings must be a subclass of dynascope.ProbeSettings"),
        ({"Settings": None, "make": lambda config: None, "titled": str}, "titled is for a probe that has Settings"),
        ({"Settings": type("Mute", (ProbeSettings,), {"__annotations__": {"x": int}})}, "must have a description"),
        ({"title": ""}, "must have a title"),
    ],
)
def test_a_declaration_that_breaks_its_rule_is_refused(more, said):
    from dataclasses import replace

    check_declaration(PROBE)
    with pytest.raises(PluginError, match=said):
        check_declaration(replace(PROBE, **more))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Batch(np.zeros((0, 3)), {"row": np.arange(0)}), "makes no row"),
        (Batch(np.zeros((2, 3)), {"row": np.array([4, 4])}), "makes row 4 2 times"),
        (None, "must make a dynascope.Batch; it made NoneType"),
    ],
)
def test_what_a_probe_makes_is_checked(made, said):
    with pytest.raises(InvalidSetting, match=said):
        ChosenProbe(Probe("odd", "Odd", lambda config: made)).make(None)


def test_the_command_line_reads_files_and_nothing_else_does(workspace, run, tmp_path):
    name, where = workspace.variants()[0].name, ("--workspace", workspace.path)
    file = tmp_path / "hard.csv"
    file.write_text("a,b\n2,3  # a hard one\n0,1\n", encoding="utf-8-sig")
    asked = ("-a", EMBEDDING, "--probe", f"pairs:pairs=@{file}")
    printed = run("analyze", name, *asked, *where)
    key = registry().choose("pairs:pairs=0+1;2+3").key
    assert f"Probe pairs: 2 chosen pairs (0+1, 2+3); artifacts/{key}" in printed
    assert "all 3 units are fresh" in run("analyze", name, *asked, *where)
    assert json.loads(run("status", name, *asked, "--json", *where))[0]["fresh"] == 3
    listed = json.loads(run("probes", name, "--json", *where))
    assert [(row["folder"], row["settings"]) for row in listed] == [("full_grid", {}), (key, {"pairs": "0+1;2+3"})]
    assert "random_pairs" in run("probes")
    assert "1 variant, 3 units" in run("artifacts", "verify", "--probe", key, *where)
    assert "and cannot be: No such file" in run("status", "--probe", "pairs:pairs=@nowhere.csv", *where, code=2)
    quoted = f'pairs:pairs="@{file}"'
    assert "a pair is written 'a b', 'a,b' or 'a+b'" in run("status", "--probe", quoted, *where, code=2)
    out = tmp_path / "packed.h5"
    run("artifacts", "pack", name, "--out", out, "--probe", key, *where)
    import h5py

    with h5py.File(out) as packed:
        assert packed.attrs["probe"] == "pairs:pairs=0+1;2+3"
    table = run("table", name, "-c", f"{EMBEDDING}/power_share", "--probe", key, *where)
    assert table.count("\n") == 4


def test_a_view_says_that_its_probe_cannot_give_what_it_needs(variant):
    from dynascope import ArtifactError

    analyze(variant, probe=FIVE, analyzers=["general.input_trace"])
    key = registry().choose(FIVE).key
    with pytest.raises(ArtifactError, match="needs one whose rows unfold to a and b; those of '5 random pairs"):
        variant.at(20).view("neuron_map", probe=FIVE)
    with pytest.raises(ArtifactError, match=f"Run: dynascope analyze {variant.name} --probe {key}"):
        variant.at(20).view("checkpoint_similarity", probe=FIVE)
    assert variant.at(20).view("answers", probe=key) is not None
