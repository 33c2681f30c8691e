"""Every published form of restricted and excluded loss, against closed forms and against sums over all triples."""

import numpy as np
import pytest
from logit_steps import PAPER, logit_step, progress

from dynascope import InvalidSetting, Logits, Rows, Stored
from dynascope_fourier.progress_measures import RULES, ProgressMeasures
from dynascope_modular_addition.known_models import quadratic_network, trigonometric_logits, trigonometric_loss

RESTRICTED = ("restricted_loss", "restricted_loss_no_mean", "restricted_loss_2x2", "restricted_loss_3x3")
EXCLUDED = ("excluded_loss", "excluded_loss_all", "excluded_loss_3d", "excluded_loss_all_3d")


@pytest.mark.parametrize(
    ("p", "planted"),
    [
        (113, dict(zip(PAPER, (3.0, 5.0, 2.5, 4.0, 4.5)))),
        (59, {3: 4.5, 15: 2.0, 17: 3.0}),
        (12, {1: 2.0, 6: 1.0}),
        (2, {1: 2.0}),
    ],
)
def test_logits_that_are_the_formula_lose_nothing_in_any_restricted_form(p, planted):
    """A bias of one class, much smaller than the formula, decides what is left when the formula is taken away."""
    logits = trigonometric_logits(p, planted)
    logits[:, 1] += 1e-9
    found = progress(logits, p, planted)
    loss = trigonometric_loss(p, planted)
    for name in ("loss", "trig_fit_loss", *RESTRICTED):
        np.testing.assert_allclose(found[name], loss, rtol=1e-6, err_msg=name)
    for name in EXCLUDED:
        np.testing.assert_allclose(found[name], np.log(p), rtol=1e-6, err_msg=name)
    assert found["trig_fit_explained"] == pytest.approx(1, abs=1e-6)
    assert found["restricted_accuracy"].tolist() == [1, 1, 1]
    assert found["excluded_accuracy"][2] == found["excluded_accuracy_all"][2] == 1 / p


def test_of_the_pizza_algorithm_every_form_keeps_the_trigonometric_part():
    """|cos(w d / 2)| is 2 / pi + (4 / pi) sum (-1)^(n + 1) cos(n w d) / (4 n^2 - 1), with d = a - b.

    Term n has the frequencies (1 + n) k and (1 - n) k in a and in b: only n = 0 lies in a block of k. What p rounds to
    other frequencies is small as p is large.
    """
    p, size = 113, 7.0
    a, b = np.divmod(np.arange(p * p), p)
    logits = np.zeros((p * p, p))
    for k in PAPER:
        wave = np.cos(2 * np.pi * k * ((a + b)[:, None] - np.arange(p)) / p)
        logits += size * np.abs(np.cos(np.pi * k * (a - b) / p))[:, None] * wave
    found = progress(logits, p, PAPER)
    loss = trigonometric_loss(p, dict.fromkeys(PAPER, size * 2 / np.pi))
    for name in (*RESTRICTED, "trig_fit_loss"):
        np.testing.assert_allclose(found[name], loss, rtol=2e-2, err_msg=name)
    assert found["trig_fit_explained"] == pytest.approx(8 / np.pi**2, rel=1e-3)
    # To the mean of |cos| over these p, instead of 2 / pi, it is exact.
    mean = np.abs(np.cos(np.pi * np.arange(p) / p)).mean()
    exact = trigonometric_loss(p, dict.fromkeys(PAPER, size * mean))
    np.testing.assert_allclose(found["restricted_loss"], exact, rtol=1e-6)
    np.testing.assert_allclose(found["trig_fit_loss"], exact, rtol=1e-6)


def waves(p, k, constant):
    """The normalised waves of a frequency over Z_p."""
    t = np.arange(p)
    found = [np.cos(2 * np.pi * k * t / p), np.sin(2 * np.pi * k * t / p)][: 1 if 2 * k == p else 2]
    found += [np.ones(p)] * constant
    return [wave / np.linalg.norm(wave) for wave in found]


def onto(directions, logits):
    """The projection on a set of functions of (a, b) that may overlap: by least squares, class by class."""
    matrix = np.stack([direction.ravel() for direction in directions], axis=1)
    flat = logits.reshape(len(matrix), -1)
    return (matrix @ np.linalg.lstsq(matrix, flat, rcond=None)[0]).reshape(logits.shape)


def measures(logits, label, split):
    """Loss and accuracy of logits ``"a b class"``, from sums over all pairs of the split."""
    losses, right = [], []
    for a, b in np.argwhere(split):
        row = logits[a, b]
        losses.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[label[a, b]])
        right.append(row.argmax() == label[a, b])
    return np.mean(losses), np.mean(right)


@pytest.mark.parametrize(
    ("p", "key"), [(7, (2, 3)), (7, (1, 2, 3)), (8, (1, 4)), (8, (3,)), (2, (1,)), (3, (1,)), (9, (3,))]
)
def test_every_form_is_that_of_sums_over_all_triples(p, key):
    rng = np.random.default_rng(p)
    logits = 2 * rng.normal(size=(p, p, p))
    trained = rng.random(p * p) < 0.5
    trained[:2] = True, False
    found = progress(logits.reshape(p * p, p), p, key, trained)
    a, b, c = np.meshgrid(*[np.arange(p)] * 3, indexing="ij")
    sums = [wave[(a + b)[:, :, 0] % p] for k in key for wave in waves(p, k, False)]
    cosines = np.stack([np.cos(2 * np.pi * k * (a + b - c) / p).ravel() for k in key], axis=1)
    centred = logits - logits.mean(axis=2, keepdims=True)
    fit = (cosines @ np.linalg.lstsq(cosines, centred.ravel(), rcond=None)[0]).reshape(logits.shape)
    every = [wave[(a + b)[:, :, 0] % p] for k in range(1, p // 2 + 1) for wave in waves(p, k, False)]
    one = np.ones((p, p))
    products = {
        constant: [np.outer(u, v) for k in key for u in waves(p, k, constant) for v in waves(p, k, constant)]
        for constant in (False, True)
    }
    mean = logits.mean(axis=(0, 1))
    forms = {
        "": logits,
        "restricted": onto([*sums, one], logits),
        "no_mean": onto(sums, logits),
        "2x2": onto(products[False], logits) + mean,
        "3x3": onto(products[True], logits),
        "excluded": logits - onto(sums, logits),
        "all": logits - onto(every, logits),
        "fit": fit,
    }
    names = {
        "": ("loss", "accuracy"),
        "restricted": ("restricted_loss", "restricted_accuracy"),
        "no_mean": ("restricted_loss_no_mean", None),
        "2x2": ("restricted_loss_2x2", None),
        "3x3": ("restricted_loss_3x3", None),
        "excluded": ("excluded_loss", "excluded_accuracy"),
        "all": ("excluded_loss_all", "excluded_accuracy_all"),
        "fit": ("trig_fit_loss", None),
    }
    label = (a + b)[:, :, 0] % p
    splits = [trained.reshape(p, p), ~trained.reshape(p, p), np.ones((p, p), dtype=bool)]
    for form, (of_loss, of_accuracy) in names.items():
        for index, split in enumerate(splits):
            loss, accuracy = measures(forms[form], label, split)
            assert found[of_loss][index] == pytest.approx(loss, rel=1e-9), (form, index)
            if of_accuracy:
                assert found[of_accuracy][index] == pytest.approx(accuracy, abs=1e-12), (form, index)
    explained = 1 - np.square(centred - fit).sum() / np.square(centred).sum()
    assert found["trig_fit_explained"] == pytest.approx(explained, rel=1e-9)


def test_without_key_frequencies_every_restricted_form_is_the_mean():
    logits = np.random.default_rng(0).normal(size=(49, 7))
    found = progress(logits, 7, ())
    np.testing.assert_allclose(found["restricted_loss_2x2"], found["restricted_loss"], rtol=1e-12)
    np.testing.assert_allclose(found["restricted_loss_3x3"], found["restricted_loss"], rtol=1e-12)
    np.testing.assert_allclose(found["restricted_loss_no_mean"], np.log(7), rtol=1e-12)
    np.testing.assert_allclose(found["trig_fit_loss"], np.log(7), rtol=1e-12)
    assert found["trig_fit_explained"] == 0
    assert progress(np.zeros((49, 7)), 7, (1,))["trig_fit_explained"] == 0


# Rules for key frequencies


BY_RULE = {"neurons": (3,), "neuron_argmax": (3, 5, 15), "embedding": (3, 15), "logits": (15,), "neurons_now": (15,)}


def flags(p, chosen, size=1):
    return np.isin(np.arange(1, p // 2 + 1), chosen) * size


def by_rules(analyzer, p=59):
    planted = {3: 4.5, 15: 2.0}
    one = logit_step(trigonometric_logits(p, planted), p)
    arrays = {RULES[rule]: flags(p, chosen, 7) for rule, chosen in BY_RULE.items()}
    return analyzer.analyze(type(one)(0, None, one.context, one.batch, {**one.arrays, **arrays}))


def test_losses_are_there_by_every_rule_and_the_parameter_says_which_is_used():
    p, uniform = 59, np.log(59)
    one, other, both = (trigonometric_loss(p, planted) for planted in ({3: 4.5}, {15: 2.0}, {3: 4.5, 15: 2.0}))
    restricted, excluded = [one, both, both, other, other], [other, uniform, uniform, one, one]
    for index, rule in enumerate(BY_RULE):
        chosen = type("Chosen", (ProgressMeasures,), {"parameters": {**ProgressMeasures.parameters, "key_rule": rule}})
        found = by_rules(chosen())
        assert found["key_rule"].tolist() == list(BY_RULE)
        np.testing.assert_allclose(found["restricted_loss_by_rule"], [restricted] * 3, rtol=1e-9)
        np.testing.assert_allclose(found["excluded_loss_by_rule"], [excluded] * 3, rtol=1e-9)
        np.testing.assert_allclose(found["restricted_loss"], restricted[index], rtol=1e-9)
        np.testing.assert_allclose(found["excluded_loss"], excluded[index], rtol=1e-9)
        assert (np.flatnonzero(found["is_key"]) + 1).tolist() == list(BY_RULE[rule])
        assert [tuple(np.flatnonzero(row) + 1) for row in found["is_key_by_rule"]] == list(BY_RULE.values())


def test_a_rule_that_is_unknown_is_refused():
    wrong = type("Wrong", (ProgressMeasures,), {"parameters": {"key_rule": "best"}})
    with pytest.raises(InvalidSetting, match="one of neurons, .*, neurons_now; found 'best'"):
        by_rules(wrong())


def test_a_subclass_adds_the_rule_of_the_neuron_logit_map():
    weights = Stored("modular_addition.neuron_logit_frequencies/is_key", at="last")

    class ByNeuronLogits(ProgressMeasures):
        name = "progress_by_neuron_logits"
        rules = {**RULES, "neuron_logits": weights}
        reads = (*ProgressMeasures.reads, weights)
        parameters = {**ProgressMeasures.parameters, "key_rule": "neuron_logits"}

    one = logit_step(quadratic_network(59, (3, 15)).logits(), 59)
    one.arrays[weights] = flags(59, (3, 15))
    assert {Logits(), Rows("label"), weights} <= set(ByNeuronLogits.reads)
    found = ByNeuronLogits().analyze(one)
    assert found["key_rule"][-1] == "neuron_logits"
    np.testing.assert_allclose(found["restricted_loss"], found["loss"], rtol=1e-9)
    np.testing.assert_allclose(found["excluded_loss"], np.log(59), rtol=1e-9)
