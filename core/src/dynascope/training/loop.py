"""The training loop: an epoch is a step from weights and optimizer state to the next ones.

Epoch n is the state after n optimizer updates. Metrics of epoch n are of the weights of epoch n, on both splits.
"""

from __future__ import annotations

import datetime
import logging
import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from filelock import Timeout

from dynascope.contract.config import Config
from dynascope.contract.family import Family
from dynascope.errors import InvalidSetting, TrainingError, WorkspaceError
from dynascope.schedule import parse_schedule
from dynascope.store.atomic import remove_leftovers, write_json
from dynascope.store.metrics import MetricsWriter
from dynascope.store.variant import Variant
from dynascope.training.memory import keep_freed_memory

if TYPE_CHECKING:
    import torch

__all__ = ["KeepOptimizer", "Progress", "TrainingResult", "train"]

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 0.5
"""Seconds: longer than a reader takes to see whether the lock is free."""
KeepOptimizer = Literal["all", "last", "none"]
Progress = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class TrainingResult:
    """What a call of ``train`` did.

    Attributes:
        started_at: the epoch it continued from; equal to ``epochs`` where nothing was left to do.
        epochs: the epoch it reached.
        seconds: how long it took.
    """

    started_at: int
    epochs: int
    seconds: float


class Trainer:
    """Weights, optimizer and data of one variant; ``step`` moves them by one epoch."""

    def __init__(self, family: Family, config: Config) -> None:
        import torch

        self.family, self.config, self.epoch = family, config, 0
        self.data = family.data(config)
        dtype = getattr(torch, config.training.dtype)
        trainable = family.trainable(config)
        self.weights: dict[str, torch.Tensor] = {}
        for name, tensor in sorted(family.init(config).items()):
            moved = trainable is None or name in trainable
            self.weights[name] = tensor.to(dtype).clone().requires_grad_(moved)
        self.optimizer = _optimizer(config, [tensor for tensor in self.weights.values() if tensor.requires_grad])

    def step(self) -> dict[str, float]:
        """Return the metrics of the current epoch, and move to the next one."""
        import torch

        logits = self.family.forward(self.config, self.weights, self.data.train_inputs)
        loss = self.family.loss(self.config, logits, self.data.train_labels)
        metrics = self._metrics(logits, loss)
        loss.backward()  # type: ignore[no-untyped-call]
        warmup = self.config.training.warmup
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.training.learning_rate * (min(self.epoch / warmup, 1.0) if warmup else 1.0)
        with torch.no_grad():
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.epoch += 1
        return metrics

    def evaluate(self) -> dict[str, float]:
        """Return the metrics of the current epoch."""
        import torch

        with torch.no_grad():
            logits = self.family.forward(self.config, self.weights, self.data.train_inputs)
            return self._metrics(logits, self.family.loss(self.config, logits, self.data.train_labels))

    def _metrics(self, train_logits: torch.Tensor, train_loss: torch.Tensor) -> dict[str, float]:
        import torch

        with torch.no_grad():
            test_logits = self.family.forward(self.config, self.weights, self.data.test_inputs)
            test_loss = self.family.loss(self.config, test_logits, self.data.test_labels)
            losses = {"train": float(train_loss), "test": float(test_loss)}
            for split, value in losses.items():
                if not math.isfinite(value):
                    raise TrainingError(
                        f"Training diverged: the {split} loss is {value} at epoch {self.epoch}. Everything before it "
                        "is kept; train with a lower learning rate."
                    )
            return {
                "epoch": self.epoch,
                "train_loss": losses["train"],
                "test_loss": losses["test"],
                "train_accuracy": _accuracy(train_logits, self.data.train_labels),
                "test_accuracy": _accuracy(test_logits, self.data.test_labels),
            }

    def is_finite(self) -> bool:
        """Tell whether every weight is a number; one that is not must not be kept."""
        return all(bool(tensor.isfinite().all()) for tensor in self.weights.values())

    def weight_arrays(self) -> dict[str, Any]:
        """Return the weights as numpy arrays that share their memory."""
        return {name: tensor.detach().numpy() for name, tensor in self.weights.items()}

    def optimizer_arrays(self) -> dict[str, Any]:
        """Return the optimizer's state, ``"<weight>/<entry>"``."""
        names = [name for name, tensor in self.weights.items() if tensor.requires_grad]
        state = self.optimizer.state_dict()["state"]
        return {
            f"{names[index]}/{entry}": value.detach().numpy()
            for index, entries in state.items()
            for entry, value in entries.items()
            if value is not None
        }

    def restore(self, epoch: int, weights: Mapping[str, Any], optimizer: Mapping[str, Any]) -> None:
        """Continue from the weights and optimizer state of an epoch."""
        import torch

        with torch.no_grad():
            for name, tensor in self.weights.items():
                tensor.copy_(torch.from_numpy(weights[name]))
        names = [name for name, tensor in self.weights.items() if tensor.requires_grad]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, array in optimizer.items():
            name, _, entry = key.rpartition("/")
            state.setdefault(names.index(name), {})[entry] = torch.from_numpy(array.copy())
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.epoch = epoch


def train(
    variant: Variant,
    *,
    epochs: int | None = None,
    schedule: str | None = None,
    keep_optimizer: KeepOptimizer | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a variant, or continue it where it was interrupted, or lengthen it.

    A crash at any moment loses at most the epochs since the last checkpoint; calling this again continues
    from there to the same bits (same machine, same number of threads).

    Args:
        variant: from ``Workspace.new_variant`` or ``Workspace.variant``.
        epochs: the length; that of earlier training, or else the config's, by default.
        schedule: the epochs to keep (see ``parse_schedule``); the stored one, or the family's, by default.
        keep_optimizer: with which checkpoints the optimizer's state is kept; as before, or else with all, by
            default. Without it, training cannot be continued.
        progress: called with the metrics of each epoch.

    Raises:
        InvalidSetting: a schedule that does not parse or leaves the training range, or an ``epochs`` below 1.
        TrainingError: divergence, or another process is training this variant.
        WorkspaceError: the folder holds another variant, or cannot be written to.
    """
    recipe = variant.recipe
    if variant.origin:
        raise InvalidSetting(
            f"Variant {variant.name} was imported, without the optimizer's state: it cannot be continued. "
            "Train a variant of the same settings instead: dynascope train."
        )
    last = epochs if epochs is not None else recipe.get("epochs", variant.config.training.epochs)
    keep = keep_optimizer if keep_optimizer is not None else recipe.get("keep_optimizer", "all")
    if last < 1:
        raise InvalidSetting(f"epochs must be at least 1, got {last}.")
    wanted = set(parse_schedule(_default_schedule(variant, last) if schedule is None else schedule, last))
    if schedule is not None and _reached(variant) == last:
        lost = sorted(wanted - set(variant.checkpoint_folder.epochs()))
        if lost:
            raise InvalidSetting(
                f"Variant {variant.name} is already trained to epoch {last}, and epochs {_few(lost)} of the schedule "
                "were not kept. Train it in another workspace to keep them."
            )
    try:
        variant.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"Could not make the folder {variant.folder}: {error.strerror}.") from None
    try:
        with variant.training_lock(timeout=LOCK_TIMEOUT):
            return _train(variant, last, wanted, keep, progress)
    except Timeout:
        raise TrainingError(
            f"Variant {variant.name} is being trained by another process. Wait for it, or stop it first."
        ) from None


def _train(
    variant: Variant, last: int, wanted: set[int], keep: KeepOptimizer, progress: Progress | None
) -> TrainingResult:
    begun = time.monotonic()
    for folder in (variant.folder, variant.checkpoint_folder.path, variant.optimizer_folder.path):
        remove_leftovers(folder)
    reached = _reached(variant)
    if reached is not None and reached >= last:
        return TrainingResult(reached, reached, 0.0)
    resume = _resume_epoch(variant)
    if resume > last:
        raise InvalidSetting(
            f"Variant {variant.name} has already been trained to epoch {resume}; epochs must be at least that, "
            f"got {last}. What was done is never cut off."
        )
    newest = max(variant.checkpoint_folder.epochs(), default=0)
    if newest and not variant.optimizer_folder.epochs():
        raise InvalidSetting(
            f"Variant {variant.name} was trained to epoch {newest} without the optimizer's state, and cannot be "
            "continued. Train it in another workspace, with --keep-optimizer all."
        )
    keep_freed_memory()
    trainer = _new_trainer(variant)
    variant.save_config(epochs=last, schedule=sorted(wanted), keep_optimizer=keep)
    if resume:
        trainer.restore(resume, variant.checkpoint_folder.read(resume), variant.optimizer_folder.read(resume))
        log.info("Continuing %s from epoch %d.", variant.name, resume)
    _note_state(variant, "training", trainer.epoch, begun)
    state = "interrupted"
    try:
        with variant.metrics_file.appending(from_epoch=resume) as metrics:
            while True:
                if trainer.epoch in wanted and trainer.is_finite():
                    _save(variant, trainer, metrics, keep)
                if trainer.epoch == last:
                    metrics.append(row := trainer.evaluate())
                    metrics.sync()
                    state = "trained"
                    break
                metrics.append(row := trainer.step())
                if progress is not None:
                    progress(row)
        if progress is not None:
            progress(row)
    except TrainingError:
        state = "diverged"
        raise
    finally:
        _note_state(variant, state, trainer.epoch, begun)
    return TrainingResult(resume, last, time.monotonic() - begun)


def _new_trainer(variant: Variant) -> Trainer:
    try:
        return Trainer(variant.family.base, variant.config)
    except (MemoryError, RuntimeError) as error:
        raise TrainingError(f"Variant {variant.name} does not fit into memory: {error}") from None


def _save(variant: Variant, trainer: Trainer, metrics: MetricsWriter, keep: KeepOptimizer) -> None:
    """Keep the current epoch. The checkpoint comes last: where it is, all that belongs to it is."""
    epoch = trainer.epoch
    metrics.sync()
    earlier = variant.optimizer_folder.epochs()
    if keep != "none":
        variant.optimizer_folder.write(epoch, trainer.optimizer_arrays())
    variant.checkpoint_folder.write(epoch, trainer.weight_arrays())
    if keep == "last":
        for old in earlier:
            if old != epoch:
                variant.optimizer_folder.remove(old)


def _reached(variant: Variant) -> int | None:
    """Return the epoch to which training was completed; None if it was not."""
    recipe = variant.recipe
    complete = variant.state == "trained" and recipe.get("epochs") in variant.checkpoint_folder.epochs()
    return int(recipe["epochs"]) if complete else None


def _resume_epoch(variant: Variant) -> int:
    """Return the newest epoch from which training can go on: with checkpoint, optimizer state and metrics before it."""
    states = set(variant.optimizer_folder.epochs())
    rows = len(variant.metrics_file.read()["epoch"])
    return max((epoch for epoch in variant.checkpoint_folder.epochs() if epoch in states and epoch <= rows), default=0)


def _default_schedule(variant: Variant, last: int) -> str:
    """Return the schedule of earlier training as far as it goes, or else the family's."""
    stored = [epoch for epoch in variant.recipe.get("schedule", []) if epoch <= last]
    if stored and variant.recipe.get("epochs") == last:
        return ",".join(map(str, stored))
    whole = variant.config.training.model_copy(update={"epochs": last})
    config = Config(variant.config.family, variant.config.parameters, variant.config.architecture, whole)
    return variant.family.schedule(config)


def _optimizer(config: Config, weights: list[torch.Tensor]) -> torch.optim.Optimizer:
    import torch

    recipe = config.training
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True)


def _accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return float((logits.argmax(dim=-1) == labels).double().mean()) if len(labels) else math.nan


def _note_state(variant: Variant, state: str, epoch: int, begun: float) -> None:
    import torch

    earlier = variant.metadata
    write_json(
        variant.folder / "metadata.json",
        {
            "state": state,
            "epoch": epoch,
            "first_started": earlier.get("first_started") or _now(),
            "updated": _now(),
            "seconds": round(time.monotonic() - begun, 3),
            "device": "cpu",
            "threads": torch.get_num_threads(),
            "platform": platform.platform(),
            "versions": {name: metadata.version(name) for name in ("dynascope", "torch", "numpy", "safetensors")},
        },
    )


def _few(epochs: list[int]) -> str:
    return ", ".join(map(str, epochs[:5])) + (f" and {len(epochs) - 5} more" if len(epochs) > 5 else "")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
