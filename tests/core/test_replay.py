"""Any epoch again: from the nearest earlier state, and verified."""

import os
import signal

import numpy as np
import pytest
import torch
from tiny import FAMILY, TINY

from dynascope import CheckpointError, TrainingError, Workspace, train
from dynascope.training.replay import add_checkpoints, replay
from dynascope.training.stack import Stack


def new(path, **settings):
    return Workspace.create(path).new_variant(FAMILY, {**TINY, **settings})


@pytest.fixture
def variant(tmp_path):
    variant = new(tmp_path / "sparse")
    train(variant, schedule="0:40:20")
    return variant


@pytest.fixture
def dense(tmp_path):
    variant = new(tmp_path / "dense")
    train(variant, schedule="every:1")
    return variant


def bytes_of(variant, folder):
    return {path.name: path.read_bytes() for path in (variant.folder / folder).iterdir()}


def test_a_replayed_epoch_is_the_trained_one_to_the_last_bit(variant, dense):
    for epoch in (0, 7, 20, 23, 40):
        moment = replay(variant, epoch)
        assert moment.check.exact
        for name, array in dense.checkpoint_folder.read(epoch).items():
            np.testing.assert_array_equal(moment.weights[name], array)
    assert moment.check.start == 40
    check = replay(variant, 23).check
    assert (check.start, check.losses, check.checkpoints) == (20, 21, (40,))
    assert "equal to the last bit to 21 recorded losses and to the checkpoint of epoch 40" in check.summary


def test_a_variant_gives_the_weights_of_any_epoch(variant, dense):
    for name, array in dense.weights(33).items():
        np.testing.assert_array_equal(variant.weights(33)[name], array)
    assert variant.checkpoints == [0, 20, 40]


def test_added_checkpoints_are_those_that_would_have_been_kept(variant, dense):
    before = bytes_of(variant, "checkpoints")
    stamps = {path: path.stat().st_mtime_ns for path in (variant.folder / "checkpoints").iterdir()}
    added = add_checkpoints(variant, "every:1")
    assert (len(added.epochs), added.present, added.check.exact) == (38, 3, True)
    assert bytes_of(variant, "checkpoints") == bytes_of(dense, "checkpoints")
    assert bytes_of(variant, "optimizer") == bytes_of(dense, "optimizer")
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert before.items() <= bytes_of(variant, "checkpoints").items()
    assert variant.recipe["schedule"] == list(range(41))
    assert add_checkpoints(variant, "5:10").epochs == ()
    assert train(variant).seconds == 0


def test_without_kept_states_a_replay_starts_from_the_beginning(tmp_path, dense):
    variant = new(tmp_path / "none")
    train(variant, schedule="0:40:20", keep_optimizer="none")
    moment = replay(variant, 21)
    assert (moment.check.start, moment.check.checkpoints, moment.check.exact) == (0, (0, 20, 40), True)
    assert add_checkpoints(variant, "21").epochs == (21,)
    assert variant.optimizer_folder.epochs() == []
    assert bytes_of(variant, "checkpoints")["epoch_00000021.safetensors"] == (
        dense.checkpoint_folder.file(21).read_bytes()
    )


def test_what_differs_is_said_and_not_added_unless_asked(variant):
    # As on a machine that rounds differently: the record of this one is changed by a little.
    for epoch in (20, 40):
        weights = variant.checkpoint_folder.read(epoch)
        weights["embed.weight"] = weights["embed.weight"] * np.float32(1 + 1e-6)
        variant.checkpoint_folder.write(epoch, weights)
    moment = replay(variant, 30)
    assert not moment.check.exact
    assert 1e-9 < moment.check.weight_difference < 1e-4
    assert 0 < moment.check.loss_difference < 1e-4
    assert "NOT equal to the last bit" in moment.check.summary
    with pytest.raises(TrainingError, match="--inexact"):
        add_checkpoints(variant, "30")
    assert variant.checkpoints == [0, 20, 40]
    assert add_checkpoints(variant, "30", inexact=True).epochs == (30,)
    assert variant.checkpoint_folder.header(30)["inexact_replay"]["loss"] > 0
    assert "inexact_replay" not in variant.checkpoint_folder.header(20)


def test_nothing_starts_from_an_inexact_epoch_or_is_compared_with_it(variant, monkeypatch):
    step = Stack.step
    with monkeypatch.context() as elsewhere:  # a machine that rounds differently

        def rounding(self, **options):
            metrics = step(self, **options)
            with torch.no_grad():
                self.weights["embed.weight"] *= 1 + 1e-6
            return metrics

        elsewhere.setattr(Stack, "step", rounding)
        assert add_checkpoints(variant, "25:28", inexact=True).epochs == (25, 26, 27)
    assert 25 not in variant.resumable
    assert variant.optimizer_folder.epochs() == [0, 20, 40]
    for epoch in (23, 29):
        check = replay(variant, epoch).check
        assert check.exact
        assert (check.start, check.checkpoints) == (20, (40,) if epoch == 29 else ())


def test_a_replay_beyond_the_last_checkpoint_compares_the_loss_of_its_target(tmp_path):
    variant = new(tmp_path / "stopped")

    def interrupt(row):
        if row["epoch"] == 27:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(variant, schedule="0:40:20", progress=interrupt)
    check = replay(variant, 25).check
    assert (check.start, check.losses, check.checkpoints, check.exact) == (20, 6, (), True)
    check = replay(variant, 28).check
    assert (check.losses, check.exact) == (0, False)
    assert "compared with nothing" in check.summary


def test_a_warning_says_by_how_much_weights_differ(variant, caplog):
    weights = variant.checkpoint_folder.read(40)
    variant.checkpoint_folder.write(40, {name: array * np.float32(1.001) for name, array in weights.items()})
    variant.weights(30)
    assert "weights differ by up to 1.0e-03" in caplog.text
    caplog.clear()
    variant.weights(30, verify=False)
    assert not caplog.text


def test_an_epoch_that_was_never_reached_is_one_clear_error(tmp_path, variant):
    with pytest.raises(CheckpointError, match="trained to epoch 40, and epoch 41 lies beyond"):
        replay(variant, 41)
    with pytest.raises(CheckpointError, match="has not been trained yet"):
        replay(new(tmp_path / "new"), 1)


def test_a_replay_follows_a_warm_up_and_another_optimizer(tmp_path):
    for name, settings in {"warm": {"warmup": 10}, "sgd": {"optimizer": "sgd", "learning_rate": 0.1}}.items():
        variant = new(tmp_path / name, **settings)
        train(variant, epochs=12, schedule="0:12:4")
        assert replay(variant, 6).check.exact
