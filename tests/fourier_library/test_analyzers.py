"""The analyzers on weights and activations with planted frequencies."""

import numpy as np
import pytest

from dynascope import Batch, CheckpointError, InvalidSetting, Step
from dynascope_fourier import CyclicGroup, fourier_basis
from dynascope_fourier.analyzers import EmbeddingFrequencies, NeuronFrequencies


def step(analyzer, array, p, first_token=0):
    pairs = np.zeros((p * p, 3), dtype=np.int64)
    batch = Batch(pairs, {"a": np.arange(p), "b": np.arange(p)})
    context = {"cyclic_group": CyclicGroup(p, first_token)}
    return Step(0, None, context, batch, {analyzer.reads[0]: array})


@pytest.mark.parametrize("first_token", [0, 2])
def test_planted_embedding_frequencies_are_found_where_they_were_put(first_token):
    p, planted = 53, {5: 3.0, 14: 2.0, 22: 1.0}
    rng = np.random.default_rng(0)
    basis = fourier_basis(p)
    embedding = np.zeros((p, 64))
    for k, norm in planted.items():
        for row in (2 * k - 1, 2 * k):
            direction = rng.normal(size=64)
            embedding += np.outer(basis[row], norm * direction / np.linalg.norm(direction))
    # Tokens that are not numbers must not count, whatever they hold.
    tokens = np.concatenate([np.full((first_token, 64), 9.0), embedding, np.full((3, 64), 9.0)])
    result = EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, tokens, p, first_token))
    share = dict(enumerate(result["power_share"], start=1))
    for k in range(1, 27):
        assert share[k] == pytest.approx(planted.get(k, 0.0) ** 2 / 14, abs=1e-12)
    by_name = dict(zip(result["component"], result["component_norm"], strict=True))
    assert by_name["cos 14"] == pytest.approx(2)
    assert by_name["sin 5"] == pytest.approx(3)
    assert by_name["const"] == pytest.approx(0, abs=1e-12)


def test_the_gini_coefficient_of_five_equal_frequencies_is_the_closed_form():
    p = 113
    basis = fourier_basis(p)
    rows = [row for k in (14, 35, 41, 42, 52) for row in (2 * k - 1, 2 * k)]
    embedding = basis[rows].T  # each component of norm 1, along its own direction
    result = EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, embedding, p))
    assert float(result["gini"]) == pytest.approx(1 - 10 / 113, abs=1e-9)
    assert float(result["gini_without_constant"]) == pytest.approx(1 - 10 / 112, abs=1e-9)


def neurons(p, planted):
    """One ReLU-like neuron per entry, cos(w_k a + phase) + cos(w_k b + phase), plus two that never fire."""
    a, b = np.divmod(np.arange(p * p), p)
    columns = [
        np.cos(2 * np.pi * k * a / p + phase) + np.cos(2 * np.pi * k * b / p + phase)
        for k, count in planted.items()
        for phase in 2 * np.pi * np.arange(count) / count
    ]
    columns += [np.zeros(p * p), np.full(p * p, 0.5)]
    return np.stack(columns, axis=1).astype(np.float32)


@pytest.mark.parametrize(("p", "planted"), [(53, {5: 20, 14: 30, 22: 50}), (12, {1: 7, 5: 9}), (58, {29: 3, 3: 40})])
def test_planted_neurons_are_counted_by_frequency(p, planted):
    result = NeuronFrequencies().analyze(step(NeuronFrequencies, neurons(p, planted), p))
    sizes = {k: size for k, size in enumerate(result["cluster_size"], start=1) if size}
    assert sizes == planted
    assert result["live_neurons"] == sum(planted.values())
    assert result["best_frequency"][-2:].tolist() == [0, 0]
    np.testing.assert_allclose(result["best_share"][result["best_frequency"] > 0], 1, atol=1e-5)


def test_a_few_stray_neurons_make_no_key_frequency():
    result = NeuronFrequencies().analyze(step(NeuronFrequencies, neurons(53, {5: 60, 14: 60, 22: 2}), 53))
    assert np.flatnonzero(result["is_key"]).tolist() == [4, 13]
    assert result["cluster_size"][21] == 2


def test_the_rule_of_the_papers_code_counts_stray_neurons_too():
    result = NeuronFrequencies().analyze(step(NeuronFrequencies, neurons(53, {5: 60, 14: 60, 22: 2}), 53))
    assert (np.flatnonzero(result["best_size"]) + 1).tolist() == [5, 14, 22]


def test_the_rule_of_the_embedding_counts_components_above_a_quarter_of_the_largest():
    basis = fourier_basis(53)
    norms = {9: 1.0, 27: 0.26, 28: 0.24, 0: 5.0}  # cos 5, cos 14, sin 14; the constant is not asked
    embedding = np.zeros((53, 53))
    for row, norm in norms.items():
        embedding[:, row] = norm * basis[row]
    result = EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, embedding, 53))
    assert (np.flatnonzero(result["is_key"]) + 1).tolist() == [5, 14]
    embedding[:, 27] *= 0.24 / 0.26
    result = EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, embedding, 53))
    assert (np.flatnonzero(result["is_key"]) + 1).tolist() == [5]


def test_an_embedding_of_zeros_has_no_frequency():
    result = EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, np.zeros((7, 4)), 7))
    assert np.isnan(result["power_share"]).all()
    assert np.isnan([result["gini"], result["gini_without_constant"]]).all()
    assert not result["is_key"].any()


def test_equal_rows_of_the_embedding_have_no_frequency_but_rounding():
    rows = np.tile(np.random.default_rng(0).normal(size=16).astype(np.float32), (53, 1))
    result = EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, rows, 53))
    assert np.isnan(result["power_share"]).all()
    assert not result["is_key"].any()


def test_a_neuron_that_is_active_at_one_pair_has_no_best_frequency():
    active = np.zeros((49, 2), dtype=np.float32)
    active[17, 0] = 1
    active[:, 1] = np.cos(2 * np.pi * 3 * np.arange(49) // 7 / 7)
    result = NeuronFrequencies().analyze(step(NeuronFrequencies, active, 7))
    assert result["best_frequency"].tolist() == [0, 3]
    assert result["best_share"][0] == pytest.approx(8 / 48)
    assert result["live_neurons"] == 2


def test_weights_or_activations_that_are_not_numbers_are_one_clear_error():
    lost = np.full((49, 4), np.nan, dtype=np.float32)
    with pytest.raises(CheckpointError, match="neurons of this checkpoint must be finite; 196 of 196 values are NaN"):
        NeuronFrequencies().analyze(step(NeuronFrequencies, lost, 7))
    with pytest.raises(CheckpointError, match="embedding of this checkpoint must be finite; 28 of 28 values"):
        EmbeddingFrequencies().analyze(step(EmbeddingFrequencies, lost[:10], 7))


def test_a_probe_that_is_not_the_full_grid_is_refused():
    half = Batch(np.zeros((35, 3), dtype=np.int64), {"a": np.arange(5), "b": np.arange(7)})
    part = Step(0, None, {"cyclic_group": CyclicGroup(7)}, half, {"neurons": np.zeros((35, 4), dtype=np.float32)})
    with pytest.raises(
        InvalidSetting, match="every pair \\(a, b\\) once, in order; the probe has the shape \\(5, 7\\)"
    ):
        NeuronFrequencies().analyze(part)


def test_a_probe_of_all_pairs_in_another_order_is_refused():
    turned = Batch(np.zeros((49, 3), dtype=np.int64), {"a": np.roll(np.arange(7), 1), "b": np.arange(7)})
    other = Step(0, None, {"cyclic_group": CyclicGroup(7)}, turned, {"neurons": np.zeros((49, 4), dtype=np.float32)})
    with pytest.raises(InvalidSetting, match="\\(7, 7\\), and other coordinates"):
        NeuronFrequencies().analyze(other)


def test_random_neurons_have_no_key_frequency():
    activations = np.random.default_rng(0).normal(size=(53 * 53, 64)).astype(np.float32)
    result = NeuronFrequencies().analyze(step(NeuronFrequencies, activations, 53))
    assert result["is_key"].sum() == 0
    assert result["live_neurons"] == 64
