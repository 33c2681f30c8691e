"""A step of the calibration family made directly, from weights: what an instrument reads, without a workspace."""

import numpy as np
import torch

from dynascope import Activation, Gradient, Logits, Rows, Step, Stored, Weight
from dynascope_fourier.progress_measures import RULES
from dynascope_modular_addition import ModularAddition1Layer
from dynascope_modular_addition.probes import FULL_GRID

FAMILY = ModularAddition1Layer()


def step_of(analyzer, config, weights, stored=None):
    """Return the step at which the hooked model has these weights.

    Args:
        weights: numpy arrays by the family's names.
        stored: the value of each stored array that the analyzer reads, by its name.
    """
    batch = FULL_GRID.make(config)
    sites, rows = FAMILY.sites(config), FAMILY.rows(config, batch.inputs)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in weights.items()}
    model = FAMILY.hooked(config, tensors)
    with torch.no_grad():
        output, cache = model.run_with_cache(torch.from_numpy(batch.inputs))
    arrays = {}
    for read in analyzer.reads:
        place = sites[read] if isinstance(read, str) else read
        if isinstance(place, Weight):
            arrays[read] = weights[place.name]
        elif isinstance(place, Activation):
            value = cache[place.hook]
            arrays[read] = (value if place.position is None else value.select(place.axis, place.position)).numpy()
        elif isinstance(place, Logits):
            arrays[read] = FAMILY.answers(config, output).numpy()
        elif isinstance(place, Rows):
            arrays[read] = rows[place.fact]
        elif isinstance(place, Stored):
            arrays[read] = stored[place.array]
        elif isinstance(place, Gradient):
            arrays[read] = train_gradient(config, tensors, sites[place.at].name)

    def forward(other, rows=None):
        names = {site: place.name for site, place in sites.items() if isinstance(place, Weight)}
        changed = {names.get(name, name): torch.from_numpy(array) for name, array in other.items()}
        with torch.no_grad():
            output = FAMILY.hooked(config, {**tensors, **changed})(torch.from_numpy(batch.inputs))
        return FAMILY.answers(config, output).numpy()

    return Step(0, config, FAMILY.context(config), batch, arrays, forward=forward)


def train_gradient(config, tensors, name):
    """Return the gradient of the train loss at a weight, by the family's own training pass."""
    leaves = {**tensors, name: tensors[name].clone().requires_grad_()}
    data = FAMILY.data(config)
    logits = FAMILY.forward(config, leaves, FAMILY.prepare(config, data.train_inputs))[:, : config.parameters.p]
    (gradient,) = torch.autograd.grad(FAMILY.loss(config, logits, data.train_labels), leaves[name])
    return gradient.numpy()


def initial(config):
    """Return the family's initial weights as arrays."""
    return {name: tensor.numpy() for name, tensor in FAMILY.init(config).items()}


def key_set(p, *chosen):
    """Return the flag of each frequency, 1 for those that were chosen, as every rule would store it."""
    flags = np.zeros(p // 2, dtype=np.int8)
    flags[np.array(chosen, dtype=int) - 1] = 1
    return {read.array: flags for read in RULES.values()}


def outputs_of(analyzer, step):
    """Return what the analyzer gives, after a check against its declaration: names, axes, sizes, kinds."""
    result = analyzer.analyze(step)
    assert set(result) == set(analyzer.outputs)
    sizes = {}
    for name, output in analyzer.outputs.items():
        array = np.asarray(result[name])
        assert array.ndim == len(output.dims), name
        for dim, size in zip(output.dims, array.shape):
            assert sizes.setdefault(dim, size) == size, (name, dim)
        if output.dtype != "str":
            assert array.dtype == bool or np.can_cast(array.dtype, output.dtype, "same_kind"), (name, array.dtype)
    return result
