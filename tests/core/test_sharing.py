"""Stacks trained elsewhere, in segments: whoever dies and however often, it ends in the same bytes."""

import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from tiny import FAMILY, TINY

from dynascope import PluginError, TrainingError, Workspace, executors, train
from dynascope.executors import Where, opened
from dynascope.plugins.discovery import registry
from dynascope.plugins.versions import check_versions, versions_of
from dynascope.training import loop, segments, sharing
from dynascope.training.ensemble import plan_ensemble, train_ensemble
from dynascope.training.segments import order_of, train_segment
from dynascope_modular_addition import ModularAddition1Layer

EPOCHS, SCHEDULE = 30, "0:30:10"


def ensemble_in(folder, *, count=3, epochs=EPOCHS, schedule=SCHEDULE, workers=2, **wishes):
    workspace = Workspace.create(folder) if not folder.exists() else Workspace(folder)
    variants = [workspace.new_variant(FAMILY, {**TINY, "epochs": epochs, "seed": seed}) for seed in range(count)]
    return plan_ensemble(variants, workers=workers, epochs=epochs, schedule=schedule, **wishes)


def bytes_in(folder):
    """All checkpoints, optimizer states and metrics."""
    results = folder / "results"
    files = [file for file in results.rglob("*") if file.suffix in (".safetensors", ".csv")]
    return {str(file.relative_to(results)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three variants, a stack of two and one alone, each trained in one go."""
    folder = tmp_path_factory.mktemp("whole") / "workspace"
    results = train_ensemble(ensemble_in(folder), where=Where())
    assert [result.error for result in results] == [None] * 3
    return bytes_in(folder)


@pytest.fixture
def short(monkeypatch):
    """Segments of one epoch."""
    monkeypatch.setattr(segments, "SECONDS", 0)


def test_segments_in_this_process_end_in_the_same_bytes(tmp_path, whole, short):
    plan, built = ensemble_in(tmp_path / "w"), []

    def counted(variants, recipe, new=loop.new_stack):
        built.append(variants)
        return new(variants, recipe)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "new_stack", counted)
        for task in plan.tasks:
            for epoch in range(1, EPOCHS + 1):
                order = order_of(task.variants, task.recipe, tmp_path / "stop")
                assert {result.epochs for result in train_segment(order)} == {epoch}
    assert bytes_in(tmp_path / "w") == whole
    assert len(built) == len(plan.tasks) == 2  # one is built for each stack, not for each segment


def test_processes_end_in_the_same_bytes_and_tell_every_end(tmp_path, whole, short):
    seen = set()
    plan = ensemble_in(tmp_path / "w")
    assert plan.where == Where("processes", 2)
    results = train_ensemble(plan, lambda name, row: seen.add((name, int(row["epoch"]))))
    assert {(result.started_at, result.epochs, result.error) for result in results} == {(0, EPOCHS, None)}
    assert all(result.seconds > 0 for result in results)
    assert {name for name, epoch in seen if epoch == EPOCHS} == {result.variant for result in results}
    assert len(seen) > 10
    assert bytes_in(tmp_path / "w") == whole
    assert list((tmp_path / "w").glob(".stop*")) == []


def test_a_worker_that_is_killed_loses_its_segment_only(tmp_path, whole, monkeypatch):
    plan = ensemble_in(tmp_path / "w", epochs=3000, schedule="0:3000:100")
    longer = tmp_path / "longer"
    train_ensemble(ensemble_in(longer, epochs=3000, schedule="0:3000:100"), where=Where())
    monkeypatch.setattr(segments, "SECONDS", 0.2)
    monkeypatch.setattr(sharing, "ATTEMPTS", 1)  # one that has lost what was saved before would be reported
    killed = []

    def kill(name, row):
        if row["epoch"] > 200 and not killed:
            killed.append(children()[0])
            os.kill(killed[0], signal.SIGKILL)

    results = train_ensemble(plan, kill)
    assert killed
    assert [result.error for result in results] == [None] * 3
    assert bytes_in(tmp_path / "w") == bytes_in(longer)


def children():
    """The worker processes of this one, but for the resource tracker of multiprocessing."""
    found = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found
