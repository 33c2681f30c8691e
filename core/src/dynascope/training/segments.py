"""Training a stack elsewhere, a segment at a time: from the state that was saved last to the next one.

What is sent are names and settings. A worker that dies loses the time since the last save, and any other one goes on.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.errors import TrainingError, error_text
from dynascope.plugins.discovery import registry
from dynascope.plugins.versions import Versions, check_versions, versions_of
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace
from dynascope.training.loop import LOCK_PATIENCE, TrainingResult, new_stack, train_stack
from dynascope.training.recipe import Recipe

if TYPE_CHECKING:
    from dynascope.training.stack import Stack

__all__ = ["Order", "order_of", "train_segment"]

SECONDS = 60.0
"""How long a segment lasts: as long as training goes on at most without saving, so that segments cost no saves."""
STARTS = 20
"""A segment lasts at least so many times as long as its start (model, data, compiling): 5 % of the time at most."""
LOOK = 0.2
"""Seconds between two looks at whether to stop."""


@dataclass(frozen=True)
class Order:
    """A segment of a stack.

    Attributes:
        workspace, family: by path and name.
        settings: of each variant.
        recipe: how they are trained.
        seconds: how long the segment lasts, at least; 0: for one epoch.
        stop: a file; once it is there, all save and stop.
        versions: of the plug-ins of the process that planned.
    """

    workspace: Path
    family: str
    settings: tuple[dict[str, Any], ...]
    recipe: Recipe
    seconds: float
    stop: Path
    versions: Versions


def order_of(variants: Sequence[Variant], recipe: Recipe, stop: Path) -> Order:
    """Return the order of the next segment of a stack."""
    return Order(
        workspace=variants[0].folder.parents[2],
        family=variants[0].family.name,
        settings=tuple(variant.config.settings for variant in variants),
        recipe=recipe,
        seconds=SECONDS,
        stop=stop,
        versions=versions_of(registry()),
    )


def train_segment(order: Order) -> list[TrainingResult]:
    """Train a segment in the process of a worker; return how far each variant is, or why it ended.

    Raises:
        TrainingError: the stack cannot be trained: other plug-ins than planned, no memory left, or what
            ``train_stack`` raises, in words. Errors of other classes may not survive the way back.
        KeyboardInterrupt: this worker was told to end by a signal; everything until then is saved.
    """
    clock = _Clock(order)
    try:
        check_versions(registry(), order.versions)
        workspace = Workspace(order.workspace)
        variants = [workspace.new_variant(order.family, settings) for settings in order.settings]
        stack: list[Stack] = []

        def made(start: int) -> Stack:
            stack.append(_last.taken(order, variants, start) or new_stack(variants, order.recipe))
            return stack[0]

        patience = order.seconds + LOCK_PATIENCE  # of a worker that is taken for dead, and is at its segment
        results = train_stack(variants, order.recipe, None, clock.is_over, stack=made, patience=patience)
        if stack:
            alive = [variant for variant, result in zip(variants, results, strict=True) if result.error is None]
            _last.keep(order, alive, stack[0])
    except Exception as error:
        raise TrainingError(error_text(error)) from None
    return [replace(one, error=one.error and TrainingError(str(one.error))) for one in results]


class _Clock:
    """Says when a segment is over: its time has passed, it is told to stop, or nobody waits for it any more."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.begun = self.looked = time.monotonic()
        self.epochs = 0
        self.end = 0.0

    def is_over(self) -> bool:
        """Answer before each epoch; never before the first one is trained, unless told to stop."""
        now = time.monotonic()
        if self.epochs == 0 or now - self.looked > LOOK:
            self.looked = now
            if self._is_told():
                return True
        if self.epochs == 1:  # the model is there, and compiled
            seconds = self.order.seconds
            self.end = now + (max(seconds, STARTS * (now - self.begun)) if seconds else 0)
        self.epochs += 1
        return self.epochs > 1 and now >= self.end

    def _is_told(self) -> bool:
        parent = multiprocessing.parent_process()
        return self.order.stop.exists() or (parent is not None and not parent.is_alive())


class _Last:
    """The stack that this process trained last, so that its next segment neither builds nor compiles it again."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, Stack]] = []

    def taken(self, order: Order, variants: Sequence[Variant], start: int) -> Stack | None:
        """Return the stack of these variants if it is there; whatever it is, it is not kept any longer."""
        try:
            key, stack = self._kept.pop()
        except IndexError:
            return None
        return stack if start and key == _key(order, variants) else None

    def keep(self, order: Order, variants: Sequence[Variant], stack: Stack) -> None:
        """Keep a stack for the next segment of those that are still in it."""
        self._kept = [(_key(order, variants), stack)]


_last = _Last()


def _key(order: Order, variants: Sequence[Variant]) -> str:
    settings = [variant.config.settings for variant in variants]
    return json.dumps([str(order.workspace), order.family, settings, order.recipe.stored], sort_keys=True)
