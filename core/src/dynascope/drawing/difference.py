"""What differs between two epochs, of a picture with values to subtract: heights of bars and lines, colours of maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.models import LinearColorMapper, LinearScale, Range1d
from holoviews.plotting.util import process_cmap

__all__ = ["diverge", "subtracted", "values_of"]

HEIGHTS = (hv.Bars, hv.Curve, hv.Scatter, hv.Area)


def values_of(element: Any, column: str, values: Any) -> bool:
    """Tell whether a column that moves with the epoch holds values that can be subtracted, and not places or words."""
    if not isinstance(element, (hv.Image, *HEIGHTS)) or not element.vdims:
        return False
    name = "image" if isinstance(element, hv.Image) else element.vdims[0].name
    return column == name and np.asarray(values).dtype.kind == "f"


def subtracted(there: Mapping[str, Any], here: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the columns of one epoch, some of them less those of another one of the same shape."""
    found = dict(there)
    for key in keys:
        if np.shape(there[key]) == np.shape(here[key]):
            less = np.asarray(there[key], dtype=float) - np.asarray(here[key], dtype=float)
            found[key] = list(less) if key.endswith("image") else less
    return found


def diverge(plot: Any, elements: Iterable[Any]) -> bool:
    """Let the colours, or the vertical axis, run as far below 0 as above it: the whole range of the quantity each way.

    Returns:
        Whether the picture has a scale on which differences can be shown: a linear one.
    """
    maps = any(isinstance(element, hv.Image) for element in elements)
    done = False
    for part in plot.traverse(lambda part: part):
        handles = getattr(part, "handles", {})
        mapper = handles.get("color_color_mapper") or handles.get("color_mapper")
        if maps and mapper is not None and type(mapper) is LinearColorMapper:
            reach = abs(mapper.high - mapper.low)
            mapper.update(low=-reach, high=reach, palette=process_cmap("coolwarm", 255))
            done = True
        figure = handles.get("plot")
        if not maps and not done and figure is not None and isinstance(figure.y_range, Range1d):
            if not isinstance(figure.y_scale, LinearScale):
                return False
            reach = abs(figure.y_range.end - figure.y_range.start)
            figure.y_range.update(start=-reach, end=reach)
            done = True
    return done
