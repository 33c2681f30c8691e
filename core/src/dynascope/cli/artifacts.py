"""What ``dynascope artifacts`` and ``dynascope table`` do."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dynascope.analysis import upkeep
from dynascope.analysis.upkeep import Owner
from dynascope.cli.tables import listing, say
from dynascope.errors import DynascopeError, InvalidSetting
from dynascope.store.atomic import publish
from dynascope.store.pack import pack as packed
from dynascope.store.probe_file import key_of
from dynascope.store.repair import Deed
from dynascope.store.variant import Variant
from dynascope.store.verify import Finding
from dynascope.store.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pack", "prune", "repair", "table", "verify"]


def verify(workspace: Workspace, names: Sequence[str], probe: str | None, as_json: bool) -> None:
    """Check every file of artifacts; the exit code is 1 if one is damaged."""
    rows: list[dict[str, Any]] = []
    units = series = 0
    damaged = False
    chosen = _chosen(workspace, names, probe)
    for variant in chosen:
        seen = upkeep.verify(variant, probe=probe)
        units, series, damaged = units + seen.units, series + seen.series, damaged or seen.damaged
        rows += [_row(variant, found) for found in seen.findings]
    broken = [] if names else workspace.broken_variants()
    variants = sum(isinstance(one, Variant) for one in chosen)
    if as_json:
        content = {"variants": variants, "units": units, "series": series, "findings": rows}
        print(json.dumps({**content, "unreadable_variants": [row.name for row in broken]}, indent=2))
    else:
        listing(rows)
        kinds = Counter(row["kind"] for row in rows)
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "all is well"
        say(f"{_count(variants, 'variant')}, {_count(units, 'unit')}, {series} series: {found}.")
        for row in broken:
            say(f"{row.name} is left out: {row.error}")
        if kinds["damaged"] or kinds["outdated"] or kinds["leftover"]:
            say("To remove what is damaged or left over: dynascope artifacts repair, then dynascope analyze")
        if kinds["stale"] or kinds["orphaned"]:
            say("Stale units are computed again by dynascope analyze; dynascope artifacts prune removes them.")
    if damaged or broken:
        raise SystemExit(1)


def repair(workspace: Workspace, names: Sequence[str], probe: str | None, as_json: bool) -> None:
    """Remove damaged units, leftovers and wrong series, and say what was done."""
    rows = []
    for variant in _chosen(workspace, names, probe):
        rows += [_deed(variant, deed) for deed in upkeep.repair(variant, probe=probe)]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    listing(rows)
    units = sum(1 for row in rows if row["done"] == "removed" and row["epoch"] is not None)
    if not rows:
        say("Nothing to repair.")
    elif units:
        say(f"{_count(units, 'damaged unit')} removed. To compute what is missing: dynascope analyze")


def prune(
    workspace: Workspace, names: Sequence[str], probe: str | None, only: str | None, yes: bool, dry_run: bool
) -> None:
    """List the stale and orphaned units, and remove them if that is confirmed."""
    if yes and dry_run:
        raise InvalidSetting("--yes removes and --dry-run does not: give one of them.")
    chosen = _chosen(workspace, names, probe)
    found = {
        variant: [one for one in upkeep.prunable(variant, probe=probe) if only in (None, one.kind)]
        for variant in chosen
    }
    for variant in chosen:
        for name, reason in upkeep.undecided(variant, probe=probe).items():
            say(f"{variant.name}: the units of {name} are left alone: {reason}.")
    listing([_row(variant, one) for variant, findings in found.items() for one in findings])
    count = sum(map(len, found.values()))
    if not count:
        say("No unit is stale or orphaned.")
    elif yes:
        deeds = [deed for variant, findings in found.items() for deed in upkeep.prune(variant, findings)]
        say(f"{_count(sum(deed.done == 'removed' for deed in deeds), 'unit')} removed.")
    else:
        say(f"{_count(count, 'unit')} would be removed; nothing was." + ("" if dry_run else " To remove: --yes"))


def pack(workspace: Workspace, name: str, out: Path, probe: str | None, analyzers: Sequence[str] | None) -> None:
    """Write the artifacts of a variant as one file."""
    variant = workspace.variant(name)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("units"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("packing")

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        count = packed(variant.artifacts_of(probe), out.expanduser(), analyzers=analyzers, progress=progress)
    size = out.expanduser().stat().st_size
    say(f"{variant.name}: {_count(count, 'unit')} in {out}, {size / 1e6:.1f} MB.")


def table(
    workspace: Workspace, names: Sequence[str], columns: Sequence[str], probe: str | None, out: Path | None
) -> None:
    """Write the table of variants as CSV or Parquet, or CSV to the output where no file is named."""
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise InvalidSetting(f"--out must end in .csv or .parquet; {out} does not.")
    asked = [name for text in columns for name in text.split(",") if name]
    frame = workspace.table(names or None, asked or None, probe)
    if out is None:
        frame.to_csv(sys.stdout)
        return
    target = out.expanduser()
    with publish(target) as temporary:
        if out.suffix == ".csv":
            frame.to_csv(temporary)
        else:
            _write_parquet(frame, temporary)
    variants = len(frame.index.droplevel("epoch").unique())
    say(f"{_count(len(frame), 'row')} of {_count(variants, 'variant')}, {len(frame.columns)} columns: {out}")
    for row in [] if names else workspace.broken_variants():
        say(f"{row.name} is left out: {row.error}")


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        raise DynascopeError(
            "Parquet needs the package pyarrow, which is not installed. Run `pip install pyarrow`, or write a .csv."
        ) from None
    frame.reset_index().to_parquet(path, index=False)


def _chosen(workspace: Workspace, names: Sequence[str], probe: str | None) -> list[Owner]:
    """Return the variants that were named, or all and what lies between them, if it has artifacts under the probe."""
    if names:
        return [workspace.variant(name) for name in names]
    owners: list[Owner] = [*workspace.variants(), *upkeep.between(workspace)]
    shelves = {one: upkeep.shelf_of(one) for one in owners}
    return [one for one in owners if probe is None or (shelves[one] / key_of(probe, shelves[one])).is_dir()]


def _row(variant: Owner, found: Finding) -> dict[str, Any]:
    return {"kind": found.kind, **_place(variant, found.path), "reason": found.reason}


def _deed(variant: Owner, deed: Deed) -> dict[str, Any]:
    return {"done": deed.done, **_place(variant, deed.path), "reason": deed.reason}


def _place(variant: Owner, path: Path) -> Mapping[str, Any]:
    """Return where a file of artifacts lies, for a table."""
    inside = path.relative_to(upkeep.shelf_of(variant))
    stem = path.name.partition("-")[0]
    return {
        "variant": variant.name,
        "epoch": int(stem) if path.suffix == ".h5" and stem.isdigit() else None,
        "file": str(inside),
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
