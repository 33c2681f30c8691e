"""The shared pass: logits, gradients, facts about rows, types, and rows in slices, against what is known of them."""

import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from registries import plugins
from tiny import FAMILY, SCHEDULE, TINY

import dynascope.analysis.forward as forward
from dynascope import (
    Activation,
    AllWeights,
    AnalysisError,
    Analyzer,
    ForwardPass,
    Gradient,
    InvalidSetting,
    Logit,
    Logits,
    Loss,
    Output,
    Rows,
    SlicedAnalyzer,
    UnknownName,
    Weight,
    Workspace,
    analyze,
    registry,
    train,
)
from dynascope.analysis import plan


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    variant = Workspace.create(tmp_path_factory.mktemp("forward") / "workspace").new_variant(FAMILY, TINY)
    train(variant, schedule=SCHEDULE)
    return variant


@pytest.fixture
def variant(source, tmp_path):
    """A trained variant without artifacts, with checkpoints at 0, 20 and 40."""
    shutil.copytree(source.folder.parents[2], tmp_path / "workspace")
    return Workspace(tmp_path / "workspace").variants()[0]


EMBED = Activation("hook_embed", position=0)
PATTERN = Activation("blocks.0.attn.hook_pattern", position=None)
NUMBER = {"x": Output((), "float64", "1", "x")}


def seen(variant, *reads, analyze=analyze, **options):
    """What an analyzer gets of the checkpoint of epoch 20, by read."""
    found = {}

    class Reader(Analyzer):
        name = "reader"
        description = "Keeps what it reads."
        outputs = NUMBER

        def analyze(self, step):
            found.update({read: step[read] for read in reads if not isinstance(read, AllWeights)})
            found["weights"] = step.weights
            return {"x": 0.0}

    Reader.reads = reads
    analyze(variant, plugins=plugins(Reader()), epochs=[20], force=True, **options)
    return found


def tensors(variant):
    weights = variant.checkpoint_folder.read(20)
    return {name: torch.from_numpy(array).requires_grad_() for name, array in weights.items()}


def family_loss(variant, weights, part):
    family, config = variant.family.base, variant.config
    data = family.data(config)
    inputs, labels = getattr(data, f"{part}_inputs"), getattr(data, f"{part}_labels")
    return family.loss(config, family.forward(config, weights, family.prepare(config, inputs)), labels)


def test_logits_and_rows_are_those_of_the_family(variant):
    found = seen(variant, Logits(), Logits("float64"), Rows("label"), Rows("train"), Rows("test"))
    assert found[Logits()].dtype == np.float32
    assert found[Logits("float64")].dtype == np.float64
    assert found[Logits()].shape == (121, 11)
    family, config = variant.family.base, variant.config
    data = family.data(config)
    logits = family.forward(config, tensors(variant), family.prepare(config, data.train_inputs)).detach().numpy()
    rows = (data.train_inputs[:, 0] * 11 + data.train_inputs[:, 1]).numpy()
    np.testing.assert_allclose(found[Logits()][rows], logits, atol=1e-5)
    np.testing.assert_array_equal(found[Rows("label")][rows], data.train_labels)
    assert set(np.flatnonzero(found[Rows("train")])) == set(rows)
    np.testing.assert_array_equal(found[Rows("test")], 1 - found[Rows("train")])


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("memory", [2**30, 200_000])
def test_gradients_of_the_loss_at_weights_are_those_of_training(variant, part, memory):
    names = ["embed.weight", "blocks.0.mlp.in.weight", "unembed.weight"]
    read = [Gradient(Weight(name), Loss(over=part)) for name in names]
    found = seen(variant, *read, "neurons", memory=memory)
    weights = tensors(variant)
    expected = torch.autograd.grad(family_loss(variant, weights, part), [weights[name] for name in names])
    for one, gradient in zip(read, expected, strict=True):
        np.testing.assert_allclose(found[one], gradient, atol=1e-6 * float(gradient.abs().max()) + 1e-8, rtol=1e-3)


@pytest.mark.parametrize("memory", [2**30, 200_000])
def test_the_gradient_of_a_rows_logit_is_its_finite_difference(variant, memory):
    read = Gradient(EMBED, Logit("label"))
    gradient = seen(variant, read, Logits(), memory=memory)[read]
    assert gradient.shape == (121, 16)
    module = variant.model(20).double()
    tokens = torch.tensor([[3, 5, 11]])
    direction = torch.from_numpy(np.random.default_rng(0).normal(size=16))

    def logit(step):
        def moved(value, hook):
            value[:, 0] += step * direction
            return value

        return module.run_with_hooks(tokens, fwd_hooks=[("hook_embed", moved)])[0, -1, 8].item()

    with torch.no_grad():
        difference = (logit(1e-4) - logit(-1e-4)) / 2e-4
    assert gradient[3 * 11 + 5] @ direction.numpy() == pytest.approx(difference, rel=1e-4)


def first_class(config, batch):
    return np.zeros(len(batch.inputs), dtype=np.int64)


def test_an_analyzer_chooses_the_logit_of_each_row(variant):
    last = Activation("blocks.0.hook_resid_post")
    read = Gradient(last, Logit(first_class))
    gradient = seen(variant, read)[read]
    unembed = variant.checkpoint_folder.read(20)["unembed.weight"]
    column = unembed[0] if unembed.shape[1] == 16 else unembed[:, 0]
    np.testing.assert_allclose(gradient, np.broadcast_to(column, (121, 16)), atol=1e-6)


def test_a_site_is_differentiated_by_its_common_name(variant):
    by_name, by_hook = Gradient("neurons", Logit()), Gradient(Activation("blocks.0.mlp.hook_post"), Logit())
    found = seen(variant, by_name, by_hook)
    np.testing.assert_array_equal(found[by_name], found[by_hook])
    assert np.abs(found[by_name]).max() > 0


def test_all_weights_are_read_without_a_pass_and_cannot_be_changed(variant, monkeypatch):
    monkeypatch.setattr(forward.Model, "_pass", lambda *rest: pytest.fail("a pass"))
    weights = seen(variant, AllWeights(), Rows("label"))["weights"]
    assert weights.keys() == variant.checkpoint_folder.read(20).keys()
    with pytest.raises(ValueError, match="read-only"):
        weights["embed.weight"][0] = 0


def test_no_gradient_is_taken_when_none_is_declared(variant, monkeypatch):
    enabled = []
    original = variant.family.base.answers
    monkeypatch.setattr(
        type(variant.family.base),
        "answers",
        lambda self, config, output: enabled.append(torch.is_grad_enabled()) or original(config, output),
    )
    seen(variant, Logits(), EMBED)
    seen(variant, Logits(), Gradient("neurons", Loss()))
    assert enabled == [False, True]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (Gradient(Activation("blocks.9.hook"), Loss()), "There is no hook of family"),
        (Gradient(Weight("nothing"), Loss()), "There is no parameter of"),
    ],
)
def test_a_gradient_where_there_is_nothing_does_not_apply(variant, read, words):
    reader = type("One", (Analyzer,), {"analyze": lambda self, step: {"x": 0.0}, "name": "one", "description": "x",
                                       "outputs": NUMBER, "reads": (read,)})  # fmt: skip
    (left_out,) = analyze(variant, plugins=plugins(reader()), epochs=[20]).not_applicable
    assert left_out.reason.startswith(words)


def test_facts_that_the_family_does_not_state_make_an_analyzer_not_applicable(variant):
    for read in (Rows("colour"), Gradient("neurons", Loss(over="colour")), Gradient("neurons", Logit("colour"))):
        one = type("One", (Analyzer,), {"analyze": lambda self, step: {}, "name": "one", "description": "x",
                                        "outputs": NUMBER, "reads": (read,)})  # fmt: skip
        (left_out,) = plan(variant, plugins(one())).not_applicable
        assert "does not state 'colour'" in left_out.reason


@pytest.fixture(params=["observed", "hooked"])
def way(request, monkeypatch):
    """The two ways through a model: the family's faster one, and the hooked model."""
    if request.param == "hooked":
        monkeypatch.setattr("dynascope_modular_addition.family.ModularAddition1Layer.observe", lambda *rest: None)


@pytest.mark.parametrize("memory", [2**30, 100_000])
def test_a_forward_pass_at_other_weights(variant, way, memory):
    class Moving(Analyzer):
        name = "moving"
        description = "Logits where the unembedding is twice as large."
        reads = (ForwardPass(), Weight("unembed.weight"), Logits(), Rows("train"), "neurons")
        outputs = {"row": Output(("row",), "int32", "1", "row"), "size": Output((), "float64", "1", "of neurons")}

        def analyze(self, step):
            weights = {"unembed.weight": 2 * step[Weight("unembed.weight")].astype(np.float64)}
            np.testing.assert_allclose(step.forward({}), step[Logits()], atol=1e-5)
            np.testing.assert_allclose(step.forward(weights), 2 * step[Logits()], atol=1e-5)
            train = np.flatnonzero(step[Rows("train")])
            np.testing.assert_allclose(step.forward(weights, train), 2 * step[Logits()][train], atol=1e-5)
            with pytest.raises(UnknownName, match="unembed.weigth"):
                step.forward({"unembed.weigth": weights["unembed.weight"]})
            with pytest.raises(InvalidSetting, match=r"shape \(11, 16\) in this checkpoint; found \(16, 11\)"):
                step.forward({"unembed.weight": weights["unembed.weight"].T})
            return {"row": np.arange(121), "size": step["neurons"].sum(dtype=np.float64)}

    analyze(variant, plugins=plugins(Moving()), memory=memory)
    size = variant.artifacts.series("test.moving/size").values
    assert len(set(size.tolist())) == 3  # each checkpoint is itself again, after its weights were replaced


def test_a_forward_pass_must_be_declared(variant):
    class Undeclared(Analyzer):
        name, description, reads, outputs = "undeclared", "Asks for what it does not declare.", ("neurons",), NUMBER

        def analyze(self, step):
            return {"x": step.forward({}).sum()}

    with pytest.raises(AnalysisError, match=r"no declared read 'ForwardPass\(\)'"):
        analyze(variant, plugins=plugins(Undeclared()))


@pytest.mark.parametrize("memory", [2**30, 100_000])
@pytest.mark.parametrize("of", [Loss(), Loss(over="train"), Logit("label"), Logit(first_class)])
def test_gradients_at_weights_are_the_same_both_ways_and_leave_the_fast_one_open(variant, monkeypatch, of, memory):
    read = [Gradient(Weight(name), of) for name in ("embed.weight", "blocks.0.mlp.in.weight")]
    hooked = []
    original = forward.Model._hooked
    monkeypatch.setattr(forward.Model, "_hooked", lambda self, *rest: hooked.append(1) or original(self, *rest))
    fast = seen(variant, *read, "neurons", Logits(), memory=memory)
    assert not hooked
    monkeypatch.setattr(type(variant.family.base), "observe", lambda *rest: None)
    slow = seen(variant, *read, "neurons", Logits(), memory=memory)
    assert hooked
    for one in (*read, "neurons", Logits()):
        np.testing.assert_allclose(fast[one], slow[one], atol=1e-5 * np.abs(slow[one]).max())


def test_a_loss_over_no_row_does_not_apply_both_ways(variant, way, monkeypatch):
    read = Gradient(Weight("embed.weight"), Loss(over="train"))
    original = type(variant.family.base).rows
    monkeypatch.setattr(
        type(variant.family.base), "rows",
        lambda self, *rest: {**original(self, *rest), "train": np.zeros(121, dtype=np.int8)},
    )  # fmt: skip
    kept = []
    assert seen(variant, read, analyze=lambda *asked, **more: kept.append(analyze(*asked, **more))) == {}
    (left_out,) = kept[0].not_applicable
    assert "No row of the probe is in 'train'" in left_out.reason


class Whole(Analyzer):
    name = "whole"
    description = "Means over the rows."
    reads = ("neurons", Logits(), Rows("label"), EMBED, Weight("embed.weight"))
    outputs = {
        "mean": Output(("neuron",), "float64", "1", "mean"),
        "right": Output((), "int64", "rows", "right answers"),
    }

    def analyze(self, step):
        right = step[Logits()].argmax(axis=1) == step[Rows("label")]
        return {"mean": step["neurons"].mean(axis=0, dtype=np.float64), "right": right.sum()}


class Sliced(SlicedAnalyzer):
    name = "sliced"
    description = "The same from slices."
    reads = Whole.reads
    outputs = Whole.outputs
    sizes: list[int] = []

    def take(self, step, so_far):
        total, right = so_far or (0, 0)
        assert len(step[EMBED]) == len(step["neurons"]) == len(step[Rows("label")]) == step.rows.stop - step.rows.start
        assert len(step[Weight("embed.weight")]) == 12
        self.sizes.append(step.rows.stop - step.rows.start)
        right += int((step[Logits()].argmax(axis=1) == step[Rows("label")]).sum())
        return total + step["neurons"].sum(axis=0, dtype=np.float64), right

    def finish(self, step, so_far):
        total, right = so_far
        assert len(step[Weight("embed.weight")]) == 12
        return {"mean": total / len(step.batch.inputs), "right": right}


@pytest.mark.parametrize("memory", [2**30, 300_000])
def test_slices_give_what_all_rows_give(variant, memory):
    Sliced.sizes.clear()
    analyze(variant, plugins=plugins(Whole(), Sliced()), memory=memory)
    assert (len(Sliced.sizes) == 3) == (memory == 2**30)
    assert sum(Sliced.sizes) == 3 * 121
    for name in ("mean", "right"):
        whole, sliced = (variant.artifacts.series(f"test.{one}/{name}") for one in ("whole", "sliced"))
        np.testing.assert_allclose(sliced, whole, rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_is_one_clear_error_and_slices_go_on(variant):
    with pytest.raises(
        AnalysisError,
        match=r"of 121 rows takes .* MiB, all that is read .* MiB, and 0.00954 MiB are allowed. Allow more memory",
    ) as raised:
        analyze(variant, plugins=plugins(Whole(), Sliced()), memory=10_000)
    assert {failure.analyzer.split()[0] for failure in raised.value.failures} == {"test.whole"}
    assert all(isinstance(failure.error, InvalidSetting) for failure in raised.value.failures)
    assert variant.artifacts.epochs("test.sliced") == [0, 20, 40]


def test_an_error_in_a_slice_is_that_analyzers_alone(variant):
    class Failing(Sliced):
        name = "failing"

        def take(self, step, so_far):
            raise ValueError("no slice")

    with pytest.raises(AnalysisError, match="no slice"):
        analyze(variant, plugins=plugins(Whole(), Failing()), memory=300_000)
    assert variant.artifacts.epochs("test.whole") == [0, 20, 40]


@pytest.mark.slow
def test_peak_memory_is_bounded_by_the_budget_and_flat_over_checkpoints(tmp_path):
    """Measured in processes of their own: the peak of a process never falls."""

    def peak(memory, checkpoints):
        code = textwrap.dedent(f"""
            import re, sys
            sys.path[:0] = {[str(path) for path in sys.path]!r}
            from pathlib import Path
            from dynascope import Activation, Output, SlicedAnalyzer, Workspace, analyze
            from registries import plugins
            workspace = Workspace.create(Path({str(tmp_path)!r}) / f"w{memory}{checkpoints}")
            variant = workspace.new_variant("modular_addition_1layer", {{"p": 113, "epochs": 1, "d_mlp": 2048}})
            family, config = variant.family.base, variant.config
            variant.save_config()
            weights = {{name: tensor.numpy() for name, tensor in family.init(config).items()}}
            for epoch in range({checkpoints}):
                variant.checkpoint_folder.write(epoch, weights)
            def peak():  # of this process alone, and not of the one that started it
                return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
            class Plain(SlicedAnalyzer):
                name, description = "plain", "The mean of each neuron."
                reads = ("neurons", Activation("hook_embed", position=0))  # so that the hooked model is run
                outputs = {{"mean": Output(("neuron",), "float64", "1", "mean")}}
                def take(self, step, so_far):
                    return (0 if so_far is None else so_far) + step["neurons"].sum(axis=0, dtype="float64")
                def finish(self, step, so_far):
                    return {{"mean": so_far}}
            analyze(variant, plugins=plugins(Plain()), epochs=list(range(min(4, {checkpoints}))), memory={memory})
            first = peak()
            analyze(variant, plugins=plugins(Plain()), memory={memory})
            print(first, peak())
        """)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [int(number) / 1024 for number in done.stdout.split()]

    after_some, after_all = peak(64 * 2**20, 12)
    assert after_all < after_some + 60  # MiB; the activations of a checkpoint are 100
    large, _ = peak(4 * 2**30, 1)
    assert after_all < large - 100


def test_slices_of_facts_alone_need_no_pass(variant):
    class Labels(SlicedAnalyzer):
        name = "labels"
        description = "Reads what is known of the rows."
        reads = (Rows("label"),)
        outputs = {"sum": Output((), "int64", "1", "sum of the labels")}

        def take(self, step, so_far):
            return (so_far or 0) + int(step[Rows("label")].sum())

        def finish(self, step, so_far):
            return {"sum": so_far}

    analyze(variant, plugins=plugins(Labels()))
    assert variant.artifacts.read("test.labels/sum", 0) == 11 * sum(range(11))


def test_a_gradient_at_a_weight_takes_no_more_for_more_rows(variant):
    at = Gradient(Weight("embed.weight"), Loss())

    class Steepness(Analyzer):
        name = "steepness"
        description = "Reads a sum over the rows."
        reads = (at,)
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, step):
            return {"x": np.abs(step[at]).sum()}

    analyze(variant, plugins=plugins(Steepness()), epochs=[20])
    whole = variant.artifacts.read("test.steepness/x", 20).item()
    analyze(variant, plugins=plugins(Steepness()), epochs=[20], memory=20_000, force=True)
    assert variant.artifacts.read("test.steepness/x", 20).item() == pytest.approx(whole, rel=1e-5)


def wrong_length(config, batch):
    return np.zeros(3, dtype=int)


def wrong_altogether(config, batch):
    raise ValueError("no class")


@pytest.mark.parametrize(
    ("chooser", "told"), [(wrong_length, "for each of 121 rows"), (wrong_altogether, "no class")]
)  # fmt: skip
def test_a_wrong_choice_of_logits_is_told_and_the_others_go_on(variant, chooser, told):
    at = Gradient("neurons", Logit(chooser))

    class Wrong(Analyzer):
        name = "wrong"
        description = "Chooses wrongly."
        reads = (at,)
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, step):
            return {"x": step[at].sum()}

    class Right(Analyzer):
        name = "right"
        description = "Reads neurons."
        reads = ("neurons",)
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, step):
            return {"x": step["neurons"].sum()}

    with pytest.raises(AnalysisError, match=told):
        analyze(variant, plugins=plugins(Right(), Wrong()))
    assert variant.artifacts.analyzers() == ["test.right"]


@pytest.mark.parametrize("hook", ["blocks.0.hook_mlp_in", "blocks.0.attn.hook_result"])
def test_a_hook_that_the_model_does_not_let_be_read_does_not_apply_alone(variant, hook):
    reader = type("One", (Analyzer,), {"analyze": lambda self, step: {"x": 0.0}, "name": "one", "description": "x",
                                       "outputs": NUMBER, "reads": (Activation(hook),)})  # fmt: skip
    (left_out,) = analyze(variant, plugins=plugins(reader(), Whole())).not_applicable
    assert left_out.reason.startswith(f"Hook {hook} of family modular_addition_1layer: ")
    assert variant.artifacts.epochs("test.whole") == [0, 20, 40]


def test_what_is_too_large_does_not_take_the_small_along(variant):
    class Large(Analyzer):
        name, description, reads, outputs = "large", "Reads the pattern, too.", ("neurons", PATTERN), NUMBER

        def analyze(self, step):
            return {"x": 0.0}

    class Small(Large):
        name, reads = "small", (Logits(),)

    with pytest.raises(AnalysisError) as raised:
        analyze(variant, plugins=plugins(Large(), Small()), memory=8_000)
    assert {failure.analyzer.split()[0] for failure in raised.value.failures} == {"test.large"}
    assert variant.artifacts.epochs("test.small") == [0, 20, 40]


def test_a_model_that_is_used_again_takes_the_weights_that_a_checkpoint_has_by_now(variant):
    """A worker keeps its model from one analysis to the next; a variant may be trained anew in between."""
    batch = registry().probe("full_grid").make(variant.config)
    model = forward.Model(variant, batch)

    def embedded():
        ((_, _, found),) = model.passes(20, model.weights(20), [EMBED], [EMBED])
        return found[EMBED]

    before = embedded()
    weights = variant.checkpoint_folder.read(20)
    variant.checkpoint_folder.write(20, {name: 2 * array for name, array in weights.items()})
    np.testing.assert_allclose(embedded(), 2 * before, rtol=1e-6)
