"""Logit structure and progress measures on logits whose answers are known before they are measured."""

import numpy as np
import pytest
from logit_steps import PAPER, logit_step, progress
from steps import outputs_of

from dynascope import CheckpointError, InvalidSetting, Rows, Step
from dynascope_fourier.logit_structure import LogitStructure
from dynascope_fourier.progress_measures import ProgressMeasures
from dynascope_modular_addition.known_models import quadratic_network, trigonometric_logits, trigonometric_loss


def structure(logits, p):
    return outputs_of(LogitStructure(), logit_step(logits, p))


# Logit structure


def test_twenty_components_of_the_paper_s_formula_are_large_and_no_other():
    """Two-by-two blocks of the same frequency, each of norm p^(3/2) / 2 / sqrt 2 per unit of amplitude."""
    p = 113
    found = structure(quadratic_network(p, PAPER).logits(), p)
    names = found["component_a"]
    large = {(names[i], names[j]) for i, j in np.argwhere(found["component_norm"] > 1e-6)}
    wanted = {(f"{one} {k}", f"{other} {k}") for k in PAPER for one in ("cos", "sin") for other in ("cos", "sin")}
    assert large == wanted
    sizes = found["component_norm"][found["component_norm"] > 1e-6]
    np.testing.assert_allclose(sizes, 4.5 * p**1.5 / 8**0.5, rtol=1e-9)
    assert (np.flatnonzero(found["is_key"]) + 1).tolist() == list(PAPER)
    assert found["explained"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("p", "planted"), [(59, {5: 3.0, 14: 2.0, 22: 1.0}), (12, {1: 2.0, 5: 1.0}), (15, {4: 1.0, 6: 2.0}), (3, {1: 0.5})]
)
@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_similarity_is_the_amplitude_over_the_norm_of_all_whatever_is_added_to_every_class(p, planted, shift):
    noise = np.random.default_rng(0).normal(size=(p * p, 1))
    found = structure(trigonometric_logits(p, planted) + shift * noise, p)
    total = np.sqrt(sum(size**2 for size in planted.values()))
    for k in range(1, p // 2 + 1):
        assert found["amplitude"][k - 1] == pytest.approx(planted.get(k, 0.0), abs=1e-12)
        assert found["similarity"][k - 1] == pytest.approx(planted.get(k, 0.0) / total, abs=1e-12)
    # The published coefficient is amplitude * p^(3/2) / sqrt 2, so the norm of all is that of the amplitudes.
    assert found["norm"] == pytest.approx(total * p**1.5 / 2**0.5, rel=1e-12)
    assert found["explained"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("p", [2, 8])
def test_the_nyquist_frequency_counts_for_its_own_norm(p):
    found = structure(trigonometric_logits(p, {p // 2: 2.0}), p)
    assert found["amplitude"][-1] == pytest.approx(2)
    assert found["similarity"][-1] == pytest.approx(1)
    assert found["norm"] == pytest.approx(2 * p**1.5)


def test_logits_of_noise_are_explained_by_chance_only():
    p = 59
    found = structure(np.random.default_rng(0).normal(size=(p * p, p)), p)
    assert found["explained"] < 1e-3
    assert np.sqrt(np.square(found["component_norm"]).sum()) == pytest.approx(found["norm"], rel=1e-6)


def test_logits_that_are_all_equal_have_no_structure():
    found = structure(np.full((49, 7), 3.0), 7)
    assert not found["similarity"].any()
    assert not found["is_key"].any()
    assert found["explained"] == 0


# Progress measures


@pytest.mark.parametrize(
    ("p", "planted", "loss"),
    [(113, PAPER, 7.937929622e-5), (59, (3, 15, 17), 4.141500581e-2), (12, (1, 5), 2.270156743e-2)],
)
def test_of_the_exact_network_restricted_is_its_published_loss_and_excluded_is_chance(p, planted, loss):
    found = progress(quadratic_network(p, planted).logits(), p, planted)
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-9)
    np.testing.assert_allclose(found["restricted_loss"], loss, rtol=1e-9)
    assert found["accuracy"].tolist() == found["restricted_accuracy"].tolist() == [1, 1, 1]
    for name in ("excluded_loss", "excluded_loss_all", "excluded_loss_3d", "excluded_loss_all_3d"):
        np.testing.assert_allclose(found[name], np.log(p), rtol=1e-9)
    for k in range(1, p // 2 + 1):
        rest = trigonometric_loss(p, {other: 4.5 for other in planted if other != k})
        np.testing.assert_allclose(found["excluded_loss_single"][:, k - 1], rest, rtol=1e-9)
        np.testing.assert_allclose(found["excluded_loss_single_3d"][:, k - 1], rest, rtol=1e-9)
    largest = max(trigonometric_loss(p, {other: 4.5 for other in planted if other != k}) for k in planted)
    np.testing.assert_allclose(found["excluded_loss_max"], largest, rtol=1e-9)
    np.testing.assert_allclose(found["excluded_loss_max_3d"], largest, rtol=1e-9)
    assert (np.flatnonzero(found["is_key"]) + 1).tolist() == list(planted)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_losses_near_1e_8_are_exact(dtype):
    p, planted = 113, dict.fromkeys(PAPER, 8.0)
    loss = trigonometric_loss(p, planted)
    assert loss == pytest.approx(1.14e-8, rel=1e-2)
    found = progress(trigonometric_logits(p, planted).astype(dtype), p, planted)
    tolerance = 1e-9 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(found["loss"], loss, rtol=tolerance)
    np.testing.assert_allclose(found["restricted_loss"], loss, rtol=tolerance)


def test_memorised_pairs_show_in_the_splits():
    """M on the label of the training pairs, and cosines: each split has its own closed form."""
    p, size, planted = 59, 12.0, {5: 3.0, 14: 2.0}
    rng = np.random.default_rng(0)
    trained = np.zeros(p * p, dtype=bool)
    # Ten training pairs of each sum, so that what memorisation adds to the mean over a sum is known.
    a = np.stack([rng.permutation(p)[:10] for _ in range(p)])
    trained[a * p + (np.arange(p)[:, None] - a) % p] = True
    label = np.add(*np.divmod(np.arange(p * p), p)) % p
    logits = trigonometric_logits(p, planted)
    logits[trained, label[trained]] += size
    found = progress(logits, p, planted, trained)

    formula = sum(m * np.cos(2 * np.pi * k * np.arange(p) / p) for k, m in planted.items())
    others = np.exp(formula[1:] - formula[0]).sum()
    losses = np.log1p(np.array([others * np.exp(-size), others]))
    both = (10 * losses[0] + 49 * losses[1]) / 59
    np.testing.assert_allclose(found["loss"], [*losses, both], rtol=1e-10)
    # The mean over a sum holds size * 10 / 59 at the label: 2 / 59 of it in each frequency's wave.
    more = size * 10 / 59 * 2 / 59
    waves = {k: m + more for k, m in planted.items()}
    np.testing.assert_allclose(found["restricted_loss"], trigonometric_loss(p, waves), rtol=1e-10)
    left = -sum(more * np.cos(2 * np.pi * k * np.arange(p) / p) for k in planted)
    train, test = (np.log1p(np.exp(left[1:] - left[0] - bonus).sum()) for bonus in (size, 0.0))
    np.testing.assert_allclose(found["excluded_loss"][:2], [train, test], rtol=1e-10)
    np.testing.assert_allclose(found["excluded_loss_3d"][:2], [train, test], rtol=1e-10)


def test_the_two_forms_differ_where_the_phase_is_wrong():
    """sin(w (a + b - c)) lies in the plane of a + b, and is orthogonal to cos(w (a + b - c))."""
    p, k = 59, 14
    a, b = np.divmod(np.arange(p * p), p)
    logits = 3 * np.sin(2 * np.pi * k * ((a + b)[:, None] - np.arange(p)) / p)
    found = progress(logits, p, (k,))
    np.testing.assert_allclose(found["excluded_loss"], np.log(p), rtol=1e-10)
    np.testing.assert_allclose(found["excluded_loss_3d"], found["loss"], rtol=1e-10)


def test_without_key_frequencies_nothing_is_removed_and_only_the_mean_is_kept():
    p = 13
    logits = np.random.default_rng(0).normal(size=(p * p, p))
    found = progress(logits, p, ())
    np.testing.assert_array_equal(found["excluded_loss"], found["loss"])
    mean = logits.mean(axis=0)
    expected = np.mean(np.log(np.exp(mean).sum()) - mean)
    assert found["restricted_loss"][2] == pytest.approx(expected, rel=1e-12)
    assert found["accuracy"][2] == np.mean(logits.argmax(axis=1) == np.add(*np.divmod(np.arange(p * p), p)) % p)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_the_smallest_groups(p):
    found = progress(trigonometric_logits(p, {1: 2.0}), p, (1,))
    loss = trigonometric_loss(p, {1: 2.0})
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-12)
    np.testing.assert_allclose(found["restricted_loss"], loss, rtol=1e-12)
    np.testing.assert_allclose(found["excluded_loss"], np.log(p), rtol=1e-12)


def test_a_split_without_pairs_has_no_loss():
    found = progress(trigonometric_logits(7, {2: 1.0}), 7, (2,), trained=np.ones(49, dtype=bool))
    assert found["split"].tolist() == ["train", "test", "all"]
    assert np.isnan(found["loss"]).tolist() == [False, True, False]
    assert np.isnan(found["restricted_loss"]).tolist() == [False, True, False]


def test_logits_that_are_not_numbers_are_one_clear_error():
    lost = np.full((49, 7), np.nan)
    for analyzer in (LogitStructure(), ProgressMeasures()):
        with pytest.raises(CheckpointError, match="of this checkpoint must be finite; 343 of 343 values are NaN"):
            analyzer.analyze(logit_step(lost, 7))


def test_a_task_that_is_not_addition_is_refused():
    p = 7
    one = logit_step(np.zeros((p * p, p)), p)
    a, b = np.divmod(np.arange(p * p), p)
    other = Step(0, None, one.context, one.batch, {**one.arrays, Rows("label"): (a - b) % p})
    with pytest.raises(InvalidSetting, match="pairs of the same sum have different labels"):
        ProgressMeasures().analyze(other)
