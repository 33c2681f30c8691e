"""Many variants: stacked, shared out, and each of them what it would be alone."""

import numpy as np
import pytest
import torch
from tiny import FAMILY, TINY

from dynascope import InvalidSetting, Workspace, train
from dynascope.executors import Where
from dynascope.training.ensemble import plan_ensemble, train_ensemble
from dynascope.training.grid import parse_axis, read_grid, settings_of
from dynascope.training.loop import train_stack
from dynascope.training.recipe import resolved
from dynascope.training.replay import replay
from dynascope.training.stack import Stack
from dynascope_modular_addition import ModularAddition1Layer

BASE = ModularAddition1Layer()


def configs(count, **settings):
    return [BASE.configure({**TINY, "seed": seed, "data_seed": 2 * seed, **settings}) for seed in range(count)]


@pytest.mark.parametrize("preset", ["miscope", "nanda"])
def test_a_stack_is_its_members_alone(preset):
    members = [BASE.configure({**TINY, "seed": seed, "data_seed": 7 * seed}, preset) for seed in range(3)]
    stack, alone = Stack(BASE, members), [Stack(BASE, [config]) for config in members]
    for _ in range(20):
        together = stack.step()
        apart = torch.cat([one.step() for one in alone], dim=1)
        torch.testing.assert_close(together, apart, rtol=1e-5, atol=0)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_in_double_precision_a_stack_has_the_weights_of_its_members(optimizer):
    members = configs(3, dtype="float64", optimizer=optimizer, warmup=5)
    stack, alone = Stack(BASE, members), [Stack(BASE, [config]) for config in members]
    for _ in range(20):
        for one in (stack, *alone):
            one.step()
    for member, one in enumerate(alone):
        for name, array in stack.weight_arrays(member).items():
            np.testing.assert_allclose(array, one.weight_arrays()[name], rtol=0, atol=1e-9)


def test_dropping_members_changes_no_bit_of_the_others():
    whole, smaller = Stack(BASE, configs(4)), Stack(BASE, configs(4))
    for _ in range(3):
        whole.step(), smaller.step()
    smaller.keep([1, 3])
    for _ in range(3):
        kept = whole.step()[:, [1, 3]]
        assert torch.equal(kept, smaller.step())
    smaller.keep([1])
    assert torch.equal(whole.step()[:, [3]], smaller.step())
    assert len(smaller) == 1


@pytest.fixture
def variants(tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    return [workspace.new_variant(FAMILY, {**TINY, "seed": seed}) for seed in range(3)]


def recipe_of(variant, **wishes):
    from dataclasses import replace

    return replace(resolved(variant, **wishes), stacked=True)


def test_one_that_diverges_is_dropped_and_the_others_go_on(variants, monkeypatch):
    init = ModularAddition1Layer.init

    def broken(self, config):
        weights = init(self, config)
        if config.parameters.seed == 1:
            weights["embed.weight"][0] = torch.nan
        return weights

    monkeypatch.setattr(ModularAddition1Layer, "init", broken)
    results = train_stack(variants, recipe_of(variants[0], epochs=10, schedule="0:10:5"))
    assert [result.error is None for result in results] == [True, False, True]
    assert "diverged: the train loss is nan at epoch 0" in str(results[1].error)
    assert [variant.state for variant in variants] == ["trained", "diverged", "trained"]
    assert [variant.checkpoints for variant in variants] == [[0, 5, 10], [], [0, 5, 10]]
    monkeypatch.undo()
    assert replay(variants[2], 7).check.exact


def test_members_can_be_replayed_and_continued_alone(variants):
    train_stack(variants, recipe_of(variants[0], epochs=10, schedule="0:10:5"))
    assert replay(variants[1], 7).check.exact
    train(variants[1], epochs=20)
    other = Workspace.create(variants[1].folder.parents[2].parent / "other").new_variant(
        FAMILY, variants[1].config.settings
    )
    train_stack([other], recipe_of(other, epochs=20, schedule="0,5,10,20"))
    a, b = (variant.folder / "metrics.csv" for variant in (variants[1], other))
    assert a.read_bytes() == b.read_bytes()


def test_variants_are_stacked_where_only_draws_differ(tmp_path):
    workspace = Workspace.create(tmp_path)
    points = settings_of({"p": [11, 13], "learning_rate": [0.001, 0.01], "seed": [0, 1, 2]})
    variants = [workspace.new_variant(FAMILY, {**TINY, **point}) for point in points]
    plan = plan_ensemble(variants, workers=1)
    assert [len(task.variants) for task in plan.tasks] == [3, 3, 3, 3]
    for task in plan.tasks:
        assert len({(v.config.parameters.p, v.config.training.learning_rate) for v in task.variants}) == 1
    assert [len(task.variants) for task in plan_ensemble(variants, workers=1, stack=2).tasks] == [2, 1] * 4
    large = [workspace.new_variant(FAMILY, {"p": 59, "seed": seed}) for seed in range(3)]
    assert [len(task.variants) for task in plan_ensemble(large, workers=1).tasks] == [1, 1, 1]
    with pytest.raises(InvalidSetting, match="stack must be at least 1, got 0"):
        plan_ensemble(variants, stack=0)


def test_processes_share_an_ensemble_and_its_results_are_the_same(variants, tmp_path):
    seen = set()
    plan = plan_ensemble(variants, workers=2, epochs=10, schedule="0:10:5")
    assert plan.where == Where("processes", 2)
    results = train_ensemble(plan, lambda name, row: seen.add((name, int(row["epoch"]))))
    assert {result.variant for result in results} == {variant.name for variant in variants}
    assert all(result.error is None and result.epochs == 10 for result in results)
    assert {name for name, epoch in seen if epoch == 10} == {variant.name for variant in variants}
    again = plan_ensemble(variants, workers=2, epochs=10)
    assert (again.tasks, len(again.finished)) == ((), 3)
    for variant in variants:
        assert variant.recipe["threads"] == 1
        assert replay(variant, 3).check.exact


def test_one_that_cannot_be_trained_is_reported_and_the_others_go_on(variants):
    train(variants[0], epochs=20, schedule="0,20")
    train(variants[2], epochs=5, schedule="0,5", keep_optimizer="none")
    plan = plan_ensemble(variants, workers=1, epochs=10, schedule="0,10")
    (refused,) = plan.refused
    assert refused.variant == variants[2].name
    assert [variant.name for variant in plan.finished] == [variants[0].name]
    results = {result.variant: result.error for result in train_ensemble(plan)}
    assert "cannot be continued" in str(results[variants[2].name])
    assert results[variants[1].name] is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0:4", [0, 1, 2, 3]),
        ("59,113", [59, 113]),
        ("0:6:2,9", [0, 2, 4, 9]),
        ("sgd,adam", ["sgd", "adam"]),
        ("0.5,1e-3", [0.5, 0.001]),
        ("[0.9,0.98],[0.9,0.999]", [[0.9, 0.98], [0.9, 0.999]]),
    ],
)
def test_an_axis_of_a_grid(text, values):
    assert parse_axis(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no value"), ("4:0", "is empty"), ("0:9999999", "holds 9999999 values"), ("a,,b", "an empty value")],
)
def test_an_axis_that_cannot_be(text, message):
    with pytest.raises(InvalidSetting, match=message):
        parse_axis(text)


def test_a_grid_is_read_as_w_and_b_writes_it(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "program: train.py\nmethod: grid\nmetric: {name: loss}\nparameters:\n  p: {values: [59, 113]}\n"
        "  seed: {min: 0, max: 2}\n  weight_decay: {value: 2.0}\n"
    )
    axes = read_grid(file)
    assert axes == {"p": [59, 113], "seed": [0, 1, 2], "weight_decay": [2.0]}
    assert settings_of(axes)[1] == {"p": 59, "seed": 1, "weight_decay": 2.0}
    assert len(settings_of(axes)) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("p: 3", "needs 'parameters:'"),
        ("method: bayes\nparameters: {p: {value: 1}}", "method 'bayes'; only 'grid'"),
        ("parameters: {p: {distribution: uniform, min: 0.1, max: 1.0}}", "parameter 'p' needs 'value'"),
        ("parameters: [", "cannot be read"),
    ],
)
def test_a_file_that_is_no_grid(tmp_path, content, message):
    file = tmp_path / "sweep.yaml"
    file.write_text(content)
    with pytest.raises(InvalidSetting, match=message):
        read_grid(file)


def test_what_was_begun_alone_goes_on_alone(variants):
    for variant in variants:
        train(variant, epochs=5, schedule="0,5")
    plan = plan_ensemble(variants, workers=1, stack=3, epochs=10, schedule="0,5,10")
    assert [len(task.variants) for task in plan.tasks] == [1, 1, 1]
    train_ensemble(plan)
    for variant in variants:
        assert not variant.recipe["stacked"]
        assert replay(variant, 3).check.exact
        assert replay(variant, 8).check.exact


def test_a_stack_of_which_some_were_trained_meanwhile_is_one_clear_error(variants):
    plan = plan_ensemble(variants, workers=1, epochs=10, schedule="0,10")
    train(variants[0], epochs=10, schedule="0,10")
    (result, *_) = train_ensemble(plan)
    assert "Another process has trained some of" in str(result.error)


def test_numbers_that_yaml_takes_for_text_are_numbers(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("parameters: {learning_rate: {values: [1e-3, 2.0e-3]}, optimizer: {values: [adam, sgd]}}")
    assert read_grid(file) == {"learning_rate": [0.001, 0.002], "optimizer": ["adam", "sgd"]}
