"""Making any epoch again: training from the nearest earlier state, verified against what was recorded.

Every replayed epoch's training loss is compared with the recorded one, to the last bit, and the weights with those of
the checkpoints that are passed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dynascope.digest import digest_of
from dynascope.errors import CheckpointError, TrainingError
from dynascope.schedule import parse_schedule
from dynascope.store.variant import Variant
from dynascope.training.interrupt import Interrupt
from dynascope.training.loop import lock, new_stack, threads
from dynascope.training.recipe import few, resolved

__all__ = ["Added", "Check", "Moment", "add_checkpoints", "replay", "replay_epochs"]

log = logging.getLogger(__name__)

Arrays = dict[str, Any]


@dataclass
class Check:
    """How far a replay agrees with what was recorded.

    Attributes:
        start: the epoch that it started from.
        losses: how many recorded training losses were compared.
        loss_difference: their largest relative difference.
        checkpoints: the epochs whose weights were compared.
        weight_difference: the largest difference of a weight, relative to the largest weight of its tensor.
    """

    start: int
    losses: int = 0
    loss_difference: float = 0.0
    checkpoints: tuple[int, ...] = ()
    weight_difference: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether something was compared, and all of it agrees to the last bit."""
        compared = self.losses > 0 or len(self.checkpoints) > 0
        return compared and self.loss_difference == 0 and self.weight_difference == 0

    @property
    def summary(self) -> str:
        """The check in one sentence."""
        if not self.losses and not self.checkpoints:
            return "compared with nothing, because neither losses nor checkpoints were recorded there"
        what = [f"{self.losses} recorded losses"]
        if self.checkpoints:
            plural = "s" if len(self.checkpoints) > 1 else ""
            what.append(f"the checkpoint{plural} of epoch{plural} {few(list(self.checkpoints))}")
        if self.exact:
            return f"equal to the last bit to {' and to '.join(what)}"
        by = {"losses": self.loss_difference, "weights": self.weight_difference}
        differ = ", ".join(f"{name} differ by up to {value:.1e}" for name, value in by.items() if value)
        return (
            f"NOT equal to the last bit to {' and to '.join(what)} (another machine, number of threads or version "
            f"rounds differently): {differ}, relative"
        )


@dataclass(frozen=True)
class Moment:
    """A replayed epoch.

    Attributes:
        epoch: the epoch.
        weights, optimizer: its state, as arrays of their own.
        check: how the replay agrees with what was recorded, as far as it has come.
    """

    epoch: int
    weights: Arrays
    optimizer: Arrays
    check: Check


@dataclass(frozen=True)
class Added:
    """What ``add_checkpoints`` did.

    Attributes:
        epochs: the epochs that were added.
        present: how many of those asked for were there before.
        check: the replay's agreement with what was recorded.
    """

    epochs: tuple[int, ...]
    present: int
    check: Check


def replay(variant: Variant, epoch: int, *, verify: bool = True) -> Moment:
    """Make the state of any trained epoch again.

    Args:
        variant: a variant trained here.
        epoch: between 0 and the epoch that training reached.
        verify: go on to the next checkpoint, and compare the weights there.

    Raises:
        CheckpointError: the epoch was never reached, or the variant was not trained here.
    """
    moments = list(replay_epochs(variant, [epoch], verify=verify))
    return moments[-1]


def replay_epochs(
    variant: Variant,
    epochs: Sequence[int],
    *,
    verify: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Moment]:
    """Make the states of several epochs again, ascending, each from the nearest earlier state.

    After the last one, with ``verify``, the replay goes on to the next checkpoint: the ``check``, which all moments
    share, is complete when the iteration has ended.

    Args:
        progress: called with the number of updates done and of all updates.

    Raises:
        CheckpointError: an epoch was never reached, or the variant was not trained here.
    """
    targets = sorted(set(epochs))
    _check_reach(variant, targets)
    recorded = variant.metrics_file.read()
    losses = dict(zip(recorded["epoch"].tolist(), recorded["train_loss"].tolist(), strict=True))
    final = max(losses, default=-1)
    stored = frozenset(variant.checkpoints)
    legs = _legs(targets, sorted({0, *variant.resumable}), sorted(stored) if verify else [])
    total, done = sum(end - start for start, end, _ in legs), 0
    recipe = resolved(variant)
    check = Check(legs[0][0])
    with threads(recipe.threads):
        stack = new_stack([variant], recipe)
        for start, end, wanted in legs:
            if start != stack.epoch:
                weights, state = variant.state_at(start)
                stack.restore(start, [weights], [state])
            for epoch in range(start, end + 1):
                if epoch in stored and (epoch != start or start == 0):
                    _compare(variant, epoch, stack.weight_arrays(), check)
                moment = None
                if epoch in wanted:
                    moment = Moment(epoch, _copied(stack.weight_arrays()), _copied(stack.optimizer_arrays()), check)
                # As it was recorded: by an evaluation at the very end, by a step everywhere else.
                measured = stack.evaluate() if epoch == final else stack.step(test=False)
                loss = float(measured[0, 0])
                if epoch in losses:
                    check.losses += 1
                    difference = abs(loss - losses[epoch]) / (abs(losses[epoch]) or 1.0)
                    check.loss_difference = max(check.loss_difference, difference)
                done += epoch < end
                if progress is not None:
                    progress(done, total)
                if moment is not None:
                    yield moment


def add_checkpoints(
    variant: Variant,
    schedule: str,
    *,
    inexact: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Added:
    """Add epochs to a trained variant by replay; those that exist are not touched.

    Args:
        schedule: as for training.
        inexact: add them even if the replay does not agree with the record to the last bit; their headers say so.

    Raises:
        InvalidSetting: a schedule that does not parse, or that goes beyond what was trained.
        CheckpointError: the variant was not trained here.
        TrainingError: the replay does not agree with what was recorded, or another process trains the variant.
        KeyboardInterrupt: interrupted; what was added until then stays.
    """
    last = max(variant.checkpoints, default=0)
    present = set(variant.checkpoints)
    wanted = parse_schedule(schedule, last, family=variant.family.schedule(variant.config), ends=False)
    missing = [epoch for epoch in wanted if epoch not in present]
    if not missing:
        return Added((), len(wanted), Check(0))
    keep_state = variant.recipe.get("keep_optimizer") == "all"
    added: list[int] = []
    check = Check(0)

    def going_on(done: int, total: int) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        if progress is not None:
            progress(done, total)

    with ExitStack() as locks, Interrupt() as interrupt:
        lock(variant, locks)
        try:
            for moment in replay_epochs(variant, missing, progress=going_on):
                check = moment.check
                if not check.exact and not inexact:
                    break
                if keep_state and check.exact:  # nothing must ever start from a state that is not the trained one
                    variant.optimizer_folder.write(moment.epoch, moment.optimizer)
                note = None if check.exact else {"loss": check.loss_difference, "weights": check.weight_difference}
                variant.checkpoint_folder.write(moment.epoch, moment.weights, inexact=note)
                added.append(moment.epoch)
        finally:
            if added:
                variant.save_recipe(schedule=sorted({*variant.recipe.get("schedule", []), *added}))
    if not check.exact and not inexact:
        raise TrainingError(
            f"The replay of {variant.name} is {check.summary}. {len(added)} of {len(missing)} checkpoints were added "
            "before that was seen. Replay on the machine that trained it, or add the others, marked as inexact, with "
            "--inexact."
        )
    return Added(tuple(added), len(wanted) - len(missing), check)


def _check_reach(variant: Variant, targets: Sequence[int]) -> None:
    reached = max(variant.checkpoints, default=-1)
    if variant.state == "imported" or reached < 0:
        raise CheckpointError(
            f"Variant {variant.name} cannot be replayed: "
            + ("it has not been trained yet." if reached < 0 else "it was imported, without the optimizer's state.")
        )
    reached = max(reached, *variant.resumable, 0)
    if targets[-1] > reached:
        raise CheckpointError(
            f"Variant {variant.name} has been trained to epoch {reached}, and epoch {targets[-1]} lies beyond. "
            f"Train it further with --epochs {targets[-1]}."
        )


def _legs(
    targets: Sequence[int], states: Sequence[int], stored: Sequence[int]
) -> list[tuple[int, int, frozenset[int]]]:
    """Return from which state to which epoch to train, and which epochs are wanted on the way."""
    legs: list[tuple[int, int, frozenset[int]]] = []
    for state, following in pairwise([*states, 10**18]):
        wanted = frozenset(epoch for epoch in targets if state <= epoch < following)
        if wanted:
            next_stored = min((epoch for epoch in stored if epoch > max(wanted)), default=max(wanted))
            legs.append((state, next_stored, wanted))
    return legs


def _compare(variant: Variant, epoch: int, weights: Mapping[str, Any], check: Check) -> None:
    """Compare replayed weights with those of the epoch's checkpoint, unless that is an inexact replay itself."""
    if "inexact_replay" in variant.checkpoint_folder.header(epoch):
        return
    check.checkpoints = (*check.checkpoints, epoch)
    contiguous = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    if digest_of(contiguous) == variant.checkpoint_folder.digest(epoch):
        return
    kept = variant.checkpoint_folder.read(epoch)
    for name, array in weights.items():
        difference, largest = float(np.abs(array - kept[name]).max()), float(np.abs(kept[name]).max())
        check.weight_difference = max(check.weight_difference, difference / (largest or 1.0))


def _copied(arrays: Mapping[str, Any]) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}
