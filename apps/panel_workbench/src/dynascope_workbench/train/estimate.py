"""How long a training takes and what it needs of the disk, as far as that is known: by what others of its size took.

Nothing of it imports torch: sizes that no file tells are asked of a process of its own (``train --dry-run``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dynascope import DynascopeError, Variant, Workspace
from dynascope.executors import cores
from dynascope.training.recipe import ROW, SMALL
from dynascope_workbench.texts import in_bytes, in_time
from dynascope_workbench.train.order import Order, written

__all__ = ["Estimates", "Experience", "experience_of"]

PATIENCE = 60.0
"""Seconds that a process may take to tell sizes."""
FULL = 0.95
"""The share of the free space beyond which there is a warning."""


@dataclass(frozen=True)
class Experience:
    """What variants of one size take. None: not known.

    Attributes:
        epoch: seconds of an epoch.
        of: the variant that took them.
        weights, optimizer: bytes of a checkpoint, and of the optimizer's state with it.
        artifacts: bytes that analysis has stored at a checkpoint.
    """

    epoch: float | None = None
    of: str = ""
    weights: int | None = None
    optimizer: int | None = None
    artifacts: int | None = None


class Estimates:
    """What trainings of a workspace take.

    Args:
        workspace: whose variants are looked at.
        told: called, from another thread, when sizes that were asked for have been told.
    """

    def __init__(self, workspace: Workspace, told: Callable[[], None]) -> None:
        self._workspace, self._told = workspace, told
        self._known: dict[str, Experience] = {}
        self._asked: set[str] = set()
        self._sizes: dict[str, tuple[int, int]] = {}

    def forget(self) -> None:
        """Look at the variants anew: one has ended."""
        self._known.clear()

    def of(self, order: Order) -> Experience:
        """Return what is known of the size of an order's variants."""
        key = _size_of(order.variants[0])
        if key not in self._known:
            others = [one for one in self._workspace.variants(order.variants[0].family.name) if _size_of(one) == key]
            self._known[key] = experience_of(others)
        known = self._known[key]
        if known.weights is None and key in self._sizes:
            weights, optimizer = self._sizes[key]
            return replace(known, weights=weights, optimizer=optimizer)
        return known

    def ask(self, order: Order) -> bool:
        """Have the sizes of an order told, if they are not known; return whether they are waited for."""
        key = _size_of(order.variants[0])
        if self.of(order).weights is not None:
            return False
        if key not in self._asked:
            self._asked.add(key)
            threading.Thread(target=self._ask, args=(key, order.variants[0]), daemon=True).start()
        return True

    def _ask(self, key: str, variant: Variant) -> None:
        sizes = _sizes_of(self._workspace.path, variant)
        if sizes is not None:
            self._sizes[key] = sizes
            self._told()

    def time(self, order: Order) -> str:
        """Say how long an order takes."""
        known, new = self.of(order), _unfinished(order)
        if not new:
            return "nothing to do"
        if known.epoch is None:
            return "not known: nothing of this size was trained here; it is told in the first minute of training"
        side_by_side = min(cores(), len(new)) if len(new) > 1 else 1
        seconds = known.epoch * order.last * len(new) / side_by_side
        how = f", {side_by_side} at a time" if side_by_side > 1 else ""
        return f"about {in_time(seconds)}{how}, by what {known.of} took"

    def disk(self, order: Order, *, analysed: bool) -> tuple[str, bool]:
        """Say what an order takes of the disk, and whether it fits.

        Args:
            analysed: whether its checkpoints are analysed, too.
        """
        known, new = self.of(order), _unfinished(order)
        free = shutil.disk_usage(self._workspace.path).free
        if not new:
            return f"nothing; {in_bytes(free)} are free", True
        if known.weights is None:
            return f"being worked out; {in_bytes(free)} are free", True
        kept = len(order.kept)
        state = kept * (known.optimizer or 0)
        each = kept * known.weights + (state if state <= SMALL else known.optimizer or 0) + (order.last + 1) * ROW
        parts = [f"{in_bytes(each)} of weights and states" + ("" if len(new) == 1 else f" for each of {len(new)}")]
        whole = each * len(new)
        if analysed and known.artifacts is not None:
            stored = kept * known.artifacts * len(new)
            whole += stored
            parts.append(f"about {in_bytes(stored)} of results")
        elif analysed:
            parts.append("results not known yet")
        fits = whole < free * FULL
        warning = "" if fits else ". It will not fit: keep fewer epochs, or free some space"
        return f"{in_bytes(whole)} ({', '.join(parts)}); {in_bytes(free)} are free{warning}", fits


def experience_of(variants: Sequence[Variant]) -> Experience:
    """Return what variants of one size took, the last one that says it."""
    known = Experience()
    for one in variants:
        try:
            happened, checkpoints = one.metadata, one.checkpoints
            epochs = int(happened.get("epoch") or 0) - int(happened.get("from_epoch") or 0)
            seconds = float(happened.get("seconds") or 0)
            if seconds and epochs > 0 and happened.get("state") != "training":
                known = replace(known, epoch=seconds / epochs, of=one.name)
            if checkpoints:
                weights = one.checkpoint_folder.file(checkpoints[-1]).stat().st_size
                known = replace(known, weights=weights)
                if (states := one.optimizer_folder.epochs()) and states[-1]:
                    known = replace(known, optimizer=one.optimizer_folder.file(states[-1]).stat().st_size)
                if stored := _bytes_in(one.folder / "artifacts"):
                    known = replace(known, artifacts=stored // len(checkpoints))
        except (DynascopeError, OSError, ValueError):  # damaged, or deleted meanwhile: it tells nothing
            continue
    # The optimizer's state of one that kept none is not told by its files.
    return known if known.optimizer is not None else replace(known, weights=None)


def _unfinished(order: Order) -> list[Variant]:
    """Return the variants of an order that training has something to do for."""
    return [one for one in order.variants if one.state != "trained" or order.last not in one.checkpoints]


def _size_of(variant: Variant) -> str:
    """Return what decides how long an epoch takes and what a checkpoint weighs: all but random draws and the length."""
    config = variant.config
    settings = {**config.parameters.model_dump(mode="json"), **config.architecture.model_dump(mode="json")}
    how = {name: getattr(config.training, name) for name in ("optimizer", "dtype", "device")}
    draws = variant.family.base.draws
    return json.dumps(
        [variant.family.name, {name: value for name, value in settings.items() if name not in draws}, how]
    )


def _bytes_in(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(
        (Path(where) / name).stat().st_size for where, _, names in os.walk(folder) for name in names
    )  # fmt: skip


def _sizes_of(workspace: Path, variant: Variant) -> tuple[int, int] | None:
    """Ask a process of its own what a checkpoint and the optimizer's state weigh; None where it does not tell."""
    pairs = [f"{name}={written(value)}" for name, value in variant.config.settings.items() if value is not None]
    command = [sys.executable, "-m", "dynascope", "train", "--dry-run", "--json", "--workspace", str(workspace)]
    try:
        done = subprocess.run(
            [*command, "--", variant.family.name, *pairs], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        (row,) = json.loads(done.stdout)["variants"]
        return int(row["weights_bytes"]), int(row["optimizer_bytes"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
