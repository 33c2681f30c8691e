"""The list of jobs: what it shows, what it does not do again and again, and how many there may be."""

import json
import shutil
import time

import pytest
from pages import texts

from dynascope import registry
from dynascope.jobs.job import Job
from dynascope_workbench.jobs.list import SHOWN, JobList
from dynascope_workbench.jobs.running import RunningJobs
from dynascope_workbench.jobs.watch import Watch, watch_of
from dynascope_workbench.session import Session


def old_jobs(workspace, count):
    """Leave jobs behind as a job leaves them that has ended; return their ids, the oldest first."""
    done = workspace.jobs.start("analyze", ["no-such-variant"])
    assert done.wait(60) == "failed"
    names = []
    for index in range(count):
        name = f"20200101-{index // 60:02d}{index % 60:02d}-analyze-{index:04x}"
        folder = workspace.path / "jobs" / name
        shutil.copytree(done.folder, folder)
        record = json.loads((folder / "job.json").read_text())
        record["created"] = f"2020-01-01T{index // 60:02d}:{index % 60:02d}:00.000+00:00"
        (folder / "job.json").write_text(json.dumps(record))
        names.append(name)
    return [*names, done.id]


@pytest.fixture
def opened(workspace):
    jobs = JobList(Session(workspace, registry()))
    jobs.refresh()
    return jobs


def test_of_many_the_newest_are_shown_and_older_ones_are_asked_for(workspace):
    names = old_jobs(workspace, 200)
    jobs = JobList(Session(workspace, registry()))
    jobs.panel()
    assert list(jobs._rows) == names[::-1][:SHOWN]
    assert jobs._older.label == f"{201 - SHOWN} older"
    jobs._older.clicks += 1
    assert list(jobs._rows) == names[::-1][: 2 * SHOWN]


def test_one_that_runs_is_shown_however_many_are_newer(workspace):
    from dynascope.jobs import lock

    names = old_jobs(workspace, 20)
    folder = workspace.path / "jobs" / names[0]
    (folder / "exit.json").unlink()
    with lock.holding(folder / ".lock", names[0]):
        jobs = JobList(Session(workspace, registry()))
        jobs.refresh()
        assert next(iter(jobs._rows)) == names[0]
        assert jobs._rows[names[0]]._state.label == "running"
        header = RunningJobs(Session(workspace, registry()))
        header.refresh()
        assert (header.chip.label, header.chip.visible) == ("1 job running", True)
    jobs.refresh()
    assert names[0] not in jobs._rows  # gone, and as old as it is
    header.refresh()
    assert not header.chip.visible


def test_what_has_ended_is_not_read_again(workspace, monkeypatch):
    old_jobs(workspace, 30)
    watch = Watch(workspace.path)
    assert len(watch.look()) == 31
    read = []
    record = Job.record
    monkeypatch.setattr(Job, "record", lambda job: read.append(job.id) or record(job))
    for _ in range(5):
        assert len(watch.look(anew=True)) == 31
    assert read == []
    name = watch.look()[0].job.id
    workspace.jobs.remove(name)
    assert name not in [seen.job.id for seen in watch.look(anew=True)]


def test_a_job_that_ended_is_seen_and_told_once(workspace):
    ended = []
    jobs = JobList(Session(workspace, registry()), ended=lambda: ended.append(True))
    job = jobs.session.start("analyze", ["no-such-variant"])
    end = time.monotonic() + 60
    while not ended:
        assert time.monotonic() < end
        jobs.refresh()
        time.sleep(0.05)
    for _ in range(3):
        jobs.refresh()
    assert ended == [True]
    row = jobs._rows[job.id]
    assert "There is no variant" in row._text.object
    assert row._state.label == "failed"


def test_two_hundred_looks_change_nothing_that_has_not_changed(workspace):
    """Counts the models of the page, and what is sent: nothing may grow over hours."""
    from bokeh.document import Document
    from bokeh.models import Model

    old_jobs(workspace, 12)
    jobs = JobList(Session(workspace, registry()))
    document = Document()
    document.add_root(jobs.panel().get_root(document))
    jobs.refresh()
    models, sent = set(document.models), []
    document.on_change(sent.append)
    for _ in range(200):
        jobs.refresh()
    assert set(document.models) == models
    assert sent == []
    assert all(isinstance(model, Model) for model in models)


def test_a_list_without_jobs_says_so_and_a_page_of_a_log_is_shown_on_demand(opened, workspace):
    assert "No job has been started yet." in texts(opened._list)
    job = workspace.jobs.start("analyze", ["no-such-variant"])
    job.wait(60)
    opened.refresh()
    row = opened._rows[job.id]
    assert not row._opened.visible
    row._buttons["log"].clicks += 1
    assert row._opened.visible
    assert "$ dynascope analyze no-such-variant" in row._log.object
    row._buttons["remove"].clicks += 1
    assert "No job has been started yet." in texts(opened._list)


def test_the_jobs_of_a_workspace_are_looked_at_once_for_all_tabs(workspace):
    assert watch_of(workspace) is watch_of(type(workspace)(workspace.path))
