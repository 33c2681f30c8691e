"""One HDF5 file with all artifacts of a variant, one group per checkpoint, for travel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from dynascope.errors import ArtifactError, UnknownName, WorkspaceError
from dynascope.store.artifacts import Artifacts
from dynascope.store.atomic import publish
from dynascope.store.hdf5 import FORMAT, LIBVER, Vanished, open_trusted
from dynascope.store.probe_file import written_probe
from dynascope.store.units import Unit
from dynascope.store.verify import check_unit

__all__ = ["pack"]

OF_HDF5 = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST")
"""Attributes that tie axes to scales inside one file; they are made anew."""
ATTEMPTS = 5


def pack(
    artifacts: Artifacts,
    out: Path,
    *,
    analyzers: Iterable[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the artifacts of a variant under one probe as a single HDF5 file.

    Unit after unit is checked and copied into a hidden file, which is then published: memory holds one array at a
    time, and what was not written completely is not there.

    Args:
        artifacts: the variant's artifacts under the probe.
        out: the file to make; it must not exist.
        analyzers: ids; all that have units by default.
        progress: called with the units done and the units in all.

    Returns:
        The number of units in it.

    Raises:
        UnknownName: an analyzer that has no units here.
        ArtifactError: there is no unit, or one is damaged.
        WorkspaceError: ``out`` exists, or cannot be written to.
    """
    if out.exists() or out.is_symlink():
        raise WorkspaceError(f"{out} exists; nothing is overwritten. Name another file with --out.")
    there = artifacts.analyzers()
    chosen = there if analyzers is None else sorted(set(analyzers))
    for name in chosen:
        if name not in there:
            raise UnknownName(f"analyzer with artifacts in {artifacts.folder}", name, there)
    work = sorted((unit.place, name) for name in chosen for unit in _units(artifacts, name))
    if not work:
        raise ArtifactError(f"There is nothing to pack in {artifacts.folder}; run `dynascope analyze`.")
    with publish(out) as temporary, _written(temporary, out) as file:
        file.attrs["Conventions"] = "CF-1.11"
        file.attrs["dynascope_format"] = FORMAT
        file.attrs["probe"] = written_probe(artifacts.folder)
        for done, (place, name) in enumerate(work, start=1):
            _copy_unit(artifacts, name, place, file)
            if progress is not None:
                progress(done, len(work))
    return len(work)


@contextmanager
def _written(temporary: Path, out: Path) -> Iterator[h5py.File]:
    """Yield an HDF5 file on the disk; that it cannot be written is one error of ours."""
    try:
        with h5py.File(temporary, "w", libver=LIBVER, track_order=True) as file:
            yield file
            file.flush()
    except (OSError, RuntimeError) as error:
        raise WorkspaceError(
            f"Could not write {out}: {error}. Nothing was made; free some space or check the permissions, and run "
            "the command again."
        ) from None


def _units(artifacts: Artifacts, analyzer: str) -> list[Unit]:
    over_series = artifacts.of_series(analyzer)
    return [over_series] if over_series is not None else list(artifacts.units(analyzer).values())


def _copy_unit(artifacts: Artifacts, analyzer: str, place: str, file: h5py.File) -> None:
    for attempt in range(ATTEMPTS):
        unit = next((unit for unit in _units(artifacts, analyzer) if unit.place == place), None)
        try:
            if unit is None:
                raise Vanished(f"The unit of {analyzer} at {place} was removed meanwhile, in {artifacts.folder}.")
            check_unit(unit, analyzer)
            with open_trusted(unit.path) as source:
                _copy_group(source[f"{place}/{analyzer}"], file)
            return
        except Vanished:
            if attempt == ATTEMPTS - 1:
                raise
        except ArtifactError as error:
            error.add_note("`dynascope artifacts repair` removes what is damaged.")
            raise


def _copy_group(group: h5py.Group, file: h5py.File) -> None:
    """Copy a group with its attributes, arrays and scales; chunks are copied as they are, with their checksums."""
    copy = file.create_group(group.name, track_order=True)
    for key, value in group.attrs.items():
        copy.attrs[key] = value
    for name, dataset in group.items():
        group.copy(dataset, copy, name, without_attrs=True)
        if dataset.is_scale:
            copy[name].make_scale(name)
        for key, value in dataset.attrs.items():
            if key not in OF_HDF5:
                copy[name].attrs[key] = value
    for name, dataset in group.items():
        if not dataset.is_scale:
            for number, axis in enumerate(dataset.dims):
                copy[name].dims[number].attach_scale(copy[Path(axis[0].name).name])
