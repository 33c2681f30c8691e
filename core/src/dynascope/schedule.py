"""Checkpoint schedules: ``"0:1500:100,9000:13000:50,20000"``."""

from __future__ import annotations

import re

from dynascope.errors import InvalidSetting

__all__ = ["parse_ranges", "parse_schedule"]

PART = re.compile(r"(\d+)(?::(\d+)(?::(\d+))?)?")


def parse_ranges(text: str) -> list[range]:
    """Return the parts of a list of epochs ``N`` and ranges ``START:STOP:STEP``, separated by commas.

    STEP is 1 if left out. As in Python, a range does not hold its STOP.

    Raises:
        InvalidSetting: a part that does not parse, or an empty range.
    """
    ranges = []
    for part in text.split(","):
        match = PART.fullmatch(part.strip())
        if not match:
            raise InvalidSetting(
                f"Schedule {text!r}: {part.strip()!r} is neither an epoch nor a range START:STOP:STEP. "
                "Example: '0:1500:100,9000:13000:50,20000'."
            )
        start, stop, step = match.groups()
        chosen = range(int(start), int(stop), int(step or 1) or -1) if stop else range(int(start), int(start) + 1)
        if not chosen:
            raise InvalidSetting(f"Schedule {text!r}: the range {part.strip()!r} is empty; START < STOP and STEP >= 1.")
        ranges.append(chosen)
    return ranges


def parse_schedule(text: str, last: int) -> list[int]:
    """Return the epochs of a schedule, ascending, with the first (0) and the ``last`` always among them.

    Examples:
        >>> parse_schedule("0:300:100, 250", last=400)
        [0, 100, 200, 250, 400]

    Raises:
        InvalidSetting: a part that does not parse, an empty range, or an epoch beyond ``last``.
    """
    ranges = parse_ranges(text)
    furthest = max(chosen[-1] for chosen in ranges)
    if furthest > last:
        raise InvalidSetting(
            f"Schedule {text!r} reaches epoch {furthest}, but training ends at epoch {last}. "
            "Train for more epochs, or end the schedule earlier."
        )
    return sorted({0, last}.union(*ranges))
