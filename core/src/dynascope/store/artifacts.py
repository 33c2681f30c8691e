"""Reading artifacts as labelled arrays: one tree, ``artifacts[epoch][analyzer][array]``, whatever lies underneath."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import h5py
import numpy as np

from dynascope.errors import ArtifactError, UnknownName
from dynascope.store.hdf5 import Vanished, open_trusted, whole
from dynascope.store.series import build_series, is_current, opened_series
from dynascope.store.stamps import SERIES, place_of
from dynascope.store.units import Unit, has_epochs, has_units, list_units, list_wholes, stamp_of, units_at

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Artifacts"]

P = ParamSpec("P")
T = TypeVar("T")
ATTEMPTS = 5
CACHE_BYTES = 96 * 1024 * 1024


def _followed(method: Callable[P, T]) -> Callable[P, T]:
    """Let what lists units and then opens them begin again where another process replaces one in between."""

    @wraps(method)
    def reading(*arguments: P.args, **options: P.kwargs) -> T:
        for _ in range(ATTEMPTS - 1):
            try:
                return method(*arguments, **options)
            except Vanished:
                continue
        return method(*arguments, **options)

    return reading


class Artifacts(Mapping[int, "EpochArtifacts"]):
    """The artifacts of one variant under one probe.

    ``artifacts["<plug-in>.<analyzer>/<array>"]`` is an array at every epoch, as labelled xarray, and
    ``artifacts[epoch][analyzer][array]`` one of a checkpoint.

    Args:
        folder: ``results/<family>/<variant>/artifacts/<probe>``.

    Files are opened for each read and closed again: a writer is never blocked, and a file that was replaced
    is seen at the next read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recent = _Recent(CACHE_BYTES)
        self._axes: dict[str, tuple[Any, dict[str, dict[str, int]]]] = {}

    def analyzers(self) -> list[str]:
        """Return the ids of the analyzers that have at least one unit, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(entry.name for entry in self.folder.iterdir() if has_units(entry))

    def units(self, analyzer: str) -> dict[int, Unit]:
        """Return the unit of each epoch, ascending; the newest where a stale one is about to be removed."""
        return {epoch: _newest(units) for epoch, units in list_units(self.folder / analyzer).items()}

    def of_series(self, analyzer: str) -> Unit | None:
        """Return the one unit of an analyzer over the series; None for one of checkpoints, and where there is none."""
        if has_epochs(self.folder / analyzer):
            return None
        units = list_wholes(self.folder / analyzer).get(SERIES)
        return _newest(units) if units else None

    def epochs(self, analyzer: str) -> list[int]:
        """Return the epochs at which an analyzer of checkpoints has been run, ascending."""
        return list(list_units(self.folder / analyzer))

    @_followed
    def arrays(self, analyzer: str) -> dict[str, dict[str, int]]:
        """Return the arrays of an analyzer with the length of each axis."""
        unit = self._any(analyzer)
        return {} if unit is None else self.arrays_of(unit, analyzer)

    def arrays_of(self, unit: Unit, analyzer: str) -> dict[str, dict[str, int]]:
        """Return the arrays of one unit with the length of each axis."""
        state = _state(unit)
        known, found = self._axes.get(analyzer, (None, {}))
        if known != (unit, state.st_ino, state.st_mtime_ns):
            with open_trusted(unit.path) as file:
                group = file[f"{unit.place}/{analyzer}"]
                found = {name: dict(zip(_dims(data), data.shape, strict=True)) for name, data in group.items()}
            self._axes[analyzer] = (unit, state.st_ino, state.st_mtime_ns), found
        return {name: dict(axes) for name, axes in found.items()}

    @_followed
    def coordinates(self, analyzer: str, axis: str) -> np.ndarray[Any, Any]:
        """Return the coordinates of an axis.

        Raises:
            ArtifactError: the analyzer was never run.
        """
        unit = self._any(analyzer)
        if unit is None:
            raise ArtifactError(f"{analyzer} has not been computed (in {self.folder}); run `dynascope analyze`.")
        with open_trusted(unit.path) as file:
            return np.asarray(_values(file[f"{unit.place}/{analyzer}/{axis}"]))

    @_followed
    def read(self, array: str, epoch: int | None = None, **at: int | str) -> xr.DataArray:
        """Return ``"<plug-in>.<analyzer>/<array>"`` at one epoch, at the given coordinates.

        Only what is asked for is read from the file. What is measured over the series is one array for all epochs.

        Raises:
            ArtifactError: it was not computed at this epoch.
            UnknownName: the analyzer has no such array or axis.
        """
        analyzer, name = _split(array)
        unit = self._unit(analyzer, epoch)
        if unit is None:
            when = "" if epoch is None else f" at epoch {epoch}"
            raise ArtifactError(
                f"{analyzer} has not been computed{when} (in {self.folder}); run `dynascope analyze`."
                if epoch is not None or not self.epochs(analyzer)
                else f"{analyzer} has a {name} at each of {len(self.epochs(analyzer))} epochs; say which, or read its "
                "series."
            )
        return self.read_unit(unit, analyzer, name, **at)

    def read_unit(self, unit: Unit, analyzer: str, name: str, **at: int | str) -> xr.DataArray:
        """Return an array of one unit.

        Raises:
            ArtifactError: the unit is damaged (``Vanished``: it is not there).
            UnknownName: the analyzer has no such array or axis.
        """
        # What was read once stays right as long as the file is the same one.
        state = _state(unit)
        key = (unit, state.st_ino, state.st_mtime_ns, name, tuple(at.items()))
        found = self._recent.get(key)
        if found is None:
            with open_trusted(unit.path) as file:
                found = _labelled(file[f"{unit.place}/{analyzer}"], name, analyzer, at)
            found.values.flags.writeable = False
            self._recent.put(key, found)
        return found

    def stack(self, units: Sequence[Unit], array: str) -> np.ndarray[Any, Any]:
        """Return an array of these very units, one after the other, from the stacked file if it holds them.

        Raises:
            ArtifactError: a unit is damaged (``Vanished``: it is not there).
            UnknownName: the analyzer has no such array.
        """
        analyzer, name = _split(array)
        with opened_series(self.folder / analyzer, units) as file:
            if file is not None and name in file and not file[name].is_scale:
                return np.asarray(_values(file[name]))
        return np.stack([self.read_unit(unit, analyzer, name).values for unit in units])

    @_followed
    def series(self, array: str, **at: int | str) -> xr.DataArray:
        """Return an array at every epoch, with ``epoch`` as its first axis.

        Raises:
            ArtifactError: it was never computed, or is one array for all epochs.
            UnknownName: the analyzer has no such array or axis.
        """
        import xarray as xr

        analyzer, name = _split(array)
        if (over_series := self.of_series(analyzer)) is not None:
            found = self.read_unit(over_series, analyzer, name, **at)
            if found.dims[:1] != ("epoch",):
                raise ArtifactError(f"{array} is one array for all epochs; it has the axes {found.dims}. Read it.")
            return found
        units = list(self.units(analyzer).values())
        if not units:
            raise ArtifactError(f"{analyzer} has not been computed (in {self.folder}); run `dynascope analyze`.")
        with opened_series(self.folder / analyzer, units) as file:
            if file is not None and name in file and not file[name].is_scale:
                return _labelled(file, name, analyzer, at)
        steps = [self.read(array, unit.epoch, **at) for unit in units]
        epochs = xr.Variable("epoch", [unit.epoch for unit in units])
        return xr.concat(steps, dim=epochs, coords="minimal", compat="override").rename(name)

    @_followed
    def stacks(self, analyzer: str, names: Sequence[str] | None = None) -> tuple[dict[str, xr.DataArray], bool]:
        """Return arrays of an analyzer at every epoch, with ``epoch`` as the first axis, from one opened file.

        Args:
            names: the arrays; those that the analyzer does not have are left out. By default all its scalars.

        Returns:
            The arrays, and whether there is a stacked file of these units; what it does not hold is read from them.
        """
        found: dict[str, xr.DataArray] = {}
        if (over_series := self.of_series(analyzer)) is not None:
            for name, axes in self.arrays(analyzer).items():
                wanted = list(axes) == ["epoch"] if names is None else name in names and list(axes)[:1] == ["epoch"]
                if name != "epoch" and wanted:
                    found[name] = self.read_unit(over_series, analyzer, name)
            return found, True
        units = list(self.units(analyzer).values())
        with opened_series(self.folder / analyzer, units) as file:
            for name, dataset in file.items() if file is not None else ():
                stacked = isinstance(dataset, h5py.Dataset) and not dataset.is_scale and name != "units"
                if stacked and (dataset.ndim == 1 if names is None else name in names):
                    found[name] = _labelled(file, name, analyzer, {})
            current = file is not None
        if not current or not set(names or ()) <= set(found):
            for name, axes in self.arrays(analyzer).items():
                if name not in found and (not axes if names is None else name in names):
                    found[name] = self.series(f"{analyzer}/{name}")
        return found, current

    @_followed
    def range(self, array: str) -> tuple[float, float]:
        """Return the smallest and largest value of an array over all epochs (``(0, 0)`` if it has no number).

        Raises:
            ArtifactError: it was never computed, or holds no numbers.
        """
        analyzer, name = _split(array)
        units = list(self.units(analyzer).values())
        with opened_series(self.folder / analyzer, units) as file:
            if file is not None and name in file["ranges"]:
                low, high = file["ranges"][name][()]
                return float(low), float(high)
        pairs = []
        for unit in units or filter(None, [self.of_series(analyzer)]):
            with open_trusted(unit.path) as file:
                pairs.append(file[f"{unit.place}/{analyzer}/{name}"].attrs["actual_range"])
        if not pairs:
            raise ArtifactError(f"{analyzer} has not been computed (in {self.folder}); run `dynascope analyze`.")
        low, high = np.array(pairs, dtype=np.float64).T
        return float(low.min()), float(high.max())

    @_followed
    def refresh_series(self, analyzer: str) -> None:
        """Rebuild the stacked file of an analyzer if it does not hold exactly the units that are there."""
        units = list(self.units(analyzer).values())
        if units and not is_current(self.folder / analyzer, units):
            build_series(self.folder / analyzer, units)

    @_followed
    def stamp(self, analyzer: str, epoch: int | None = None) -> dict[str, Any]:
        """Return what is stamped on a unit: versions, hashes, parameters, time of creation."""
        unit = self._unit(analyzer, epoch)
        if unit is None:
            raise ArtifactError(f"{analyzer} has no unit of epoch {epoch} (in {self.folder}).")
        return stamp_of(unit)

    def _unit(self, analyzer: str, epoch: int | None) -> Unit | None:
        """Return the unit of an epoch, or else that over the series."""
        units = [] if epoch is None else units_at(self.folder / analyzer, place_of(epoch))
        return _newest(units) if units else self.of_series(analyzer)

    def _any(self, analyzer: str) -> Unit | None:
        """Return some unit: all of an analyzer have the same arrays."""
        return next(iter(self.units(analyzer).values()), None) or self.of_series(analyzer)

    # The tree: artifacts[epoch][analyzer][array], or artifacts["<plug-in>.<analyzer>/<array>"].

    @overload
    def __getitem__(self, key: int) -> EpochArtifacts: ...
    @overload
    def __getitem__(self, key: str) -> xr.DataArray: ...
    def __getitem__(self, key: int | str) -> EpochArtifacts | xr.DataArray:
        if isinstance(key, str):
            measured = key.partition("/")[0]
            return self.series(key) if self.epochs(measured) else self.read(key)
        if key not in self._all_epochs():
            raise KeyError(key)
        return EpochArtifacts(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._all_epochs()

    def _ipython_key_completions_(self) -> list[int | str]:
        arrays = (f"{analyzer}/{name}" for analyzer in self.analyzers() for name in self.arrays(analyzer))
        return [*self._all_epochs(), *arrays]

    def _repr_html_(self) -> str:
        from dynascope.notebook.tables import artifacts_table

        return artifacts_table(self)

    def __iter__(self) -> Iterator[int]:
        return iter(self._all_epochs())

    def __len__(self) -> int:
        return len(self._all_epochs())

    def __repr__(self) -> str:
        return f"<artifacts of {len(self)} checkpoints by {', '.join(self.analyzers()) or 'no analyzer'}>"

    def _all_epochs(self) -> list[int]:
        return sorted({epoch for analyzer in self.analyzers() for epoch in self.epochs(analyzer)})


class _Recent:
    """The arrays read last, up to a number of bytes in all, for any number of threads."""

    def __init__(self, budget: int) -> None:
        self._budget, self._bytes = budget, 0
        self._arrays: OrderedDict[Any, xr.DataArray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Any) -> xr.DataArray | None:
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
            return array

    def put(self, key: Any, array: xr.DataArray) -> None:
        if array.nbytes > self._budget // 8:
            return
        with self._lock:
            if (before := self._arrays.pop(key, None)) is not None:
                self._bytes -= before.nbytes
            self._arrays[key] = array
            self._bytes += array.nbytes
            while self._bytes > self._budget:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes


class EpochArtifacts(Mapping[str, "Mapping[str, xr.DataArray]"]):
    """The artifacts of one checkpoint, by analyzer."""

    def __init__(self, artifacts: Artifacts, epoch: int) -> None:
        self._artifacts, self._epoch = artifacts, epoch

    def __getitem__(self, analyzer: str) -> Mapping[str, xr.DataArray]:
        if analyzer not in self:
            raise KeyError(analyzer)
        return {
            name: self._artifacts.read(f"{analyzer}/{name}", self._epoch) for name in self._artifacts.arrays(analyzer)
        }

    def __contains__(self, analyzer: object) -> bool:
        return analyzer in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(name for name in self._artifacts.analyzers() if self._epoch in self._artifacts.epochs(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<artifacts at epoch {self._epoch} by {', '.join(self)}>"


def _newest(units: Sequence[Unit]) -> Unit:
    return max(units, key=lambda unit: _state(unit).st_mtime_ns) if len(units) > 1 else units[0]


def _state(unit: Unit) -> os.stat_result:
    try:
        return unit.path.stat()
    except FileNotFoundError:
        raise Vanished(f"There is no artifact {unit.path}.") from None


def _split(array: str) -> tuple[str, str]:
    analyzer, slash, name = array.partition("/")
    if not slash:
        raise UnknownName("array", array, ["<plug-in>.<analyzer>/<array>"])
    return analyzer, name


def _dims(dataset: h5py.Dataset) -> tuple[str, ...]:
    if dataset.is_scale:
        return (dataset.name.rpartition("/")[2],)
    return tuple(axis[0].name.rpartition("/")[2] for axis in dataset.dims)


def _labelled(group: h5py.Group, name: str, analyzer: str, at: Mapping[str, int | str]) -> xr.DataArray:
    """Read one array, or the part of it at the given coordinates, with its labels."""
    import xarray as xr

    if name not in group:
        raise UnknownName(f"array of {analyzer}", name, [key for key in group if key not in ("units", "ranges")])
    dataset = group[name]
    dims = _dims(dataset)
    for dim in at:
        if dim not in dims:
            raise UnknownName(f"axis of {analyzer}/{name}", dim, dims)
    index: list[Any] = []
    coordinates: dict[str, Any] = {}
    for dim in dims:
        values = _values(group[dim])
        if dim in at:
            places = np.flatnonzero(values == at[dim])
            if not len(places):
                raise ArtifactError(f"{analyzer}/{name} has no {dim} {at[dim]!r}; it has {values[0]} to {values[-1]}.")
            index.append(int(places[0]))
            coordinates[dim] = values[places[0]]
        else:
            index.append(slice(None))
            coordinates[dim] = (dim, values)
    values = _values(dataset, tuple(index))
    kept = [dim for dim in dims if dim not in at]
    attributes = {key: dataset.attrs[key] for key in ("units", "long_name") if key in dataset.attrs}
    return xr.DataArray(values, dims=kept, coords=coordinates, name=name, attrs=attributes)


def _values(dataset: h5py.Dataset, index: tuple[Any, ...] = ()) -> Any:
    if h5py.check_string_dtype(dataset.dtype):
        return dataset.asstr()[index]
    values = whole(dataset, index)
    if "scale_factor" in dataset.attrs:
        values = values * dataset.attrs["scale_factor"] + dataset.attrs["add_offset"]
    return values
