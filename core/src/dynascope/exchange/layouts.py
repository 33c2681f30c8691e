"""Which layouts there are, and which of them a path has."""

from __future__ import annotations

from pathlib import Path

from dynascope.contract.family import Family
from dynascope.contract.layout import Layout
from dynascope.errors import ExchangeError, UnknownName
from dynascope.exchange.huggingface import HuggingFace
from dynascope.exchange.loggers import TensorBoard, WeightsAndBiases
from dynascope.exchange.state_dicts import StateDicts
from dynascope.plugins.registry import Registry

__all__ = ["all_layouts", "layout_named", "recognised"]

DEEPEST = 3
"""Folders below the one that was named in which a run is looked for."""


def all_layouts(plugins: Registry) -> dict[str, tuple[Layout, Family | None]]:
    """Return every layout by name, with the family that offers it; the core's, which any family may have, are last."""
    found: dict[str, tuple[Layout, Family | None]] = {}
    for provided in plugins.all("families").values():
        for layout in provided.item.layouts():
            found.setdefault(layout.name, (layout, provided.item))
    for layout in (HuggingFace(), StateDicts(), TensorBoard(), WeightsAndBiases()):
        found.setdefault(layout.name, (layout, None))
    return found


def layout_named(name: str, plugins: Registry) -> tuple[Layout, Family | None]:
    """Return a layout by name.

    Raises:
        UnknownName: there is no such layout.
    """
    layouts = all_layouts(plugins)
    if name not in layouts:
        raise UnknownName("layout", name, layouts)
    return layouts[name]


def recognised(path: Path, plugins: Registry) -> tuple[Path, Layout, Family | None]:
    """Return the run at ``path``, or the only one in the folders below it, with its layout.

    Raises:
        ExchangeError: nothing is there, no layout recognises it, or there are several runs.
    """
    if not path.exists():
        raise ExchangeError(f"There is nothing at {path} to import.")
    layouts = all_layouts(plugins)
    level = [path]
    for _ in range(DEEPEST + 1):
        runs = [(place, *found) for place in level if (found := _first(place, layouts)) is not None]
        if len(runs) == 1:
            return runs[0]
        if runs:
            names = ", ".join(str(place.relative_to(path)) for place, _, _ in runs[:8])
            raise ExchangeError(
                f"{path} holds {len(runs)} runs: {names}{', ...' if len(runs) > 8 else ''}. Import them one by one."
            )
        level = sorted(entry for place in level for entry in _folders(place))
    there = f"it holds {_inventory(path)}" if path.is_dir() else "it is a file of another kind"
    raise ExchangeError(
        f"{path} is in no layout that can be imported: {there}. Layouts: "
        + "; ".join(f"{name} ({layout.title})" for name, (layout, _) in layouts.items() if layout.readable)
        + ". --as names one."
    )


def _first(place: Path, layouts: dict[str, tuple[Layout, Family | None]]) -> tuple[Layout, Family | None] | None:
    try:
        return next((entry for entry in layouts.values() if entry[0].recognises(place)), None)
    except OSError:  # a folder that may not be read
        return None


def _folders(place: Path) -> list[Path]:
    try:
        return [entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []


def _inventory(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    return (", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")) or "nothing"
