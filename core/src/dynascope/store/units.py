"""One unit of analysis on disk: an immutable HDF5 file with one analyzer's arrays.

They are of one checkpoint, of the series of checkpoints, or of several variants: that is the unit's place. The file's
name carries the place and a digest of its stamp, so that a listing of the folder tells what is there, what is fresh
and what is stale, without opening a file.
"""

from __future__ import annotations

import datetime
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from dynascope.contract.analyzer import Output
from dynascope.digest import digest_of
from dynascope.errors import ArtifactError
from dynascope.store.hdf5 import FORMAT, open_trusted, publish_hdf5
from dynascope.store.stamps import SERIES, Stamp

__all__ = [
    "Unit",
    "all_units",
    "changed_since",
    "has_epochs",
    "has_units",
    "list_units",
    "list_wholes",
    "stamp_of",
    "unchecked_digest",
    "units_at",
    "write_unit",
]

Array = np.ndarray[Any, Any]

FILE_NAME = re.compile(r"(\d{8})-([0-9a-f]{16})\.h5")
WHOLE_NAME = re.compile(r"(series|variants-[0-9a-f]{8})-([0-9a-f]{16})\.h5")
"""Of a unit of several checkpoints, or of several variants."""
PACKED_AT_ONCE = 32_768
TEXT = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
PYTHON_TEXT = h5py.h5t.py_create(h5py.string_dtype())
SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)
CORE_AXES = {"epoch": "number of optimizer updates", "variant": "name of the variant"}


class Unit(NamedTuple):
    """A unit as the listing of its folder shows it."""

    place: str
    digest: str
    folder: Path

    @property
    def epoch(self) -> int:
        """Of which checkpoint it is."""
        return int(self.place)

    @property
    def path(self) -> Path:
        """Its file. Made when it is asked for: a plan lists a hundred thousand units, and opens few."""
        return self.folder / self.file_name

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.place}-{self.digest}.h5"


class _Listing(NamedTuple):
    """What an analyzer's folder held when it was in a state."""

    state: tuple[int, int] | None
    by_epoch: dict[int, list[Unit]]
    wholes: dict[str, list[Unit]]


SETTLED_NS = 2_000_000_000
"""A folder's time of change moves in steps: one that changed less than this ago may change again unseen."""
MOST_REMEMBERED = 200_000
_listings: dict[Path, _Listing] = {}
"""Folders as they were listed last: a tick of the epoch reads ten arrays of folders with ten thousand names."""


def list_units(folder: Path) -> dict[int, list[Unit]]:
    """Return the units of checkpoints in an analyzer's folder by epoch, ascending.

    An epoch has one unit, except between the publication of a new one and the removal of the stale one.
    """
    return dict(_listing(folder).by_epoch)


def list_wholes(folder: Path) -> dict[str, list[Unit]]:
    """Return the units over the series, or over variants, in an analyzer's folder by place."""
    return dict(_listing(folder).wholes)


def units_at(folder: Path, place: str) -> list[Unit]:
    """Return the units in an analyzer's folder at one place: without a look at the other thousand."""
    if (known := _remembered(folder, _state(folder))) is not None:
        return list(known.by_epoch.get(int(place), []) if place.isdigit() else known.wholes.get(place, []))
    try:
        names = [name for name in os.listdir(folder) if name.startswith(f"{place}-")]  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    matches = (FILE_NAME.fullmatch(name) or WHOLE_NAME.fullmatch(name) for name in names)
    return [Unit(match[1], match[2], folder) for match in matches if match]


def has_epochs(folder: Path) -> bool:
    """Tell whether an analyzer's folder holds a unit of a checkpoint."""
    return bool(_listing(folder).by_epoch)


def _listing(folder: Path) -> _Listing:
    """List a folder, or remember what was listed as long as nothing has been put into it or taken from it."""
    state = _state(folder)  # before the names: what comes in between is seen at the next look
    if (known := _remembered(folder, state)) is not None:
        return known
    by_epoch: dict[int, list[Unit]] = {}
    wholes: dict[str, list[Unit]] = {}
    for name in _names(folder):
        if match := FILE_NAME.fullmatch(name):
            by_epoch.setdefault(int(match[1]), []).append(Unit(match[1], match[2], folder))
        elif match := WHOLE_NAME.fullmatch(name):
            wholes.setdefault(match[1], []).append(Unit(match[1], match[2], folder))
    found = _Listing(state, by_epoch, wholes)
    if state is not None and time.time_ns() - state[-1] > SETTLED_NS:
        if sum(len(one.by_epoch) for one in _listings.values()) + len(by_epoch) > MOST_REMEMBERED:
            _listings.clear()
        _listings[folder] = found
    return found


def _remembered(folder: Path, state: tuple[int, int] | None) -> _Listing | None:
    known = _listings.get(folder)
    return known if known is not None and known.state == state else None


def _state(folder: Path) -> tuple[int, int] | None:
    """Return which folder this is and when it last changed, in ns; None where there is none."""
    try:
        found = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted: names alone, as this is on the way of every read."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []


def all_units(folder: Path) -> list[Unit]:
    """Return all units in an analyzer's folder, by place."""
    return [unit for group in (*list_units(folder).values(), *list_wholes(folder).values()) for unit in group]


def stamp_of(unit: Unit) -> dict[str, Any]:
    """Return what is stamped on a unit: versions, hashes, parameters, time of creation.

    Raises:
        ArtifactError: the unit is damaged, or not one.
    """
    with open_trusted(unit.path) as file:
        try:
            (group,) = file[unit.place].values()
        except (KeyError, ValueError):
            raise ArtifactError(
                f"Artifact {unit.path} holds no unit of {unit.place}. Delete it and run `dynascope analyze`."
            ) from None
        return dict(group.attrs)


def changed_since(unit: Unit, wanted: Stamp) -> list[str]:
    """Return in words how a unit's stamp differs from the one it should have: ``analyzer_version 1, now 2``.

    Raises:
        ArtifactError: the unit is damaged, or not one.
    """
    stored = stamp_of(unit)
    changes = []
    for name, now in wanted._asdict().items():
        before = stored.get(name)
        before = before.item() if isinstance(before, np.generic) else before
        if before != now and name != "place":
            changes.append(name if name.endswith("_sha256") else f"{name} {before}, now {now}")
    return changes


def has_units(folder: Path) -> bool:
    """Tell whether an analyzer's folder holds a unit."""
    listing = _listing(folder)
    return bool(listing.by_epoch or listing.wholes)


def write_unit(
    folder: Path,
    stamp: Stamp,
    outputs: Mapping[str, Output],
    arrays: Mapping[str, Array],
    coordinates: Mapping[str, Array] | None = None,
    *,
    settled: bool = True,
) -> Path:
    """Check an analyzer's arrays against its declaration, publish them, and remove the units they replace.

    Args:
        coordinates: of axes that are the core's: the probe's, ``epoch``, ``variant``.
        settled: as of ``publish``.

    Returns:
        The published file.

    Raises:
        ArtifactError: an array that is missing, undeclared, or of other dimensions or type than declared.
        WorkspaceError: the disk is full or cannot be written to.
    """
    arrays = _checked(outputs, arrays)
    given = coordinates or {}
    sizes = _axis_sizes(outputs, arrays, given)
    path = Unit(stamp.place, stamp.digest, folder).path
    # Listed before: a unit that another process publishes meanwhile is not ours to remove.
    replaced = [unit.path for unit in units_at(folder, stamp.place) if unit.path != path]
    if stamp.place == SERIES:  # an analyzer that measured checkpoints before: they would be read in its place
        replaced += [unit.path for units in list_units(folder).values() for unit in units]
    with publish_hdf5(path, settled=settled) as file:
        _describe(file, {"Conventions": "CF-1.11", "dynascope_format": FORMAT})
        group = file.create_group(f"{stamp.place}/{stamp.analyzer}", track_order=True)
        _describe(group, stamp._asdict())
        if stamp.place.isdigit():
            _describe(group, {"epoch": int(stamp.place)})
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        scales: dict[str, h5py.Dataset] = {}
        unchecked: dict[str, Any] = {}
        for dim, size in sizes.items():
            scales[dim], unchecked[dim] = _write_axis(group, dim, size, outputs, arrays, given)
        for name, output in outputs.items():
            if name not in sizes:
                unchecked[name] = _write_array(group, name, output, arrays[name], scales)
        _describe(group, {"created": created, "unchecked_sha256": digest_of(unchecked)})
    for old in replaced:
        old.unlink(missing_ok=True)
    return path


def unchecked_digest(group: h5py.Group) -> str:
    """Return the SHA-256 of what HDF5 puts no checksum on, text, scalars and scales, for ``unchecked_sha256``."""
    contents: dict[str, dict[str, Any]] = {}
    for name, dataset in group.items():
        contents[name] = {key: dataset.attrs[key] for key in ("units", "long_name")}
        if not dataset.fletcher32:
            text = h5py.check_string_dtype(dataset.dtype)
            contents[name]["values"] = _plain(np.asarray(dataset.asstr()[()] if text else dataset[()]))
    return digest_of(contents)


def _checked(outputs: Mapping[str, Output], arrays: Mapping[str, Array]) -> dict[str, Array]:
    if not isinstance(arrays, Mapping):
        raise ArtifactError(f"returned {type(arrays).__name__}; it must return a mapping from its outputs to arrays.")
    if set(arrays) != set(outputs):
        raise ArtifactError(
            f"returned the arrays {sorted(arrays)}; it declares {sorted(outputs)}. Return each declared output once."
        )
    checked = {}
    for name, output in outputs.items():
        try:
            array = np.asarray(arrays[name])
        except ValueError as error:
            raise ArtifactError(f"output {name!r} is no array: {error}") from None
        if array.ndim != len(output.dims):
            raise ArtifactError(
                f"output {name!r} is declared as ({', '.join(output.dims)}); the array has shape {array.shape}."
            )
        if output.dtype == "str":
            checked[name] = array.astype(str)
            continue
        wanted = np.dtype(output.dtype)
        widening = array.dtype.kind == "b" or np.can_cast(array.dtype, wanted, "same_kind")
        if not widening:
            raise ArtifactError(f"output {name!r} is declared as {wanted}; the array is {array.dtype}.")
        with np.errstate(over="ignore"):
            checked[name] = np.asarray(array, dtype=wanted, order="C")
        if wanted.itemsize < array.dtype.itemsize and _overflows(array, checked[name]):
            raise ArtifactError(f"output {name!r} is declared as {wanted}; it holds numbers that are too large for it.")
    return checked


def _overflows(array: Array, narrower: Array) -> bool:
    if array.dtype.kind == "f":
        return bool(np.isinf(narrower).any()) and not np.array_equal(np.isinf(narrower), np.isinf(array))
    return not np.array_equal(narrower, array)


def _axis_sizes(
    outputs: Mapping[str, Output], arrays: Mapping[str, Array], given: Mapping[str, Array]
) -> dict[str, int]:
    used = {dim for output in outputs.values() for dim in output.dims}
    sizes = {dim: len(values) for dim, values in given.items() if dim in used}
    for name, output in outputs.items():
        for dim, size in zip(output.dims, arrays[name].shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ArtifactError(f"axis {dim!r} has length {sizes[dim]} and, in output {name!r}, length {size}.")
    return sizes


def _write_axis(
    group: h5py.Group,
    dim: str,
    size: int,
    outputs: Mapping[str, Output],
    arrays: Mapping[str, Array],
    given: Mapping[str, Array],
) -> tuple[h5py.Dataset, dict[str, Any]]:
    """Write the coordinates of an axis: those given, the output of its name, or whole numbers from the index base.

    Returns:
        The dimension scale, and what of it has no checksum, as in ``unchecked_digest``.
    """
    own = outputs.get(dim)
    if dim in given:
        values, units, description = np.asarray(given[dim]), "1", CORE_AXES.get(dim, f"{dim} of the probe")
    elif own is not None and own.dims == (dim,):
        values, units, description = arrays[dim], own.units, own.description
    else:
        base = max((output.index_base.get(dim, 0) for output in outputs.values()), default=0)
        values, units, description = np.arange(base, base + size, dtype=np.int64), "1", f"{dim}, from {base}"
    if values.dtype.kind == "U":
        scale = group.create_dataset(dim, data=values.astype(object), dtype=h5py.string_dtype())
    else:
        scale = group.create_dataset(dim, data=values)
    scale.make_scale(dim)
    _describe(scale, {"units": units, "long_name": description})
    return scale, {"units": units, "long_name": description, "values": _plain(values)}


def _write_array(
    group: h5py.Group, name: str, output: Output, array: Array, scales: Mapping[str, h5py.Dataset]
) -> dict[str, Any]:
    """Write an output that is no axis; return what of it has no checksum."""
    attributes: dict[str, Any] = {"units": output.units, "long_name": output.description}
    if array.size and array.dtype.kind in "iuf":
        attributes["actual_range"] = _range(array)
    stored = array
    if output.packed is not None:
        stored, packing = _packed(name, array, np.dtype(output.packed))
        attributes.update(packing)
    if array.dtype.kind == "U":
        dataset = group.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
    elif array.ndim == 0 or array.size == 0:
        dataset = group.create_dataset(name, data=stored)
    else:
        chunks = tuple(1 if dim in output.chunk else size for dim, size in zip(output.dims, array.shape, strict=True))
        dataset = group.create_dataset(name, data=stored, chunks=chunks, fletcher32=True)
    for axis, dim in enumerate(output.dims):
        h5py.h5ds.attach_scale(dataset.id, scales[dim].id, axis)
    _describe(dataset, attributes)
    unchecked = {} if dataset.fletcher32 else {"values": _plain(stored)}
    return {"units": output.units, "long_name": output.description, **unchecked}


def _describe(owner: h5py.HLObject, attributes: Mapping[str, Any]) -> None:
    """Set attributes that are not there yet: without care for an older one, in half of the time ``attrs`` takes.

    A checkpoint has some six hundred of them.
    """
    for name, value in attributes.items():
        if isinstance(value, str):
            attribute = h5py.h5a.create(owner.id, name.encode(), TEXT, SCALAR)
            attribute.write(np.array(value, dtype=h5py.string_dtype()), mtype=PYTHON_TEXT)
        else:
            array = np.asarray(value)
            space = h5py.h5s.create_simple(array.shape) if array.ndim else SCALAR
            h5py.h5a.create(owner.id, name.encode(), h5py.h5t.py_create(array.dtype, logical=True), space).write(array)


def _plain(values: Array) -> Any:
    """Return an array as ``digest_of`` takes it: text as (a list of) str."""
    return values.tolist() if values.dtype.kind in "UO" else values


def _range(array: Array) -> Array:
    """Return the smallest and largest number of an array, NaN left out; (0, 0) if there is none."""
    ends = np.array([array.min(), array.max()])
    if array.dtype.kind == "f" and np.isnan(ends).any():
        numbers = array[~np.isnan(array)]
        ends = np.array([numbers.min(), numbers.max()] if numbers.size else [0, 0])
    return ends


def _packed(name: str, array: Array, dtype: np.dtype[Any]) -> tuple[Array, dict[str, Any]]:
    """Pack floats into integers (CF ``scale_factor``, ``add_offset``), and check the error bound.

    Block after block, so that each stays in the processor's cache.

    Raises:
        ArtifactError: the array holds values that are not finite, or the error exceeds half a step.
    """
    top = np.iinfo(dtype).max
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not np.isfinite([low, high]).all():
        raise ArtifactError(f"output {name!r} is packed as {dtype}, and so must be finite; it holds NaN or infinity.")
    kind = array.dtype.type
    scale, offset = kind((high - low) / (2 * top) or 1.0), kind((high + low) / 2)
    flat = array.reshape(-1)
    stored = np.empty(len(flat), dtype)
    error = 0.0
    for first in range(0, len(flat), PACKED_AT_ONCE):
        part = flat[first : first + PACKED_AT_ONCE]
        packed = np.rint((part - offset) / scale)
        stored[first : first + len(part)] = packed
        error = max(error, float(np.abs(packed * scale + offset - part).max()))
    bound = float(scale) * 0.51 + 1e-6 * max(abs(low), abs(high))
    if error > bound:
        raise ArtifactError(f"output {name!r} lost {error:.3g} when packed as {dtype}; at most {bound:.3g} is allowed.")
    return stored.reshape(array.shape), {"scale_factor": scale, "add_offset": offset, "packing_error": error}
