"""A frame of arrays in memory, for views whose picture is known."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr


@dataclass
class MemoryFrame:
    """Implements ``dynascope.Frame`` on ``{array: {epoch: DataArray}}``."""

    arrays: dict[str, dict[int, xr.DataArray]]
    epoch: int = 0
    controls: Any = None
    variant_name: str = ""
    metrics: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def epochs(self):
        return sorted(next(iter(self.arrays.values())))

    def read(self, array, epoch=None, **at):
        return self.arrays[array][self.epoch if epoch is None else epoch].sel(at)

    def series(self, array, **at):
        steps = [self.read(array, epoch, **at) for epoch in self.epochs]
        return xr.concat(steps, dim=xr.Variable("epoch", self.epochs), coords="minimal", compat="override")

    def range(self, array):
        values = self.series(array).values
        known = values[~np.isnan(values)]
        return (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)


def labelled(values, *dims, **coordinates):
    """Return an array whose axes count from 0, but from 1 for a frequency, unless coordinates are given."""
    values = np.asarray(values)
    for dim, size in zip(dims, values.shape, strict=True):
        coordinates.setdefault(dim, np.arange(size) + (dim == "frequency"))
    return xr.DataArray(values, dims=dims, coords=coordinates)
