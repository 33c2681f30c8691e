import math
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from filelock import FileLock
from tiny import FAMILY, TINY

from dynascope import CheckpointError, InvalidSetting, TrainingError, train
from dynascope.store.workspace import Workspace
from dynascope.training import loop
from dynascope.training.compiling import pays
from dynascope.training.replay import replay
from dynascope.training.stack import Stack


def new(path, **settings):
    return Workspace.create(path).new_variant(FAMILY, {**TINY, **settings})


def files(variant):
    """Everything that training writes and that must not depend on interruptions."""
    paths = [*variant.folder.glob("checkpoints/*"), *variant.folder.glob("optimizer/*"), variant.folder / "metrics.csv"]
    return {str(path.relative_to(variant.folder)): path.read_bytes() for path in paths}


def test_epoch_n_is_the_state_after_n_updates(tmp_path):
    variant = new(tmp_path)
    result = train(variant, epochs=6, schedule="0:6:3")
    assert (result.started_at, result.epochs) == (0, 6)
    assert variant.checkpoints == [0, 3, 6]
    assert variant.state == "trained"
    initial = variant.family.base.init(variant.config)
    for name, array in variant.weights(0).items():
        np.testing.assert_array_equal(array, initial[name])
    metrics = variant.metrics_file.read()
    np.testing.assert_array_equal(metrics["epoch"], np.arange(7))
    # The metrics of epoch 3 are those of the checkpoint of epoch 3.
    import torch

    weights = {name: torch.from_numpy(array) for name, array in variant.weights(3).items()}
    data = variant.family.base.data(variant.config)
    family = variant.family.base
    logits = family.forward(variant.config, weights, family.prepare(variant.config, data.test_inputs))
    loss = variant.family.base.loss(variant.config, logits, data.test_labels)
    assert float(loss) == pytest.approx(metrics["test_loss"][3], rel=1e-12)


def test_a_finished_variant_is_left_alone(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=4)
    before = files(variant)
    assert train(variant, epochs=4).seconds == 0
    assert train(variant, epochs=2).epochs == 4
    assert files(variant) == before


def test_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    whole, stopped = new(tmp_path / "a"), new(tmp_path / "b")
    train(whole, epochs=12, schedule="0:12:4")

    class Stop(Exception):
        pass

    def stop_at(epoch):
        def progress(row):
            if row["epoch"] == epoch:
                raise Stop

        return progress

    for epoch in (5, 6, 11):
        with pytest.raises(Stop):
            train(stopped, epochs=12, schedule="0:12:4", progress=stop_at(epoch))
        assert stopped.state == "interrupted"
    assert train(stopped, epochs=12, schedule="0:12:4").started_at == 8
    assert files(stopped) == files(whole)


def test_a_longer_training_continues_the_shorter_one(tmp_path):
    whole, grown = new(tmp_path / "a"), new(tmp_path / "b")
    train(whole, epochs=9, schedule="0,4,9")
    train(grown, epochs=4, schedule="0,4")
    assert train(grown, epochs=9, schedule="0,4,9").started_at == 4
    assert files(grown) == files(whole)


def test_the_optimizer_is_kept_as_asked(tmp_path):
    for keep, epochs in (("all", [0, 2, 4]), ("last", [4]), ("none", [])):
        variant = new(tmp_path / keep)
        train(variant, epochs=4, schedule="0:4:2", keep_optimizer=keep)
        assert variant.optimizer_folder.epochs() == epochs


def test_divergence_stops_with_the_epoch_and_keeps_what_was_done(tmp_path):
    variant = new(tmp_path, learning_rate=1e30, weight_decay=0.0, epochs=30)
    with pytest.raises(TrainingError, match=r"Training of p11.* diverged: the train loss is .* at epoch \d+"):
        train(variant, schedule="0:30:1")
    assert variant.state == "diverged"
    metrics = variant.metrics_file.read()
    assert 0 < len(metrics["epoch"]) < 30
    assert all(math.isfinite(loss) for loss in metrics["train_loss"])
    assert variant.checkpoints[0] == 0


def test_a_variant_is_trained_by_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOCK_PATIENCE", 0.1)
    variant = new(tmp_path)
    variant.folder.mkdir(parents=True)
    with FileLock(variant.folder / ".training.lock"), pytest.raises(TrainingError, match="by another process"):
        train(variant, epochs=2)


def test_a_schedule_beyond_the_end_is_refused_before_anything_is_written(tmp_path):
    variant = new(tmp_path)
    with pytest.raises(InvalidSetting, match="training ends at epoch 40"):
        train(variant, schedule="0:100:10")
    assert not variant.folder.exists()


def test_the_global_random_state_is_not_touched(tmp_path):
    import torch

    before = torch.get_rng_state()
    train(new(tmp_path), epochs=2)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_every_optimizer_learns_and_can_be_continued(tmp_path, optimizer):
    variant = new(tmp_path, optimizer=optimizer, learning_rate=0.01, weight_decay=0.0)
    train(variant, epochs=20)
    train(variant, epochs=30)
    loss = variant.metrics_file.read()["train_loss"]
    assert loss[30] < loss[20] < loss[0]


def test_training_is_never_cut_short(tmp_path):
    class Stop(Exception):
        pass

    def stop(row):
        if row["epoch"] == 12:
            raise Stop

    variant = new(tmp_path)
    with pytest.raises(Stop):
        train(variant, epochs=20, schedule="0:20:5", progress=stop)
    before = files(variant)
    with pytest.raises(InvalidSetting, match="already been trained to epoch 10; epochs must be .* got 6"):
        train(variant, epochs=6)
    assert files(variant) == before


def test_another_schedule_for_a_finished_variant_is_refused(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=6, schedule="0:6:3")
    assert train(variant, epochs=6, schedule="3").seconds == 0
    with pytest.raises(InvalidSetting, match="epochs 1, 2 of the schedule were not kept"):
        train(variant, epochs=6, schedule="1:4")


def test_a_variant_whose_process_was_killed_is_interrupted(tmp_path):
    from dynascope.store.atomic import write_json

    variant = new(tmp_path)
    train(variant, epochs=2)
    write_json(variant.folder / "metadata.json", {**variant.metadata, "state": "training"})
    assert variant.state == "interrupted"
    with FileLock(variant.folder / ".training.lock"):
        assert variant.state == "training"


def test_what_cannot_be_continued_is_not_begun_again(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=6, schedule="0:6:3", keep_optimizer="none")
    before = files(variant)
    with pytest.raises(InvalidSetting, match="cannot be continued: the optimizer's state was not kept"):
        train(variant, epochs=9)
    assert files(variant) == before


def test_length_and_kept_states_are_those_of_before(tmp_path):
    workspace = Workspace.create(tmp_path)
    variant = workspace.new_variant(FAMILY, TINY)
    train(variant, epochs=4, schedule="0:4:2", keep_optimizer="last")
    train(variant, epochs=8)
    assert len(variant.optimizer_folder.epochs()) == 1
    assert train(workspace.variant(variant.name)).epochs == 8


def test_weights_that_are_no_numbers_are_never_kept(tmp_path):
    variant = new(tmp_path, learning_rate=1e30, weight_decay=0.0)
    with pytest.raises(TrainingError, match="diverged"):
        train(variant, epochs=1)
    assert variant.state == "diverged"
    for epoch in variant.checkpoints:
        assert all(np.isfinite(array).all() for array in variant.weights(epoch).values())


def interrupting(epoch, number=signal.SIGINT):
    """Return a progress callback that sends this process a signal, as Ctrl-C or a scheduler does."""

    def progress(row):
        if row["epoch"] == epoch:
            os.kill(os.getpid(), number)

    return progress


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("keep", ["all", "last", "none"])
def test_an_interrupt_loses_no_epoch(tmp_path, number, keep):
    whole, stopped = new(tmp_path / "a"), new(tmp_path / "b")
    train(whole, epochs=12, schedule="0:12:4", keep_optimizer=keep)
    for epoch in (1, 6):
        with pytest.raises(KeyboardInterrupt):
            train(stopped, epochs=12, schedule="0:12:4", keep_optimizer=keep, progress=interrupting(epoch, number))
        assert stopped.state == "interrupted"
        assert stopped.resume_folder.epochs() == [epoch + 1]
    assert train(stopped, epochs=12).started_at == 7
    assert files(stopped) == files(whole)
    assert stopped.resume_folder.epochs() == []


def test_the_state_is_saved_between_checkpoints_that_lie_far_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "AUTOSAVE", 0.0)
    whole, stopped = new(tmp_path / "a"), new(tmp_path / "b")
    train(whole, epochs=12, schedule="0,12")

    class Killed(BaseException):
        pass

    def kill(row):
        if row["epoch"] == 6:
            raise Killed

    with pytest.raises(Killed):
        train(stopped, epochs=12, schedule="0,12", progress=kill)
    assert stopped.resume_folder.epochs() == [6]
    assert train(stopped).started_at == 6
    assert files(stopped) == files(whole)


def test_the_test_split_can_be_measured_less_often(tmp_path):
    every, seldom = new(tmp_path / "a"), new(tmp_path / "b")
    train(every, epochs=10, schedule="0,5")
    train(seldom, epochs=10, schedule="0,5", eval_every=4)
    a, b = every.metrics_file.read(), seldom.metrics_file.read()
    np.testing.assert_array_equal(a["train_loss"], b["train_loss"])
    measured = [0, 4, 5, 8, 10]
    assert np.flatnonzero(np.isfinite(b["test_loss"])).tolist() == measured
    np.testing.assert_array_equal(a["test_loss"][measured], b["test_loss"][measured])
    for name, array in every.weights(10).items():
        np.testing.assert_array_equal(array, seldom.weights(10)[name])
    with pytest.raises(InvalidSetting, match="eval_every must be at least 1, got 0"):
        train(new(tmp_path / "c"), eval_every=0)


def test_overwriting_begins_again(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=6, schedule="0:6:3")
    before = files(variant)
    (variant.folder / "artifacts").mkdir()
    result = train(variant, epochs=6, schedule="0:6:3", overwrite=True)
    assert result.started_at == 0
    assert result.seconds > 0
    assert files(variant) == before
    assert not (variant.folder / "artifacts").exists()


def test_no_memory_left_names_the_epoch_and_keeps_what_was_done(tmp_path, monkeypatch):
    step = Stack.step

    def failing(self, **options):
        if self.epoch == 7:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return step(self, **options)

    monkeypatch.setattr(Stack, "step", failing)
    variant = new(tmp_path)
    with pytest.raises(TrainingError, match=r"Out of memory at epoch 7 of p11.*can't allocate memory"):
        train(variant, epochs=10, schedule="0:10:5")
    assert variant.checkpoints == [0, 5]
    monkeypatch.undo()
    assert train(variant).started_at == 5


def test_an_error_of_a_plug_in_is_not_taken_for_a_lack_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(Stack, "step", lambda self, **options: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        train(new(tmp_path), epochs=2)


def test_a_device_that_is_not_there_is_one_clear_error(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(InvalidSetting, match="device is cuda, but this torch sees no CUDA device"):
        train(new(tmp_path, device="cuda"))


def test_without_a_compiler_training_goes_on_and_says_so_once(tmp_path, monkeypatch, caplog):
    def compile_nothing(function):
        def call(*arguments):
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nlong trace")

        return call

    monkeypatch.setattr(torch, "compile", compile_nothing)
    plain, other = new(tmp_path / "a"), new(tmp_path / "b")
    train(plain, epochs=4, schedule="0,4")
    train(other, epochs=4, schedule="0,4", compiled=True)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == (
        "Not compiled, training goes on without: InvalidCxxCompiler: No working C++ compiler found"
    )
    assert files(plain) == files(other)


def test_compiling_is_left_out_where_it_does_not_pay():
    assert not pays(rows=121, epochs=25_000)
    assert not pays(rows=2_809, epochs=2_500)
    assert pays(rows=12_769, epochs=25_000)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
def test_what_is_compiled_has_the_same_losses_and_can_be_replayed(tmp_path):
    plain, compiled = new(tmp_path / "a"), new(tmp_path / "b")
    train(plain, epochs=20, schedule="0,10,20")
    train(compiled, epochs=20, schedule="0,10,20", compiled=True)
    assert compiled.recipe["compiled"]
    for name in ("train_loss", "test_loss"):
        np.testing.assert_allclose(plain.metrics_file.read()[name], compiled.metrics_file.read()[name], rtol=1e-6)
    assert replay(compiled, 7).check.exact


def test_the_curves_join_the_epochs_that_were_measured(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=10, schedule="0,5", eval_every=4)
    drawn = variant.at(5).view("losses")
    train_curve, test_curve = drawn.get(0), drawn.get(1)
    np.testing.assert_array_equal(train_curve.dimension_values("epoch"), np.arange(11))
    np.testing.assert_array_equal(test_curve.dimension_values("epoch"), [0, 4, 5, 8, 10])
    assert np.isfinite(test_curve.dimension_values("test_loss")).all()


def test_nothing_is_deleted_before_it_is_sure_that_training_can_begin(tmp_path, monkeypatch):
    variant = new(tmp_path)
    train(variant, epochs=4, schedule="0,4")
    before = files(variant)

    def broken(self, config):
        raise RuntimeError("no weights today")

    monkeypatch.setattr(type(variant.family.base), "init", broken)
    with pytest.raises(RuntimeError, match="no weights today"):  # and not taken for a lack of memory
        train(variant, epochs=4, overwrite=True)
    assert files(variant) == before


def test_overwriting_forgets_the_old_recipe_and_what_was_replayed(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=6, schedule="0,6", keep_optimizer="none", eval_every=3)
    variant.replayed_folder.write(3, replay(variant, 3).weights)
    train(variant, epochs=4, schedule="every:1", overwrite=True)
    assert variant.checkpoints == variant.optimizer_folder.epochs() == [0, 1, 2, 3, 4]
    assert variant.replayed_folder.epochs() == []
    assert (variant.recipe["eval_every"], variant.recipe["epochs"]) == (1, 4)
    assert all(variant.weights(epoch) for epoch in variant.checkpoints)


def test_checkpoints_are_never_trained_over_where_metrics_are_lost(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=6, schedule="0:6:2")
    lines = variant.metrics_file.path.read_text().splitlines(keepends=True)
    variant.metrics_file.path.write_text(lines[0])
    before = files(variant)
    with pytest.raises(InvalidSetting, match=r"trained to epoch 6 and cannot be continued: metrics.csv has 0 rows"):
        train(variant, epochs=9)
    assert files(variant) == before


def test_a_denser_schedule_of_what_lies_behind_is_refused_with_the_way_to_it(tmp_path):
    variant = new(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(variant, epochs=20, schedule="every:10", progress=interrupting(14))
    with pytest.raises(InvalidSetting, match=r"to epoch 15, and epochs 5 of the schedule .*add .* 'every:5'"):
        train(variant, epochs=20, schedule="every:5")
    train(variant, epochs=20, schedule="0,10,18")
    assert variant.checkpoints == variant.recipe["schedule"] == [0, 10, 18, 20]


def test_a_longer_training_keeps_what_was_asked_for(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=10, schedule="every:5")
    train(variant, epochs=20)
    assert variant.checkpoints == [0, 5, 10, 15, 20]


def test_a_longer_training_loses_no_measurement(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=10, schedule="0,10", eval_every=7)
    train(variant, epochs=20, schedule="0,20")
    measured = np.flatnonzero(np.isfinite(variant.metrics_file.read()["test_loss"])).tolist()
    assert measured == [0, 7, 10, 14, 20]


def test_states_that_were_kept_stay_when_less_is_kept(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=10, schedule="every:5")
    train(variant, epochs=20, schedule="every:5", keep_optimizer="last")
    assert variant.optimizer_folder.epochs() == [0, 5, 10, 20]


def test_the_way_of_computing_is_that_of_the_beginning(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=4, schedule="0,4")
    with pytest.raises(InvalidSetting, match="was begun not compiled, and goes on like that"):
        train(variant, epochs=6, compiled=True)
    assert variant.metadata["threads"] == variant.recipe["threads"]


def test_a_damaged_state_says_that_an_earlier_one_can_be_used(tmp_path):
    variant = new(tmp_path)
    train(variant, epochs=4, schedule="every:2")
    path = variant.optimizer_folder.file(4)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="damaged.* Delete it: training then goes on from an earlier state"):
        train(variant, epochs=6)
    path.unlink()
    assert train(variant, epochs=6).started_at == 2
