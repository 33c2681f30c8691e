"""Hessians that are known: of matrices, of a quadratic loss, and of a tiny model, entry by entry."""

import numpy as np
import pytest
import torch
from registries import plugins
from stand_ins import measured
from tiny import FAMILY, SCHEDULE, TINY

from dynascope import (
    AllWeights,
    AnalysisError,
    Analyzer,
    Batch,
    InvalidSetting,
    LossHessian,
    Output,
    Step,
    UnknownName,
    Workspace,
    analyze,
    registry,
    train,
)
from dynascope.analysis import plan
from dynascope.analysis.forward import Model
from dynascope.analysis.hessian import LossCurvature
from dynascope.frames import what_is_missing
from dynascope.instruments.hessian import Hessian, extreme_eigenvalues, trace_draws

MODEL = {"p": 5, "train_fraction": 0.5, "d_model": 4, "n_heads": 2, "d_head": 2, "d_mlp": 6, "epochs": 40}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    variant = Workspace.create(tmp_path_factory.mktemp("hessian") / "workspace").new_variant(FAMILY, MODEL)
    train(variant, schedule="40")
    return variant


def symmetric(values, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return turn @ np.diag(values) @ turn.T


# Matrices


@pytest.mark.parametrize(
    "values", [np.linspace(-3, 20, 60), [*np.linspace(-1, 1, 57), 5.0, 9.0, 100.0], np.linspace(1, 2, 8), [4.0]]
)
def test_the_extreme_eigenvalues_of_a_matrix_are_found(values):
    matrix = symmetric(np.array(values))
    smallest, largest, products = extreme_eigenvalues(matrix.__matmul__, len(matrix), 60, 1e-9, 0)
    assert largest.value == pytest.approx(max(values), rel=1e-9)
    assert smallest.value == pytest.approx(min(values), rel=1e-9)
    assert products <= len(matrix)


def test_the_residual_bounds_the_error_where_steps_are_few():
    values = np.linspace(0, 1, 300) ** 4 * 30 - 2
    matrix = symmetric(values)
    for steps in (5, 10, 20):
        for found in extreme_eigenvalues(matrix.__matmul__, 300, steps, 0, 0)[:2]:
            assert np.abs(values - found.value).min() <= found.residual + 1e-12


def test_steps_end_where_the_space_is_exhausted_and_a_matrix_of_zeros_has_none():
    matrix = symmetric(np.array([3.0] * 20 + [7.0] * 5))
    smallest, largest, products = extreme_eigenvalues(matrix.__matmul__, 25, 40, 1e-9, 0)
    assert (smallest.value, largest.value, products) == (pytest.approx(3), pytest.approx(7), 2)
    assert extreme_eigenvalues(np.zeros_like, 25, 40, 1e-3, 0) == ((0, 0), (0, 0), 1)


def test_the_trace_of_a_diagonal_is_exact_and_of_others_within_its_error():
    diagonal = np.array([5.0, -2.0, 0.5])
    np.testing.assert_allclose(trace_draws(lambda z: diagonal * z, 3, 4, 0), 3.5)
    matrix = symmetric(np.linspace(-1, 4, 50))
    drawn = trace_draws(matrix.__matmul__, 50, 200, 0)
    assert abs(drawn.mean() - 75) < 4 * drawn.std() / 200**0.5
    # The variance of Hutchinson's estimate is twice the squares off the diagonal.
    off = matrix - np.diag(np.diag(matrix))
    assert drawn.var() == pytest.approx(2 * np.square(off).sum(), rel=0.3)


# A quadratic loss


class Quadratic:
    """The loss w' A w / 2 over two weights, b and w, whose Hessian is A."""

    names = ("b", "w")

    def __init__(self, matrix):
        self.matrix = matrix

    def __call__(self, vectors):
        flat = self.matrix @ np.concatenate([vectors["b"].ravel(), vectors["w"].ravel()])
        return {"b": flat[:4], "w": flat[4:].reshape(2, 3)}


def quadratic_step(matrix, weight=1.0):
    weights = {"b": np.full(4, weight), "still": np.full(3, weight), "w": np.full((2, 3), weight)}
    batch = Batch(np.zeros((1, 1)), {"row": np.arange(1)})
    return Step(0, None, {}, batch, {}, weights, hessian=Quadratic(matrix))


def test_a_quadratic_loss_has_the_eigenvalues_and_the_trace_that_were_put_in():
    values = np.array([-1.0, 0, 0, 1, 2, 3, 4, 5, 6, 30])
    found = measured(Hessian(), quadratic_step(symmetric(values)))
    assert found["largest_eigenvalue"] == pytest.approx(30, abs=0.03)
    assert found["smallest_eigenvalue"] == pytest.approx(-1, abs=0.03)
    assert max(found["largest_residual"], found["smallest_residual"]) <= 0.03
    assert found["weights"] == 10
    assert found["trace"] == pytest.approx(50, abs=4 * found["trace_error"])
    again = measured(Hessian(), quadratic_step(symmetric(values)))
    np.testing.assert_array_equal(found["trace_draw"], again["trace_draw"])
    exact = measured(Hessian(), quadratic_step(np.diag(values)))
    assert exact["trace"] == pytest.approx(50)
    assert exact["trace_error"] == pytest.approx(0, abs=1e-12)


def test_weights_that_are_not_numbers_have_no_curvature():
    found = measured(Hessian(), quadratic_step(np.eye(10), np.nan))
    assert found["products"] == 0
    assert all(np.isnan(found[name]).all() for name in found if name not in ("products", "weights"))


# A model


def curvature(variant, memory=2**30):
    batch = registry().probe("full_grid").make(variant.config)
    return LossCurvature(Model(variant, batch, memory), variant.weights(40), "train")


def dense(variant):
    """The Hessian by differences of gradients of the training pass, which has other operations, in double precision."""
    family, config = variant.family.base, variant.config
    weights = {name: torch.from_numpy(array.copy()).double() for name, array in variant.weights(40).items()}
    names = sorted(family.trainable(config))
    sizes = [weights[name].numel() for name in names]
    data = family.data(config)

    def gradient(flat):
        flat = flat.detach().requires_grad_()
        parts = {name: part.reshape(weights[name].shape) for name, part in zip(names, flat.split(sizes))}
        logits = family.forward(config, {**weights, **parts}, family.prepare(config, data.train_inputs))
        loss = family.loss(config, logits[:, : config.parameters.p], data.train_labels)
        return torch.autograd.grad(loss, flat)[0]

    flat = torch.cat([weights[name].ravel() for name in names])
    steps = 1e-6 * torch.eye(len(flat), dtype=torch.float64)
    columns = [(gradient(flat + step) - gradient(flat - step)).numpy() / 2e-6 for step in steps]
    matrix = np.stack(columns)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-7 * np.abs(matrix).max())
    return matrix


def flat_product(hessian, weights):
    shapes = [weights[name].shape for name in hessian.names]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def product(vector):
        parts = zip(hessian.names, np.split(vector, ends[:-1]), shapes)
        found = hessian({name: part.reshape(shape) for name, part, shape in parts})
        return np.concatenate([found[name].ravel() for name in hessian.names])

    return product


@pytest.mark.parametrize("memory", [2**30, 20_000])
def test_products_are_those_of_differences_of_gradients(tiny, memory):
    matrix = dense(tiny)
    product = flat_product(curvature(tiny, memory), tiny.weights(40))
    for vector in np.random.default_rng(0).normal(size=(3, len(matrix))):
        found = product(vector)
        np.testing.assert_allclose(found, matrix @ vector, atol=1e-6 * np.abs(found).max())
    assert (len(curvature(tiny, memory)._parts) == 1) == (memory > 1e6)


def test_a_family_without_a_faster_way_has_the_same_hessian(tiny, monkeypatch):
    vector = np.random.default_rng(1).normal(size=len(dense(tiny)))
    fast = flat_product(curvature(tiny), tiny.weights(40))(vector)
    monkeypatch.setattr(type(tiny.family.base), "observe", lambda *rest: None)
    slow = flat_product(curvature(tiny), tiny.weights(40))(vector)
    np.testing.assert_allclose(fast, slow, atol=1e-10 * np.abs(fast).max())


@pytest.mark.parametrize("settings", [{}, {"recipe": "nanda"}, {"n_heads": 1}, {"p": 2}, {"dtype": "float64"}], ids=str)
def test_eigenvalues_and_trace_are_those_of_the_dense_hessian_of_a_model(new_workspace, settings):
    variant = new_workspace.new_variant(FAMILY, {**MODEL, **settings})
    train(variant, schedule="40")
    matrix = dense(variant)
    values = np.linalg.eigvalsh(matrix)

    class Exact(Hessian):
        parameters = {**Hessian.parameters, "steps": 200, "tolerance": 1e-8, "draws": 400}

    analyze(variant, analyzers=["test.hessian"], plugins=plugins(Exact()), epochs=[40])
    found = {name: variant.artifacts.read(f"test.hessian/{name}", 40).values for name in Hessian.outputs}
    assert found["largest_eigenvalue"] == pytest.approx(values[-1], rel=1e-6)
    assert found["smallest_eigenvalue"] == pytest.approx(values[0], abs=1e-6 * abs(values).max())
    assert abs(found["trace"] - np.trace(matrix)) < 4 * found["trace_error"] + 1e-9
    assert found["weights"] == len(matrix)


def test_it_runs_only_where_it_is_named(tiny):
    work = plan(tiny, registry())
    assert "general.hessian" not in {bound.id for bound in work.analyzers}
    named = plan(tiny, registry(), analyzers=["general.hessian"])
    assert [bound.id for bound in named.analyzers] == ["general.hessian"]
    said = what_is_missing(["general.hessian/trace"], tiny, registry())
    assert said.endswith(f"Run: dynascope analyze {tiny.name} -a general.hessian")


def test_what_is_no_vector_of_trained_weights_is_refused(tiny):
    hessian = curvature(tiny)
    assert "blocks.0.mlp.in.bias" not in hessian.names
    with pytest.raises(UnknownName, match="weight of modular_addition_1layer that training moves"):
        hessian({"blocks.0.mlp.in.bias": np.zeros(6)})
    with pytest.raises(InvalidSetting, match=r"shape \(6, 4\) in this checkpoint; found the vector \(4, 6\)"):
        hessian({"blocks.0.mlp.in.weight": np.zeros((4, 6))})
    assert set(hessian({})) == set(hessian.names)
    assert not any(array.any() for array in hessian({}).values())


def test_a_hessian_must_be_declared(new_workspace):
    variant = new_workspace.new_variant(FAMILY, TINY)
    train(variant, schedule=SCHEDULE)

    class Undeclared(Analyzer):
        name, description, reads = "undeclared", "Asks for what it does not declare.", (AllWeights(),)
        outputs = {"x": Output((), "float64", "1", "x")}

        def analyze(self, step):
            return {"x": np.float64(len(step.hessian({})))}

    with pytest.raises(AnalysisError, match=r"no declared read 'LossHessian\(\)'"):
        analyze(variant, plugins=plugins(Undeclared()))
    assert LossHessian() in Hessian.reads
