"""Ticks that views of frequencies share."""

from __future__ import annotations

from dynascope.style import MOST_TICKS, whole_ticks

__all__ = ["frequency_ticks"]


def frequency_ticks(count: int) -> list[int]:
    """Return which of the frequencies 1..count are named on an axis."""
    return [k for k in whole_ticks(1, count) if k] if count > MOST_TICKS else list(range(1, count + 1))
