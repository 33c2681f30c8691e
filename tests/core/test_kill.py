"""SIGKILL at random moments loses nothing that was done, and what comes out in the end is the same."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from forks import Forks
from tiny import FAMILY, TINY, declare_analyzers

from dynascope import Workspace, analyze, train
from dynascope.analysis import upkeep
from dynascope.store.series import SERIES_FILE

pytestmark = pytest.mark.slow

AXES = ("a", "b", "component", "frequency", "neuron")


def killed_at_random(command, ready, seconds, rng):
    """Start a command, wait until it works, kill it after a random time; see that no process of it is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dynascope", *command], stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not ready() and process.poll() is None:
        assert time.monotonic() < deadline, "the command did not begin to work"
        time.sleep(0.002)
    time.sleep(rng.uniform(0, seconds))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for_the_end_of(process.pid)


def wait_for_the_end_of(group):
    deadline = time.monotonic() + 30
    while group_is_alive(group):
        assert time.monotonic() < deadline, "processes are left"
        time.sleep(0.005)


def contents(variant):
    """Everything that the files hold, read without Dynascope: the stamp and arrays of each unit, and all series."""
    found = {}
    for path in variant.artifacts.folder.rglob("[!.]*.h5"):
        with h5py.File(path, locking=False) as file:
            (group,) = file["/"].values() if path.name != SERIES_FILE else (file,)
            (group,) = group.values() if path.name != SERIES_FILE else (file,)
            arrays = {name: array[()].tolist() for name, array in group.items() if isinstance(array, h5py.Dataset)}
            stamp = {name: str(value) for name, value in group.attrs.items() if name != "created"}
        found[str(path.relative_to(variant.folder))] = (stamp, arrays)
    return found


def units_of(variant):
    return {name: content for name, content in contents(variant).items() if not name.endswith(SERIES_FILE)}


def names_of(variant):
    paths = variant.artifacts.folder.rglob("[!.]*.h5")
    return {str(path.relative_to(variant.folder)) for path in paths if path.name != SERIES_FILE}


def nothing_is_damaged(variant):
    found = {finding.kind for finding in upkeep.verify(variant).findings}
    return found <= {"leftover", "outdated"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with one variant of four checkpoints, trained."""
    workspace = Workspace.create(tmp_path_factory.mktemp("trained") / "workspace")
    declare_analyzers(workspace.path)
    train(workspace.new_variant(FAMILY, {**TINY, "epochs": 3}), schedule="0:3:1")
    return workspace.path


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory):
    """The same, analysed in one go."""
    (variant,) = Workspace(shutil.copytree(trained, tmp_path_factory.mktemp("whole") / "workspace")).variants()
    analyze(variant)
    return variant


@pytest.fixture
def variant(trained, tmp_path):
    (variant,) = Workspace(shutil.copytree(trained, tmp_path / "workspace")).variants()
    return variant


@pytest.fixture
def analysed_variant(whole, tmp_path):
    folder = shutil.copytree(whole.folder.parents[2], tmp_path / "analysed")
    return Workspace(folder).variants()[0]


@pytest.fixture(scope="module")
def forks():
    forks = Forks()
    yield forks
    forks.close()


def workspace_of(variant):
    return str(variant.folder.parents[2])


def killed_fork(forks, task, seconds, rng, variant, **arguments):
    """Begin a task, and kill it after a random time; return whether it was still at work."""
    pid = forks.start(task, path=workspace_of(variant), **arguments)
    time.sleep(rng.uniform(0, seconds))
    os.kill(pid, signal.SIGKILL)
    return forks.wait(pid) == -signal.SIGKILL


def killed_shared(forks, seconds, rng, variant, whom, **arguments):
    """Begin an analysis in processes, and kill a worker or the parent after a random time; return whether it was there.

    That a worker was killed is nothing to the analysis: another does its work. No process is left.
    """
    pid = forks.start("shared", path=workspace_of(variant), **arguments)
    time.sleep(rng.uniform(0, seconds))
    victims = [pid] if whom == "parent" else workers_of(pid)
    with suppress(ProcessLookupError, IndexError):
        os.kill(rng.choice(victims), signal.SIGKILL)
    code = forks.wait(pid)
    wait_for_the_end_of(pid)
    if whom == "parent":
        return code == -signal.SIGKILL
    assert code == 0
    return bool(victims)


def remove_half(variant, rng):
    paths = sorted(variant.artifacts.folder.rglob("[!.]*.h5"))
    for path in rng.sample(paths, len(paths) // 2):
        path.unlink()


def workers_of(pid):
    """Return the processes that a process has started, by whichever of its threads."""
    found = []
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def seconds_of(forks, task, variant, **arguments):
    begun = time.monotonic()
    assert forks.wait(forks.start(task, path=workspace_of(variant), **arguments)) == 0
    return time.monotonic() - begun


@pytest.mark.parametrize(("state", "kills"), [("missing", 20), ("fresh", 20), ("series", 20)])
def test_analyze_killed_sixty_times_in_all_leaves_whole_files(forks, whole, variant, state, kills):
    """From nothing (or a part), over units that are computed again, and while series are built."""
    rng, expected = random.Random(state), units_of(whole)
    task = {"task": "series"} if state == "series" else {"task": "analyze", "force": state == "fresh"}
    # A part takes half as long as the whole; series are built over and over.
    seconds = {"missing": 0.5, "fresh": 1.0}.get(state, 0.1) * seconds_of(forks, "analyze", variant)
    done = interrupted = 0
    while done < kills:
        if state == "missing" and len(units_of(variant)) == len(expected):
            remove_half(variant, rng)
        before = units_of(variant)
        done += killed_fork(forks, seconds=seconds, rng=rng, variant=variant, **task)
        after = units_of(variant)  # every file opens
        assert before.keys() <= after.keys()
        assert all(content == expected[name] for name, content in after.items())
        assert nothing_is_damaged(variant)
        folders = [variant.artifacts.folder / name for name in variant.artifacts.analyzers()]
        interrupted += any(not (folder / SERIES_FILE).exists() for folder in folders)
    assert interrupted > kills // 10
    upkeep.repair(variant)
    analyze(variant)
    assert contents(variant) == contents(whole)
    assert upkeep.verify(variant).findings == ()
    assert [path for path in variant.folder.rglob(".*") if path.name != ".training.lock"] == []


@pytest.mark.parametrize("whom", ["worker", "parent"])
def test_an_analysis_in_processes_of_which_one_is_killed_forty_times_in_all_leaves_whole_files(
    forks, whole, variant, whom
):
    """From a part, and over units that are computed again, in turns."""
    rng, expected = random.Random(whom), units_of(whole)
    seconds = 0.9 * seconds_of(forks, "shared", variant)  # at the very end there is nobody left to be killed
    done = interrupted = 0
    while done < 20:
        force = bool(done % 2)
        if not force and len(names_of(variant)) == len(expected):
            remove_half(variant, rng)
        before = names_of(variant)
        done += killed_shared(forks, seconds, rng, variant, whom, force=force)
        after = units_of(variant)  # every file opens
        assert before <= after.keys()
        assert all(content == expected[name] for name, content in after.items())
        assert nothing_is_damaged(variant)
        assert whom == "parent" or after.keys() == expected.keys()
        interrupted += after.keys() < expected.keys()
    assert whom == "worker" or interrupted > 2
    upkeep.repair(variant)
    analyze(variant)
    assert contents(variant) == contents(whole)
    assert upkeep.verify(variant).findings == ()
    assert [path for path in variant.folder.rglob(".*") if path.name != ".training.lock"] == []


@pytest.mark.parametrize(("kills", "options"), [(2, []), (1, ["--workers", "2"])])
def test_the_command_killed_at_random_goes_on_to_the_same_artifacts(whole, variant, kills, options):
    rng = random.Random(0)
    folder = variant.artifacts.folder
    for _ in range(kills):
        before = len(list(folder.rglob("[!.]*.h5")))
        killed_at_random(
            ["analyze", "--workspace", workspace_of(variant), *options],
            lambda before=before: len(list(folder.rglob("[!.]*.h5"))) > before,
            0.1,
            rng,
        )
        assert nothing_is_damaged(variant)
        for path in list(folder.rglob("[!.]*.h5"))[::2]:
            path.unlink()
    analyze(variant)
    assert contents(variant) == contents(whole)


def test_a_reader_that_scrubs_while_units_are_computed_again_and_killed_sees_whole_ones(
    forks, analysed_variant, tmp_path
):
    artifacts, rng = analysed_variant.artifacts, random.Random(2)
    names = [f"{one}/{name}" for one in artifacts.analyzers() for name, axes in artifacts.arrays(one).items()]
    series = {name: artifacts.series(name).values for name in names if name.rpartition("/")[2] not in AXES}
    np.savez(tmp_path / "expected.npz", **series)
    seconds = seconds_of(forks, "analyze", analysed_variant, force=True)
    paths = {name: str(tmp_path / name) for name in ("expected", "stop", "report")}
    paths["expected"] += ".npz"
    reader = forks.start("scrub", path=workspace_of(analysed_variant), **paths)
    for number in range(20):
        if number % 5 == 4:
            seconds_of(forks, "analyze", analysed_variant, force=True)
        elif number % 5 >= 2:
            killed_shared(forks, seconds, rng, analysed_variant, ("worker", "parent")[number % 2], force=True)
        else:
            killed_fork(forks, "analyze", seconds, rng, analysed_variant, force=True)
    (tmp_path / "stop").touch()
    assert forks.wait(reader) == 0
    report = json.loads((tmp_path / "report").read_text())
    assert report["wrong"] == []
    assert report["reads"] > 200


@pytest.mark.parametrize("force", [False, True])
def test_two_analyses_at_once_end_in_the_same_artifacts_without_either_failing(forks, whole, variant, force):
    for _ in range(2):
        both = [forks.start("analyze", path=workspace_of(variant), force=force) for _ in range(2)]
        assert [forks.wait(pid) for pid in both] == [0, 0]
        assert contents(variant) == contents(whole)
        assert upkeep.verify(variant).findings == ()


def test_a_full_disk_is_one_clear_error_and_what_was_stored_is_whole(forks, whole, variant, tmp_path):
    sizes = {path.parent.name: path.stat().st_size for path in whole.artifacts.folder.rglob("[0-9]*.h5")}
    limit = max(sizes.values()) - 1
    said = tmp_path / "said"

    def limited(*arguments):
        command = [*arguments, "--workspace", workspace_of(variant)]
        code = forks.wait(forks.start("limited", arguments=command, bytes_a_file=limit, said=str(said)))
        assert code == 2
        text = said.read_text()
        assert text.count("Error: Could not write ") == text.count("Could not write") == 1
        assert "File too large. Nothing that was there is changed; free some space" in text or "pack" in arguments
        assert "Traceback" not in text

    limited("analyze")
    stored = units_of(variant)
    assert stored
    assert all(content == units_of(whole)[name] for name, content in stored.items())
    assert upkeep.verify(variant).findings == ()
    analyze(variant)
    assert contents(variant) == contents(whole)
    limited("artifacts", "pack", variant.name, "--out", str(tmp_path / "packed.h5"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said", "workspace"]


def test_training_killed_at_random_goes_on_to_the_same_bytes(tmp_path):
    rng = random.Random(1)
    settings = {**TINY, "epochs": 1500}
    whole = Workspace.create(tmp_path / "whole").new_variant(FAMILY, settings)
    train(whole, schedule="0:1500:50")
    workspace = Workspace.create(tmp_path / "killed")
    killed = workspace.new_variant(FAMILY, settings)
    command = ["train", FAMILY, *(f"{name}={value}" for name, value in settings.items()), "--schedule", "0:1500:50"]
    for _ in range(30):
        before = len(killed.checkpoints)
        killed_at_random(
            [*command, "--workspace", str(workspace.path)],
            lambda before=before: len(killed.checkpoints) > before,
            0.2,
            rng,
        )
    train(killed)
    for folder in ("checkpoints", "optimizer"):
        names = sorted(path.name for path in (whole.folder / folder).iterdir())
        assert names == sorted(path.name for path in (killed.folder / folder).iterdir())
        for name in names:
            assert (whole.folder / folder / name).read_bytes() == (killed.folder / folder / name).read_bytes()
    assert (whole.folder / "metrics.csv").read_bytes() == (killed.folder / "metrics.csv").read_bytes()


def ensemble_of(folder):
    workspace = Workspace.create(folder)
    return [workspace.new_variant(FAMILY, {**TINY, "seed": seed, "epochs": 100_000}) for seed in range(3)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ensemble_that_is_ended_saves_every_member_and_leaves_no_process(tmp_path, number):
    # Three variants, two processes: a stack of two and one of one. On SIGKILL the orphans save and end by themselves.
    variants = ensemble_of(tmp_path / "workspace")
    settings = [f"{name}={value}" for name, value in TINY.items() if name != "epochs"]
    command = ["train", FAMILY, *settings, "--epochs", "100000", "--seeds", "0:3", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dynascope", *command, "--schedule", "0,100000", "-w", str(tmp_path / "workspace")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not all(len(variant.metrics_file.read()["epoch"]) > 50 for variant in variants):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(variant.state == "training" for variant in variants):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    if number == signal.SIGTERM:
        assert process.returncode == 130
        assert "Interrupted; what was done is kept. To continue: dynascope train" in said
    for variant in variants:
        assert variant.state == "interrupted"
        (saved,) = variant.resume_folder.epochs()
        assert saved == len(variant.metrics_file.read()["epoch"]) > 50
    while group_is_alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def group_is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
