"""Removing what is broken or of no use any more from the artifacts. Whole units that are wanted are not touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dynascope.errors import DynascopeError
from dynascope.store.artifacts import Artifacts
from dynascope.store.atomic import hidden_name, remove_leftovers
from dynascope.store.series import SERIES_FILE
from dynascope.store.verify import Finding, Verification, state_of, verify_folder

__all__ = ["Deed", "remove_units", "repair_folder"]


@dataclass(frozen=True)
class Deed:
    """Something that was done to a file.

    Attributes:
        done: ``"removed"``, ``"rebuilt"`` or ``"left"`` (it needs you).
        path: the file.
        reason: why.
    """

    done: str
    path: Path
    reason: str


def repair_folder(artifacts: Artifacts, seen: Verification | None = None) -> list[Deed]:
    """Remove damaged units, leftovers and wrong series of one variant under one probe, and rebuild the series.

    A damaged unit can be computed again: without it, ``analyze`` finds it missing.

    Args:
        artifacts: the variant's artifacts under the probe.
        seen: what was found before; by default the files are verified now.
    """
    deeds = []
    for found in (seen or verify_folder(artifacts)).findings:
        if found.kind == "leftover":
            remove_leftovers(found.path.parent)
            deeds.append(Deed("left" if found.path.exists() else "removed", found.path, found.reason))
        elif found.kind in ("damaged", "outdated"):
            if _removed(found):
                deeds.append(Deed("removed", found.path, found.reason))
        elif found.kind in ("unreadable", "foreign"):
            deeds.append(Deed("left", found.path, found.reason))
    for analyzer in artifacts.analyzers():
        deeds += _rebuilt(artifacts, analyzer)
    return deeds


def remove_units(artifacts: Artifacts, findings: Iterable[Finding]) -> list[Deed]:
    """Remove stale and orphaned units, and rebuild the series beside them.

    Args:
        artifacts: the variant's artifacts under the probe.
        findings: those of ``stale_and_orphaned``; any other kind is ignored.
    """
    deeds = []
    folders: set[Path] = set()
    for found in findings:
        if found.kind in ("stale", "orphaned"):
            found.path.unlink(missing_ok=True)
            folders.add(found.path.parent)
            deeds.append(Deed("removed", found.path, found.reason))
    for folder in sorted(folders):
        if folder.name in artifacts.analyzers():
            deeds += _rebuilt(artifacts, folder.name)
        else:
            (folder / SERIES_FILE).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something else lies in it
                folder.rmdir()
    return deeds


def _removed(found: Finding) -> bool:
    """Remove the very file that was looked at, and no other one that has taken its name since."""
    aside = hidden_name(found.path)
    try:
        found.path.rename(aside)
    except FileNotFoundError:
        return False
    if state_of(aside) != found.state:
        aside.rename(found.path)
        return False
    aside.unlink()
    return True


def _rebuilt(artifacts: Artifacts, analyzer: str) -> list[Deed]:
    path = artifacts.folder / analyzer / SERIES_FILE
    before = state_of(path) if path.exists() else None
    try:
        artifacts.refresh_series(analyzer)
    except DynascopeError as error:  # the units are what counts; they are read one by one meanwhile
        return [Deed("left", path, f"It could not be rebuilt: {error}")]
    return [Deed("rebuilt", path, "From the units.")] if before != state_of(path) else []
