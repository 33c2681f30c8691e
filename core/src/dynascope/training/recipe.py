"""How a variant is trained, beside its identity: length, schedule, what is kept, how it is computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from dynascope.contract.config import Config
from dynascope.errors import InvalidSetting
from dynascope.schedule import parse_schedule
from dynascope.store.variant import Variant

__all__ = ["ROW", "SMALL", "KeepOptimizer", "Recipe", "few", "reached", "resolved", "size_on_disk"]

KeepOptimizer = Literal["all", "last", "none"]

SMALL = 2 * 1024**3
"""Bytes of optimizer state, over all checkpoints of a variant, up to which all of it is kept by default."""
ROW = 70
"""Bytes that the metrics of an epoch take, about: an epoch, and four numbers of up to 20 digits."""


@dataclass(frozen=True)
class Recipe:
    """What ``config.json`` holds beside the identity.

    Attributes:
        epochs: the epoch at which training ends.
        schedule: the epochs that are kept, ascending.
        asked_schedule: the schedule as it was asked for; None for the family's.
        keep_optimizer: with which checkpoints the optimizer's state is kept.
        eval_every: the test split is measured every so many epochs, and at each checkpoint.
        compiled: whether the pass is compiled.
        threads: how many threads compute; other numbers of threads round differently.
        stacked: whether it is computed as a member of a stack; its size changes no rounding, being one does.
    """

    epochs: int
    schedule: tuple[int, ...]
    asked_schedule: str | None
    keep_optimizer: KeepOptimizer
    eval_every: int
    compiled: bool
    threads: int
    stacked: bool = False

    @property
    def stored(self) -> dict[str, Any]:
        """The recipe in JSON types."""
        return {**asdict(self), "schedule": list(self.schedule)}


def resolved(
    variant: Variant,
    *,
    epochs: int | None = None,
    schedule: str | None = None,
    keep_optimizer: KeepOptimizer | None = None,
    eval_every: int | None = None,
    compiled: bool | None = None,
    threads: int | None = None,
    afresh: bool = False,
) -> Recipe:
    """Return a variant's recipe: what is asked for, or else as before, or else the default.

    What decides roundings (``compiled``, ``threads``, ``stacked``) is that of the beginning, so that the whole of
    training can be replayed.

    Args:
        afresh: forget what was before.

    Raises:
        InvalidSetting, UnknownName: a value that breaks its rule; a schedule that cannot be kept any more; a device
            that is not there; another way of computing than before.
    """
    import torch

    from dynascope.training.compiling import pays
    from dynascope.training.stack import device_of

    device_of(variant.config)
    stored = {} if afresh else variant.recipe
    last = epochs if epochs is not None else stored.get("epochs", variant.config.training.epochs)
    every = eval_every if eval_every is not None else stored.get("eval_every", 1)
    for name, value in (("epochs", last), ("eval_every", every)):
        if value < 1:
            raise InvalidSetting(f"{name} must be at least 1, got {value}.")
    asked = schedule if schedule is not None else stored.get("asked_schedule")
    wanted = _schedule(variant, asked, last, clip=schedule is None)
    if stored:
        present = set(variant.checkpoints)
        behind = reached(variant) or max(variant.resumable, default=0)
        lost = [epoch for epoch in wanted if epoch < behind and epoch not in present]
        if lost and schedule is not None and behind <= last:
            raise InvalidSetting(
                f"Variant {variant.name} has been trained to epoch {behind}, and epochs {few(lost)} of the schedule "
                "were not kept. Leave --schedule out; once it is trained, they can be made again: "
                f"dynascope checkpoints add {variant.name} {schedule!r}"
            )
        wanted = sorted({*wanted} - {*lost} | {epoch for epoch in stored.get("schedule", ()) if epoch in present})
    if compiled is not None and stored.get("compiled", compiled) != compiled:
        raise InvalidSetting(
            f"Variant {variant.name} was begun {'' if stored['compiled'] else 'not '}compiled, and goes on like that: "
            "else it could not be replayed. Leave out --compile and --no-compile."
        )
    if compiled is None:
        compiled = stored["compiled"] if "compiled" in stored else pays(_rows(variant), last)
    keep = keep_optimizer or stored.get("keep_optimizer")
    if keep is None:
        keep = "all" if size_on_disk(variant, len(wanted))[1] <= SMALL else "last"
    threads = stored.get("threads") or threads or torch.get_num_threads()
    stacked = stored.get("stacked", False)
    return Recipe(last, tuple(wanted), asked, keep, every, compiled, threads, stacked)


def reached(variant: Variant) -> int | None:
    """Return the epoch to which training was completed; None if it was not."""
    recipe = variant.recipe
    complete = variant.state == "trained" and recipe.get("epochs") in variant.checkpoints
    return int(recipe["epochs"]) if complete else None


def size_on_disk(variant: Variant, checkpoints: int) -> tuple[int, int]:
    """Return the bytes that so many checkpoints take, and those of the optimizer's state with each of them."""
    from dynascope.training.stack import optimizer_size

    weights, state = optimizer_size(variant.family.base, variant.config)
    return checkpoints * weights, checkpoints * state


def few(epochs: list[int]) -> str:
    """Return the first epochs of a list in words."""
    return ", ".join(map(str, epochs[:5])) + (f" and {len(epochs) - 5} more" if len(epochs) > 5 else "")


def _schedule(variant: Variant, asked: str | None, last: int, *, clip: bool) -> list[int]:
    """Return the epochs that were asked for, or else the family's."""
    whole = variant.config.training.model_copy(update={"epochs": last})
    config = Config(variant.config.family, variant.config.parameters, variant.config.architecture, whole)
    default = variant.family.schedule(config)
    if asked is None:
        return parse_schedule(default, last, clip=True)
    return parse_schedule(asked, last, family=default, clip=clip)


def _rows(variant: Variant) -> int:
    data = variant.family.base.data(variant.config)
    return len(data.train_labels) + len(data.test_labels)
