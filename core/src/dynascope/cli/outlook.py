"""What ``train --dry-run`` says: which variants there would be, which are there, and what they take on the disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dynascope.cli import tables
from dynascope.store.variant import Variant
from dynascope.training import recipe
from dynascope.training.recipe import ROW

if TYPE_CHECKING:
    from dynascope.cli.training import Options

__all__ = ["outlook"]


def outlook(variants: Sequence[Variant], options: Options, *, afresh: bool, as_json: bool) -> None:
    """Print a row for each variant, and what all of them take; nothing is trained, nothing is written.

    Args:
        variants: at least one.
        options: how they would be trained.
        afresh: what was trained of them would be deleted.
        as_json: for programs: bytes as numbers.
    """
    rows = [_row(variant, options, afresh) for variant in variants]
    takes = sum(row["bytes"] for row in rows)
    folder = next(parent for parent in variants[0].folder.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if as_json:
        print(json.dumps({"variants": rows, "bytes": takes, "free": free}, indent=2))
        return
    shown = ("variant", "state", "epochs", "checkpoints", "optimizer")
    tables.listing([{**{name: row[name] for name in shown}, "takes": tables.size(row["bytes"])} for row in rows])
    tables.say(f"They take {tables.size(takes)} of the disk; {tables.size(free)} are free.")


def _row(variant: Variant, options: Options, afresh: bool) -> Mapping[str, Any]:
    how = recipe.resolved(variant, **asdict(options), afresh=afresh)
    present = set() if afresh else set(variant.checkpoints)
    missing = len(set(how.schedule) - present)
    weights, state = recipe.size_on_disk(variant, 1)
    kept = {"all": missing, "last": min(missing, 1), "none": 0}[how.keep_optimizer]
    done = 0 if afresh else len(variant.metrics_file.read()["epoch"])
    return {
        "variant": variant.full_name,
        "state": "new" if afresh else variant.state,
        "epochs": how.epochs,
        "checkpoints": len(how.schedule),
        "optimizer": how.keep_optimizer,
        "weights_bytes": weights,
        "optimizer_bytes": state,
        "bytes": missing * weights + kept * state + max(how.epochs + 1 - done, 0) * ROW,
    }
