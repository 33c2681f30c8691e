"""The numbers of training: weights, optimizer state and data of one variant, or of several stacked into one.

Epoch n is the state after n optimizer updates. Metrics of epoch n are of the weights of epoch n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dynascope.contract.config import Config
from dynascope.contract.family import Family
from dynascope.errors import InvalidSetting
from dynascope.training.compiling import compiled_or_not

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

__all__ = ["Stack", "device_of", "optimizer_size"]

Member = TypeVar("Member")


class Stack:
    """Variants that share shapes and recipe, trained as one computation.

    Every tensor has a leading axis of members, and the family's pure ``forward`` is mapped over it. A variant alone
    has no such axis.

    Args:
        family: their family.
        configs: one a member; they differ in ``Family.draws`` only.
        compiled: compile the pass (see ``training.compiling``).
        stacked: have the axis of members even for one, which is then computed twice: sums over an axis of one round
            differently, and a variant that was trained as one of several is to be continued to the same bits.

    Raises:
        InvalidSetting: the device of the recipe is not there.
    """

    def __init__(
        self, family: Family, configs: Sequence[Config], *, compiled: bool = False, stacked: bool = False
    ) -> None:
        import torch
        from torch.utils._pytree import tree_map

        self.family, self.config, self.epoch = family, configs[0], 0
        self._mapped = stacked or len(configs) > 1
        self._members = len(configs)
        configs = self._with_twin(configs)
        self.device = device_of(self.config)

        def placed(*members: Tensor) -> Tensor:
            return self._joined(members).to(self.device)

        data = [family.data(config) for config in configs]
        self.train_inputs: Any = tree_map(placed, *(family.prepare(self.config, one.train_inputs) for one in data))
        self.test_inputs: Any = tree_map(placed, *(family.prepare(self.config, one.test_inputs) for one in data))
        self.train_labels = placed(*(one.train_labels for one in data))
        self.test_labels = placed(*(one.test_labels for one in data))

        dtype = getattr(torch, self.config.training.dtype)
        trainable = family.trainable(self.config)
        drawn = [family.init(config) for config in configs]
        self.weights: dict[str, Tensor] = {
            name: placed(*(weights[name].to(dtype) for weights in drawn))
            .clone()
            .requires_grad_(trainable is None or name in trainable)
            for name in sorted(drawn[0])
        }
        self.optimizer = _optimizer(self.config, self._moving())
        measured = torch.vmap(self._measured) if self._mapped else self._measured
        self._measure = compiled_or_not(measured) if compiled else measured

    def __len__(self) -> int:
        return self._members

    def step(self, *, test: bool = True) -> Tensor:
        """Move to the next epoch, and return the metrics of the one before.

        Args:
            test: measure the test split too; its metrics are NaN otherwise.

        Returns:
            Train loss, test loss (nats), train accuracy, test accuracy: float64, ``"4 member"``.
        """
        import torch

        loss, accuracy = self._measure(self.weights, self.train_inputs, self.train_labels)
        metrics = self._metrics(loss.detach(), accuracy, test)
        loss.sum().backward()
        warmup, epoch = self.config.training.warmup, self.epoch
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.training.learning_rate * (min(epoch / warmup, 1.0) if warmup else 1.0)
        with torch.no_grad():
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.epoch += 1
        return metrics

    def evaluate(self) -> Tensor:
        """Return the metrics of the current epoch, as ``step`` does, without moving."""
        import torch

        with torch.no_grad():
            loss, accuracy = self._measure(self.weights, self.train_inputs, self.train_labels)
        return self._metrics(loss, accuracy, test=True)

    def _metrics(self, loss: Tensor, accuracy: Tensor, test: bool) -> Tensor:
        import torch

        if test:
            with torch.no_grad():
                test_loss, test_accuracy = self._measure(self.weights, self.test_inputs, self.test_labels)
        else:
            test_loss = test_accuracy = torch.full_like(loss, torch.nan)
        return torch.stack([loss, test_loss, accuracy, test_accuracy]).double().reshape(4, -1)[:, : len(self)]

    def _measured(self, weights: Mapping[str, Tensor], inputs: Any, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.family.forward(self.config, weights, inputs)
        accuracy = (logits.detach().argmax(dim=-1) == labels).double().mean()
        return self.family.loss(self.config, logits, labels), accuracy

    def _moving(self) -> list[Tensor]:
        return [tensor for tensor in self.weights.values() if tensor.requires_grad]

    @property
    def device_name(self) -> str:
        """The device, in words."""
        import torch

        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type

    # What is stored.

    def is_finite(self, member: int) -> bool:
        """Tell whether every weight of a member is a number; one that is not must not be kept."""
        return all(bool(self._of(tensor, member).isfinite().all()) for tensor in self.weights.values())

    def weight_arrays(self, member: int = 0) -> dict[str, np.ndarray[Any, Any]]:
        """Return a member's weights; on the CPU the arrays share their memory."""
        return {name: _array(self._of(tensor, member)) for name, tensor in self.weights.items()}

    def optimizer_arrays(self, member: int = 0) -> dict[str, np.ndarray[Any, Any]]:
        """Return a member's optimizer state, ``"<weight>/<entry>"``."""
        names = [name for name, tensor in self.weights.items() if tensor.requires_grad]
        return {
            f"{names[index]}/{entry}": _array(self._of(value, member) if value.ndim else value)
            for index, entries in self.optimizer.state_dict()["state"].items()
            for entry, value in entries.items()
            if value is not None
        }

    def restore(self, epoch: int, weights: Sequence[Mapping[str, Any]], optimizer: Sequence[Mapping[str, Any]]) -> None:
        """Continue from the weights and optimizer state of an epoch, one mapping a member."""
        import torch

        with torch.no_grad():
            for name, tensor in self.weights.items():
                members = self._with_twin([torch.from_numpy(member[name].copy()) for member in weights])
                tensor.copy_(self._joined(members))
        names = [name for name, tensor in self.weights.items() if tensor.requires_grad]
        state: dict[int, dict[str, Tensor]] = {}
        for key, array in optimizer[0].items():
            name, _, entry = key.rpartition("/")
            members = self._with_twin([torch.from_numpy(member[key].copy()) for member in optimizer])
            state.setdefault(names.index(name), {})[entry] = self._joined(members) if array.ndim else members[0]
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.epoch = epoch

    def keep(self, members: Sequence[int]) -> None:
        """Drop all other members."""
        import torch
        from torch.utils._pytree import tree_map

        kept = torch.tensor(self._with_twin(members), device=self.device)
        weights = [self.weight_arrays(member) for member in members]
        states = [self.optimizer_arrays(member) for member in members]
        self.train_inputs, self.test_inputs, self.train_labels, self.test_labels = tree_map(
            lambda tensor: tensor[kept], (self.train_inputs, self.test_inputs, self.train_labels, self.test_labels)
        )
        with torch.no_grad():
            self.weights = {
                name: tensor[kept].clone().requires_grad_(tensor.requires_grad) for name, tensor in self.weights.items()
            }
        self._members = len(members)
        self.optimizer = _optimizer(self.config, self._moving())
        self.restore(self.epoch, weights, states)

    def _with_twin(self, members: Sequence[Member]) -> Sequence[Member]:
        """Return the members of an axis, of which there are never fewer than two."""
        return [members[0], members[0]] if self._mapped and len(members) == 1 else members

    def _joined(self, members: Sequence[Tensor]) -> Tensor:
        import torch

        return torch.stack(list(members)) if self._mapped else members[0]

    def _of(self, tensor: Tensor, member: int) -> Tensor:
        return tensor[member] if self._mapped else tensor


def optimizer_size(family: Family, config: Config) -> tuple[int, int]:
    """Return the bytes of a checkpoint's weights, and of the optimizer's state that belongs to it."""
    import torch

    size = torch.tensor([], dtype=getattr(torch, config.training.dtype)).element_size()
    drawn, trainable = family.init(config), family.trainable(config)
    moving = sum(tensor.numel() for name, tensor in drawn.items() if trainable is None or name in trainable)
    moments = 0 if config.training.optimizer == "sgd" else 2
    return size * sum(tensor.numel() for tensor in drawn.values()), size * moments * moving


def _optimizer(config: Config, weights: list[Tensor]) -> torch.optim.Optimizer:
    import torch

    recipe = config.training
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True)


def device_of(config: Config) -> torch.device:
    """Return the device of a recipe.

    Raises:
        InvalidSetting: it is not there.
    """
    import torch

    name = config.training.device
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidSetting(
            "device is cuda, but this torch sees no CUDA device. Train with device=cpu, which is another variant "
            "(its roundings differ), or install a torch with CUDA where there is a GPU."
        )
    return torch.device(name)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().cpu().numpy()
