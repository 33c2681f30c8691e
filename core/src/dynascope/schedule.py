"""Checkpoint schedules: ``"0:1500:100,9000:13000:50,20000"``, ``"every:500,log"``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dynascope.errors import InvalidSetting, UnknownName

__all__ = ["PRESETS", "even", "grokking", "parse_ranges", "parse_schedule"]

RANGE = re.compile(r"(\d+)(?::(\d+)(?::(\d+))?)?")
PRESET = re.compile(r"([a-z]+)(?::(\d+))?")
EXAMPLE = "Example: '0:1500:100,9000:13000:50,20000'."


def _every(last: int, step: int | None) -> Sequence[int]:
    if not step:
        raise InvalidSetting("Schedule 'every' needs its step, at least 1, as in 'every:100'.")
    return range(0, last + 1, step)


def _log(last: int, count: int | None) -> Sequence[int]:
    points = 60 if count is None else count
    if points < 2:
        raise InvalidSetting(f"Schedule 'log:{points}' needs at least 2 points.")
    return sorted({round(last ** (index / (points - 1))) for index in range(points)})


def _powers(last: int, base: int | None) -> Sequence[int]:
    factor = 2 if base is None else base
    if factor < 2:
        raise InvalidSetting(f"Schedule 'powers:{factor}' needs a base of at least 2.")
    chosen = [1]
    while chosen[-1] * factor <= last:
        chosen.append(chosen[-1] * factor)
    return chosen


PRESETS: dict[str, Callable[[int, int | None], Sequence[int]]] = {"every": _every, "log": _log, "powers": _powers}
"""``every:N``; ``log`` or ``log:POINTS`` (60), evenly spaced in log epoch; ``powers`` or ``powers:BASE`` (2)."""


def parse_ranges(text: str) -> list[range]:
    """Return the parts of a list of epochs ``N`` and ranges ``START:STOP:STEP``, separated by commas.

    STEP is 1 if left out. As in Python, a range does not hold its STOP.

    Raises:
        InvalidSetting: a part that does not parse, or an empty range.
    """
    return [_range(text, part.strip()) for part in text.split(",")]


def parse_schedule(
    text: str, last: int, *, family: str | None = None, clip: bool = False, ends: bool = True
) -> list[int]:
    """Return the epochs of a schedule, ascending, with the first (0) and the ``last`` always among them.

    Args:
        text: epochs, ranges (see ``parse_ranges``) and presets (see ``PRESETS``), separated by commas.
        last: the epoch at which training ends.
        family: the schedule that ``grokking`` stands for: the family's own.
        clip: leave out what lies beyond ``last``, instead of refusing it.
        ends: whether 0 and ``last`` are always among them.

    Examples:
        >>> parse_schedule("0:300:100, 250", last=400)
        [0, 100, 200, 250, 400]
        >>> parse_schedule("powers", last=20)
        [0, 1, 2, 4, 8, 16, 20]

    Raises:
        InvalidSetting: a part that does not parse, an empty range, or an epoch beyond ``last``.
        UnknownName: an unknown preset.
    """
    chosen = {0, last} if ends else set()
    for part in map(str.strip, text.split(",")):
        preset = PRESET.fullmatch(part)
        if part == "grokking" and family is not None:
            chosen.update(parse_schedule(family, last, clip=True))
        elif preset and preset[1] in PRESETS:
            chosen.update(PRESETS[preset[1]](last, int(preset[2]) if preset[2] else None))
        elif preset:
            raise UnknownName("schedule", part, [*PRESETS, "grokking"])
        else:
            epochs = _range(text, part)
            if not clip and epochs[-1] > last:
                raise InvalidSetting(
                    f"Schedule {text!r} reaches epoch {epochs[-1]}, but training ends at epoch {last}. "
                    "Train for more epochs, or end the schedule earlier."
                )
            chosen.update(range(epochs.start, min(epochs.stop, last + 1), epochs.step))
    return sorted(chosen)


def even(last: int, parts: int = 50) -> str:
    """Return a schedule of about ``parts`` equal steps."""
    return f"every:{max(last // parts, 1)}"


def grokking(last: int, *, memorised: int, moving: tuple[int, int]) -> str:
    """Return a schedule for variants that first memorise and later generalise; about a hundred checkpoints.

    A fifth of them lie before ``memorised``, half of them in the epochs ``moving``, the others are spread evenly.

    Args:
        last: the epoch at which training ends.
        memorised: by when the training examples are known by heart.
        moving: from when to when the variant is expected to find its solution.
    """
    if last <= 2 * memorised:
        return even(last, parts=20)
    parts = [f"0:{memorised}:{max(memorised // 20, 1)}", f"{memorised}:{last}:{_round_step(last / 30)}"]
    begin, end = max(moving[0], memorised), min(moving[1], last)
    if begin < end:
        step = _round_step((end - begin) / 50)
        parts.append(f"{begin // step * step}:{end}:{step}")
    return ",".join(parts)


def _range(text: str, part: str) -> range:
    match = RANGE.fullmatch(part)
    if not match:
        raise InvalidSetting(f"Schedule {text!r}: {part!r} is neither an epoch nor a range START:STOP:STEP. {EXAMPLE}")
    start, stop, step = match.groups()
    chosen = range(int(start), int(stop), int(step or 1) or -1) if stop else range(int(start), int(start) + 1)
    if not chosen:
        raise InvalidSetting(f"Schedule {text!r}: the range {part!r} is empty; START < STOP and STEP >= 1.")
    return chosen


def _round_step(step: float) -> int:
    """Return the next larger of 1, 2, 5, 10, 20, 50, ..."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= step:
                return factor * size
        size *= 10
