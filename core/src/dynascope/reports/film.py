"""What changes in pictures along the epochs, recorded once, so that a page can move them without a server.

A drawing is moved to every epoch, and what that changes in Bokeh's models is kept: the same changes that the app sends
to a browser at a tick. Columns of numbers are stacked over the epochs; the values of a picture's cells are packed into
8 or 16 bits, all others stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.document.events import ColumnDataChangedEvent, ModelChangedEvent
from bokeh.models import ColumnDataSource, GlyphRenderer, LogColorMapper

__all__ = ["Film", "Track", "packed"]

Array = np.ndarray[Any, Any]

FINE_BYTES = 3_000_000
"""Up to so many bytes, cells of pictures have 16 bits; beyond it 8: 255 shades, which no eye tells from a continuum."""


@dataclass
class Track:
    """What one property, or one column, is at each epoch.

    Attributes:
        model: Bokeh's.
        attribute: its property; ``data`` for a column.
        column: of a source; empty otherwise.
        log: whether it is coloured by its logarithms.
        values: one for each epoch.
    """

    model: Any
    attribute: str
    column: str = ""
    log: bool = False
    values: list[Any] = field(default_factory=list)

    @property
    def now(self) -> Any:
        """The value at the epoch that is shown."""
        value = getattr(self.model, self.attribute)
        return value[self.column] if self.attribute == "data" else value

    @property
    def moves(self) -> bool:
        """Whether it differs between any two epochs."""
        first = self.values[0]
        return any(value is not first and not _equal(value, first) for value in self.values[1:])


class Film:
    """What a picture is at each of some epochs.

    Args:
        root: the model of the picture, in a document.
        epochs: at which it is recorded.
        move: shows an epoch.

    Attributes:
        epochs: at which it was recorded.
        tracks: of what changes, in the order in which it was first changed.
    """

    def __init__(self, root: Any, epochs: Sequence[int], move: Callable[[int], None]) -> None:
        self.epochs = list(epochs)
        found: dict[tuple[str, str, str], Track] = {}
        before, logs = _state(root), _logarithmic(root)
        done: list[int] = []

        def changed(event: Any) -> None:
            if not isinstance(event, (ColumnDataChangedEvent, ModelChangedEvent)):
                return
            model, attribute = event.model, event.attr
            columns = (getattr(event, "cols", None) or model.data) if isinstance(model, ColumnDataSource) else ("",)
            for column in columns if attribute == "data" else ("",):
                if (model.id, attribute, column) not in found:
                    track = found[model.id, attribute, column] = Track(model, attribute, column, model.id in logs)
                    track.values = [before.get((model.id, attribute, column))] * len(done)

        root.document.on_change(changed)
        try:
            for epoch in epochs:
                move(epoch)
                for track in found.values():
                    track.values.append(track.now)
                done.append(epoch)
        finally:
            root.document.remove_on_change(changed)
        self.tracks = [track for track in found.values() if track.moves]


def _state(root: Any) -> dict[tuple[str, str, str], Any]:
    """Return every property of every model, and every column of every source."""
    found = {}
    for model in root.references():
        for name, value in model.properties_with_values().items():
            found[model.id, name, ""] = value
        if isinstance(model, ColumnDataSource):
            found |= {(model.id, "data", column): values for column, values in model.data.items()}
    return found


def _logarithmic(root: Any) -> set[str]:
    """Return the ids of the sources whose cells are coloured by their logarithms."""
    renderers = root.select({"type": GlyphRenderer})
    return {
        one.data_source.id for one in renderers if isinstance(getattr(one.glyph, "color_mapper", None), LogColorMapper)
    }


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple, np.ndarray)) or isinstance(other, (list, tuple, np.ndarray)):
        return np.shape(one) == np.shape(other) and bool(np.array_equal(one, other, equal_nan=_is_float(one)))
    return bool(one == other)


def _is_float(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f"


def packed(films: Iterable[Film]) -> tuple[list[list[dict[str, Any]]], bytes]:
    """Return films as what JSON can hold, and the numbers that it points to.

    Returns:
        For each film, its tracks: ``model``, ``attribute``, ``column``, and ``kind``:

        - ``"cells"``: ``shape`` ``(epoch, row, column)``, ``bits``, ``low``, ``high``, ``log``: codes from 0 to the
          largest but one stand for ``low`` to ``high`` (of their decimal logarithms if ``log``), the largest for none;
        - ``"numbers"``: ``shape`` ``(epoch, row)``, ``bits`` 32 or 64, of floating-point numbers;
        - ``"values"``: ``values``, each once, and ``which`` of them stands at each epoch.

        The numbers of the first two begin at byte ``at``, little-endian.
    """
    found = list(films)
    cells = sum(_stack(track).size for film in found for track in film.tracks if _kind(track) == "cells")
    data = bytearray()

    def placed(array: Array) -> int:
        data.extend(b"\0" * (-len(data) % 8))
        at = len(data)
        data.extend(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return at

    meta = []
    for film in found:
        tracks = []
        for track in film.tracks:
            kind = _kind(track)
            one: dict[str, Any] = {
                "model": track.model.id, "attribute": track.attribute, "column": track.column, "kind": kind,
            }  # fmt: skip
            if kind == "cells":
                stack = _stack(track)
                codes, scale = _codes(stack, np.uint16 if 2 * cells <= FINE_BYTES else np.uint8, log=track.log)
                one |= {"shape": stack.shape, "bits": 8 * codes.itemsize, "at": placed(codes), **scale}
            elif kind == "numbers":
                stack = _stack(track)
                exact = stack.dtype.kind == "f" or np.abs(stack).max(initial=0) < 2**24
                stack = stack.astype(np.float32 if exact else np.float64)
                one |= {"shape": stack.shape, "bits": 8 * stack.itemsize, "at": placed(stack)}
            else:
                values, which = _each_once([_plain(value) for value in track.values])
                one |= {"values": values, "which": which}
            tracks.append(one)
        meta.append(tracks)
    return meta, bytes(data)


def _kind(track: Track) -> str:
    first = track.values[0]
    if track.column == "image" and all(len(value) == 1 for value in track.values):
        shapes = {np.shape(value[0]) for value in track.values}
        if len(shapes) == 1 and np.asarray(first[0]).dtype.kind in "iuf" and len(*shapes) == 2:
            return "cells"
    arrays = [np.asarray(value) for value in track.values] if track.column else []
    alike = len({array.shape for array in arrays}) == 1 and arrays[0].ndim == 1
    return "numbers" if alike and all(array.dtype.kind in "iuf" for array in arrays) else "values"


def _stack(track: Track) -> Array:
    """Return the values as one array, ``"epoch ..."``."""
    return np.stack([np.asarray(value[0] if track.column == "image" else value) for value in track.values])


def _codes(stack: Array, dtype: Any, *, log: bool) -> tuple[Array, Mapping[str, Any]]:
    """Return what stands for each value, and the ends of the scale."""
    values = np.asarray(stack, dtype=np.float64)
    if log:
        values = np.log10(np.where(values > 0, values, np.nan))
    there = np.isfinite(values)
    low, high = (float(values[there].min()), float(values[there].max())) if there.any() else (0.0, 0.0)
    most = np.iinfo(dtype).max - 1
    codes = np.full(values.shape, most + 1, dtype)
    codes[there] = np.round((values[there] - low) / ((high - low) or 1.0) * most)
    return codes, {"low": low, "high": high, "log": log}


def _each_once(values: list[Any]) -> tuple[list[Any], list[int]]:
    found: dict[str, int] = {}
    kept: list[Any] = []
    which: list[int] = []
    for value in values:
        key = repr(value)
        if key not in found:
            found[key] = len(kept)
            kept.append(value)
        which.append(found[key])
    return kept, which


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what is no number is null."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
