"""The stacked file beside an analyzer's units: series over epochs, and ranges for fixed axes and colours.

It is disposable: it is rebuilt from the units whenever it does not list exactly those that are there. A
series of 400 small arrays takes a third of a millisecond from it, and a tenth of a second from the units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dynascope.errors import ArtifactError
from dynascope.store.hdf5 import FORMAT, open_trusted, publish_hdf5, whole
from dynascope.store.units import Unit

__all__ = ["SERIES_FILE", "build_series", "is_current", "opened_series"]

SERIES_FILE = "series.h5"
LARGEST = 65_536
"""Arrays with more elements per checkpoint than this are not stacked; only their ranges are kept."""


def is_current(folder: Path, units: Sequence[Unit]) -> bool:
    """Tell whether the stacked file holds exactly these units."""
    with opened_series(folder, units) as file:
        return file is not None


@contextmanager
def opened_series(folder: Path, units: Sequence[Unit]) -> Iterator[h5py.File | None]:
    """Open the stacked file if it holds exactly these units; None if there is none, or it is of no use."""
    try:
        file = open_trusted(folder / SERIES_FILE)
    except ArtifactError:
        yield None
        return
    with file:
        try:
            current = [name.decode() for name in file["units"][()]] == [unit.file_name for unit in units]
        except (KeyError, OSError):
            current = False
        yield file if current else None


def build_series(folder: Path, units: Sequence[Unit]) -> None:
    """Publish the stacked file of an analyzer from its units, one per epoch, ascending.

    Raises:
        ArtifactError: a unit is damaged, or units of one analyzer have different shapes.
    """
    stacks: dict[str, list[Any]] = {}
    ranges: dict[str, list[Any]] = {}
    dims: dict[str, tuple[str, ...]] = {}
    attributes: dict[str, dict[str, str]] = {}
    ranged: set[str] = set()
    with publish_hdf5(folder / SERIES_FILE) as out:
        for position, unit in enumerate(units):
            with open_trusted(unit.path) as file:
                (group,) = file[unit.place].values()
                if position == 0:
                    dims = _copy_axes(group, out)
                    axes = {name: out[name][()] for name in out}
                    for name in dims:
                        dataset = group[name]
                        if dataset.size <= LARGEST and "scale_factor" not in dataset.attrs:
                            stacks[name] = []
                            attributes[name] = {key: dataset.attrs[key] for key in ("units", "long_name")}
                        if "actual_range" in dataset.attrs:
                            ranged.add(name)
                for name, values in axes.items():
                    if not np.array_equal(_values(group, name), values):
                        raise ArtifactError(
                            f"{unit.path}: the axis {name!r} has other coordinates than at the first epoch, so that "
                            "there is no series. An axis must mean the same at every epoch."
                        )
                for name in ranged:
                    ranges.setdefault(name, []).append(_range(group, name))
                for name, stack in stacks.items():
                    stack.append(_values(group, name))
                    if stack[-1].shape != stack[0].shape:
                        raise ArtifactError(
                            f"{unit.path}: array {name!r} has shape {stack[-1].shape}; at the first epoch it has "
                            f"{stack[0].shape}. Run `dynascope analyze --force` for this analyzer."
                        )
        _write_stacks(out, units, stacks, attributes, dims)
        bounds = out.create_group("ranges")
        for name, pairs in ranges.items():
            low, high = np.array(pairs).T
            bounds.create_dataset(name, data=np.array([np.nanmin(low), np.nanmax(high)], dtype=np.float64))
        out.attrs["dynascope_format"] = FORMAT
        out.create_dataset("units", data=[unit.file_name for unit in units], dtype=h5py.string_dtype())


def _values(group: h5py.Group, name: str) -> np.ndarray[Any, Any]:
    """Read an array of a unit: a hundred thousand are read in a row, in a third of the time h5py's objects take.

    Raises:
        ArtifactError: it is damaged.
    """
    dataset = h5py.h5d.open(group.id, name.encode())
    if dataset.dtype.kind == "O":
        return np.asarray(whole(group[name]))
    values = np.empty(dataset.shape, dataset.dtype)
    try:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    except OSError:
        whole(group[name])  # says which, and what to do
        raise
    return values


def _range(group: h5py.Group, name: str) -> np.ndarray[Any, Any]:
    """Return the smallest and largest value of an array of a unit; NaN where it has no number."""
    dataset = h5py.h5d.open(group.id, name.encode())
    if not h5py.h5a.exists(dataset, b"actual_range"):
        return np.full(2, np.nan)
    attribute = h5py.h5a.open(dataset, b"actual_range")
    ends = np.empty(2, attribute.dtype)
    attribute.read(ends)
    return ends


def _copy_axes(group: h5py.Group, out: h5py.File) -> dict[str, tuple[str, ...]]:
    """Copy the coordinates of a unit, and return the dims of its other arrays."""
    dims = {}
    for name, dataset in group.items():
        if dataset.is_scale:
            copy = out.create_dataset(name, data=dataset[()], dtype=dataset.dtype)
            copy.make_scale(name)
            copy.attrs["units"], copy.attrs["long_name"] = dataset.attrs["units"], dataset.attrs["long_name"]
            if len(dataset) == 0:
                raise ArtifactError(f"{group.file.filename}: axis {name!r} is empty.")
        else:
            dims[name] = tuple(Path(axis[0].name).name for axis in dataset.dims)
    return dims


def _write_stacks(
    out: h5py.File,
    units: Sequence[Unit],
    stacks: dict[str, list[Any]],
    attributes: dict[str, dict[str, str]],
    dims: dict[str, tuple[str, ...]],
) -> None:
    epoch = out.create_dataset("epoch", data=np.array([unit.epoch for unit in units], dtype=np.int64))
    epoch.make_scale("epoch")
    for name, stack in stacks.items():
        if np.asarray(stack[0]).dtype.kind in "OS":
            dataset = out.create_dataset(name, data=np.array(stack, dtype=object), dtype=h5py.string_dtype())
        else:
            dataset = out.create_dataset(name, data=np.stack(stack), fletcher32=True, chunks=True)
        for axis, dim in enumerate(("epoch", *dims[name])):
            dataset.dims[axis].attach_scale(out[dim])
        dataset.attrs.update(attributes[name])
