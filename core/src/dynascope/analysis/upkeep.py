"""Keeping artifacts in order: what is stored against the files and against what would be made now.

Artifacts belong to a variant, or lie between the variants of a family: those are of its comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dynascope.analysis.plan import plan
from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.errors import ArtifactError, DynascopeError, UnknownName, WorkspaceError
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.artifacts import Artifacts
from dynascope.store.comparisons import BETWEEN, Comparisons
from dynascope.store.probe_file import PROBE_FILE, key_of, probe_folders, read_probe
from dynascope.store.repair import Deed, remove_units, repair_folder
from dynascope.store.stamps import Stamp
from dynascope.store.units import stamp_of
from dynascope.store.variant import Variant
from dynascope.store.verify import Finding, Verification, Wanted, stale_and_orphaned, strangers_on, verify_folder
from dynascope.store.workspace import Workspace

__all__ = ["Between", "Owner", "between", "prunable", "prune", "repair", "shelf_of", "undecided", "verify"]


@dataclass(frozen=True)
class Between:
    """What was measured over variants of one family, as an owner of artifacts.

    Attributes:
        name: for lists.
        shelf: ``results/<family>/comparisons``.
        variants: the names of those that are there.
    """

    name: str
    shelf: Path
    variants: frozenset[str]


Owner: TypeAlias = Variant | Between


def between(workspace: Workspace) -> list[Between]:
    """Return, for each family that has some, what was measured over its variants."""
    found = []
    for shelf in sorted((workspace.path / "results").glob("*/comparisons")):
        names = frozenset(file.parent.name for file in shelf.parent.glob("*/config.json"))
        found.append(Between(f"comparisons of {shelf.parent.name}", shelf, names))
    return found


def shelf_of(owner: Owner) -> Path:
    """Return the folder in which an owner's artifacts lie, a folder for each probe."""
    return owner.shelf if isinstance(owner, Between) else owner.folder / "artifacts"


def verify(owner: Owner, *, probe: str | ChosenProbe | None = None, plugins: Registry | None = None) -> Verification:
    """Open every artifact of an owner, and say what is damaged, foreign, left over, stale or orphaned.

    Args:
        owner: a variant, or what lies between variants; nothing of it is changed.
        probe: only what was made under this probe.
        plugins: the registry; this process' by default.
    """
    seen = [verify_folder(one, _wanted(owner, one, plugins)) for one in _probes(owner, probe)]
    findings = [found for one in seen for found in one.findings]
    findings += [found for one in _probes(owner, probe) for found in _of_probe_file(one.folder, plugins or registry())]
    findings += strangers_on(shelf_of(owner)) if probe is None else []
    return Verification(sum(one.units for one in seen), sum(one.series for one in seen), tuple(findings))


def repair(owner: Owner, *, probe: str | ChosenProbe | None = None) -> list[Deed]:
    """Remove damaged units, leftovers and wrong series, and rebuild the series; whole units are never touched.

    Returns:
        What was done, and what was left because it needs a person.
    """
    return [deed for one in _probes(owner, probe) for deed in repair_folder(one)]


def prunable(owner: Owner, *, probe: str | ChosenProbe | None = None, plugins: Registry | None = None) -> list[Finding]:
    """Return the stale and the orphaned units of an owner; fresh ones are never among them."""
    return [
        found
        for one in _probes(owner, probe)
        for found in stale_and_orphaned(one, _wanted(owner, one, plugins))
    ]  # fmt: skip


def prune(owner: Owner, findings: list[Finding]) -> list[Deed]:
    """Remove units that ``prunable`` has returned."""
    deeds = []
    for artifacts in _probes(owner, None):
        inside = [found for found in findings if artifacts.folder in found.path.parents]
        deeds += remove_units(artifacts, inside)
    return deeds


def undecided(
    owner: Owner, *, probe: str | ChosenProbe | None = None, plugins: Registry | None = None
) -> dict[str, str]:
    """Return the analyzers of which nobody can tell whether their units are stale, with the reason."""
    return {
        name: reason for one in _probes(owner, probe) for name, reason in _wanted(owner, one, plugins).undecided.items()
    }


def _probes(owner: Owner, probe: str | ChosenProbe | None) -> Iterator[Artifacts]:
    """Yield the artifacts under each probe that has some, or under the one that is named."""
    shelf = shelf_of(owner)
    folders = {folder.name: folder for folder in probe_folders(shelf)}
    if probe is not None:
        key = key_of(probe, shelf)
        if key not in folders:
            raise UnknownName(f"probe with artifacts of {owner.name}", str(probe), folders)
        folders = {key: folders[key]}
    for folder in folders.values():
        yield Artifacts(folder)


def _of_probe_file(folder: Path, plugins: Registry) -> list[Finding]:
    """Return what is wrong with what a folder says of its probe; it needs a person, so that ``repair`` leaves it."""
    try:
        read_probe(folder, plugins)
    except WorkspaceError as error:
        return [Finding("damaged", folder / PROBE_FILE, str(error))]
    except DynascopeError:  # a plug-in that is not there, or has changed: that is said of the units
        pass
    return []


def _wanted(owner: Owner, artifacts: Artifacts, plugins: Registry | None) -> Wanted:
    return (
        _wanted_of_variant(owner, artifacts, plugins)
        if isinstance(owner, Variant)
        else _wanted_between(owner, artifacts)
    )


def _wanted_between(owner: Between, artifacts: Artifacts) -> Wanted:
    """Work out which comparisons are of variants that are gone; analyze decides which are stale."""
    gone: dict[str, str] = {}
    for analyzer in artifacts.analyzers():
        for unit in Comparisons(artifacts.folder).units(analyzer):
            with suppress(ArtifactError):
                missing = set(str(stamp_of(unit)["variant"]).split(BETWEEN)) - owner.variants
                if missing:
                    gone[unit.place] = f"There is no variant {BETWEEN.join(sorted(missing))} any more."
    return Wanted(frozenset(), gone_places=gone)


def _wanted_of_variant(variant: Variant, artifacts: Artifacts, plugins: Registry | None) -> Wanted:
    """Work out which units there should be; what is not certain is undecided, so that nothing is lost by it."""
    known = plugins or registry()
    checkpoints = frozenset(variant.checkpoints)
    gone: dict[str, str] = {}
    undecided: dict[str, str] = {}
    installed = []
    silent = {row.name: row.status for row in known.plugins if row.status != "active"}
    for name in artifacts.analyzers():
        plugin = name.partition(".")[0]
        if name in known.all("analyzers"):
            installed.append(name)
        elif plugin in silent:
            undecided[name] = f"plug-in {plugin} is {silent[plugin]}"
        else:
            gone[name] = f"Analyzer {name} is not installed."
    name = artifacts.folder.name.partition("-")[0]
    if name not in {entry.name for entry in known.all("probes").values()}:
        if silent:
            undecided.update(dict.fromkeys(installed, f"probe {name} is of a plug-in that is not active"))
        else:
            gone.update(dict.fromkeys(installed, f"Probe {name} is not installed."))
        return Wanted(checkpoints, {}, gone, undecided=undecided)
    stamps: dict[str, dict[str, Stamp]] = {name: {} for name in installed}
    try:
        work = plan(variant, known, probe=read_probe(artifacts.folder, known), analyzers=installed)
    except DynascopeError as error:
        undecided.update(dict.fromkeys(installed, str(error)))
    else:
        stamps.update({bound.id: work.expected(bound.id) for bound in work.analyzers})
        for left_out in work.not_applicable:
            gone[left_out.analyzer] = f"It does not apply any more: {left_out.reason}."
    return Wanted(checkpoints, stamps, gone, undecided=undecided)
