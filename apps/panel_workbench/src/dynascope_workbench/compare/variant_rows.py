"""What the table of variants says of each: read in few milliseconds for each hundred of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynascope import DynascopeError, Variant, Workspace
from dynascope.store.comparisons import BETWEEN, Comparisons
from dynascope.store.metrics import COLUMNS
from dynascope_workbench.compare.differences import written
from dynascope_workbench.compare.milestones import GROKKING, marks_of

__all__ = ["Row", "compared", "milestones", "rows_of"]

TAIL = 16_384
"""Bytes at the end of the metrics, in which their last values are looked for: the file may have megabytes."""


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: ``<family>/<variant>``.
        facts: what is always said: state, epoch, last losses and accuracies; NaN for a number that is not there.
        settings: numbers, text, or what is written of them.
        error: why the variant cannot be read; empty if it can.
    """

    name: str
    facts: Mapping[str, Any]
    settings: Mapping[str, Any]
    error: str = ""


def rows_of(workspace: Workspace, variants: Mapping[str, Variant]) -> list[Row]:
    """Return a row for each variant, and one for each folder that cannot be read, sorted by name."""
    rows = [_row(name, variant) for name, variant in variants.items()]
    rows += [Row(broken.name, {"state": "broken"}, {}, broken.error) for broken in workspace.broken_variants()]
    return sorted(rows, key=lambda row: row.name)


def milestones(variant: Variant) -> Mapping[str, float]:
    """Return the epochs at which a variant has reached the milestones, by what they are called in the table."""
    found = marks_of(variant, GROKKING.partition("/")[0])
    return {f"{mark.rpartition('=')[2].removesuffix(']')} reached": epoch for mark, epoch in found.items()}


def compared(workspace: Workspace, variants: Mapping[str, Variant]) -> dict[str, dict[str, Any]]:
    """Return what analyzers over variants have stored of each, in one number or text, as of its newest comparison.

    One file holds it for all variants.

    Returns:
        By ``"<plug-in>.<analyzer>/<array>"``, by variant.
    """
    found: dict[str, dict[str, Any]] = {}
    for family in sorted({variant.family.name for variant in variants.values()}):
        comparisons = workspace.comparisons(family)
        for analyzer in comparisons.analyzers():
            try:
                for names in _latest(comparisons, analyzer):
                    for array, axes in comparisons.arrays(analyzer).items():
                        if list(axes) == ["variant"] and array != "variant":
                            values = comparisons.read(f"{analyzer}/{array}", variants=names)
                            column = found.setdefault(f"{analyzer}/{array}", {})
                            column |= {
                                f"{family}/{name}": value
                                for name, value in zip(values["variant"].values, values.values.tolist(), strict=True)
                            }
            except DynascopeError:  # a damaged one: its columns stay empty
                continue
    return found


def _latest(comparisons: Comparisons, analyzer: str) -> list[tuple[str, ...]]:
    """Return the sets of variants that were measured together, oldest first, without those measured again since."""
    kept: list[tuple[str, ...]] = []
    known: set[str] = set()
    for unit in reversed(comparisons.units(analyzer)):
        names = tuple(str(comparisons.stamp(unit)["variant"]).split(BETWEEN))
        if not known.issuperset(names):
            kept.append(names)
            known.update(names)
    return kept[::-1]


def _row(name: str, variant: Variant) -> Row:
    unknown = set(variant.origin.get("not_stated", ()))
    settings = {
        setting: "not stated"
        if setting in unknown
        else value
        if isinstance(value, (int, float, str))
        else written(value)
        for setting, value in variant.config.settings.items()
    }
    try:
        metadata = variant.metadata
        state = variant.state
    except DynascopeError as error:
        return Row(name, {"state": "broken"}, settings, str(error))
    facts = {"state": state, "epoch": float(metadata.get("epoch", np.nan)), **_last_metrics(variant.metrics_file.path)}
    return Row(name, facts, settings)


def _last_metrics(path: Path) -> Mapping[str, float]:
    """Return the last value of each metric that was measured; NaN where there is none."""
    try:
        status = path.stat()
    except OSError:
        return dict.fromkeys(COLUMNS[1:], np.nan)
    return _last_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=20_000)
def _last_of(path: Path, changed: int, size: int) -> Mapping[str, float]:
    """Read the end of a file of metrics; one that has not changed is read once."""
    with path.open("rb") as file:
        file.seek(max(size - TAIL, 0))
        lines = file.read().decode("utf-8", "replace").split("\n")
    found: dict[str, float] = {}
    for line in reversed(lines[1:-1]):  # the first is a part of a line, or the header; the last was not ended
        cells = line.split(",")
        if len(cells) != len(COLUMNS):
            break
        for name, cell in zip(COLUMNS[1:], cells[1:], strict=True):
            if cell and name not in found:
                found[name] = _number(cell)
        if len(found) == len(COLUMNS) - 1:
            break
    return {name: found.get(name, np.nan) for name in COLUMNS[1:]}


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
