"""What was measured at each epoch of many variants as an xarray dataset, in which arrays keep their axes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.errors import InvalidSetting
from dynascope.store.columns import Reading, metrics_of, parsed, settings_of

if TYPE_CHECKING:
    import xarray as xr

    from dynascope.contract.chosen_probe import ChosenProbe
    from dynascope.store.variant import Variant

__all__ = ["dataset_of", "series_of"]

Array = np.ndarray[Any, Any]
Parts = dict[int, "xr.DataArray"]
"""An array by the places of the variants that have it."""


def dataset_of(
    variants: Iterable[Variant], columns: Iterable[str] | None = None, probe: str | ChosenProbe | None = None
) -> xr.Dataset:
    """Return series of variants on common axes: all epochs, and all coordinates, that any of them has.

    Args:
        variants: any number, of any families; one that is given twice counts once.
        columns: as in ``table_of``, with arrays of any number of axes.
        probe: as in ``table_of``.

    Returns:
        A dataset with the dimensions ``variant`` and ``epoch`` and those of the arrays; NaN where a variant has no
        value, and whole numbers as floating-point numbers there. Beside the names of the variants stand their
        families and the settings that were asked for. Metrics are there at every epoch that was trained and measured.

    Raises:
        UnknownName: a column that no variant has.
        InvalidSetting: an array that is too large at each epoch, what does not fit into memory, axes or settings
            that cannot stand in one dataset.
    """
    import xarray as xr

    chosen = list({variant.folder: variant for variant in variants}.values())
    asked = list(columns) if columns is not None else None
    wanted, reading = parsed(asked, chosen), Reading(probe)
    found: dict[str, Parts] = {}
    read = 0
    for place, variant in enumerate(chosen):
        for array in reading.arrays(variant, wanted):
            found.setdefault(f"{array.attrs['analyzer']}/{array.name}", {})[place] = array
            read += array.nbytes
        _refuse_beyond_memory(read)
    reading.finish(asked)
    trained = {epoch for variant in chosen for epoch in variant.checkpoints}
    axes = _axes(found, trained)
    data: dict[str, Any] = _metrics(chosen, axes["epoch"], wanted.metrics)
    for name in list(found):
        parts = found.pop(name)
        dims, attributes = _common(name, parts)
        data[name] = (("variant", *dims), _filled(parts, [axes[dim] for dim in dims], len(chosen)), attributes)
    settings = {name: [settings_of(variant, [name])[name] for variant in chosen] for name in wanted.settings}
    for name in settings:
        if name in ("variant", "family", *axes):
            raise InvalidSetting(f"Setting {name!r} has the name of an axis. Leave one of them out.")
    beside = {
        "variant": np.array(_labels(chosen), dtype=object),
        "family": ("variant", np.array([variant.family.name for variant in chosen], dtype=object)),
        **{name: ("variant", _setting(values)) for name, values in settings.items()},
    }
    return xr.Dataset(data, coords={**beside, **axes})


def series_of(
    variant: Variant, columns: Iterable[str] | None = None, probe: str | ChosenProbe | None = None
) -> xr.Dataset:
    """Return the same of one variant, without the dimension ``variant``.

    Returns:
        A dataset with the dimension ``epoch`` and those of the arrays. Its attributes name family and variant, and
        hold the settings that were asked for.

    Raises:
        UnknownName, InvalidSetting: as ``dataset_of``.
    """
    asked = list(columns) if columns is not None else None
    names = {"family": variant.family.name, "variant": variant.name}
    settings = settings_of(variant, parsed(asked, [variant]).settings)
    return dataset_of([variant], asked, probe).isel(variant=0, drop=True).assign_attrs({**names, **settings})


def _labels(variants: Sequence[Variant]) -> list[str]:
    """Return names as ``Workspace.variant`` takes them: with the family where two families have the name."""
    times = Counter(variant.name for variant in variants)
    return [one.name if times[one.name] == 1 else f"{one.family.name}/{one.name}" for one in variants]


def _metrics(variants: Sequence[Variant], epochs: Array, names: Sequence[str]) -> dict[str, Any]:
    rows = [metrics_of(variant, epochs.tolist(), names) for variant in variants]
    shape = (len(variants), len(epochs))
    return {
        name: (("variant", "epoch"), np.array([row[name] for row in rows], dtype=np.float64).reshape(shape))
        for name in names
    }


def _setting(values: Sequence[Any]) -> Array:
    """Return a column of numbers, NaN where there is none, or of whatever the values are."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float, type(None)} and kinds != {type(None)}:
        return np.array([np.nan if value is None else value for value in values])
    column = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):  # not at once: lists must not become further axes
        column[place] = value
    return column


# Common axes.


def _axes(found: Mapping[str, Parts], trained: set[int]) -> dict[str, Array]:
    """Return the coordinates of all axes: those of all arrays that have an axis of that name."""
    arrays = [part for parts in found.values() for part in parts.values()]
    coordinates: dict[str, list[Array]] = {"epoch": [np.array(sorted(trained), dtype=np.int64)]}
    for array in arrays:
        for dim in array.dims:
            coordinates.setdefault(str(dim), []).append(array[dim].values)
    return {dim: _union(dim, several) for dim, several in coordinates.items()}


def _union(axis: str, several: Sequence[Array]) -> Array:
    """Return all coordinates that an axis has somewhere: numbers ascending, names in the order of the longest list.

    Raises:
        InvalidSetting: they cannot be put in one order.
    """
    if all(np.array_equal(several[0], other) for other in several[1:]):
        return several[0]
    kinds = {"number" if one.dtype.kind in "iuf" else "name" for one in several}
    if len(kinds) > 1:
        raise InvalidSetting(
            f"Axis {axis!r} has numbers as coordinates in some of these arrays, and names in others: they cannot stand "
            "in one dataset. Ask for one of them at a time."
        )
    if any(len(set(one.tolist())) < len(one) for one in several):
        raise InvalidSetting(
            f"Axis {axis!r} differs between these arrays or variants, and has a coordinate twice, so that it cannot be "
            "joined. Ask for one variant at a time."
        )
    if kinds == {"number"}:
        return np.unique(np.concatenate(several))
    return np.array(list(dict.fromkeys(chain(*sorted(several, key=len, reverse=True)))), dtype=object)


def _common(name: str, parts: Parts) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return axes and attributes of an array, which must be the same in all variants.

    Raises:
        InvalidSetting: they are not.
    """
    first, *others = parts.values()
    for other in others:
        for what, here, there in (
            ("axes", first.dims, other.dims),
            ("units", first.attrs.get("units"), other.attrs.get("units")),
        ):
            if here != there:
                raise InvalidSetting(
                    f"{name} has the {what} {here!r} in one variant and {there!r} in another, as where versions of the "
                    "analyzer differ. Analyse them again, or ask for them one by one."
                )
    return tuple(map(str, first.dims)), dict(first.attrs)


# Values.


def _filled(parts: Parts, axes: Sequence[Array], count: int) -> Array:
    """Return an array for all variants, and empty ``parts``: what has been copied is not held twice."""
    shape = (count, *map(len, axes))
    dtype = np.result_type(*(part.dtype for part in parts.values()))
    whole = len(parts) == count and all(part.shape == shape[1:] for part in parts.values())
    if dtype.kind in "iu" and not whole:
        dtype = np.result_type(dtype, np.float32)
    _refuse_beyond_memory(int(np.prod(shape, dtype=object)) * dtype.itemsize)
    values = np.empty(shape, dtype)
    for place in range(count):
        part = parts.pop(place, None)
        if part is None or part.shape != shape[1:]:
            values[place] = np.nan
        if part is not None:
            own = (part[dim].values for dim in part.dims)
            values[place][np.ix_(*map(_places, axes, own))] = part.values
    return values


def _places(axis: Array, own: Array) -> Array:
    """Return where the coordinates of a part are on the common axis."""
    import pandas as pd

    same = np.array_equal(axis, own)
    return np.arange(len(own)) if same else np.asarray(pd.Index(axis).get_indexer(pd.Index(own)))


def _refuse_beyond_memory(size: int) -> None:
    """Refuse what would not fit into this machine's memory.

    Raises:
        InvalidSetting: it would not.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise InvalidSetting(
            f"That is {size / 1e9:,.1f} GB or more, and this machine has {memory / 1e9:,.1f} GB of memory. Ask for "
            "fewer variants or arrays at a time, or for one coordinate of an array with artifacts.series."
        )
