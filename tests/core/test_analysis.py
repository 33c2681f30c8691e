import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from registries import plugins
from tiny import declare_analyzers

from dynascope import (
    Activation,
    AnalysisError,
    Analyzer,
    Output,
    PluginError,
    Stored,
    UnknownName,
    Weight,
    analyze,
    registry,
)
from dynascope.analysis import plan
from dynascope.errors import Failure
from dynascope.plugins import Registry
from dynascope.store.family_file import DeclaredFamily

PATTERN, EMBED = Activation("blocks.0.attn.hook_pattern", position=None), Activation("hook_embed", position=0)


class Mean(Analyzer):
    name = "mean"
    description = "Mean of each neuron."
    reads = ("neurons",)
    outputs = {"mean": Output(("neuron",), "float32", "1", "mean")}

    def analyze(self, step):
        return {"mean": step["neurons"].mean(axis=0)}


class Size(Analyzer):
    name = "size"
    description = "Size of the embedding."
    reads = (Weight("embed.weight"),)
    outputs = {"size": Output((), "int32", "1", "size")}

    def analyze(self, step):
        return {"size": step[Weight("embed.weight")].size}


class Everything(Mean):
    name = "everything"
    reads = ("neurons", PATTERN, EMBED)

    def analyze(self, step):
        pattern = step[PATTERN]
        assert pattern.shape == (121, 2, 3, 3)
        np.testing.assert_allclose(pattern.sum(axis=-1), 1, atol=1e-5)
        assert step[EMBED].shape == (121, 16)
        return super().analyze(step)


@pytest.fixture
def variant(workspace):
    declare_analyzers(workspace.path, None)
    return workspace.variants()[0]


@pytest.fixture
def passes(variant):
    """Counts the passes, hooked or observed, and the models built, of the variant's family.

    Passes of some rows alone, those of gradients at weights and of ``ForwardPass``, are counted as parts.
    """
    counts = {"passes": 0, "models": 0}
    base = variant.family.base

    class Counted(type(base)):
        def hooked(self, config, weights):
            counts["models"] += 1
            model = super().hooked(config, weights)
            forward = model.forward

            def counted(*arguments, **options):
                counts["passes"] += 1
                return forward(*arguments, **options)

            model.forward = counted
            return model

        def observe(self, config, weights, inputs, places):
            observed = super().observe(config, weights, inputs, places)
            if observed is not None:
                kind = "passes" if len(inputs) == 121 else "parts"
                counts[kind] = counts.get(kind, 0) + 1
            return observed

    variant.family = DeclaredFamily(Counted(), variant.family.file)
    return counts


@pytest.mark.parametrize(("analyzers", "models"), [((Mean(),), 0), ((Mean(), Size(), Everything()), 1)])
def test_there_is_one_forward_pass_per_checkpoint_for_one_analyzer_and_for_all(variant, passes, analyzers, models):
    analyze(variant, plugins=plugins(*analyzers))
    assert passes == {"passes": 3, "models": models}


def test_the_built_in_analyzers_share_one_pass(variant, passes):
    """What needs the model at other weights has passes of its own: at some rows for flatness, one for each circle."""
    analyze(variant, force=True)
    flatness = registry().find("analyzers", "flatness").item.parameters
    circles = registry().find("analyzers", "clock_pizza").item.parameters["circles"]
    around = 1 + flatness["directions"] * 2 * len(flatness["radii"].split())
    of_gradients = 1
    assert passes == {"passes": 3 * (1 + circles), "models": 0, "parts": 3 * (of_gradients + around)}


def test_analyzers_that_read_weights_alone_cause_no_pass(variant, passes):
    analyze(variant, plugins=plugins(Size()))
    assert passes == {"passes": 0, "models": 0}
    assert variant.artifacts.read("test.size/size", 20).item() == 12 * 16


def test_what_is_fresh_is_not_computed_again(variant, passes):
    found = plugins(Mean(), Size())
    assert plan(variant, found).missing == 6
    analyze(variant, plugins=found)
    again = analyze(variant, plugins=found)
    assert (again.fresh, again.stale, again.missing, again.tasks) == (6, 0, 0, ())
    assert passes["passes"] == 3


def test_only_what_is_missing_is_computed(variant, passes):
    analyze(variant, plugins=plugins(Mean()), epochs=[20])
    assert variant.artifacts.epochs("test.mean") == [20]
    work = analyze(variant, plugins=plugins(Mean()))
    assert [task.epoch for task in work.tasks] == [0, 40]
    assert passes["passes"] == 3


@pytest.mark.parametrize("change", ["analyzer", "plug-in", "parameters", "context", "probe", "checkpoint"])
def test_whatever_decides_the_numbers_makes_them_stale(variant, change):
    class Bound(Mean):
        needs = ("cyclic_group",)

    analyze(variant, plugins=plugins(Bound()))
    found = plugins(Bound())
    if change == "analyzer":
        found = plugins(type("Newer", (Bound,), {"version": 2})())
    elif change == "plug-in":
        found = plugins(Bound(), version="1.1")
    elif change == "parameters":
        found = plugins(type("Other", (Bound,), {"parameters": {"threshold": 0.5}})())
    elif change == "context":
        base = type(variant.family.base)
        moved = type("Moved", (base,), {"context": lambda self, config: {"cyclic_group": (config.parameters.p, 1)}})
        variant.family = DeclaredFamily(moved(), variant.family.file)
    elif change == "probe":
        entries = {entry.id: entry for entry in found.all("probes").values()}
        full = entries["modular_addition.full_grid"]

        def doubled(config):
            batch = full.item.make(config)
            return dataclasses.replace(batch, axes={"a": batch.axes["a"] * 2, "b": batch.axes["b"]})

        other = dataclasses.replace(full, item=dataclasses.replace(full.item, make=doubled))
        found = Registry([], [other, *found.all("families").values(), *found.all("analyzers").values()])
    else:
        weights = variant.weights(20)
        variant.checkpoint_folder.write(20, {**weights, "embed.weight": weights["embed.weight"] + 1})
    work = plan(variant, found)
    assert (work.fresh, work.stale, work.missing) == ((2, 1, 0) if change == "checkpoint" else (0, 3, 0))
    why = {
        "analyzer": "analyzer_version 1, now 2",
        "plug-in": "plugin_version 1.0, now 1.1",
        "parameters": 'parameters {}, now {"threshold": 0.5}',
        "context": "context_sha256",
        "probe": "probe_sha256",
        "checkpoint": "checkpoint_sha256",
    }[change]
    assert work.counts["test.mean"].reasons() == {why: work.stale}


def test_a_damaged_stale_unit_is_told_as_such(variant):
    analyze(variant, plugins=plugins(Mean()))
    (unit,) = variant.artifacts.folder.glob("test.mean/00000020-*.h5")
    unit.write_bytes(b"nothing")
    work = plan(variant, plugins(type("Newer", (Mean,), {"version": 2})()))
    assert work.counts["test.mean"].reasons() == {"analyzer_version 1, now 2": 2, "damaged": 1}


def test_a_failing_analyzer_does_not_stop_the_others(variant):
    class Fails(Mean):
        name = "fails"

        def analyze(self, step):
            if step.epoch == 20:
                raise ZeroDivisionError("on purpose")
            return super().analyze(step)

    with pytest.raises(AnalysisError) as caught:
        analyze(variant, plugins=plugins(Fails(), Mean()))
    (failure,) = caught.value.failures
    assert (failure.analyzer, failure.epoch) == ("test.fails 1.0", 20)
    assert failure.file == variant.checkpoint_folder.file(20)
    assert "ZeroDivisionError: on purpose" in str(caught.value)
    assert variant.artifacts.epochs("test.fails") == [0, 40]
    assert variant.artifacts.epochs("test.mean") == [0, 20, 40]
    assert plan(variant, plugins(Fails(), Mean())).missing == 1


def test_equal_failures_are_told_once(variant):
    class Fails(Mean):
        def analyze(self, step):
            return {"maen": np.zeros(32)}

    with pytest.raises(AnalysisError) as caught:
        analyze(variant, plugins=plugins(Fails()))
    text = str(caught.value)
    assert "analyzer test.mean 1.0, epochs 0, 20, 40 (3 files in " in text
    assert text.count("it declares ['mean']") == 1


def test_a_damaged_checkpoint_does_not_stop_the_others(variant):
    path = variant.checkpoint_folder.file(20)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(AnalysisError, match=r"epoch 20 .*\n.*is damaged"):
        analyze(variant, plugins=plugins(Mean()))
    assert variant.artifacts.epochs("test.mean") == [0, 40]


def test_an_analyzer_cannot_change_what_the_others_read(variant):
    class Spoils(Mean):
        name = "a_spoils"

        def analyze(self, step):
            step["neurons"][:] = 0
            return super().analyze(step)

    with pytest.raises(AnalysisError, match="read-only"):
        analyze(variant, plugins=plugins(Spoils(), Mean()))
    assert float(variant.artifacts.read("test.mean/mean", 20).max()) > 0


@pytest.mark.parametrize(
    ("declares", "reason"),
    [
        ({"needs": ("symmetric_group",)}, "has no 'symmetric_group' in its context"),
        ({"reads": ("attention",)}, "has no site 'attention'"),
        ({"probe_axes": ("c",)}, "do not unfold to the axes ['c']"),
    ],
)
def test_an_analyzer_that_cannot_apply_is_told_apart_from_one_that_fails(variant, declares, reason):
    other = type("Other", (Mean,), {"name": "other", **declares})()
    work = analyze(variant, plugins=plugins(other, Mean()))
    (row,) = work.not_applicable
    assert row.analyzer == "test.other"
    assert reason in row.reason
    assert variant.artifacts.epochs("test.mean") == [0, 20, 40]


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (Activation("blocks.9.hook_none"), "There is no hook of family .* 'blocks.9.hook_none'"),
        (Weight("embed.wieght"), "There is no weight of .* 'embed.wieght'. Did you mean 'embed.weight'"),
    ],
)
def test_an_analyzer_of_a_hook_or_weight_that_the_model_lacks_does_not_apply(variant, passes, read, reason):
    lost = type("Lost", (Mean,), {"name": "lost", "reads": (read,)})()
    reader = type("Reader", (Mean,), {"name": "reader", "reads": (Stored("test.lost/mean"),)})()
    work = analyze(variant, plugins=plugins(lost, Mean(), reader))
    found = {one.analyzer: one.reason for one in work.not_applicable}
    assert re.match(reason, found["test.lost"])
    assert found["test.reader"] == "it reads test.lost/mean, and test.lost does not apply"
    assert not {"test.lost", "test.reader"} & set(variant.artifacts.analyzers())
    assert variant.artifacts.epochs("test.mean") == [0, 20, 40]


def test_unknown_names_are_one_clear_error(variant):
    with pytest.raises(UnknownName, match="no analyzer 'neuron_frequences'. Did you mean 'neuron_frequencies'"):
        analyze(variant, analyzers=["neuron_frequences"])
    with pytest.raises(UnknownName, match="no probe 'full_gird'. Did you mean 'full_grid'"):
        analyze(variant, probe="full_gird")
    with pytest.raises(UnknownName, match="no checkpoint of .* '21'"):
        analyze(variant, epochs=[21])


def test_a_read_that_was_not_declared_is_one_clear_error(variant):
    class Greedy(Mean):
        def analyze(self, step):
            return {"mean": step["neuron"]}

    with pytest.raises(AnalysisError, match=r"no declared read 'neuron'. Did you mean 'neurons'"):
        analyze(variant, plugins=plugins(Greedy()))


def test_forced_units_are_what_is_read_afterwards(variant):
    factor = {"value": 1.0}

    class Scaled(Mean):
        def analyze(self, step):
            return {"mean": factor["value"] * super().analyze(step)["mean"]}

    analyze(variant, plugins=plugins(Scaled()))
    artifacts = variant.artifacts
    before, top = artifacts.read("test.mean/mean", 20).values, artifacts.range("test.mean/mean")[1]
    factor["value"] = 100.0
    analyze(variant, plugins=plugins(Scaled()), force=True)
    np.testing.assert_allclose(artifacts.read("test.mean/mean", 20).values, 100 * before, rtol=1e-6)
    np.testing.assert_allclose(artifacts.series("test.mean/mean").sel(epoch=20), 100 * before, rtol=1e-6)
    assert artifacts.range("test.mean/mean")[1] == pytest.approx(100 * top)


@pytest.mark.parametrize("read", [Activation("hook_embed", position=7), Activation("blocks.0.hook_resid_post", axis=9)])
def test_an_analyzer_that_reads_what_is_not_there_fails_alone(variant, read):
    lost = type("Lost", (Mean,), {"name": "lost", "reads": (read,)})()
    with pytest.raises(AnalysisError) as caught:
        analyze(variant, plugins=plugins(lost, Mean()))
    assert {failure.analyzer for failure in caught.value.failures} == {"test.lost 1.0"}
    assert variant.artifacts.epochs("test.mean") == [0, 20, 40]


class Doubled(Analyzer):
    name = "a_doubled"  # sorts before what it reads
    description = "Twice the mean."
    reads = (Stored("test.mean/mean"), Weight("embed.weight"))
    outputs = {"doubled": Output(("neuron",), "float32", "1", "doubled")}

    def analyze(self, step):
        mean = step[Stored("test.mean/mean")]
        assert not mean.flags.writeable
        return {"doubled": 2 * mean}


def test_an_analyzer_reads_what_another_stores_of_the_same_checkpoint(variant, passes):
    work = analyze(variant, plugins=plugins(Doubled(), Mean()), analyzers=["a_doubled"])
    assert [bound.provided.id for bound in work.analyzers] == ["test.mean", "test.a_doubled"]
    assert passes["passes"] == 3
    for epoch in (0, 20, 40):
        tree = variant.artifacts[epoch]
        np.testing.assert_array_equal(tree["test.a_doubled"]["doubled"], 2 * tree["test.mean"]["mean"])
    assert plan(variant, plugins(Doubled(), Mean())).fresh == 6


def test_what_is_read_of_a_newer_analyzer_is_stale_too(variant):
    analyze(variant, plugins=plugins(Doubled(), Mean()))
    newer = plugins(Doubled(), type("Newer", (Mean,), {"version": 2})())
    work = plan(variant, newer)
    assert (work.counts["test.mean"].stale, work.counts["test.a_doubled"].stale) == (3, 3)
    assert work.counts["test.a_doubled"].reasons() == {"context_sha256": 3}
    analyze(variant, plugins=newer)
    assert plan(variant, newer).fresh == 6


def test_a_circle_of_analyzers_is_named(variant):
    first = type("First", (Doubled,), {"name": "first", "reads": (Stored("test.second/doubled"),)})()
    second = type("Second", (Doubled,), {"name": "second", "reads": (Stored("test.first/doubled"),)})()
    with pytest.raises(PluginError, match="in a circle: test.first -> test.second -> test.first"):
        plan(variant, plugins(first, second))


def test_an_analyzer_whose_source_is_not_there_does_not_apply(variant):
    (row,) = plan(variant, plugins(Doubled())).not_applicable
    assert row.reason == "no analyzer that is installed stores test.mean/mean"
    needy = type("Needy", (Mean,), {"needs": ("nothing",)})()
    reasons = {row.analyzer: row.reason for row in plan(variant, plugins(Doubled(), needy)).not_applicable}
    assert reasons["test.a_doubled"] == "it reads test.mean/mean, and test.mean does not apply"


def test_what_reads_a_unit_that_failed_fails_with_it_alone(variant):
    class Fails(Mean):
        def analyze(self, step):
            if step.epoch == 20:
                raise ValueError("no mean today")
            return super().analyze(step)

    with pytest.raises(AnalysisError) as raised:
        analyze(variant, plugins=plugins(Doubled(), Fails()))
    assert {(failure.analyzer, failure.epoch) for failure in raised.value.failures} == {
        ("test.mean 1.0", 20),
        ("test.a_doubled 1.0", 20),
    }
    assert variant.artifacts.epochs("test.a_doubled") == [0, 40]


def test_failures_of_two_variants_are_told_apart():
    failures = [
        Failure("a.b 1", epoch, Path(name) / f"{epoch}", ValueError("no")) for name in "xy" for epoch in (0, 20)
    ]
    told = str(AnalysisError(failures))
    assert told.count("epochs 0, 20 (2 files in ") == 2
