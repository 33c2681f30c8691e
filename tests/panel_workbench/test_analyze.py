"""The page that computes: what it says of what is stored, and the jobs that it starts."""

import time

import pytest
from pages import texts

from dynascope import registry
from dynascope_workbench.analyze import Analyze
from dynascope_workbench.page import Workbench
from dynascope_workbench.session import Session

ONE = "fourier.embedding_frequencies"


@pytest.fixture
def page(workspace):
    return Analyze(Session(workspace, registry()))


def until(happened, page, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, texts(page.panel())
        time.sleep(0.1)
        page.jobs.refresh()


def rows_of(page):
    return page.table[-1].object


def test_it_says_what_is_fresh_stale_and_missing(page, workspace):
    page.analyzers.value = [ONE]
    assert rows_of(page).count("● 3 fresh") == 2
    assert page.note.object == "Everything is fresh."
    workspace.variants()[0].artifacts.units(ONE)[20].path.unlink()
    page.look.clicks += 1
    assert "○ 1 missing · ● 2 fresh" in rows_of(page)
    assert page.note.object == "1 units are missing or stale."


def test_what_is_missing_is_computed_by_a_job_and_the_table_follows(page, workspace):
    variant = workspace.variants()[0]
    variant.artifacts.units(ONE)[20].path.unlink()
    page.variants.value, page.analyzers.value = [f"{variant.family.name}/{variant.name}"], [ONE]
    page.run.clicks += 1
    (job,) = workspace.jobs.list()
    assert f"Job {job.id} was started." in page.note.object
    until(lambda: job.state == "done", page)
    page.jobs.refresh()
    assert "● 3 fresh" in rows_of(page)
    (row,) = page.jobs._rows.values()
    assert (row._state.label, row._bar.value) == ("done", 100)
    row._buttons["log"].clicks += 1
    assert "1 unit computed" in row._log.object
    row._buttons["remove"].clicks += 1
    assert not workspace.jobs.list()
    assert "No job has been started yet." in texts(page.jobs._list)


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


def test_a_variant_that_cannot_be_read_is_told_above_the_table(page, workspace):
    folder = workspace.variants()[0].checkpoint_folder
    for file in folder.path.glob("*20.safetensors"):
        file.write_bytes(b"broken")
    page.analyzers.value = [ONE]
    page.look.clicks += 1
    assert "2 fresh" in rows_of(page)


def test_a_page_leads_to_it_with_a_variant(shared):
    tab = Workbench(Session(shared, registry()))
    name = sorted(tab.session.variants())[1]
    tab.session.go("analyze", variant=name)
    assert tab.pages["analyze"].variants.value == [name]


def test_a_server_that_only_shows_has_no_buttons_that_change(shared, monkeypatch):
    monkeypatch.setenv("DYNASCOPE_READ_ONLY", "1")
    assert Analyze(Session(shared, registry())).run.disabled


def test_a_server_that_only_shows_does_not_obey_a_hidden_button(workspace, monkeypatch):
    page = Analyze(Session(workspace, registry()))
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
