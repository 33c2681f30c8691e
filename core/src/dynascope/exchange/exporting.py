"""Exporting a variant in another program's layout."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from dynascope.errors import ExchangeError, UnknownName
from dynascope.exchange.layouts import all_layouts
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.variant import Variant

__all__ = ["export_variant"]


def export_variant(
    variant: Variant,
    layout: str,
    path: str | Path,
    *,
    epochs: Sequence[int] | None = None,
    plugins: Registry | None = None,
) -> tuple[str, ...]:
    """Write a variant's checkpoints to ``path``, which must not exist, and return sentences for the user.

    What was not written completely is not there.

    Args:
        variant: a variant with checkpoints.
        layout: the name of a layout that can be written.
        path: the file or folder to make.
        epochs: the checkpoints to write; all by default.
        plugins: the registry; this process' by default.

    Raises:
        UnknownName: an unknown layout, or an epoch without checkpoint.
        ExchangeError: a layout that can only be read, that another family offers, or that cannot hold what was asked
            for; ``path`` exists or cannot be written to.
    """
    layouts = all_layouts(plugins or registry())
    writable = [name for name, (one, _) in layouts.items() if one.writable]
    if layout not in layouts:
        raise UnknownName("layout that can be written", layout, writable)
    writer, owner = layouts[layout]
    if not writer.writable:
        raise ExchangeError(f"Layout {layout} can be read, not written. Those that can: {', '.join(sorted(writable))}.")
    if owner is not None and owner.name != variant.family.base.name:
        raise ExchangeError(
            f"Layout {layout} holds variants of family {owner.name}; {variant.name} is one of "
            f"{variant.family.base.name}."
        )
    available = variant.checkpoints
    chosen = available if epochs is None else sorted(set(epochs))
    for epoch in chosen:
        if epoch not in available:
            raise UnknownName(f"checkpoint of {variant.name}", str(epoch), map(str, available))
    if not chosen:
        raise ExchangeError(f"Variant {variant.name} has no checkpoint to export.")
    target = Path(path).expanduser()
    if target.exists() or target.is_symlink():
        raise ExchangeError(f"{target} exists; nothing is overwritten. Name another path with --out.")
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        notes = writer.write(variant, partial, chosen)
        partial.rename(target)
    except OSError as error:
        raise ExchangeError(f"Could not write {target}: {error.strerror or error}.") from None
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
    return notes
