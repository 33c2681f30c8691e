"""Probes of pairs: which rows they make, and what analyzers measure on them."""

import numpy as np
import pytest
import torch

from dynascope import InvalidSetting, Workspace, analyze, registry, train
from dynascope.analysis.plan import plan
from dynascope.analysis.run import run_plans
from dynascope.frames import missing_arrays, what_is_missing
from dynascope.testing import check_probe
from dynascope_modular_addition.pair_text import parse_pairs, write_pairs

FAMILY = "modular_addition_1layer"
SMALL = {"p": 7, "train_fraction": 0.5, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32, "epochs": 200}
NEED_THE_GRID = {
    *("fourier.clock_pizza", "fourier.distance_irrelevance", "fourier.events", "fourier.frequency_groups"),
    *("fourier.logit_structure", "fourier.neuron_dynamics", "fourier.neuron_frequencies", "fourier.phases"),
    *("fourier.progress_measures", "modular_addition.ablations", "modular_addition.attention_patterns"),
    *("modular_addition.gradient_symmetricity", "modular_addition.neuron_activations"),
    *("modular_addition.neuron_composition", "modular_addition.neuron_logit_frequencies"),
}
ROWS_ONLY = [
    *("general.input_trace", "general.representation_geometry", "general.linear_cka", "general.hessian"),
    *("general.flatness", "fourier.class_circles", "modular_addition.gradient_energy", "general.graduation"),
]
ALL_PAIRS = "pairs:pairs=" + ";".join(f"{a} {b}" for a in range(7) for b in range(7))


@pytest.fixture(scope="module")
def variant(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("probes") / "workspace")
    made = workspace.new_variant(FAMILY, SMALL)
    train(made, schedule="0:200:100")
    return made


def batch_of(text, variant):
    return registry().choose(text).make(variant.config)


@pytest.mark.parametrize(
    "text", ["full_grid", "random_pairs:count=20,seed=3", "residue_classes:residues=0,3", "pairs:pairs=4,5;0 1\n2+3"]
)
def test_each_keeps_the_rules_of_a_probe(text, variant):
    check_probe(registry().choose(text), variant.config)


def test_random_pairs_are_different_pairs_in_order_drawn_by_the_seed_alone(variant):
    few, more, other = (batch_of(f"random_pairs:{more}", variant) for more in ("count=5", "count=20", "count=5,seed=1"))
    rows = few.axes["pair"].tolist()
    assert rows == [4, 26, 29, 30, 32]  # RandomState(0).permutation(49)[:5] is 29, 4, 26, 30, 32
    assert set(rows) < set(more.axes["pair"].tolist()) and rows != other.axes["pair"].tolist()
    assert (more.dims, more.shape) == (("pair",), (20,))
    np.testing.assert_array_equal(more.inputs[:, 0] * 7 + more.inputs[:, 1], more.axes["pair"])
    np.testing.assert_array_equal(batch_of("random_pairs:count=49", variant).axes["pair"], np.arange(49))
    with pytest.raises(InvalidSetting, match="p = 7 has 49 pairs; count must not exceed that, and is 50"):
        batch_of("random_pairs:count=50", variant)


def test_residue_classes_are_the_pairs_of_these_answers(variant):
    batch = batch_of("residue_classes:residues=3,0", variant)
    assert batch.shape == (14,)
    assert set(((batch.inputs[:, 0] + batch.inputs[:, 1]) % 7).tolist()) == {0, 3}
    with pytest.raises(InvalidSetting, match="the residues of p = 7 are 0 to 6; found 7"):
        batch_of("residue_classes:residues=7", variant)
    for text, said in (("1,1", "1 is given 2 times"), ("[]", "at least 1"), ("-1", "greater than or equal to 0")):
        with pytest.raises(InvalidSetting, match=said):
            batch_of(f"residue_classes:residues={text}", variant)


@pytest.mark.parametrize(
    "text", ["0 1;2 3", "2,3\n0,1", "a,b\n0,1\n2,3\n", "\ufeffA,B\r\n0 , 1\r\n2\t3\r\n", "# hard\n0+1 # one\n\n 2 + 3;",
             '"0,1"\n"2,3"']
)  # fmt: skip
def test_pairs_are_read_as_people_write_them(text):
    assert parse_pairs(text) == [(0, 1), (2, 3)]
    assert write_pairs(parse_pairs(text)) == "0+1;2+3"
    assert registry().choose("pairs", pairs=text).key == registry().choose("pairs:pairs=0+1;2+3").key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 1\n2 x", "line 2: a pair is written 'a b', 'a,b' or 'a\\+b'.*found '2 x'"),
        ("0 1\na,b", "line 2: .*found 'a,b'"),
        ("0 1 2", "found '0 1 2'"),
        ("0 -1", "found '0 -1'"),
        ("0 1;2 3\n0+1", "the pair 0\\+1 is given twice, in lines 1 and 3".replace("3", "2")),
        ("a,b\n", "there is no pair"),
        ("# nothing", "there is no pair"),
        ("../../etc/passwd", "a pair is written"),
    ],
)
def test_a_wrong_pair_is_one_clear_sentence(text, said):
    with pytest.raises(InvalidSetting, match=said):
        registry().choose("pairs", pairs=text)


def test_a_pair_out_of_range_is_told_for_the_variant(variant):
    with pytest.raises(InvalidSetting, match="the numbers of p = 7 are 0 to 6; the pair 3\\+7 is out of range"):
        batch_of("pairs:pairs=0+1;3+7", variant)
    with pytest.raises(InvalidSetting, match="3\\+7 is out of range"):
        analyze(variant, probe="pairs:pairs=0+1;3+7")


@pytest.mark.parametrize(
    ("text", "no_rows_for"),
    [
        ("random_pairs:count=49", set()),
        ("residue_classes:residues=0,3", {"fourier.class_circles"}),
        ("pairs:pairs=0 0", {"fourier.class_circles", "general.flatness", "general.hessian",
                             "modular_addition.gradient_energy"}),
    ],
)  # fmt: skip
def test_every_analyzer_works_on_pairs_or_says_why_it_does_not_apply(variant, text, no_rows_for):
    assert not batch_of("pairs:pairs=0 0", variant).inputs[0, :2].any()
    everything = [
        name for name, entry in registry().all("analyzers").items() if not name.endswith(("variant_table", ".variants"))
    ]
    work = plan(variant, registry(), probe=text, analyzers=everything, force=True)
    (outcome,) = run_plans([work])
    assert outcome.failures == ()
    assert {one.analyzer for one in work.not_applicable} == NEED_THE_GRID
    assert all("a', 'b" in one.reason or "does not apply" in one.reason for one in work.not_applicable)
    assert {one.analyzer for one in outcome.not_applicable} == no_rows_for
    assert all("row" in one.reason for one in outcome.not_applicable)
    rows = registry().choose(text).make(variant.config).shape[0]
    trace = variant.artifacts_of(text).arrays("general.input_trace")
    assert trace["prediction"] == {"row": rows}
    assert variant.artifacts_of(text).read("general.input_trace/probe_axis", 0).values.tolist() == ["pair"]


def test_accuracy_over_a_residue_class_is_that_of_its_logits(variant):
    text = "residue_classes:residues=3"
    analyze(variant, probe=text, analyzers=["general.input_trace"])
    a = np.arange(7)
    inputs = np.stack([a, (3 - a) % 7, np.full(7, 7)], axis=1)
    with torch.no_grad():
        logits = variant.family.base.answers(variant.config, variant.model(200)(torch.from_numpy(inputs)))
    by_hand = (logits.argmax(dim=1) == 3).float().mean().item()
    found = variant.artifacts_of(text)
    assert found.read("general.input_trace/correct", 200).values.mean() == pytest.approx(by_hand)
    assert found.coordinates("general.input_trace", "row").tolist() == list(range(7))
    pairs = found.read("general.input_trace/probe_coordinate", 200).values
    np.testing.assert_array_equal(pairs, [sorted(a * 7 + (3 - a) % 7)])


def test_all_pairs_as_a_list_give_the_numbers_of_the_full_grid(variant):
    analyze(variant, analyzers=ROWS_ONLY)
    analyze(variant, probe=ALL_PAIRS, analyzers=ROWS_ONLY)
    grid, listed = variant.artifacts, variant.artifacts_of(ALL_PAIRS)
    compared = 0
    for analyzer in ROWS_ONLY:
        for array in grid.arrays(analyzer):
            if array.startswith("probe_") or array == "place":
                continue
            wanted, found = (one.read(f"{analyzer}/{array}", 200).values for one in (grid, listed))
            np.testing.assert_array_equal(found, wanted, err_msg=f"{analyzer}/{array}")
            compared += 1
    assert compared > 60


def test_slices_and_the_hooked_model_give_the_same_rows(variant, monkeypatch):
    text = "random_pairs:count=20"
    analyze(variant, probe=text, analyzers=["general.input_trace"], force=True)
    wanted = variant.artifacts_of(text).read("general.input_trace/loss", 200).values
    analyze(variant, probe=text, analyzers=["general.input_trace"], force=True, memory=10_000)
    np.testing.assert_allclose(
        variant.artifacts_of(text).read("general.input_trace/loss", 200).values, wanted, rtol=1e-5
    )
    monkeypatch.setattr(type(variant.family.base), "observe", lambda *rest: None)
    analyze(variant, probe=text, analyzers=["general.input_trace"], force=True)
    np.testing.assert_allclose(
        variant.artifacts_of(text).read("general.input_trace/loss", 200).values, wanted, rtol=1e-4
    )


def test_every_view_is_drawn_on_pairs_or_says_what_it_lacks(variant):
    text = "random_pairs:count=49"
    analyze(variant, probe=text)
    artifacts = variant.artifacts_of(text)
    drawn = []
    for name, entry in registry().all("views").items():
        missing = missing_arrays(entry.item, variant, artifacts)
        if missing:
            said = what_is_missing(missing, variant, registry(), artifacts)
            assert "Not offered under this probe" in said or "Not computed yet" in said
        else:
            assert variant.at(200).view(name, probe=text) is not None
            drawn.append(name)
    assert {"general.answers", "general.graduation_map", "general.centroids", "fourier.class_circle"} <= set(drawn)
    assert not [name for name in drawn if "neuron_map" in name or "attention_pattern" in name]
