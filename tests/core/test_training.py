import math

import numpy as np
import pytest
from filelock import FileLock
from tiny import FAMILY, TINY

from dynascope import InvalidSetting, TrainingError, train
from dynascope.store.workspace import Workspace


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


def test_a_variant_is_trained_by_one_process_at_a_time(tmp_path):
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
    with pytest.raises(InvalidSetting, match="without the optimizer's state, and cannot be continued"):
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
