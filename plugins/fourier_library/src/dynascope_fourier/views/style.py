"""What views of frequencies share: ticks, and a line for each frequency that has its own colour."""

from __future__ import annotations

import numpy as np

from dynascope import Frame
from dynascope.style import LINES, MOST_TICKS, whole_ticks

__all__ = ["FREQUENCY_LINES", "frequency_lines", "frequency_ticks"]

KEY = "fourier.neuron_frequencies/is_key"
CLUSTER_SIZE = "fourier.neuron_frequencies/cluster_size"
BEST_SIZE = "fourier.neuron_frequencies/best_size"
FREQUENCY_LINES = (KEY, CLUSTER_SIZE, BEST_SIZE)
"""What a view reads that draws a frequency in its colour."""


def frequency_ticks(count: int) -> list[int]:
    """Return which of the frequencies 1..count are named on an axis."""
    return [k for k in whole_ticks(1, count) if k] if count > MOST_TICKS else list(range(1, count + 1))


def frequency_lines(frame: Frame) -> dict[int, tuple[str, str, str]]:
    """Return the colour, dash and marker of each frequency that has its own: the same in all views of a variant.

    The first to have one are the key frequencies of the last checkpoint, which so keep theirs whatever happened before;
    then those with the largest clusters, and the most neurons, at any checkpoint. What goes beyond the lines that can
    be told apart has none, and is drawn in grey. Each takes the line with the place k modulo the number of lines, or
    the next that is free: a frequency that two variants have in common mostly has the same in both.
    """
    last = frame.read(KEY, epoch=frame.epochs[-1])
    frequency, key = last["frequency"].values, last.values > 0
    cluster, best = (frame.series(array).values.max(axis=0) for array in (CLUSTER_SIZE, BEST_SIZE))
    order = [index for index in np.lexsort((-best, -cluster, ~key)) if key[index] or best[index] or cluster[index]]
    named = sorted(order[: len(LINES)], key=lambda index: (not key[index], frequency[index]))
    free = dict(enumerate(LINES))
    lines: dict[int, tuple[str, str, str]] = {}
    for k in (int(frequency[index]) for index in named):
        place = min(free, key=lambda place: (place - k) % len(LINES))
        lines[k] = free.pop(place)
    return lines
