"""The training loop: steps of a stack of variants, and what is kept of them.

Epoch n is the state after n optimizer updates. Metrics of epoch n are of the weights of epoch n.
"""

from __future__ import annotations

import datetime
import logging
import math
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

from filelock import Timeout

from dynascope.errors import DynascopeError, InvalidSetting, TrainingError, WorkspaceError
from dynascope.store.atomic import remove_leftovers, write_json
from dynascope.store.metrics import COLUMNS
from dynascope.store.variant import Variant
from dynascope.training.interrupt import Interrupt
from dynascope.training.memory import keep_freed_memory
from dynascope.training.recipe import KeepOptimizer, Recipe, reached, resolved
from dynascope.training.stack import Stack

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TrainingResult", "lock", "new_stack", "start_of", "threads", "train", "train_stack"]

log = logging.getLogger(__name__)

LOCK_GLANCE = 0.5
"""Seconds: longer than a reader takes to see whether the lock is free."""
LOCK_PATIENCE = 10.0
"""Seconds: longer than a process takes to save, whose parent was killed, or which was told to end."""
AUTOSAVE = 60.0
"""Seconds between saves of the state that training continues from, where checkpoints lie further apart."""
BUFFERED = 64
"""Epochs whose metrics stay on a device other than the CPU before they are fetched: each fetch waits for it."""


@dataclass(frozen=True)
class TrainingResult:
    """What training did with one variant.

    Attributes:
        variant: its name.
        started_at: the epoch it continued from; equal to ``epochs`` where nothing was left to do.
        epochs: the epoch it reached.
        seconds: how long it took.
        error: why it stopped early; None if it did not.
    """

    variant: str
    started_at: int
    epochs: int
    seconds: float
    error: DynascopeError | None = None


def train(
    variant: Variant,
    *,
    epochs: int | None = None,
    schedule: str | None = None,
    keep_optimizer: KeepOptimizer | None = None,
    eval_every: int | None = None,
    compiled: bool | None = None,
    overwrite: bool = False,
    progress: Callable[[Mapping[str, float]], None] | None = None,
) -> TrainingResult:
    """Train a variant, or continue it where it was interrupted, or lengthen it.

    A crash at any moment loses at most a minute, or the epochs since the last checkpoint; calling this again
    continues from there to the same bits (same machine, same number of threads). Ctrl-C loses nothing.

    Args:
        variant: from ``Workspace.new_variant`` or ``Workspace.variant``.
        epochs: the length; that of earlier training, or else the config's, by default.
        schedule: the epochs to keep (see ``parse_schedule``); the stored one, or the family's, by default.
        keep_optimizer: with which checkpoints the optimizer's state is kept; as before, or else with all where that
            takes less than 2 GiB, by default. Without it, no epoch can be replayed.
        eval_every: measure the test split every so many epochs only (and at each checkpoint).
        compiled: compile the pass; where it pays by default.
        overwrite: delete what was trained of this variant, and begin again.
        progress: called with the metrics of each epoch.

    Raises:
        InvalidSetting: a schedule that does not parse or leaves the training range; a number below 1.
        TrainingError: divergence, no memory left, or another process is training this variant.
        WorkspaceError: the folder holds another variant, or cannot be written to.
        KeyboardInterrupt: interrupted; everything until then is saved.
    """
    recipe = resolved(
        variant,
        epochs=epochs,
        schedule=schedule,
        keep_optimizer=keep_optimizer,
        eval_every=eval_every,
        compiled=compiled,
        afresh=overwrite,
    )
    (result,) = train_stack([variant], recipe, progress and (lambda _, row: progress(row)), overwrite=overwrite)
    if result.error is not None:
        raise result.error
    return result


def train_stack(
    variants: Sequence[Variant],
    recipe: Recipe,
    progress: Callable[[Variant, Mapping[str, float]], None] | None = None,
    stop: Callable[[], bool] | None = None,
    *,
    overwrite: bool = False,
    stack: Callable[[int], Stack] | None = None,
    patience: float | None = None,
) -> list[TrainingResult]:
    """Train variants as one stack, from the epoch that they have all reached.

    One that diverges is dropped, with its error in its result, and the others go on.

    Args:
        variants: they share shapes and recipe, and all can go on from the same epoch.
        recipe: how they are trained.
        progress: called with the variant and its metrics of each epoch.
        stop: asked at each epoch; once it says yes, that epoch is saved, and is that of the results.
        overwrite: delete what was trained of them, once it is sure that training can begin.
        stack: makes the stack that is trained from an epoch on; its state is replaced. A new one by default.
        patience: how many seconds to wait for another process that trains one of them.

    Raises:
        InvalidSetting, TrainingError, WorkspaceError: as ``train``; before anything is trained.
        KeyboardInterrupt: interrupted; everything until then is saved.
    """
    with ExitStack() as locks:
        for variant in variants:
            lock(variant, locks, patience)
        starts = {0 if overwrite else start_of(variant, recipe) for variant in variants}
        if starts == {None}:
            return [TrainingResult(variant.name, last, last, 0.0) for variant in variants for last in [_end(variant)]]
        if len(starts) > 1:
            names = ", ".join(variant.name for variant in variants)
            raise TrainingError(f"Another process has trained some of {names} meanwhile. Run the command again.")
        start = starts.pop() or 0
        make = stack or (lambda start: new_stack(variants, recipe))
        return _Session(variants, recipe, start, make, progress, stop, overwrite).run()


class _Session:
    """One call's training of a stack."""

    def __init__(
        self,
        variants: Sequence[Variant],
        recipe: Recipe,
        start: int,
        stack: Callable[[int], Stack],
        progress: Callable[[Variant, Mapping[str, float]], None] | None,
        stop: Callable[[], bool] | None,
        overwrite: bool,
    ) -> None:
        self.begun = self.saved_at = time.monotonic()
        self.start, self.recipe, self.progress, self.stop = start, recipe, progress, stop
        self.everyone, self.alive = list(variants), list(variants)
        self.errors: dict[str, DynascopeError] = {}
        self.pending: list[tuple[int, Tensor]] = []
        for variant in variants:
            for folder in (variant.folder, *(folder.path for folder in variant.folders_of_states)):
                remove_leftovers(folder)
        self.stack = stack(start)
        if overwrite:
            for variant in variants:
                _delete(variant)
        # Checkpoints that lie ahead are measured again as they were, and states that were kept with all of them stay.
        self.present = {epoch for variant in variants for epoch in variant.checkpoints}
        self.states = {
            variant.name: variant.optimizer_folder.epochs() if variant.recipe.get("keep_optimizer") == "all" else []
            for variant in variants
        }
        for variant in variants:
            variant.save_config(**recipe.stored)
        if start:
            states = [variant.state_at(start) for variant in variants]
            self.stack.restore(start, [weights for weights, _ in states], [state for _, state in states])
            log.info("Continuing %s from epoch %d.", ", ".join(variant.name for variant in variants), start)

    def run(self) -> list[TrainingResult]:
        """Train to the end, until everyone has diverged, or until told to stop."""
        for variant in self.alive:
            self._note_state(variant, "training")
        state, ended = "interrupted", False
        try:
            with ExitStack() as files, threads(self.recipe.threads), Interrupt() as interrupt:
                self.writers = {
                    variant.name: files.enter_context(variant.metrics_file.appending(from_epoch=self.start))
                    for variant in self.alive
                }
                ended = self._loop(interrupt)
            state = "trained" if ended else state
        finally:
            for variant in self.alive:
                self._note_state(variant, state)
        for variant in self.alive if ended else ():
            variant.resume_folder.keep(())
        return [
            TrainingResult(
                variant.name,
                self.start,
                self.stack.epoch,
                time.monotonic() - self.begun,
                self.errors.get(variant.name),
            )
            for variant in self.everyone
        ]

    def _loop(self, interrupt: Interrupt) -> bool:
        """Train; return whether that was to the end."""
        wanted, every, last = set(self.recipe.schedule), self.recipe.eval_every, self.recipe.epochs
        while self.alive:
            epoch = self.stack.epoch
            kept = epoch in wanted
            if kept or time.monotonic() - self.saved_at > AUTOSAVE:
                self._fetch()
                self._save(checkpoint=kept)
            told = epoch < last and self.stop is not None and self.stop()
            if interrupt.requested or told:
                self._fetch()
                self._save(checkpoint=False)
                if interrupt.requested:
                    raise KeyboardInterrupt
                return False
            if epoch == last:
                self.pending.append((epoch, self._guarded(self.stack.evaluate)))
                self._fetch()
                break
            test = epoch % every == 0 or kept or epoch in self.present
            self.pending.append((epoch, self._guarded(partial(self.stack.step, test=test))))
            if self.stack.device.type == "cpu" or len(self.pending) >= BUFFERED:
                self._fetch()
        return True

    def _guarded(self, work: Callable[[], Tensor]) -> Tensor:
        try:
            return work()
        except (MemoryError, RuntimeError) as error:
            if _is_lack_of_memory(error):
                raise TrainingError(
                    f"Out of memory at epoch {self.stack.epoch} of {self.everyone[0].name}"
                    + (f" and {len(self.everyone) - 1} others stacked with it" if len(self.everyone) > 1 else "")
                    + f": {error}. Everything until the last checkpoint is kept; free some memory or "
                    "make the stack smaller (--stack), and run the command again."
                ) from None
            raise

    def _fetch(self) -> None:
        """Write the metrics that were measured; drop the members whose loss is no number."""
        for epoch, measured in self.pending:
            for variant, values in zip(self.alive, measured.T.tolist(), strict=True):
                if variant.name in self.errors:
                    continue
                row = dict(zip(COLUMNS, (epoch, *values), strict=True))
                problem = _no_number(row, measured_test=not math.isnan(row["test_accuracy"]))
                if problem:
                    self.errors[variant.name] = TrainingError(
                        f"Training of {variant.name} diverged: {problem} at epoch {epoch}. Everything before it is "
                        "kept; train with a lower learning rate."
                    )
                    continue
                self.writers[variant.name].append(row)
                if self.progress is not None:
                    self.progress(variant, row)
        self.pending.clear()
        if any(variant.name in self.errors for variant in self.alive):
            self._drop()

    def _drop(self) -> None:
        for variant in self.alive:
            if variant.name in self.errors:
                self._note_state(variant, "diverged")
        kept = [index for index, variant in enumerate(self.alive) if variant.name not in self.errors]
        self.alive = [self.alive[index] for index in kept]
        if self.alive:
            self.stack.keep(kept)

    def _note_state(self, variant: Variant, state: str) -> None:
        write_json(
            variant.folder / "metadata.json",
            {
                "state": state,
                "epoch": self.stack.epoch,
                "from_epoch": self.start,
                "first_started": variant.metadata.get("first_started") or _now(),
                "updated": _now(),
                "seconds": round(time.monotonic() - self.begun, 3),
                "device": self.stack.device_name,
                "threads": self.recipe.threads,
                "platform": platform.platform(),
                "versions": {name: metadata.version(name) for name in ("dynascope", "torch", "numpy", "safetensors")},
            },
        )

    def _save(self, *, checkpoint: bool) -> None:
        """Keep the current epoch. The checkpoint comes last: where it is, all that belongs to it is."""
        for index, variant in enumerate(self.alive):
            if self.stack.is_finite(index):
                self._save_one(variant, index, checkpoint=checkpoint)
        self.saved_at = time.monotonic()

    def _save_one(self, variant: Variant, member: int, *, checkpoint: bool) -> None:
        epoch, keep = self.stack.epoch, self.recipe.keep_optimizer
        self.writers[variant.name].sync()
        weights, state = self.stack.weight_arrays(member), self.stack.optimizer_arrays(member)
        resume = not checkpoint or keep == "none"
        if resume:
            variant.write_resume(epoch, weights, state)
        if checkpoint:
            if keep != "none":
                variant.optimizer_folder.write(epoch, state)
            variant.checkpoint_folder.write(epoch, weights)
            if keep == "last":
                variant.optimizer_folder.keep((*self.states[variant.name], epoch))
        variant.resume_folder.keep((epoch,) if resume else ())


def new_stack(variants: Sequence[Variant], recipe: Recipe) -> Stack:
    """Return the stack of variants at epoch 0.

    Raises:
        TrainingError: it does not fit into memory.
    """
    keep_freed_memory()
    family = variants[0].family.base
    try:
        with threads(recipe.threads):
            return Stack(
                family, [variant.config for variant in variants], compiled=recipe.compiled, stacked=recipe.stacked
            )
    except (MemoryError, RuntimeError) as error:
        if _is_lack_of_memory(error):
            raise TrainingError(f"Variant {variants[0].name} does not fit into memory: {error}") from None
        raise


def start_of(variant: Variant, recipe: Recipe) -> int | None:
    """Return the epoch from which training goes on; None where nothing is left to do.

    Raises:
        InvalidSetting: it has been trained further than that, or cannot be continued.
    """
    if variant.origin:
        raise InvalidSetting(
            f"Variant {variant.name} was imported, without the optimizer's state: it cannot be continued. "
            "What is trained here is another variant: give it another name in another workspace, or other settings."
        )
    done = reached(variant)
    if done is not None and done >= recipe.epochs:
        return None
    resume = max(variant.resumable, default=0)
    if resume > recipe.epochs:
        raise InvalidSetting(
            f"Variant {variant.name} has already been trained to epoch {resume}; epochs must be at least that, "
            f"got {recipe.epochs}. What was done is never cut off."
        )
    newest, rows = max(variant.checkpoints, default=0), len(variant.metrics_file.read()["epoch"])
    if rows < newest or (newest and not resume):
        lacks = f"metrics.csv has {rows} rows only" if rows < newest else "the optimizer's state was not kept"
        raise InvalidSetting(
            f"Variant {variant.name} was trained to epoch {newest} and cannot be continued: {lacks}. Nothing is "
            f"trained anew over what is there; --overwrite {variant.name} begins again."
        )
    return resume


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many threads inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def lock(variant: Variant, locks: ExitStack, patience: float | None = None) -> None:
    """Hold a variant's training lock until ``locks`` closes; wait for a process that holds it, which may just save.

    Raises:
        TrainingError: another process holds it.
        WorkspaceError: its folder cannot be made.
    """
    try:
        variant.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"Could not make the folder {variant.folder}: {error.strerror}.") from None
    patience = LOCK_PATIENCE if patience is None else patience
    for attempt, seconds in enumerate((LOCK_GLANCE, patience)):
        try:
            locks.enter_context(variant.training_lock(timeout=seconds))
            return
        except Timeout:
            if attempt == 0:
                log.warning("Waiting up to %.0f s for another process that trains %s.", patience, variant.name)
    raise TrainingError(f"Variant {variant.name} is being trained by another process. Wait for it, or stop it first.")


def _delete(variant: Variant) -> None:
    """Delete what was trained, the lock being held. The config goes last: what is half deleted says whose it is."""
    folders = ("resume", "replayed", "optimizer", "checkpoints", "artifacts")
    for name in ("metadata.json", *folders, "metrics.csv", "config.json"):
        path = variant.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    variant.forget_files()


def _is_lack_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "memory" in str(error)


def _end(variant: Variant) -> int:
    return reached(variant) or 0


def _no_number(row: Mapping[str, float], *, measured_test: bool) -> str:
    """Say which loss is no number; nothing if they are."""
    splits = ("train", "test") if measured_test else ("train",)
    for split in splits:
        if not math.isfinite(row[f"{split}_loss"]):
            return f"the {split} loss is {row[f'{split}_loss']}"
    return ""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
