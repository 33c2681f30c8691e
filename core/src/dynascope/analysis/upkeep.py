"""Keeping a variant's artifacts in order: what is stored against the files and against what would be made now."""

from __future__ import annotations

from collections.abc import Iterator

from dynascope.analysis.plan import plan
from dynascope.errors import DynascopeError, UnknownName
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.artifacts import Artifacts
from dynascope.store.repair import Deed, remove_units, repair_folder
from dynascope.store.units import Stamp
from dynascope.store.variant import Variant
from dynascope.store.verify import Finding, Verification, Wanted, stale_and_orphaned, verify_folder

__all__ = ["prunable", "prune", "repair", "undecided", "verify"]


def verify(variant: Variant, *, probe: str | None = None, plugins: Registry | None = None) -> Verification:
    """Open every artifact of a variant, and say what is damaged, foreign, left over, stale or orphaned.

    Args:
        variant: the variant; nothing of it is changed.
        probe: only what was made under this probe.
        plugins: the registry; this process' by default.
    """
    seen = [verify_folder(one, _wanted(variant, one, plugins)) for one in _probes(variant, probe)]
    return Verification(
        sum(one.units for one in seen),
        sum(one.series for one in seen),
        tuple(found for one in seen for found in one.findings),
    )


def repair(variant: Variant, *, probe: str | None = None) -> list[Deed]:
    """Remove damaged units, leftovers and wrong series, and rebuild the series; whole units are never touched.

    Returns:
        What was done, and what was left because it needs a person.
    """
    return [deed for one in _probes(variant, probe) for deed in repair_folder(one)]


def prunable(variant: Variant, *, probe: str | None = None, plugins: Registry | None = None) -> list[Finding]:
    """Return the stale and the orphaned units of a variant; fresh ones are never among them."""
    return [
        found
        for one in _probes(variant, probe)
        for found in stale_and_orphaned(one, _wanted(variant, one, plugins))
    ]  # fmt: skip


def prune(variant: Variant, findings: list[Finding]) -> list[Deed]:
    """Remove units that ``prunable`` has returned."""
    deeds = []
    for artifacts in _probes(variant, None):
        inside = [found for found in findings if artifacts.folder in found.path.parents]
        deeds += remove_units(artifacts, inside)
    return deeds


def undecided(variant: Variant, *, probe: str | None = None, plugins: Registry | None = None) -> dict[str, str]:
    """Return the analyzers of which nobody can tell whether their units are stale, with the reason."""
    return {
        name: reason
        for one in _probes(variant, probe)
        for name, reason in _wanted(variant, one, plugins).undecided.items()
    }


def _probes(variant: Variant, probe: str | None) -> Iterator[Artifacts]:
    """Yield the artifacts under each probe that has some, or under the one that is named."""
    folder = variant.folder / "artifacts"
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    if probe is not None:
        if probe not in names:
            raise UnknownName(f"probe with artifacts of {variant.name}", probe, names)
        names = [probe]
    for name in names:
        yield variant.artifacts_of(name)


def _wanted(variant: Variant, artifacts: Artifacts, plugins: Registry | None) -> Wanted:
    """Work out which units there should be; what is not certain is undecided, so that nothing is lost by it."""
    known, probe = plugins or registry(), artifacts.folder.name
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
    if probe not in {entry.name for entry in known.all("probes").values()}:
        if silent:
            undecided.update(dict.fromkeys(installed, f"probe {probe} is of a plug-in that is not active"))
        else:
            gone.update(dict.fromkeys(installed, f"Probe {probe} is not installed."))
        return Wanted(checkpoints, {}, gone, undecided)
    stamps: dict[str, dict[str, Stamp]] = {name: {} for name in installed}
    try:
        work = plan(variant, known, probe=probe, analyzers=installed)
    except DynascopeError as error:
        undecided.update(dict.fromkeys(installed, str(error)))
    else:
        stamps.update({bound.id: work.expected(bound.id) for bound in work.analyzers})
        for left_out in work.not_applicable:
            gone[left_out.analyzer] = f"It does not apply any more: {left_out.reason}."
    return Wanted(checkpoints, stamps, gone, undecided)
