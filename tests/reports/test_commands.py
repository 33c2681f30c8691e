"""``dynascope report`` and ``dynascope draw``."""

import json

import pytest

from dynascope import Report, TextBlock, ViewBlock, Workspace, registry

FAMILY = "modular_addition_1layer"


@pytest.fixture
def mine(workspace):
    """A workspace with a report."""
    blocks = (TextBlock(text="Hello"), ViewBlock(view="modular_addition.neuron_map", controls={"neuron": 3}))
    report = Report(name="mine", title="Mine", family=FAMILY, epochs=(0, 40), blocks=blocks)
    workspace.reports(FAMILY).save(report)
    return workspace


def test_reports_are_listed_with_those_of_plug_ins_and_the_damaged(mine, run):
    (mine.reports(FAMILY).folder / "bad.json").write_text('{"title": "x"')
    rows = {row["report"]: row for row in json.loads(run("report", "list", "--json", "-w", mine.path))}
    assert rows["mine"]["title"] == "Mine" and rows["mine"]["from"] == "workspace" and rows["mine"]["views"] == 1
    assert rows["modular_addition.grokking"]["from"] == "plug-in"
    assert "is not valid JSON" in rows["bad"]["error"]


def test_a_report_is_shown_in_words_and_as_its_file_holds_it(mine, run):
    said = run("report", "show", "mine", "-w", mine.path)
    assert said.splitlines()[0] == f"Mine (family {FAMILY}, probe of the family). Epochs of interest: 0, 40."
    assert "  modular_addition.neuron_map (neuron=3)" in said
    shown = json.loads(run("report", "show", "mine", "--json", "-w", mine.path))
    assert Report.model_validate(shown) == mine.reports(FAMILY).open("mine").model_copy(update={"name": ""})
    assert "From memorising to Fourier" in run("report", "show", "grokking", "-w", mine.path)
    assert "Choices: mine, modular_addition.grokking" in run("report", "show", "yours", "-w", mine.path, code=2)


def test_a_report_is_checked_and_what_variants_lack_is_said(mine, run):
    name = mine.variants()[0].name
    assert run("report", "validate", "mine", "-w", mine.path) == "Report mine: 1 views, all of them there.\n"
    said = run("report", "validate", "grokking", "-v", name, "-w", mine.path)
    assert f"{name}: lacks" in said and "Not computed yet" in said
    blocks = (ViewBlock(view="modular_addition.neuron_map", controls={"nueron": 3}), ViewBlock(view="a.b"))
    mine.reports(FAMILY).save(Report(name="odd", title="O", family=FAMILY, probe="no_probe", blocks=blocks))
    said = run("report", "validate", "odd", "-w", mine.path, code=2)
    assert "Did you mean 'neuron'" in said and "no view 'a.b'" in said and "no_probe" in said
    file = mine.path / "elsewhere.json"
    file.write_text('{"title": "T",\n "family": "f",\n "blocks": [{"view": 3}]}')
    assert "elsewhere.json is not a report: line 3: blocks.0.view" in run(
        "report", "validate", file, "-w", mine.path, code=2
    )


def test_a_report_is_exported_by_the_command_that_it_carries(mine, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = mine.variants()[0].name
    said = run("report", "export", "mine", "-v", name, "-w", mine.path)
    assert said.startswith(f"{name}_mine.html was written (")
    page = (tmp_path / f"{name}_mine.html").read_text()
    command = f"dynascope report export mine --variant={name} --out={name}_mine.html"
    assert f"<pre>{command}</pre>" in page
    run("report", "export", "mine", "-v", name, "--epochs", "0,20", "--out", "r.md", "-w", mine.path)
    assert "--epochs=0,20" in (tmp_path / "r.md").read_text()
    assert "Name a variant" in run("report", "export", "mine", "-w", mine.path, code=2)
    assert "No checkpoint lies in '7:9'" in run(
        "report", "export", "mine", "-v", name, "--epochs", "7:9", "-w", mine.path, code=2
    )


def test_a_view_is_drawn(mine, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [one.name for one in mine.variants()]
    said = run("draw", "neuron_map", *names, "--set", "neuron=3", "--difference", "-o", "m.svg", "-w", mine.path)
    assert said.startswith("m.svg was written")
    text = (tmp_path / "m.svg").read_text()
    assert "seed1 − seed0" in text and "--set=neuron=3" in text and "--difference" in text
    assert "must be at most 31" in run("draw", "neuron_map", names[0], "--set", "neuron=99", "-w", mine.path, code=2)


def test_an_export_can_be_a_job(mine, run, tmp_path):
    name = mine.variants()[0].name
    out = tmp_path / "r.html"
    said = run("report", "export", "mine", "-v", name, "-o", out, "-w", mine.path, "--background")
    (job,) = mine.jobs.list()
    assert job.id in said
    run("jobs", "follow", job.id, "-w", mine.path)
    assert out.exists() and mine.jobs.list()[0].state == "done"


def test_a_report_saved_in_the_app_exports_and_reopens_unchanged(workspace, run, tmp_path):
    pytest.importorskip("panel")
    from dynascope_workbench.explore import Explore
    from dynascope_workbench.session import Session

    page = Explore(Session(workspace, registry()))
    page.board.chooser.value = ["modular_addition.neuron_map", "training.losses"]
    page.board.add_text()
    page.board.texts[0].editor.value = "After **all**"
    page.cards[0].controls.neuron = 5
    page.reports._ask()
    page.reports._name.value_input, page.reports._epochs.value_input = "From the app", "20"
    page.reports._keep(overwrite=False)
    file = workspace.reports(FAMILY).folder / "From the app.json"
    before = file.read_bytes()
    run("report", "export", "From the app", "-v", page.variant.name, "-o", tmp_path / "r.html", "-w", workspace.path)
    assert "After <strong>all</strong>" in (tmp_path / "r.html").read_text()
    again = Explore(Session(Workspace(workspace.path), registry()))
    assert again.reports.open("From the app")
    assert again.board.blocks() == page.board.blocks()
    again.reports._ask()
    again.reports._keep(overwrite=False)
    assert file.read_bytes() == before
