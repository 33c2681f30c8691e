"""Stacks trained elsewhere, in segments: whoever dies and however often, it ends in the same bytes."""

import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor
from contextlib import suppress
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


def test_a_worker_that_is_killed_loses_its_segment_only(tmp_path, whole, short):
    killed = []

    def kill(name, row):
        alive = [child for child in children() if child not in killed]
        if row["epoch"] > 4 and len(killed) < 2 and alive:
            killed.append(alive[-1])
            os.kill(killed[-1], (signal.SIGKILL, signal.SIGTERM)[len(killed) - 1])

    results = train_ensemble(ensemble_in(tmp_path / "w"), kill)
    assert len(set(killed)) == 2
    assert [result.error for result in results] == [None] * 3
    assert bytes_in(tmp_path / "w") == whole


def children():
    """The worker processes of this one, but for the resource tracker of multiprocessing."""
    found = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since it was listed
            of_task = (task / "children").read_text().split()
            found += [int(pid) for pid in of_task if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


class Deadly:
    """What ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_an_order_that_kills_its_workers_is_given_up_and_the_others_go_on(tmp_path, whole, monkeypatch, short):
    plan = ensemble_in(tmp_path / "w")
    orders, make = [], sharing.order_of

    def order_of(variants, recipe, stop):
        orders.append(len(variants))
        return Deadly() if len(variants) == 1 else make(variants, recipe, stop)

    monkeypatch.setattr(sharing, "order_of", order_of)
    results = {result.variant: result for result in train_ensemble(plan)}
    (alone,) = plan.tasks[1].variants
    error = results.pop(alone.name).error
    assert str(error).startswith(f"3 workers have died one after the other that trained {alone.name} from epoch 0")
    assert "process ended with code 9. Everything until epoch 0 is kept. Run the command again, with fewer" in str(
        error
    )
    assert orders.count(1) == 3
    assert [result.error for result in results.values()] == [None] * 2
    monkeypatch.undo()
    others = {name: content for name, content in whole.items() if alone.name not in name}
    assert bytes_in(tmp_path / "w") == others


def test_workers_with_other_plug_ins_refuse(tmp_path, monkeypatch):
    versions = tuple((name, "9.9" if name == "fourier" else version) for name, version in versions_of(registry()))
    monkeypatch.setattr(segments, "versions_of", lambda plugins: versions)
    plan = ensemble_in(tmp_path / "w", count=1)
    (result,) = train_ensemble(plan, where=Where("processes", 1))
    assert "This worker has plug-in fourier 0.1.0, and the work was planned with 9.9." in str(result.error)
    assert plan.tasks[0].variants[0].state == "new"
    with pytest.raises(PluginError, match=r"This worker has plug-in other not at all, .* planned with 1.0"):
        check_versions(registry(), (*versions_of(registry()), ("other", "1.0")))


def test_one_that_diverges_ends_with_its_segment_and_the_others_go_on(tmp_path, monkeypatch, short):
    """Here, by an executor that does not leave this process: what is broken is broken here only."""
    init = ModularAddition1Layer.init

    def broken(self, config):
        weights = init(self, config)
        if config.parameters.seed == 1:
            weights["embed.weight"][0] = float("nan")
        return weights

    monkeypatch.setattr(ModularAddition1Layer, "init", broken)
    monkeypatch.setattr(sharing, "opened", lambda where: opened(Where()))
    plan = ensemble_in(tmp_path / "w", workers=1)
    results = {result.variant: result for result in train_ensemble(plan, where=Where("processes", 1))}
    errors = {name: str(result.error) for name, result in results.items() if result.error}
    assert [name.split("_")[1] for name in errors] == ["seed1"]
    assert "diverged" in next(iter(errors.values()))
    assert sorted(result.epochs for result in results.values()) == [1, EPOCHS, EPOCHS]


def test_what_fails_in_a_worker_is_told_at_once_with_its_place(tmp_path, monkeypatch):
    def broken(self, config):
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(sharing, "opened", lambda where: opened(Where()))
    plan = ensemble_in(tmp_path / "w", count=1)
    monkeypatch.setattr(ModularAddition1Layer, "data", broken)
    (result,) = train_ensemble(plan, where=Where("processes", 1))
    assert "ZeroDivisionError: of nothing (" in str(result.error)
    assert "test_sharing.py" in str(result.error)


def is_saved(variant):
    (saved,) = variant.resume_folder.epochs()
    return variant.state == "interrupted" and saved == len(variant.metrics_file.read()["epoch"])


def interrupted_in(folder, where):
    """Train, and press Ctrl-C once all have begun; return the variants."""
    plan, begun = ensemble_in(folder, epochs=5000, schedule="0,5000"), {}

    def interrupt(name, row):
        begun[name] = row["epoch"]
        if len(begun) == 3 and min(begun.values()) > 3:
            begun.clear()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(plan, interrupt, where)
    return [variant for task in plan.tasks for variant in task.variants]


def test_ctrl_c_saves_in_all_processes(tmp_path):
    variants = interrupted_in(tmp_path / "w", None)
    assert all(map(is_saved, variants))
    assert children() == []
    assert list((tmp_path / "w").glob(".stop*")) == []


def test_a_process_that_still_saves_is_waited_for(tmp_path, caplog):
    plan = ensemble_in(tmp_path / "w", count=1)
    (variant,) = plan.tasks[0].variants
    variant.folder.mkdir(parents=True)
    lock = FileLock(variant.folder / ".training.lock", thread_local=False)
    lock.acquire()
    later = threading.Timer(1.5, lock.release)
    later.start()
    (result,) = train_ensemble(plan)
    later.join()
    assert result.error is None
    assert f"Waiting up to 10 s for another process that trains {variant.name}" in caplog.text


def test_a_plan_is_made_of_what_another_process_has_saved(tmp_path, monkeypatch):
    plan = ensemble_in(tmp_path / "w", count=2, workers=1)
    for number, variant in enumerate(plan.tasks[0].variants):
        loop.train_stack([variant], plan.tasks[0].recipe, stop=iter([False] * (number + 3) + [True]).__next__)
        assert max(variant.resumable) == number + 3
    states = iter(["training"] * 3)
    state = type(variant).state
    monkeypatch.setattr(type(variant), "state", property(lambda self: next(states, None) or state.fget(self)))
    assert [len(task.variants) for task in ensemble_in(tmp_path / "w", count=2, workers=1).tasks] == [1, 1]
    assert next(states, None) is None
    monkeypatch.undo()
    monkeypatch.setattr(loop, "LOCK_PATIENCE", 0.1)
    with FileLock(variant.folder / ".training.lock"), pytest.raises(TrainingError, match="by another process"):
        train(variant, epochs=EPOCHS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what a dying cluster says is not ours
def test_a_dask_cluster_of_which_one_worker_is_killed_ends_in_the_same_bytes(tmp_path, whole, monkeypatch, short):
    distributed = pytest.importorskip("distributed")
    for name in executors.THREADS:
        monkeypatch.setenv(name, "1")  # so that what the cluster leaves in the environment ends with this test
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        workers = [worker.process.pid for worker in cluster.workers.values()]
        seen = {}

        def kill(name, row):
            seen[name] = row["epoch"]
            if len(seen) == 3 and min(seen.values()) > 3 and len(workers) == 2:
                os.kill(workers.pop(), signal.SIGKILL)

        plan = ensemble_in(tmp_path / "w")
        results = train_ensemble(plan, kill, Where("dask", address=cluster.scheduler_address))
    assert len(workers) == 1
    assert [result.error for result in results] == [None] * 3
    assert set(seen.values()) == {EPOCHS}
    assert bytes_in(tmp_path / "w") == whole


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ctrl_c_saves_on_dask(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    assert all(map(is_saved, interrupted_in(tmp_path / "w", Where("dask", 2))))


def test_a_process_that_dies_takes_its_own_work_along_only():
    with opened(Where("processes", 2)) as executor:
        first, second = executor.submit(time.sleep, 2), executor.submit(os._exit, 3)
        with pytest.raises(BrokenExecutor, match="process ended with code 3"):
            second.result()
        assert first.result() is None
        pids = {executor.submit(os.getpid).result() for _ in range(4)}
        assert os.getpid() not in pids
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
    assert children() == []


def test_what_is_not_begun_is_cancelled_when_work_ends_in_an_error():
    futures = []
    with pytest.raises(KeyboardInterrupt), opened(Where("processes", 1)) as executor:
        futures += [executor.submit(time.sleep, 60), executor.submit(time.sleep, 60)]
        while not futures[0].running() or not children():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert isinstance(futures[0].exception(), BrokenExecutor)
    assert futures[1].cancelled()
    assert children() == []
