"""Analysis elsewhere: in processes and on a Dask cluster, with workers that die, ends in the same artifacts."""

import dataclasses
import os
import pickle
import shutil
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import numpy as np
import pytest
from tiny import FAMILY, TINY, declare_analyzers

from dynascope import AnalysisError, InvalidSetting, PluginError, Workspace, analyze, executors, train
from dynascope.analysis import elsewhere
from dynascope.analysis.plan import plan
from dynascope.executors import Where
from dynascope.plugins.discovery import registry
from dynascope.plugins.versions import versions_of


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("executors") / "workspace")
    declare_analyzers(workspace.path)
    variant = workspace.new_variant(FAMILY, TINY)
    train(variant, schedule="every:2")
    return variant


@pytest.fixture
def variant(source, tmp_path):
    """A trained variant without artifacts."""
    shutil.copytree(source.folder.parents[2], tmp_path / "workspace", ignore=shutil.ignore_patterns("artifacts"))
    return Workspace(tmp_path / "workspace").variants()[0]


@pytest.fixture(scope="module")
def expected(source):
    analyze(source)
    return contents(source)


def contents(variant):
    """Every array of every unit, and every stamp but for its time."""
    found = {}
    for epoch, tree in variant.artifacts.items():
        for analyzer, arrays in tree.items():
            stamp = variant.artifacts.stamp(analyzer, epoch)
            del stamp["created"]
            found[epoch, analyzer] = (stamp, {name: array.values for name, array in arrays.items()})
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for place, (stamp, arrays) in expected.items():
        assert found[place][0] == stamp
        for name, array in arrays.items():
            same = found[place][1][name]
            if array.dtype.kind == "f":
                np.testing.assert_allclose(same, array, rtol=1e-5, atol=1e-6, err_msg=f"{place} {name}")
            else:
                np.testing.assert_array_equal(same, array)


def test_processes_end_in_the_same_artifacts(variant, expected):
    seen = []
    analyze(variant, where=Where("processes", 2), progress=lambda done, total: seen.append((done, total)))
    assert_same(contents(variant), expected)
    assert seen[-1] == (63, 63)
    assert analyze(variant, where=Where("processes", 2)).fresh == 63
    assert variant.artifacts.series("fourier.embedding_frequencies/gini").sizes["epoch"] == 21


def test_what_a_dead_worker_left_is_done_by_another(variant, expected, monkeypatch):
    killed = []

    def kill_one():
        deadline = time.monotonic() + 60
        while not list(variant.artifacts.folder.rglob("*.h5")) and time.monotonic() < deadline:
            time.sleep(0.01)
        for child in children():
            os.kill(child, signal.SIGKILL)
            killed.append(child)
            return

    monkeypatch.setattr(elsewhere, "SECONDS", 0)
    killer = threading.Thread(target=kill_one)
    killer.start()
    analyze(variant, where=Where("processes", 2))
    killer.join()
    assert killed
    assert_same(contents(variant), expected)


def test_that_a_worker_died_is_told_by_the_future_of_its_work():
    with executors.opened(Where("processes", 1)) as pool:
        for _ in range(2):
            assert isinstance(pool.submit(os._exit, 1).exception(), BrokenExecutor)


def test_work_that_is_given_up_is_not_waited_for(variant):
    def give_up(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze(variant, where=Where("processes", 2), progress=give_up)
    assert 0 < len(list(variant.artifacts.folder.rglob("[!.]*.h5"))) < 63
    assert children() == []


def children():
    """The worker processes of this one, but for the resource tracker of multiprocessing."""
    found = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


def test_an_order_is_names_and_numbers_and_is_refused_by_other_plug_ins(variant):
    sharing = elsewhere._Sharing(plan(variant, registry()), 2**30, versions_of(registry()), lambda work, names: None)
    order = sharing.next(workers=1)
    assert order.variant == variant.name
    assert order.size == 3  # one checkpoint, until it is known how long one takes
    assert pickle.loads(pickle.dumps(order)) == order
    other = tuple((name, "9.9" if name == "fourier" else version) for name, version in order.versions)
    with pytest.raises(PluginError, match=r"This worker has plug-in fourier 0.1.0, .* planned with 9.9"):
        elsewhere.carry_out(dataclasses.replace(order, versions=other))


def test_orders_grow_to_some_seconds_and_leave_something_for_every_worker(variant):
    sharing = elsewhere._Sharing(plan(variant, registry()), 2**30, versions_of(registry()), lambda work, names: None)

    def done(order, seconds):
        future = Future()
        future.set_result(elsewhere.Report([], {}, seconds))
        sharing.take(order, future, lambda units: None)
        return sharing.next(workers=2)

    first = sharing.next(workers=2)
    second = done(first, elsewhere.SECONDS / 3)
    assert [len(first.units), len(second.units)] == [1, 3]
    third = done(second, 0.001)
    assert len(third.units) == 5  # of the 17 that are left, shared by two workers, each with the next one waiting
    epochs = [epoch for order in (first, second, third) for epoch, _ in order.units]
    assert epochs == list(range(0, 18, 2))


def test_failures_elsewhere_are_told_as_here(variant):
    variant.checkpoint_folder.file(20).write_bytes(b"nothing")
    weights = variant.checkpoint_folder.read(10)
    del weights["blocks.0.attn.q.weight"]
    variant.checkpoint_folder.write(10, weights)
    with pytest.raises(AnalysisError) as raised:
        analyze(variant, where=Where("processes", 2))
    assert sorted({failure.epoch for failure in raised.value.failures}) == [10, 20]
    assert "does not fit family" in str(raised.value)
    assert len(variant.artifacts.epochs("fourier.neuron_frequencies")) == 19


def test_a_number_of_workers_below_1_and_a_scheduler_that_is_not_there(variant):
    pytest.importorskip("distributed")
    with pytest.raises(InvalidSetting, match="workers must be at least 1, got 0"):
        analyze(variant, where=Where("processes", 0))
    with pytest.raises(InvalidSetting, match="No Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        analyze(variant, where=Where("dask", address="tcp://127.0.0.1:1"))


def test_without_dask_the_way_to_it_is_said(variant, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(executors, "import_module", missing)
    with pytest.raises(PluginError, match=r"Dask is not installed. Install it: pip install 'dynascope\[dask\]'"):
        analyze(variant, where=Where("dask"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what a dying cluster says is not ours
def test_a_dask_cluster_of_which_one_worker_is_killed_ends_in_the_same_artifacts(variant, expected, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(elsewhere, "SECONDS", 0)
    for name in executors.THREADS:
        monkeypatch.setenv(name, "1")  # so that what the cluster leaves in the environment ends with this test
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        workers = [worker.process.pid for worker in cluster.workers.values()]

        def kill_one():
            deadline = time.monotonic() + 120
            while len(list(variant.artifacts.folder.rglob("*.h5"))) < 6 and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(workers[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        analyze(variant, where=Where("dask", address=cluster.scheduler_address))
        killer.join()
    assert_same(contents(variant), expected)


def test_what_does_not_apply_elsewhere_is_told_as_here(variant, monkeypatch):
    """A worker finds out, and the series that read it are not tried."""
    sharing = elsewhere._Sharing(plan(variant, registry()), 2**30, versions_of(registry()), lambda work, names: None)
    first = sharing.next(workers=1)
    future = Future()
    future.set_result(elsewhere.Report([], {"fourier.embedding_frequencies": "There is no weight"}, 0.1))
    sharing.take(first, future, lambda units: None)
    assert sharing.next(workers=1).lacking == sharing.lacking == {"fourier.embedding_frequencies": "There is no weight"}


def test_the_checkpoint_that_kills_its_worker_is_lost_alone(variant):
    sharing = elsewhere._Sharing(plan(variant, registry()), 2**30, versions_of(registry()), lambda work, names: None)
    sharing._pace = 0.001
    (order, given) = (sharing.next(workers=1), [])
    assert len(order.units) > 2
    deadly = order.units[1][0]

    def answered(order):
        future = Future()
        if any(epoch == deadly for epoch, _ in order.units):
            future.set_exception(BrokenExecutor("the worker's process ended"))
        else:
            future.set_result(elsewhere.Report([], {}, 0.001))
        sharing.take(order, future, lambda units: given.append(units))

    while order is not None:
        answered(order)
        order = sharing.next(workers=1)
    assert sum(given) == 63
    assert [failure.epoch for failure in sharing.failures] == [deadly]
