"""The page that computes: what it says of what is stored under a probe, what is chosen, and the jobs that it starts."""

import json
import shutil
import time

import pytest
from pages import texts
from tiny import FAMILY

from dynascope import Workspace, analyze, registry
from dynascope_workbench.analyze.coverage import jobs_for
from dynascope_workbench.analyze.page import SHOWN, Analyze
from dynascope_workbench.page import Workbench
from dynascope_workbench.session import Session

ONE = "fourier.embedding_frequencies"
TRACE = "general.input_trace"
FIVE = "random_pairs:count=5"


@pytest.fixture
def page(workspace):
    return Analyze(Session(workspace, registry()))


def until(happened, page, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, texts(page.panel())
        time.sleep(0.1)
        page.jobs.refresh()


def cell(page, row, analyzer):
    return page.lines[row].cells[analyzer]


def click(page, row=None, analyzer=None):
    """Do what a click on a cell, or on the head of a row or column, does."""
    column = None if analyzer is None else [one["id"] for one in page.table.columns].index(analyzer)
    page.table._handle_msg({"do": "choose", "row": row, "column": column})


def names_of(page):
    return [line.name for line in page.lines]


def test_it_says_what_is_fresh_stale_and_missing(page, workspace):
    page.analyzers.value = [ONE]
    assert [cell(page, row, ONE).words for row in (0, 1)] == ["3 fresh"] * 2
    assert page.note.object.endswith("Of what is shown, everything is fresh.")
    workspace.variants()[0].artifacts.units(ONE)[20].path.unlink()
    page.look.clicks += 1
    assert (cell(page, 0, ONE).kind, cell(page, 0, ONE).words) == ("missing", "1 missing, 2 fresh")
    assert page.table.rows[0]["cells"][0] == {
        "kind": "missing",
        "sign": "○",
        "number": "1",
        "words": "1 missing, 2 fresh",
    }
    assert page.note.object.endswith("Of what is shown, 1 unit is missing or stale.")


def test_what_is_stale_says_why_where_it_is_looked_at(page, workspace):
    variant = workspace.variants()[0]
    folder = variant.artifacts.folder / ONE
    for unit in folder.glob("*.h5"):
        if unit.name != "series.h5":
            unit.rename(unit.with_name(f"{unit.name[:9]}0123456789abcdef.h5"))
    page.look.clicks += 1
    assert cell(page, 0, ONE).kind == "stale"
    page.table._handle_msg({"do": "look", "row": 0, "column": [one["id"] for one in page.table.columns].index(ONE)})
    assert page.detail.object.replace("\\", "").startswith(f"{ONE} of {variant.name}: 3 stale.")
    analyze(variant, analyzers=[ONE])
    page.look.clicks += 1
    assert cell(page, 0, ONE).kind == "fresh"


def test_a_changed_checkpoint_is_the_reason_that_is_given(page, workspace):
    folder = workspace.variants()[0].checkpoint_folder
    first, last = folder.file(0), folder.file(40)
    weights = folder.read(0)
    last.unlink()
    folder.write(40, weights)
    assert first.exists()
    page.look.clicks += 1
    click(page, 0, ONE)
    assert "1 stale, 2 fresh. Stale because of: checkpoint_sha256 (1)." in page.detail.object.replace("\\", "")


def test_what_is_on_demand_is_marked_and_lacks_nothing(page):
    (hessian,) = [one for one in page.table.columns if one["id"] == "general.hessian"]
    assert hessian["mark"] == "◌"
    assert (cell(page, 0, "general.hessian").kind, cell(page, 0, "general.hessian").lacking) == ("demand", 0)
    click(page, 0)
    assert (names_of(page)[0], "general.hessian") not in page.cells
    assert (names_of(page)[0], TRACE) in page.cells
    click(page, 0, "general.hessian")
    assert (names_of(page)[0], "general.hessian") in page.cells


def test_cells_rows_and_columns_are_chosen_and_taken_away_again(page):
    first, second = names_of(page)
    click(page, 0, ONE)
    assert page.cells == {(first, ONE)}
    assert page.table.chosen == [[0, [one["id"] for one in page.table.columns].index(ONE)]]
    assert page.note.object.startswith("Chosen: 1 cell, 1 variant by 1 analyzer.")
    click(page, None, ONE)
    assert page.cells == {(first, ONE), (second, ONE)}
    click(page, None, ONE)
    assert page.cells == set()
    click(page, 1)
    assert {name for name, _ in page.cells} == {second} and len(page.cells) > 20
    page.clear.clicks += 1
    assert page.cells == set() and page.table.chosen == []
    page.analyzers.value = [ONE, TRACE]
    click(page)
    assert page.cells == {(name, one) for name in (first, second) for one in (ONE, TRACE)}
    for wrong in ({"row": 99, "column": 0}, {"row": "0", "column": 0}, {"row": 0, "column": -1}, "x"):
        page.table._handle_msg({"do": "choose", **wrong} if isinstance(wrong, dict) else wrong)
    assert len(page.cells) == 4


def test_cells_become_few_commands():
    assert jobs_for({("v", "a"), ("v", "b"), ("w", "a"), ("w", "b")}) == [(["v", "w"], ["a", "b"])]
    assert jobs_for({("v", "a"), ("w", "a"), ("w", "b")}) == [(["v"], ["a"]), (["w"], ["a", "b"])]
    assert jobs_for({("v", "a"), ("w", "b"), ("x", "a"), ("y", "a")}) == [(["v", "x", "y"], ["a"]), (["w"], ["b"])]


def test_what_is_missing_is_computed_by_a_job_and_the_table_follows(page, workspace):
    variant = workspace.variants()[0]
    variant.artifacts.units(ONE)[20].path.unlink()
    page.look.clicks += 1
    click(page, 0, ONE)
    page.run.clicks += 1
    (job,) = workspace.jobs.list()
    assert job.command == f"dynascope analyze --analyzer {ONE} --probe full_grid {variant.family.name}/{variant.name}"
    assert f"Job {job.id} was started." in page.note.object.replace("\\", "")
    until(lambda: job.state == "done", page)
    page.jobs.refresh()
    assert cell(page, 0, ONE).words == "3 fresh"
    (row,) = page.jobs._rows.values()
    assert (row._state.label, row._bar.value) == ("done", 100)
    row._buttons["log"].clicks += 1
    assert "1 unit computed" in row._log.object
    row._buttons["remove"].clicks += 1
    assert not workspace.jobs.list()
    assert "No job has been started yet." in texts(page.jobs._list)


def test_another_probe_has_a_table_of_its_own_and_is_what_the_job_computes(page, workspace):
    page.analyzers.value = [TRACE, "fourier.neuron_frequencies"]
    assert cell(page, 0, "fourier.neuron_frequencies").words == "3 fresh"
    page.probe.choose(registry().choose(FIVE))
    heading = page.heading.object.replace("\\", "")
    assert heading == f"Computed under the probe: 5 random pairs (seed 0) — artifacts/{registry().choose(FIVE).key}"
    assert cell(page, 0, TRACE).words == "3 missing"
    assert "do not unfold to the axes ['a', 'b']" in cell(page, 0, "fourier.neuron_frequencies").words
    click(page, 0, "fourier.neuron_frequencies")
    assert page.cells == set()  # what does not apply cannot be chosen
    click(page, 0, TRACE)
    page.run.clicks += 1
    (job,) = workspace.jobs.list()
    until(lambda: job.state == "done", page)
    page.jobs.refresh()
    assert [cell(page, row, TRACE).words for row in (0, 1)] == ["3 fresh", "3 missing"]
    page.probe.choose(registry().choose("full_grid"))
    assert cell(page, 0, TRACE).words == "3 missing"
    assert list(page.probe._stored) == ["5 random pairs (seed 0)"]


def test_while_a_probe_is_wrong_nothing_can_be_started(page, workspace):
    page.probe.select.value = "pairs"
    page.probe.boxes["pairs"].value_input = "1 2\n3 x"
    assert page.probe.text is None and "line 2: a pair is written" in page.probe.error
    assert page.run.disabled and "still under the probe before" in page.note.object
    assert "All pairs" in page.heading.object
    page.run.clicks += 1
    assert not workspace.jobs.list()
    page.probe.boxes["pairs"].value_input = "1 2"
    assert not page.run.disabled and "1 chosen pair" in page.heading.object


def test_nothing_clicked_is_all_that_was_found(page, workspace):
    page.find.value_input = "seed1"
    assert [name.partition("/")[2] for name in names_of(page)] == [workspace.variants()[1].name]
    assert page.note.object.startswith("Nothing is clicked: 1 variant by all analyzers would be computed.")
    page.analyzers.value = [ONE]
    page.run.clicks += 1
    (job,) = workspace.jobs.list()
    assert job.command.endswith(f"--analyzer {ONE} --probe full_grid {names_of(page)[0]}")
    until(lambda: job.state == "done", page)
    page.find.value_input = "nowhere"
    assert names_of(page) == [] and page.run.disabled
    assert page.note.object.replace("\\", "") == "No variant's name holds 'nowhere'."


def test_only_the_variants_of_one_page_are_looked_at(page, workspace, monkeypatch):
    folder = workspace.variants()[0].folder.parent
    for number in range(100):
        workspace.new_variant(FAMILY, {"p": 11, "seed": 1000 + number}).save_config()
    assert len(list(folder.glob("*/config.json"))) == 102
    asked = []
    original = Workspace.variant
    monkeypatch.setattr(Workspace, "variant", lambda self, name: (asked.append(name), original(self, name))[1])
    page.refresh()
    assert (len(asked), len(page.lines), page.pages.count) == (SHOWN, SHOWN, 7)
    assert "no checkpoint yet" in page.lines[5].error
    page.pages.value = 6
    assert len(page.lines) == 102 - 6 * SHOWN
    click(page, None, ONE)
    assert len(page.cells) == 102 - sum(
        bool(line.error) for line in page.lines
    )  # what can be seen to have no checkpoint is left out
    assert "not shown" in page.note.object
    page.find.value_input = "seed1003"
    assert len(page.lines) == 1 and page.pages.value == 0


def test_a_variant_that_is_broken_is_a_row_with_its_error(page, workspace):
    broken, other = workspace.variants()
    (broken.folder / "config.json").write_text("{")
    for file in other.checkpoint_folder.path.glob("*20.safetensors"):
        file.write_bytes(b"broken")
    page.analyzers.value = [ONE]
    page.look.clicks += 1
    assert "is not valid JSON" in page.lines[0].error and page.table.rows[0]["error"] == page.lines[0].error
    assert cell(page, 1, ONE).words == "2 fresh, 1 of its checkpoints cannot be read"
    click(page, 0)
    click(page, 0, ONE)
    assert page.cells == set()
    click(page, None, ONE)
    assert page.cells == {(names_of(page)[1], ONE)}


def test_what_vanishes_in_between_is_told_and_nothing_is_started(page, workspace):
    click(page, 0, ONE)
    name = names_of(page)[0]
    shutil.rmtree(workspace.variants()[0].folder)
    page.run.clicks += 1
    assert page.note.object.replace("\\", "") == f"{name} is not there any more. Look at what is chosen now."
    assert not workspace.jobs.list()
    assert len(page.lines) == 1 and page.cells == set()
    shutil.rmtree(workspace.variants()[0].folder)
    page.look.clicks += 1
    assert "There is no variant in this workspace yet." in texts(page.panel())
    assert page.run.disabled
    page.run.clicks += 1
    assert not workspace.jobs.list()


def test_cells_that_would_be_many_jobs_are_refused(page, workspace):
    variant = workspace.variants()[0]
    names = [f"{FAMILY}/{variant.name}"]
    for seed in range(10, 14):
        copy = workspace.new_variant(FAMILY, {"p": 11, "seed": seed})
        copy.save_config()
        names.append(f"{FAMILY}/{copy.name}")
    page.refresh()
    ids = [one["id"] for one in page.table.columns]
    page.cells = {(name, ids[place]) for place, name in enumerate(names)}
    page.run.clicks += 1
    assert "These cells would take 5 jobs" in page.note.object
    assert not workspace.jobs.list()


def test_a_workspace_without_variants_leads_to_training(new_workspace):
    tab = Workbench(Session(new_workspace, registry()))
    tab.session.go("analyze")
    assert "There is no variant in this workspace yet." in texts(tab._holders["analyze"])
    tab.pages["analyze"]._empty[0][1].clicks += 1
    assert "train" in tab.pages


def test_a_family_that_cannot_be_read_says_so(workspace):
    file = workspace.path / "model_families" / FAMILY / "family.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"probe": "nowhere"}))
    page = Analyze(Session(workspace, registry()))
    assert "There is no probe 'nowhere'" in texts(page.panel())
    assert page.run.disabled


def test_a_job_that_is_cancelled_can_be_continued(page, workspace):
    long = ["modular_addition_1layer", "p=7", "d_model=8", "n_heads=1", "d_head=4", "d_mlp=8", "--epochs", "1000000"]
    job = page.session.start("train", [*long, "--schedule", "0"])
    until(lambda: job.progress is not None, page)
    (row,) = page.jobs._rows.values()
    row._buttons["cancel"].clicks += 1
    until(lambda: job.state != "running", page)
    page.jobs.refresh()
    assert (row._state.label, row._buttons["continue"].visible) == ("paused", True)
    row._buttons["continue"].clicks += 1
    assert (job.state, job.attempts) == ("running", 2)
    until(lambda: job.cancel() != "running", page)


def test_a_page_leads_to_it_with_a_variant(shared):
    tab = Workbench(Session(shared, registry()))
    name = sorted(tab.session.variants())[1]
    tab.session.go("analyze", variant=name)
    assert names_of(tab.pages["analyze"]) == [name]
    tab.session.go("analyze", variant="../../etc")
    assert names_of(tab.pages["analyze"]) == [name]


@pytest.mark.parametrize(
    ("asked", "shown"), [(FIVE, "5 random pairs"), ("../etc", "All pairs"), ("pairs", "All pairs")]
)
def test_the_address_may_name_a_probe(shared, asked, shown):
    from panel.io.location import Location

    tab = Workbench(Session(shared, registry()), Location(search=f"?page=analyze&probe={asked}"))
    page = tab.pages["analyze"]
    assert shown in page.heading.object
    assert ("names a probe that cannot be shown" in page.note.object) == (asked != FIVE)


def test_a_server_that_only_shows_has_no_buttons_that_change(shared, monkeypatch):
    monkeypatch.setenv("DYNASCOPE_READ_ONLY", "1")
    page = Analyze(Session(shared, registry()))
    assert page.run.disabled
    page.probe.choose(registry().choose(FIVE))
    assert page.run.disabled and "5 random pairs" in page.heading.object
    page.run.clicks += 1
    assert "DYNASCOPE_READ_ONLY=1" in page.note.object.replace("\\", "")
    assert not shared.jobs.list()


def test_a_server_that_only_shows_does_not_obey_a_hidden_button(workspace, monkeypatch):
    page = Analyze(Session(workspace, registry()))
    page.analyzers.value = [ONE]
    page.run.clicks += 1
    (job,) = workspace.jobs.list()
    until(lambda: job.state == "done", page)
    monkeypatch.setenv("DYNASCOPE_READ_ONLY", "1")
    page.jobs.refresh()
    (row,) = page.jobs._rows.values()
    assert not row._buttons["remove"].visible
    row._buttons["remove"].clicks += 1
    assert "DYNASCOPE_READ_ONLY=1" in row._text.object
    assert workspace.jobs.list()
