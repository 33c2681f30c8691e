"""HDF5 files of artifacts: published whole, and trusted only as far as they were checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py

from dynascope.errors import ArtifactError
from dynascope.store.atomic import publish

__all__ = ["FORMAT", "LIBVER", "OtherFormat", "Vanished", "open_trusted", "publish_hdf5", "whole"]

FORMAT = 1
LIBVER = ("v110", "v110")
"""Bounds that HDF5 1.10 and newer, netCDF-C and h5netcdf can read."""
DEEPEST = 2
"""How deep groups lie: ``/<place>/<analyzer>``."""
MOST_TRUSTED = 100_000
_trusted: set[tuple[Path, int, int, int]] = set()
"""Files that were checked, as they were: each is checked once."""


class Vanished(ArtifactError):
    """A unit that was listed and is gone: another process has just replaced it. List again."""


class OtherFormat(ArtifactError):
    """A whole file in a format that this version does not read."""


@contextmanager
def publish_hdf5(path: Path, *, settled: bool = True) -> Iterator[h5py.File]:
    """Yield an HDF5 file in memory; on success, publish it (``settled`` as of ``publish``).

    Made in memory, it is written in one go, and a full disk is an error of ours instead of one inside HDF5.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False, libver=LIBVER, track_order=True) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with publish(path, settled=settled) as temporary:
        temporary.write_bytes(image)


def whole(dataset: h5py.Dataset, index: Any = ()) -> Any:
    """Read a dataset or a part of it.

    Raises:
        ArtifactError: its checksum does not fit.
    """
    try:
        return dataset[index]
    except OSError as error:
        raise ArtifactError(
            f"Artifact {dataset.file.filename} is damaged at {dataset.name}: {error}. "
            "Delete it and run `dynascope analyze`."
        ) from None


def open_trusted(path: Path) -> h5py.File:
    """Open an artifact for reading, without locks (published files never change).

    Raises:
        ArtifactError: the file is missing, damaged, from a newer format, or reaches outside itself (external
            storage, virtual datasets, soft or external links).
    """
    try:
        before = path.stat()
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise Vanished(f"There is no artifact {path}.") from None
    except OSError as error:
        with suppress(OSError):
            if path.stat().st_ino == before.st_ino:
                raise ArtifactError(
                    f"Artifact {path} is damaged: {error}. Delete it and run `dynascope analyze`."
                ) from None
        raise Vanished(f"Artifact {path} was replaced while it was opened.") from None
    try:
        state = os.fstat(file.id.get_vfd_handle())  # of what was opened: the name may be another file's by now
        known = (path, state.st_ino, state.st_size, state.st_mtime_ns)
        if known not in _trusted:
            _check(file, path)
            if len(_trusted) >= MOST_TRUSTED:
                _trusted.clear()
            _trusted.add(known)
    except BaseException:
        file.close()
        raise
    return file


def _check(file: h5py.File, path: Path) -> None:
    version = file.attrs.get("dynascope_format")
    if version != FORMAT:
        error = ArtifactError if version is None else OtherFormat
        raise error(f"Artifact {path} has format {version}; this version of Dynascope reads {FORMAT}.")
    _refuse_links(h5py.h5g.open(file.id, b"/"), path)


def _refuse_links(group: Any, path: Path, depth: int = 0) -> None:
    """Refuse what reaches outside of the file.

    Every file is looked at before it is read for the first time, so this is on the way of each new epoch: h5py's
    identifiers are asked, in a third of the time that its objects take.
    """
    for name in group:
        item = h5py.h5o.open(group, name) if group.links.get_info(name).type == h5py.h5l.TYPE_HARD else None
        if isinstance(item, h5py.h5g.GroupID) and depth < DEEPEST:
            _refuse_links(item, path, depth + 1)
        elif not isinstance(item, h5py.h5d.DatasetID) or _stores_elsewhere(item):
            raise ArtifactError(
                f"Artifact {path} is not trusted: {h5py.h5i.get_name(group).decode()}/{name.decode()} is a link, "
                "stores its data elsewhere, or is nothing that Dynascope writes."
            )


def _stores_elsewhere(dataset: Any) -> bool:
    created = dataset.get_create_plist()
    return bool(created.get_external_count() > 0 or created.get_layout() == h5py.h5d.VIRTUAL)
