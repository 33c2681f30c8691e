"""Analyzers over the series, of the last checkpoint, and over variants: what they read, and when they are stale."""

import shutil

import numpy as np
import pytest
from registries import plugins
from tiny import FAMILY, SCHEDULE, TINY

import dynascope.analysis.forward as forward
from dynascope import (
    METRICS,
    AllWeights,
    AnalysisError,
    Analyzer,
    InvalidSetting,
    Output,
    PluginError,
    SeriesAnalyzer,
    Stored,
    UnknownName,
    VariantsAnalyzer,
    View,
    Weight,
    Workspace,
    analyze,
    compare,
    train,
)
from dynascope.analysis import desk, plan, upkeep
from dynascope.analysis.comparison import plan_comparisons
from dynascope.analysis.elsewhere import _Sharing
from dynascope.frames import StoredFrame
from dynascope.plugins.declarations import check_declaration


class Mean(Analyzer):
    name = "mean"
    description = "Mean of each neuron."
    reads = ("neurons",)
    outputs = {"mean": Output(("neuron",), "float32", "1", "mean"), "sum": Output((), "float64", "1", "sum")}

    def analyze(self, step):
        mean = step["neurons"].mean(axis=0)
        return {"mean": mean, "sum": np.float64(mean.sum())}


class AgainstLast(Analyzer):
    name = "against_last"
    description = "The mean beside that of the last checkpoint."
    reads = ("neurons", Stored("test.mean/mean", at="last"))
    outputs = {"difference": Output(("neuron",), "float32", "1", "mean minus the last one")}

    def analyze(self, step):
        return {"difference": step["neurons"].mean(axis=0) - step[Stored("test.mean/mean", at="last")]}


class Drift(SeriesAnalyzer):
    name = "drift"
    description = "How the means move."
    reads = (Stored("test.mean/mean"), Stored("test.mean/sum"), METRICS, AllWeights(), Weight("embed.weight", rows=3))
    outputs = {
        "distance": Output(("epoch",), "float64", "1", "distance of the means from the first"),
        "size": Output(("epoch",), "float64", "1", "sum of squares of all weights"),
        "largest_at": Output((), "int64", "epochs", "where the sum of means is largest"),
        "measured": Output((), "int64", "1", "rows of metrics"),
    }

    def analyze(self, series):
        means = series[Stored("test.mean/mean")]
        assert means.shape == (len(series.epochs), series.config.architecture.d_mlp)
        embedding = series[Weight("embed.weight", rows=3)]
        assert embedding.shape == (len(series.epochs), 3, 16)
        for place, epoch in enumerate(series.epochs):
            np.testing.assert_array_equal(series.at(Stored("test.mean/mean"), int(epoch)), means[place])
            np.testing.assert_array_equal(series.weights(int(epoch))["embed.weight"][:3], embedding[place])
        return {
            "distance": np.linalg.norm(means - means[0], axis=1),
            "size": [sum(float((a**2).sum()) for a in series.weights(int(e)).values()) for e in series.epochs],
            "largest_at": series.epochs[series[Stored("test.mean/sum")].argmax()],
            "measured": len(series.metrics["test_loss"]),
        }


class AfterDrift(Analyzer):
    name = "after_drift"
    description = "The distance of the series, at each checkpoint."
    reads = ("neurons", Stored("test.drift/distance"), Stored("test.mean/sum", at="every"))
    outputs = {"share": Output((), "float64", "1", "neurons' sum, times the length of the series")}

    def analyze(self, step):
        distance, sums = step[Stored("test.drift/distance")], step[Stored("test.mean/sum", at="every")]
        assert len(distance) == len(sums)
        return {"share": float(step["neurons"].mean(axis=0).sum()) * len(sums)}


class DriftOfDrift(SeriesAnalyzer):
    name = "z_drift_of_drift"
    description = "Reads the series and what comes after it."
    reads = (Stored("test.drift/distance"), Stored("test.after_drift/share"))
    outputs = {"total": Output((), "float64", "1", "sum")}

    def analyze(self, series):
        return {"total": series[Stored("test.drift/distance")].sum() + series[Stored("test.after_drift/share")].sum()}


class Together(VariantsAnalyzer):
    name = "together"
    description = "Variants beside each other."
    reads = (
        Stored("test.drift/distance"),
        Stored("test.mean/sum", at="last"),
        Stored("test.mean/mean", at="every"),
        METRICS,
    )
    needs = ("cyclic_group",)
    outputs = {
        "last_distance": Output(("variant",), "float64", "1", "distance at the end"),
        "last_sum": Output(("variant",), "float64", "1", "sum at the end"),
        "loss": Output(("variant",), "float64", "nats", "test loss at the end"),
    }

    def analyze(self, comparison):
        distance, every = comparison[Stored("test.drift/distance")], comparison[Stored("test.mean/mean", at="every")]
        for name in comparison.variants:
            assert comparison.contexts[name]["cyclic_group"].order == comparison.configs[name].parameters.p
            assert len(every[name]) == len(comparison.epochs[name])
        return {
            "last_distance": [distance[name][-1] for name in comparison.variants],
            "last_sum": list(comparison[Stored("test.mean/sum", at="last")].values()),
            "loss": [comparison.metrics[name]["test_loss"][-1] for name in comparison.variants],
        }


ALL = (Mean(), AgainstLast(), Drift(), AfterDrift(), DriftOfDrift())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    variant = Workspace.create(tmp_path_factory.mktemp("tiers") / "workspace").new_variant(FAMILY, TINY)
    train(variant, schedule=SCHEDULE)
    return variant


@pytest.fixture
def variant(source, tmp_path):
    """A trained variant without artifacts, with checkpoints at 0, 20 and 40."""
    shutil.copytree(source.folder.parents[2], tmp_path / "workspace")
    return Workspace(tmp_path / "workspace").variants()[0]


@pytest.fixture
def passes(monkeypatch):
    """The number of forward passes."""
    counted = []
    original = forward.Model._pass
    monkeypatch.setattr(forward.Model, "_pass", lambda self, *rest: counted.append(1) or original(self, *rest))
    return counted


def test_the_last_checkpoint_is_read_at_all_others_in_one_pass_for_each(variant, passes):
    analyze(variant, plugins=plugins(Mean(), AgainstLast()))
    assert len(passes) == 3
    mean = variant.artifacts.series("test.mean/mean")
    np.testing.assert_allclose(
        variant.artifacts.series("test.against_last/difference"), mean - mean[-1].values, atol=1e-6
    )


def test_series_and_what_reads_them_are_computed_in_order_and_once(variant, passes):
    work = analyze(variant, plugins=plugins(*ALL))
    assert work.units == 3 * 3 + 2
    assert len(passes) == 3 + 3  # once more through the checkpoints, after the series was there
    artifacts = variant.artifacts
    mean = artifacts.series("test.mean/mean").values
    distance = artifacts.series("test.drift/distance")
    np.testing.assert_allclose(distance, np.linalg.norm(mean - mean[0], axis=1), atol=1e-6)
    assert list(distance["epoch"]) == [0, 20, 40]
    assert artifacts.read("test.drift/measured").item() == 41
    weights = variant.checkpoint_folder.read(20)
    assert artifacts.read("test.drift/size", 20).sel(epoch=20).item() == pytest.approx(
        sum(float((array**2).sum()) for array in weights.values())
    )
    share = artifacts.series("test.after_drift/share").values
    assert artifacts.read("test.z_drift_of_drift/total").item() == pytest.approx(distance.sum().item() + share.sum())
    passes.clear()
    again = analyze(variant, plugins=plugins(*ALL))
    assert (again.units, again.fresh, passes) == (0, 11, [])


def test_what_a_series_reads_makes_it_stale(variant):
    analyze(variant, plugins=plugins(*ALL))
    newer = Mean()
    newer.version = 2
    found = plan(variant, plugins(newer, *ALL[1:]))
    assert {name: counts.stale for name, counts in found.counts.items()} == {
        "test.mean": 3, "test.against_last": 3, "test.drift": 1, "test.after_drift": 3, "test.z_drift_of_drift": 1
    }  # fmt: skip
    analyze(variant, plugins=plugins(newer, *ALL[1:]))
    assert plan(variant, plugins(newer, *ALL[1:])).units == 0


def test_a_new_checkpoint_makes_the_series_stale_and_nothing_else(variant):
    analyze(variant, plugins=plugins(Mean(), Drift()))
    train(variant, epochs=60, schedule="0:60:20")
    work = plan(variant, plugins(Mean(), Drift()))
    assert (work.fresh, work.missing, work.stale) == (3, 1, 1)
    assert list(work.counts["test.drift"].reasons()) == ["checkpoint_sha256", "context_sha256"]
    analyze(variant, plugins=plugins(Mean(), Drift()))
    assert variant.artifacts.series("test.drift/distance").sizes["epoch"] == 4


def test_some_epochs_alone_and_what_they_need(variant, passes):
    work = analyze(variant, plugins=plugins(*ALL[:3]), epochs=[0])
    assert variant.artifacts.epochs("test.mean") == [0, 40]  # the last one is read
    assert variant.artifacts.epochs("test.against_last") == [0]
    assert [one.analyzer for one in work.waiting] == ["test.drift"]
    analyze(variant, plugins=plugins(*ALL[:3]), epochs=[0], analyzers=["drift"])  # asked for by name
    assert variant.artifacts.epochs("test.mean") == [0, 20, 40]
    assert variant.artifacts.series("test.drift/distance").sizes["epoch"] == 3


def test_force_is_for_what_is_asked_for(variant, passes):
    analyze(variant, plugins=plugins(*ALL[:3]))
    passes.clear()
    work = analyze(variant, plugins=plugins(*ALL[:3]), analyzers=["drift"], force=True)
    assert (work.units, passes) == (1, [])
    work = analyze(variant, plugins=plugins(*ALL[:3]), analyzers=["mean", "against_last"], epochs=[0], force=True)
    assert [task.epoch for task in work.tasks] == [0]  # what is read of the last checkpoint is fresh


def test_a_failure_at_the_last_checkpoint_is_told_by_what_reads_it(variant):
    class Failing(Mean):
        def analyze(self, step):
            if step.epoch == 40:
                raise ValueError("no mean")
            return super().analyze(step)

    with pytest.raises(AnalysisError) as raised:
        analyze(variant, plugins=plugins(Failing(), AgainstLast(), Drift()))
    told = [(failure.analyzer.split()[0], failure.epoch) for failure in raised.value.failures]
    later = [("test.against_last", epoch) for epoch in (40, 0, 20)]
    assert told == [("test.mean", 40), *later, ("test.drift", None)]
    assert "all checkpoints" in str(raised.value)
    analyze(variant, plugins=plugins(Mean(), AgainstLast(), Drift()))
    assert variant.artifacts.read("test.drift/largest_at").item() in (0, 20, 40)


def test_a_stale_unit_is_never_read_in_place_of_one_that_failed(variant):
    analyze(variant, plugins=plugins(Mean(), AgainstLast()))

    class Failing(Mean):
        version = 2

        def analyze(self, step):
            raise ValueError("no mean")

    with pytest.raises(AnalysisError) as raised:
        analyze(variant, plugins=plugins(Failing(), AgainstLast()))
    assert len(raised.value.failures) == 6


def test_a_damaged_checkpoint_makes_a_series_wait(variant):
    analyze(variant, plugins=plugins(Mean(), Drift()))
    variant.checkpoint_folder.file(20).write_bytes(b"nothing")
    work = plan(variant, plugins(Mean(), Drift()), force=True)
    assert [(one.analyzer, one.reason) for one in work.waiting] == [("test.drift", "a checkpoint is damaged")]


def test_reads_that_were_not_declared_are_one_clear_error(variant):
    class Curious(SeriesAnalyzer):
        name = "curious"
        description = "Reads what it does not declare."
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, series):
            for ask in (
                lambda: series.metrics,
                lambda: series[Stored("test.mean/sum")],
                lambda: series.weights(0),
            ):
                with pytest.raises(UnknownName, match="no declared read"):
                    ask()
            return {"x": 0.0}

    analyze(variant, plugins=plugins(Curious()))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"reads": ("neurons",)}, "reads holds 'metrics', Weight, AllWeights, Stored"),
        ({"outputs": {"x": Output(("variant",), "float64", "1", "x")}}, "the axis 'variant' belongs to the store"),
        ({"reads": (Stored("test.mean/sum", at="first"),)}, "Stored is at None, 'last' or 'every'"),
    ],
)
def test_what_a_series_analyzer_cannot_declare(change, rule):
    with pytest.raises(PluginError, match=rule):
        check_declaration(type("Wrong", (Drift,), change)())


@pytest.fixture
def several(tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    for seed in (1, 2):
        train(workspace.new_variant(FAMILY, {**TINY, "seed": seed}), schedule=SCHEDULE)
    train(workspace.new_variant(FAMILY, {**TINY, "p": 7}), schedule="0:40:40")
    return workspace


def test_variants_are_compared_and_what_is_missing_of_each_is_computed(several):
    known = plugins(Mean(), Drift(), Together())
    found = compare(several.variants(), plugins=known)
    loss = found.read("test.together/loss")
    assert list(loss["variant"].values) == [variant.name for variant in several.variants()]
    for variant in several.variants():
        assert loss.sel(variant=variant.name).item() == variant.metrics["test_loss"].iloc[-1]
        assert found.read("test.together/last_sum", variant=variant.name).item() == pytest.approx(
            variant.artifacts.read("test.mean/sum", 40).item()
        )
    assert several.comparisons(FAMILY).variants("test.together") == [tuple(loss["variant"].values)]


def test_a_comparison_is_stale_when_one_variant_is_and_other_sets_stand_beside_it(several):
    known = plugins(Mean(), Drift(), Together())
    found = compare(several.variants(), plugins=known)
    (unit,) = found.units("test.together")
    before = unit.path.stat().st_mtime_ns
    compare(several.variants(), plugins=known)
    assert unit.path.stat().st_mtime_ns == before
    few = several.variants(p=11)
    compare(few, plugins=known)
    names = [variant.name for variant in few]
    assert list(found.read("test.together/loss", names)["variant"].values) == names
    assert len(found.units("test.together")) == 2
    train(few[0], epochs=60, schedule="0:60:20")
    compare(several.variants(), plugins=known)
    assert len(found.units("test.together")) == 2  # that of all was replaced
    assert unit not in found.units("test.together")


def test_comparisons_and_series_are_verified_repaired_and_pruned(several):
    known = plugins(Mean(), Drift(), Together())
    found = compare(several.variants(), plugins=known)
    variant = several.variants(seed=1)[0]
    (between,) = upkeep.between(several)
    assert upkeep.verify(between, plugins=known).findings == ()
    assert upkeep.verify(variant, plugins=known).findings == ()
    (unit,) = found.units("test.together")
    series = variant.artifacts.of_series("test.drift").path
    for path in (unit.path, series):
        path.write_bytes(path.read_bytes()[:-100])
    for owner in (between, variant):
        assert [one.kind for one in upkeep.verify(owner, plugins=known).findings] == ["damaged"]
        assert [deed.done for deed in upkeep.repair(owner)] == ["removed"]
    again = compare(several.variants(), plugins=known)
    assert again.read("test.together/loss").sizes["variant"] == 3
    newer = Drift()
    newer.version = 2
    stale = upkeep.prunable(variant, plugins=plugins(Mean(), newer, Together()))
    assert [(one.kind, one.path) for one in stale] == [("stale", series)]
    shutil.rmtree(variant.folder)
    (orphan,) = upkeep.prunable(upkeep.between(several)[0])
    assert (orphan.kind, orphan.reason) == ("orphaned", f"There is no variant {variant.name} any more.")
    upkeep.prune(between, [orphan])
    assert again.analyzers() == []


def test_an_analyzer_that_now_measures_the_series_leaves_orphans(variant):
    analyze(variant, plugins=plugins(Mean()))

    class Series(SeriesAnalyzer):
        name, description = "mean", "The same name."
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, series):
            return {"x": 1.0}

    known = plugins(Series())
    found = upkeep.prunable(variant, plugins=known)
    assert {one.reason for one in found} == {"Analyzer test.mean measures over the series now."}
    upkeep.prune(variant, found)
    analyze(variant, plugins=known)
    assert variant.artifacts.read("test.mean/x").item() == 1.0


def test_what_is_read_of_the_last_checkpoint_alone_is_enough_for_a_series(variant):
    class AtTheEnd(SeriesAnalyzer):
        name = "at_the_end"
        description = "The sum at the end."
        reads = (Stored("test.mean/sum", at="last"),)
        outputs = {"sum": Output((), "float64", "1", "sum")}

        def analyze(self, series):
            return {"sum": series[Stored("test.mean/sum", at="last")]}

    work = analyze(variant, plugins=plugins(Mean(), AtTheEnd()), analyzers=["at_the_end"])
    assert (work.units, work.waiting) == (2, ())
    assert variant.artifacts.epochs("test.mean") == [40]
    assert variant.artifacts.read("test.at_the_end/sum") == variant.artifacts.read("test.mean/sum", 40)


def test_an_order_knows_the_series_that_its_checkpoints_read(variant):
    class Length(SeriesAnalyzer):
        name = "length"
        description = "Reads no other analyzer."
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, series):
            return {"x": len(series.epochs)}

    class Reader(Analyzer):
        name = "reader"
        description = "Reads the series at each checkpoint."
        reads = (Stored("test.length/x"),)
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, step):
            return {"x": step[self.reads[0]]}

    work = plan(variant, plugins(Length(), Reader()))
    sharing = _Sharing(work, 1, (), lambda *_: None)
    orders = []
    while (order := sharing.next(1)) is not None:
        orders.append(order)
        sharing._out = 0
    assert [list(order.ledger["test.length"]) for order in orders] == [["series"]] * 4


def test_what_was_forced_is_read_anew_also_over_the_series(variant):
    analyze(variant, plugins=plugins(*ALL))

    class Other(AfterDrift):
        def analyze(self, step):
            analyze(variant, plugins=plugins(*ALL), analyzers=["mean", "after_drift"])  # another process does so
            return {"share": 100.0}

    analyze(variant, plugins=plugins(*ALL[:3], Other(), DriftOfDrift()), force=True)
    artifacts = variant.artifacts
    np.testing.assert_array_equal(artifacts.series("test.after_drift/share"), [100, 100, 100])
    distance = artifacts.read("test.drift/distance").values
    assert artifacts.read("test.z_drift_of_drift/total").item() == distance.sum() + 300


def test_an_analyzer_that_now_measures_the_series_is_read_as_such(variant):
    analyze(variant, plugins=plugins(Mean()))

    class Series(SeriesAnalyzer):
        name, description, version = "mean", "The same name.", 2
        outputs = {"sum": Output(("epoch",), "float64", "1", "x")}

        def analyze(self, series):
            return {"sum": series.epochs}

    analyze(variant, plugins=plugins(Series()))
    np.testing.assert_array_equal(variant.artifacts.series("test.mean/sum"), [0, 20, 40])
    assert upkeep.verify(variant, plugins=plugins(Series())).findings == ()


def test_a_view_of_the_series_can_be_drawn_at_every_checkpoint(variant):
    analyze(variant, plugins=plugins(Mean(), Drift()))
    for reads in (("test.drift/distance",), ("test.drift/distance", "test.mean/sum"), ("metrics",)):
        view = View("one", "One", lambda frame: None, reads)
        assert list(StoredFrame(variant, variant.artifacts, view, 20).epochs) == [0, 20, 40]


def test_where_the_last_checkpoint_is_damaged_nothing_else_is_taken_for_the_last(variant):
    known = plugins(Mean(), AgainstLast())
    analyze(variant, plugins=known)
    before = variant.artifacts.series("test.against_last/difference").values
    variant.checkpoint_folder.file(40).write_bytes(b"nothing")
    work = analyze(variant, plugins=known, epochs=[0])
    assert [(one.analyzer, one.reason) for one in work.waiting] == [("test.against_last", "a checkpoint is damaged")]
    assert work.units == 0
    np.testing.assert_array_equal(variant.artifacts.series("test.against_last/difference").values, before)
    assert upkeep.prunable(variant, plugins=known) == []


def test_what_is_read_of_every_checkpoint_is_read_once(variant, monkeypatch):
    analyze(variant, plugins=plugins(Mean(), Drift()))
    read = []
    original = desk.read_stored
    monkeypatch.setattr(desk, "read_stored", lambda *rest, **how: read.append(how) or original(*rest, **how))
    analyze(variant, plugins=plugins(Mean(), Drift(), AfterDrift()))
    assert read.count({"every": True}) == 1


def test_reads_that_have_a_way_of_their_own_say_which(variant):
    class Wrong(SeriesAnalyzer):
        name, description = "wrong", "Reads in the wrong way."
        reads = (METRICS, AllWeights(), Stored("test.mean/sum", at="last"))
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, series):
            for ask, way in (
                (lambda: series[METRICS], "series.metrics"),
                (lambda: series[AllWeights()], "series.weights"),
                (lambda: series.at(AllWeights(), 0), "series.weights"),
                (lambda: series.at(Stored("test.mean/sum", at="last"), 0), "no epoch is chosen"),
            ):
                with pytest.raises(InvalidSetting, match=way):
                    ask()
            return {"x": 0.0}

    analyze(variant, plugins=plugins(Mean(), Wrong()))


@pytest.mark.parametrize(
    ("reads", "reason"),
    [
        ((Stored("test.nothing/x", at="last"),), "no analyzer that is installed stores test.nothing/x"),
        ((Stored("test.drift/distance", at="last"),), "it cannot be read at 'last'"),
        ((Stored("test.together/loss"),), "is measured over variants"),
        ((Stored("test.mean/sum"),), "the analyzer must say at='last' or at='every'"),
    ],
)
def test_what_cannot_be_read_over_variants_is_said(variant, reads, reason):
    wrong = type("Wrong", (Together,), {"name": "wrong", "reads": reads})()
    known = plugins(Mean(), Drift(), Together(), wrong)
    plans = [plan(variant, known, analyzers=["mean", "drift", "wrong"])]
    (compared,) = [one for one in plan_comparisons(plans, known, ["wrong"]) if one.provided.name == "wrong"]
    assert reason in compared.left_out[0].reason


def test_some_epochs_alone_leave_a_comparison_waiting(several):
    known = plugins(Mean(), Drift(), Together())
    plans = [plan(variant, known, epochs=[0]) for variant in several.variants()]
    (compared,) = plan_comparisons(plans, known, None)
    assert compared.stamp is None
    assert {one.reason for one in compared.left_out} == {"test.drift is not there wherever it is read"}
