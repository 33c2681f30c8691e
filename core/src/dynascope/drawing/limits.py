"""Equal limits: in pictures of one view that stand beside each other, equal colours and heights mean equal values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import ContinuousColorMapper, GlyphRenderer, Range1d
from bokeh.models.glyphs import Image, ImageRGBA
from bokeh.plotting import figure as Figure

__all__ = ["share_limits"]


def share_limits(roots: Sequence[Any]) -> None:
    """Let pictures of one view have the limits that hold all of them, where they are of one make.

    Args:
        roots: of the pictures.
    """
    for mappers in _in_step([root.select({"type": ContinuousColorMapper}) for root in roots]):
        lows, highs = [one.low for one in mappers], [one.high for one in mappers]
        if None not in (*lows, *highs):
            for one in mappers:
                one.update(low=min(lows), high=max(highs))
    for figures in _in_step([root.select({"type": Figure}) for root in roots]):
        ranges = [figure.y_range for figure in figures]
        rising = all(isinstance(one, Range1d) and one.start < one.end for one in ranges)
        if not rising or any(_has_place(figure) for figure in figures):
            continue
        start, end = min(one.start for one in ranges), max(one.end for one in ranges)
        for one in ranges:
            one.update(start=start, end=end)


def _in_step(found: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the models of several pictures that correspond; none where the pictures differ in number."""
    lists = [sorted(models, key=lambda model: (len(model.id), model.id)) for models in found]
    if len(lists) < 2 or len({len(models) for models in lists}) != 1:
        return []
    return list(zip(*lists, strict=True))


def _has_place(figure: Any) -> bool:
    """Say whether the vertical axis is no axis of values: that of an image's rows, or of a map with a fixed aspect."""
    glyphs = [renderer.glyph for renderer in figure.select({"type": GlyphRenderer})]
    return figure.frame_width is not None or any(isinstance(glyph, (Image, ImageRGBA)) for glyph in glyphs)
