"""SIGKILL at random moments loses nothing that was done, and what comes out in the end is the same."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tiny import FAMILY, TINY

from dynascope import Workspace, analyze, train
from dynascope.store.artifacts import Artifacts

pytestmark = pytest.mark.slow


def killed_at_random(command, ready, seconds, rng):
    """Start a command, wait until it works, kill it after a random time; return whether it had ended by itself."""
    process = subprocess.Popen([sys.executable, "-m", "dynascope", *command], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not ready() and process.poll() is None:
        assert time.monotonic() < deadline, "the command did not begin to work"
        time.sleep(0.002)
    time.sleep(rng.uniform(0, seconds))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == 0


def contents(folder):
    """The data of every unit: its bytes but for the time of creation."""
    found = {}
    artifacts = Artifacts(folder)
    for analyzer in artifacts.analyzers():
        for epoch in artifacts.epochs(analyzer):
            stamp = artifacts.stamp(analyzer, epoch)
            del stamp["created"]
            arrays = {name: array.values.tolist() for name, array in artifacts[epoch][analyzer].items()}
            found[analyzer, epoch] = (stamp, arrays)
    return found


def test_analyze_killed_ten_times_gives_the_same_artifacts(tmp_path):
    rng = random.Random(0)
    folders = []
    for name in ("whole", "killed"):
        variant = Workspace.create(tmp_path / name).new_variant(FAMILY, {**TINY, "d_mlp": 256, "epochs": 100})
        train(variant, schedule="0:100:1")
        folders.append(variant)
    whole, killed = folders
    analyze(whole)

    command = ["analyze", "--workspace", str(tmp_path / "killed")]
    units = killed.artifacts.folder
    kills = 0
    for _ in range(10):
        before = len(list(units.rglob("*.h5")))
        ended = killed_at_random(command, lambda before=before: len(list(units.rglob("*.h5"))) > before, 0.25, rng)
        kills += not ended
        contents(units)  # every published unit opens and is whole
        if ended:
            for path in list(units.rglob("*.h5"))[::2]:
                path.unlink()
    assert kills >= 8
    analyze(killed)
    expected = contents(whole.artifacts.folder)
    assert len(expected) == 3 * 101
    assert contents(units) == expected
    assert not list(units.rglob("*.tmp"))
    for analyzer in killed.artifacts.analyzers():
        assert killed.artifacts.series(f"{analyzer}/{next(iter(killed.artifacts[0][analyzer]))}").sizes["epoch"] == 101


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
