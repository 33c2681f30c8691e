"""Looking whether artifacts are whole, in their place, and what would be made now. Nothing is changed here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from dynascope.errors import ArtifactError
from dynascope.store.artifacts import Artifacts
from dynascope.store.atomic import leftovers
from dynascope.store.hdf5 import OtherFormat, Vanished, open_trusted, whole
from dynascope.store.probe_file import PROBE_FILE, probe_folders
from dynascope.store.series import SERIES_FILE, is_current
from dynascope.store.stamps import SERIES, Stamp
from dynascope.store.units import Unit, all_units, changed_since, unchecked_digest

__all__ = [
    "Finding",
    "Kind",
    "Verification",
    "Wanted",
    "check_unit",
    "stale_and_orphaned",
    "strangers_on",
    "verify_folder",
]

Kind = Literal["damaged", "unreadable", "stale", "orphaned", "outdated", "leftover", "foreign"]
STRANGER = "Dynascope writes nothing of this name here."
INSIDE_HDF5 = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)
"""What h5py raises, somewhere, on files whose bytes were changed."""
State = tuple[int, int, int]


@dataclass(frozen=True)
class Finding:
    """Something about a file of artifacts that is not as it should be.

    Attributes:
        kind: ``"damaged"``: not whole, or not what its name and place say. ``"unreadable"``: the system does not let
            it be read, so that nothing is known. ``"stale"``: whole, but not what would be made now. ``"orphaned"``:
            nothing would make it any more. ``"outdated"``: a series that does not hold the units that are there.
            ``"leftover"``: a temporary file of a process that is gone. ``"foreign"``: nothing that this version writes.
        path: the file.
        reason: what was seen, in one sentence.
        state: inode, bytes and time of change of the file that was looked at.
    """

    kind: Kind
    path: Path
    reason: str
    state: State | None = None


@dataclass(frozen=True)
class Wanted:
    """Which units there should be under one probe.

    Attributes:
        checkpoints: the epochs that have a checkpoint.
        stamps: for each analyzer, the stamp that its unit would have now, by place.
        gone: analyzers that would make nothing any more, with the reason.
        gone_places: places of units that nothing would make any more, with the reason.
        undecided: analyzers of which that cannot be told, with the reason; their units are left in peace.
    """

    checkpoints: frozenset[int]
    stamps: Mapping[str, Mapping[str, Stamp]] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    gone_places: Mapping[str, str] = field(default_factory=dict)
    undecided: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what was found.

    Attributes:
        units, series: how many files were opened.
        findings: what is not as it should be, by path.
    """

    units: int
    series: int
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> bool:
        """Whether some file is not whole, or could not be read."""
        return any(found.kind in ("damaged", "unreadable") for found in self.findings)


def verify_folder(artifacts: Artifacts, wanted: Wanted | None = None) -> Verification:
    """Open every unit and series file of one variant under one probe, and check all that can be checked.

    Args:
        artifacts: the variant's artifacts under the probe.
        wanted: what should be there; without it nothing is called stale or orphaned.
    """
    findings = [*_strangers(artifacts.folder, folders=True)]
    units = series = 0
    for folder in _folders(artifacts.folder):
        findings += _strangers(folder, folders=False)
        listed = all_units(folder)
        units += len(listed)
        broken = [found for unit in listed if (found := _looked_at(unit, folder.name)) is not None]
        findings += broken
        if wanted is not None:
            known = {found.path for found in broken}
            findings += [found for found in _unwanted(folder, wanted) if found.path not in known]
        if (folder / SERIES_FILE).exists():
            series += 1
            findings += _series(folder, list(artifacts.units(folder.name).values()), bool(broken))
    return Verification(units, series, tuple(sorted(findings, key=lambda found: found.path)))


def strangers_on(shelf: Path) -> list[Finding]:
    """Return what lies beside the folders of the probes, and is none."""
    known = {folder.name for folder in probe_folders(shelf)}
    names = sorted(entry.name for entry in shelf.iterdir()) if shelf.is_dir() else []
    return [Finding("foreign", shelf / name, STRANGER) for name in names if name not in known]


def stale_and_orphaned(artifacts: Artifacts, wanted: Wanted) -> list[Finding]:
    """Return the units that would not be made now, by their names alone; no file is opened."""
    return [
        found for folder in _folders(artifacts.folder) for found in _unwanted(folder, wanted, why=False)
    ]  # fmt: skip


def check_unit(unit: Unit, analyzer: str) -> Stamp:
    """Read all of a unit, and return its stamp.

    Raises:
        ArtifactError: it is not whole (``OtherFormat``: it is of another version), or is not what its place says.
        OSError: the system does not let it be read.
    """
    _read_through(unit.path)
    try:
        with open_trusted(unit.path) as file:
            return _checked(file, unit, analyzer)
    except ArtifactError:
        raise
    except INSIDE_HDF5 as error:
        raise ArtifactError(f"Artifact {unit.path} is damaged: {error}.") from None


def _looked_at(unit: Unit, analyzer: str) -> Finding | None:
    try:
        state = state_of(unit.path)
        check_unit(unit, analyzer)
    except (Vanished, FileNotFoundError):
        return None  # another process has just replaced it
    except OtherFormat as error:
        return Finding("foreign", unit.path, str(error), state)
    except ArtifactError as error:
        return Finding("damaged", unit.path, str(error), state)
    except OSError as error:
        return Finding("unreadable", unit.path, f"It cannot be read: {error.strerror or error}.")
    return None


def state_of(path: Path) -> State:
    """Return what tells a file from another one of its name: inode, bytes, time of change."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read_through(path: Path) -> None:
    """Read a file to its end, so that an error of the disk is told apart from one of its content."""
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass


def _checked(file: h5py.File, unit: Unit, analyzer: str) -> Stamp:
    def damaged(seen: str) -> ArtifactError:
        return ArtifactError(f"Artifact {unit.path} is damaged: {seen}.")

    place = unit.place
    found = [f"{group}/{name}" for group in file for name in file[group]]
    if found != [f"{place}/{analyzer}"]:
        raise damaged(f"it holds {', '.join(found) or 'nothing'} instead of {place}/{analyzer}")
    group = file[f"{place}/{analyzer}"]
    stamp = _stamp(group)
    if stamp is None or stamp.digest != unit.digest:
        raise damaged("its stamp does not have the digest that its name states")
    if (stamp.place, stamp.analyzer) != (place, analyzer):
        raise damaged(f"its stamp is of {stamp.analyzer} at {stamp.place}")
    for name, dataset in group.items():
        whole(dataset)
        for number, axis in enumerate([] if dataset.is_scale else dataset.dims):
            scales = [group.get(Path(scale.name).name) for scale in axis.values()]
            if len(scales) != 1 or scales[0] != axis[0] or len(scales[0]) != dataset.shape[number]:
                raise damaged(f"axis {number} of {name!r} has no scale of its length in the group")
    stated = group.attrs.get("unchecked_sha256")
    if stated is not None and stated != unchecked_digest(group):
        raise damaged("its scales, scalars or texts do not have the digest that it states")
    return stamp


def _stamp(group: h5py.Group) -> Stamp | None:
    values: dict[str, Any] = {}
    for name in Stamp._fields:
        if name not in group.attrs:
            return None
        value = group.attrs[name]
        values[name] = value.item() if isinstance(value, np.generic) else value
    return Stamp(**values)


def _series(folder: Path, units: Sequence[Unit], broken: bool) -> Iterator[Finding]:
    """Check that a stacked file can be read, holds the units that are there, and holds what they hold."""
    path = folder / SERIES_FILE
    try:
        state = state_of(path)
        _read_through(path)
        with open_trusted(path) as file:
            for dataset in (*file.values(), *file["ranges"].values()):
                if isinstance(dataset, h5py.Dataset):
                    whole(dataset)
            if not is_current(folder, units):
                yield Finding("outdated", path, "It does not list the units that are there.", state)
            elif not broken and (wrong := _differs(file, folder.name, units)):
                yield Finding("damaged", path, f"Series {path}: {wrong} is not what the units hold.", state)
    except (Vanished, FileNotFoundError):
        return
    except OtherFormat as error:
        yield Finding("foreign", path, str(error), state)
    except ArtifactError as error:
        yield Finding("damaged", path, str(error), state)
    except PermissionError as error:
        yield Finding("unreadable", path, f"It cannot be read: {error.strerror}.")
    except INSIDE_HDF5 as error:
        yield Finding("damaged", path, f"Series {path} is damaged: {error}.", state)


def _differs(series: h5py.File, analyzer: str, units: Sequence[Unit]) -> str:
    """Return the first array of a series that is not what the units hold; empty if there is none."""
    names = [name for name, item in series.items() if name not in ("units", "epoch", "ranges")]
    ranges: dict[str, list[Any]] = {}
    for place, unit in enumerate(units):
        if series["epoch"][place] != unit.epoch:
            return "epoch"
        with open_trusted(unit.path) as file:
            group = file[f"{unit.place}/{analyzer}"]
            for name in names:
                stacked = series[name][()] if series[name].is_scale else series[name][place]
                if not _equal(stacked, group[name][()]):
                    return f"{name} at epoch {unit.epoch}"
            for name, dataset in group.items():
                if "actual_range" in dataset.attrs:
                    ranges.setdefault(name, []).append(dataset.attrs["actual_range"])
    for name, pairs in ranges.items():
        low, high = np.array(pairs).T
        if not _equal(series["ranges"][name][()], np.array([low.min(), high.max()], dtype=np.float64)):
            return f"the range of {name}"
    return ""


def _equal(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f" and other.dtype.kind == "f")


def _unwanted(folder: Path, wanted: Wanted, why: bool = True) -> Iterator[Finding]:
    """Yield the units of a folder that would not be made now."""
    analyzer = folder.name
    if analyzer in wanted.undecided:
        return
    stamps = wanted.stamps.get(analyzer, {})
    units = all_units(folder)
    there = {(unit.place, unit.digest) for unit in units}
    over_series = SERIES in stamps
    for unit in units:
        stamp = stamps.get(unit.place)
        if unit.place in wanted.gone_places:
            yield Finding("orphaned", unit.path, wanted.gone_places[unit.place])
        elif unit.place.isdigit() and unit.epoch not in wanted.checkpoints:
            yield Finding("orphaned", unit.path, f"There is no checkpoint of epoch {unit.epoch} any more.")
        elif analyzer in wanted.gone:
            yield Finding("orphaned", unit.path, wanted.gone[analyzer])
        elif stamps and over_series != (unit.place == SERIES):
            now = "over the series" if over_series else "each checkpoint"
            yield Finding("orphaned", unit.path, f"Analyzer {analyzer} measures {now} now.")
        elif stamp is not None and unit.digest != stamp.digest:
            reason = "A newer one is there." if (stamp.place, stamp.digest) in there else ""
            yield Finding("stale", unit.path, reason or (_difference(unit, stamp) if why else "Stale."))


def _difference(unit: Unit, wanted: Stamp) -> str:
    try:
        return f"Changed since: {'; '.join(changed_since(unit, wanted))}."
    except (ArtifactError, *INSIDE_HDF5):
        return "It is not what would be made now."


def _strangers(folder: Path, *, folders: bool) -> Iterator[Finding]:
    """Yield leftover temporary files, and whatever else has no place here."""
    if not folder.is_dir():
        return
    left = leftovers(folder)
    for path, machine in left.items():
        where = f"machine {machine}; if nothing writes it there any more, delete it" if machine else "a dead process"
        yield Finding("leftover", path, f"A temporary file of {where}.")
    expected = {SERIES_FILE, *(unit.path.name for unit in all_units(folder))}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        temporary = entry.name.startswith(".") and entry.name.endswith(".tmp")
        fits = entry.is_dir() or entry.name == PROBE_FILE if folders else entry.name in expected and entry.is_file()
        if not fits and not temporary:
            yield Finding("foreign", folder / entry.name, STRANGER)


def _folders(folder: Path) -> list[Path]:
    """Return the folders of the analyzers, sorted."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
