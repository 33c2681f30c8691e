"""Checks for plug-in authors: what the core relies on, said by assertions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.contract.chosen_probe import KEY, ChosenProbe, parse_probe
from dynascope.contract.config import Config
from dynascope.contract.family import Family
from dynascope.contract.reads import Activation

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "check_forward_equals_hooked",
    "check_global_random_state_untouched",
    "check_observe_equals_hooked",
    "check_probe",
]


def check_forward_equals_hooked(
    family: Family, config: Config, *, value_tolerance: float = 1e-5, gradient_tolerance: float = 1e-4
) -> None:
    """Check that ``forward`` and ``hooked`` are one model, in logits and in gradients of the training loss.

    The biases, too, are drawn at random for the check, so that one that is left out is found.

    Args:
        family, config: the family and a variant of it; a small one will do.
        value_tolerance: largest difference of a logit, relative to the largest logit.
        gradient_tolerance: largest difference of a gradient, relative to the largest of that weight.

    Raises:
        AssertionError: naming the weight and the difference.
    """
    import torch

    data = family.data(config)
    inputs, labels = data.train_inputs, data.train_labels
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: tensor if tensor.any() else 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in family.init(config).items()
    }
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    fast = family.forward(config, leaves, family.prepare(config, inputs))
    fast_gradients = _gradients(family.loss(config, fast, labels), leaves)

    model = family.hooked(config, weights)
    parameters = {name: value for name, value in model.state_dict(keep_vars=True).items() if value.requires_grad}
    hooked = model(inputs)
    hooked = hooked if hooked.ndim == 2 else hooked[:, -1]
    hooked_gradients = _gradients(family.loss(config, hooked, labels), parameters)

    difference = float((fast - hooked).detach().abs().max() / hooked.detach().abs().max())
    assert difference <= value_tolerance, f"{family.name}: logits differ by {difference:.2e}, relative to the largest"
    _check_gradients(family, fast_gradients, hooked_gradients, gradient_tolerance)


def _check_gradients(
    family: Family, fast: Mapping[str, Tensor], hooked: Mapping[str, Tensor], tolerance: float
) -> None:
    # A gradient that is 0 in exact arithmetic (that of a key's bias) is compared with the others' size.
    floor = 1e-3 * max(float(gradient.abs().max()) for gradient in hooked.values())
    for name, gradient in hooked.items():
        difference = float((fast[name] - gradient).abs().max()) / max(float(gradient.abs().max()), floor)
        assert difference <= tolerance, f"{family.name}: gradients of {name} differ by {difference:.2e}"


def check_observe_equals_hooked(
    family: Family,
    config: Config,
    inputs: Tensor,
    places: Sequence[Activation],
    *,
    tolerance: float = 1e-5,
    gradient_tolerance: float = 1e-4,
) -> None:
    """Check that ``observe`` gives the logits and activations of the hooked model, and its gradients if any.

    Args:
        family, config: the family and a variant of it; a small one will do.
        inputs: of a probe, ``"row ..."``.
        places: those that ``observe`` gives.
        tolerance: largest difference, relative to the largest value of that place.
        gradient_tolerance: largest difference of a logit's gradient, relative to the largest of that weight.

    Raises:
        AssertionError: naming the place or the weight, and the difference.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    weights = {
        name: tensor if tensor.any() else 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in family.init(config).items()
    }
    seen: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: Any, name: str) -> None:
        seen[name] = value

    model: Any = family.hooked(config, weights)
    names = dict.fromkeys(place.hook for place in places)
    with torch.no_grad():
        output = model.run_with_hooks(inputs, fwd_hooks=[(name, partial(keep, name=name)) for name in names])
        observed = family.observe(config, weights, inputs, places)
    assert observed is not None, f"{family.name}: observe gives none of these places"
    logits, activations = observed
    expected: dict[Any, Tensor] = {"logits": family.answers(config, output)}
    for place in places:
        value = seen[place.hook]
        expected[place] = value if place.position is None else value.select(place.axis, place.position)
    for place, wanted in expected.items():
        found = logits if place == "logits" else activations[place]
        assert found.shape == wanted.shape, f"{family.name}: {place} has shape {found.shape}, hooked {wanted.shape}"
        difference = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30))
        assert difference <= tolerance, f"{family.name}: {place} differs by {difference:.2e}, relative to the largest"

    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    again = family.observe(config, leaves, inputs, ())
    if again is not None and again[0].requires_grad:
        weigh = torch.randn(again[0].shape, generator=generator)
        parameters = {name: value for name, value in model.state_dict(keep_vars=True).items() if value.requires_grad}
        of_hooked = _gradients((family.answers(config, model(inputs)) * weigh).sum(), parameters)
        _check_gradients(family, _gradients((again[0] * weigh).sum(), leaves), of_hooked, gradient_tolerance)


def check_global_random_state_untouched(family: Family, config: Config) -> None:
    """Check that neither the weights, nor the data, nor the hooked model draw from the global random state.

    Raises:
        AssertionError: naming the method.
    """
    import torch

    for name, call in (
        ("init", lambda: family.init(config)),
        ("data", lambda: family.data(config)),
        ("hooked", lambda: family.hooked(config, family.init(config))),
    ):
        before = torch.get_rng_state()
        call()
        assert torch.equal(before, torch.get_rng_state()), f"{family.name}.{name} draws from the global random state"


def check_probe(chosen: ChosenProbe, config: Config) -> None:
    """Check that a probe makes the same rows each time, and that what is written of it reads back as the same choice.

    Args:
        chosen: the probe at some settings: ``registry().choose("random_pairs:count=5")``.
        config: of a variant that it fits; a small one will do.

    Raises:
        AssertionError: saying which of these does not hold.
    """
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    batch = chosen.make(config)
    assert np.random.get_state()[1].tolist() == before, f"{chosen}: draws from the global random state"  # type: ignore[index]
    assert chosen.make(config).digest == batch.digest, f"{chosen}: makes other rows the second time"
    name, settings = parse_probe(chosen.text)
    again = ChosenProbe.of(chosen.probe, settings, chosen.plugin)
    assert (name, again) == (chosen.name, chosen), f"{chosen}: reads back as {again}"
    assert again.key == chosen.key and KEY.fullmatch(chosen.key), f"{chosen}: its folder would be {again.key}"
    if chosen.settings is not None:
        stored = ChosenProbe.of(chosen.probe, chosen.settings.model_dump(mode="json"), chosen.plugin)
        assert stored == chosen, f"{chosen}: is {stored} when it is read from probe.json"
    assert chosen.title, f"{chosen}: has no title"


def _gradients(loss: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    import torch

    gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {
        name: torch.zeros_like(weight) if gradient is None else gradient
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
