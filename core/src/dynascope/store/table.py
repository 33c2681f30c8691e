"""Scalars per epoch as one table, of one variant or of hundreds, read from the stacked series files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.errors import InvalidSetting, UnknownName
from dynascope.store.artifacts import Artifacts
from dynascope.store.metrics import COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from dynascope.store.variant import Variant

__all__ = ["INDEX", "series_of", "table_of"]

log = logging.getLogger(__name__)

INDEX = ("family", "variant", "epoch")
METRICS = COLUMNS[1:]


@dataclass(frozen=True)
class _Columns:
    """What was asked for; None: the metrics, and every scalar."""

    metrics: tuple[str, ...]
    settings: tuple[str, ...]
    arrays: Mapping[str, tuple[str, ...] | None] | None

    def of(self, analyzer: str) -> tuple[str, ...] | None:
        """Return the arrays of an analyzer; None for all its scalars."""
        return None if self.arrays is None else self.arrays.get(analyzer)


def table_of(
    variants: Sequence[Variant], columns: Iterable[str] | None = None, probe: str | None = None
) -> pd.DataFrame:
    """Return a table of variants: a row for each checkpoint and each analysed epoch.

    Args:
        variants: any number, of any families.
        columns: ``"<plug-in>.<analyzer>/<array>"``, ``"<plug-in>.<analyzer>"`` for all its scalars, a column of the
            metrics, or a setting of the variants (``"p"``). An array with one axis gives a column per coordinate,
            ``"fourier.embedding_frequencies/power_share[frequency=3]"``. By default the metrics, and all scalars.
        probe: under which the arrays were made; the default probe of each family by default.

    Returns:
        A frame with the index ``family, variant, epoch``, ascending in ``epoch``; NaN where a variant has no value.
        ``frame.attrs["units"]`` maps columns to units.

    Raises:
        UnknownName: a column that no variant has.
        InvalidSetting: an array with several axes.
    """
    import pandas as pd

    asked = list(columns) if columns is not None else None
    wanted, reading = _parsed(asked, variants), _Reading(probe)
    order: dict[str, None] = {}
    units: dict[str, str] = {}
    parts = []
    for variant in variants:
        found: dict[str, pd.Series[Any]] = {}
        for array in reading.arrays(variant, wanted):
            for label, values in _flat(array):
                found[label] = pd.Series(values, index=array["epoch"].values)
                units[label] = str(array.attrs.get("units", "1"))
        epochs = sorted({*variant.checkpoints, *(int(epoch) for one in found.values() for epoch in one.index)})
        part = pd.DataFrame(index=pd.Index(epochs, name="epoch"))
        beside = {**_metrics(variant, epochs, wanted.metrics), **_settings(variant, wanted.settings)}
        part = part.assign(**beside, **{label: one.reindex(part.index) for label, one in found.items()})
        order.update(dict.fromkeys(part.columns))
        parts.append(
            part.set_index(
                pd.MultiIndex.from_product([[variant.family.name], [variant.name], epochs], names=list(INDEX))
            )
        )
    reading.finish(asked)
    if parts:
        frame = pd.concat([part.reindex(columns=list(order)) for part in parts] if _ragged(parts) else parts)
    else:
        index = pd.MultiIndex.from_arrays([[], [], np.array([], dtype=np.int64)], names=list(INDEX))
        frame = pd.DataFrame({name: [] for name in wanted.metrics}, index=index, dtype=np.float64)
    frame = frame[_ordered(list(order) or list(frame.columns), asked)]
    frame.attrs["units"] = {name: unit for name, unit in units.items() if name in frame.columns}
    return frame


def series_of(variant: Variant, columns: Iterable[str] | None = None, probe: str | None = None) -> xr.Dataset:
    """Return what ``table_of`` returns of one variant as an xarray dataset, where arrays keep their axis.

    Returns:
        A dataset with the dimension ``epoch`` and those of the arrays, each with its coordinates. A second axis of
        the same name and other coordinates is an error of xarray's.

    Raises:
        UnknownName, InvalidSetting: as ``table_of``.
    """
    import xarray as xr

    asked = list(columns) if columns is not None else None
    wanted, reading = _parsed(asked, [variant]), _Reading(probe)
    arrays = {f"{array.attrs['analyzer']}/{array.name}": array for array in reading.arrays(variant, wanted)}
    reading.finish(asked)
    epochs = sorted({*variant.checkpoints, *(int(one) for array in arrays.values() for one in array["epoch"].values)})
    metrics = {
        name: xr.DataArray(values, dims="epoch", coords={"epoch": epochs})
        for name, values in _metrics(variant, epochs, wanted.metrics).items()
    }
    data = xr.merge([*(array.rename(name) for name, array in arrays.items())], join="outer", compat="no_conflicts")
    data = data.reindex(epoch=epochs).assign(metrics)
    return data.assign_attrs(
        {"family": variant.family.name, "variant": variant.name, **_settings(variant, wanted.settings)}
    )


class _Reading:
    """Reads series, and remembers what was there, so that a name that nothing has is an error."""

    def __init__(self, probe: str | None) -> None:
        self.probe = probe
        self._known: set[str] = set()
        self._seen: dict[str, Artifacts] = {}
        self._from_units = 0

    def arrays(self, variant: Variant, wanted: _Columns) -> Iterator[xr.DataArray]:
        """Yield the arrays of a variant that were asked for, each with ``epoch`` as its first axis."""
        artifacts = variant.artifacts_of(self.probe)
        for analyzer in artifacts.analyzers():
            self._known.add(analyzer)
            self._seen[analyzer] = artifacts
            if wanted.arrays is not None and analyzer not in wanted.arrays:
                continue
            names = wanted.of(analyzer)
            stack, stacked = artifacts.stacks(analyzer, names)
            self._from_units += not stacked
            for name, array in stack.items():
                if names is not None and array.ndim > 2:
                    raise InvalidSetting(
                        f"{analyzer}/{name} has the axes {', '.join(map(str, array.dims[1:]))}; a table takes arrays "
                        f"with at most one. Read it with artifacts.series({analyzer + '/' + name!r})."
                    )
                self._known.add(f"{analyzer}/{name}")
                yield array.assign_attrs(analyzer=analyzer)

    def finish(self, asked: Sequence[str] | None) -> None:
        """Refuse columns that no variant has; say which series were missing."""
        if self._from_units:
            log.warning(
                "%d series were read from their units, which is slow; `dynascope artifacts repair` rebuilds them.",
                self._from_units,
            )
        for name in asked or ():
            if "." in name and name not in self._known:
                there = {f"{one}/{array}" for one, artifacts in self._seen.items() for array in artifacts.arrays(one)}
                raise UnknownName("column", name, {*self._known, *there, *METRICS})


def _parsed(asked: Sequence[str] | None, variants: Sequence[Variant]) -> _Columns:
    if asked is None:
        return _Columns(METRICS, (), None)
    settings = {name for variant in variants for name in variant.config.settings}
    metrics, chosen = [], []
    arrays: dict[str, tuple[str, ...] | None] = {}
    for name in asked:
        analyzer, slash, array = name.partition("/")
        if name in METRICS:
            metrics.append(name)
        elif name in settings:
            chosen.append(name)
        elif "." not in analyzer:
            raise UnknownName("column", name, {*METRICS, *settings, "<plug-in>.<analyzer>/<array>"})
        elif slash and arrays.get(analyzer, ()) is not None:
            arrays[analyzer] = (*(arrays.get(analyzer) or ()), array)
        else:
            arrays[analyzer] = None
    return _Columns(tuple(metrics), tuple(chosen), arrays)


def _flat(array: xr.DataArray) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the columns of a series: itself, or one for each coordinate of its axis."""
    name = f"{array.attrs['analyzer']}/{array.name}"
    if array.ndim == 1:
        yield name, array.values
        return
    axis = array.dims[1]
    for place, coordinate in enumerate(array[axis].values):
        yield f"{name}[{axis}={coordinate}]", array.values[:, place]


def _metrics(variant: Variant, epochs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    if not names:
        return {}
    rows = variant.metrics_file.at(epochs)
    return {name: rows[name] for name in names}


def _settings(variant: Variant, names: Sequence[str]) -> dict[str, Any]:
    return {name: variant.config.settings.get(name) for name in names}


def _ragged(parts: Sequence[pd.DataFrame]) -> bool:
    return any(not part.columns.equals(parts[0].columns) for part in parts)


def _ordered(found: list[str], asked: Sequence[str] | None) -> list[str]:
    """Return the columns as they were asked for."""
    if asked is None:
        return found
    ordered: dict[str, None] = {}
    for name in asked:
        ordered.update(dict.fromkeys(one for one in found if one == name or one.startswith((f"{name}/", f"{name}["))))
    return list(ordered)
