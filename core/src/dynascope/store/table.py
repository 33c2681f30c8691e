"""What was measured at each epoch as one table, of one variant or of hundreds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.store.columns import Reading, metrics_of, parsed, settings_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from dynascope.contract.chosen_probe import ChosenProbe
    from dynascope.store.variant import Variant

__all__ = ["INDEX", "table_of"]

INDEX = ("family", "variant", "epoch")


def table_of(
    variants: Sequence[Variant], columns: Iterable[str] | None = None, probe: str | ChosenProbe | None = None
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
    wanted, reading = parsed(asked, variants), Reading(probe, axes=1)
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
        beside = {**metrics_of(variant, epochs, wanted.metrics), **settings_of(variant, wanted.settings)}
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


def _flat(array: xr.DataArray) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the columns of a series: itself, or one for each coordinate of its axis."""
    name = f"{array.attrs['analyzer']}/{array.name}"
    if array.ndim == 1:
        yield name, array.values
        return
    axis = array.dims[1]
    for place, coordinate in enumerate(array[axis].values):
        yield f"{name}[{axis}={coordinate}]", array.values[:, place]


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
