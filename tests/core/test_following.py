"""Analysis beside training: what is measured at once, what waits for the end, and when it ends."""

import time

import pytest
from tiny import FAMILY, TINY, declare_analyzers

from dynascope import UnknownName, registry
from dynascope.analysis.plan import plan
from dynascope.cli import following
from dynascope.executors import Where
from dynascope.store.atomic import write_json

AT_ONCE = "fourier.embedding_frequencies"
AT_THE_END = "general.milestones"
SETTINGS = [f"{name}={value}" for name, value in TINY.items() if name != "epochs"]


def until(condition, job, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, job.log
        time.sleep(0.05)


def follow(workspace, names, wait, analyzers=None):
    following.follow(workspace, names, registry(), analyzers, None, Where(), 1 << 30, wait)


def in_training(variant):
    """Let a variant be in training; return what ends that."""
    lock = variant.training_lock(timeout=0)
    lock.acquire()
    write_json(variant.folder / "metadata.json", {**variant.metadata, "state": "training"})
    return lock.release


def test_what_reads_the_series_the_last_checkpoint_or_the_metrics_waits_for_the_end(shared):
    work = plan(shared.variants()[0], registry(), analyzers=list(registry().all("analyzers")))
    found = following.settled(work)
    later = {one.id: one for one in work.analyzers if one.id not in found}
    assert AT_ONCE in found
    assert "modular_addition.neuron_activations" in found
    assert {one.id for one in work.analyzers if one.over_series or one.reads_metrics} <= set(later)
    of_others = {name: one for name, one in later.items() if not one.over_series and not one.reads_metrics}
    assert of_others  # they read others at the last checkpoint, or at all of them
    for name, one in of_others.items():
        assert any(read.at is not None or read.analyzer in later for read in one.stored), name


def test_each_checkpoint_is_measured_when_it_is_there_and_once(workspace, capsys):
    variant = workspace.variants()[0]
    artifacts = variant.artifacts
    for unit in artifacts.units(AT_ONCE).values():
        unit.path.unlink()
    file = variant.checkpoint_folder.file(40)
    kept, seen = file.read_bytes(), []
    file.unlink()
    end = in_training(variant)

    def wait(seconds):
        seen.append((seconds, sorted(artifacts.units(AT_ONCE)), artifacts.analyzers()))
        if len(seen) == 2:
            file.write_bytes(kept)
        elif len(seen) == 3:
            end()

    follow(workspace, [variant.name], wait, [AT_ONCE, AT_THE_END])
    assert [epochs for _, epochs, _ in seen] == [[0, 20], [0, 20], [0, 20, 40]]
    assert {seconds for seconds, _, _ in seen} == {following.LOOK}
    assert not any(AT_THE_END in analyzers for _, _, analyzers in seen)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in said] == [
        "4 units computed at epochs 0 to 20.",  # and of what the milestones read
        "2 units computed at epoch 40.",
    ]


def test_a_job_that_trains_is_followed_from_before_its_variant_is_there_to_its_end(new_workspace):
    declare_analyzers(new_workspace.path, [AT_ONCE, AT_THE_END])
    name = f"{FAMILY}/p11_seed5_dseed598_frac0.5_d_model16_n_heads2_d_head8_d_mlp32"
    words = [FAMILY, *SETTINGS, "seed=5", "--epochs", "1000000", "--schedule", "0:1000000:100", "--keep-optimizer=none"]
    training = new_workspace.jobs.start("train", words)
    analysis = new_workspace.jobs.start("analyze", ["--follow", name])
    until(lambda: training.variants == [name], training)
    until(lambda: new_workspace.variants(), training)
    variant = new_workspace.variant(name)
    until(lambda: len(variant.artifacts.units(AT_ONCE)) >= 2, analysis)
    assert (training.state, analysis.state) == ("running", "running")
    assert AT_THE_END not in variant.artifacts.analyzers()
    assert (analysis.progress.what, analysis.progress.total) == ("checkpoints", 10_001)
    assert training.cancel(patience=30) == "cancelled"
    until(lambda: analysis.state != "running", analysis)
    assert analysis.state == "done", analysis.log
    work = plan(variant, registry())
    assert (work.missing, work.stale) == (0, 0)
    assert AT_THE_END in variant.artifacts.analyzers()
    assert sorted(variant.artifacts.units(AT_ONCE)) == variant.checkpoints


def test_following_that_is_cancelled_while_it_waits_goes_on_when_it_is_continued(workspace):
    variant = workspace.variants()[0]
    end = in_training(variant)
    job = workspace.jobs.start("analyze", ["--follow", variant.full_name])
    until(lambda: job.progress is not None, job)
    assert job.cancel(patience=30) == "cancelled"
    assert f"dynascope jobs continue {job.id}" in job.log
    assert "Traceback" not in job.log
    end()
    assert job.resume().wait(60) == "done", job.log


def test_a_variant_that_nobody_is_about_to_train_is_an_error(run, workspace):
    with pytest.raises(UnknownName, match="p13"):
        follow(workspace, ["p13"], time.sleep)
    assert "There is no variant 'p13'" in run("analyze", "p13", "--follow", "-w", workspace.path, code=2)


def test_where_nothing_is_in_training_it_is_an_analysis_like_any_other(run, workspace):
    variant = workspace.variants()[0]
    variant.artifacts.units(AT_ONCE)[20].path.unlink()
    assert "1 unit computed" in run("analyze", variant.name, "--follow", "-w", workspace.path)


@pytest.mark.parametrize("option", [("--epochs", "0"), ("--force",), ("--dry-run",)])
def test_it_is_for_every_checkpoint(run, workspace, option):
    said = run("analyze", "--follow", *option, "-w", workspace.path, code=2)
    assert f"use it without {option[0]}" in " ".join(said.replace("│", " ").split())
