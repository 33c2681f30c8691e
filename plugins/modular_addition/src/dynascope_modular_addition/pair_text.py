"""Pairs of numbers as they are written: lines or ``;`` between pairs, ``a b``, ``a,b`` or ``a+b`` in each."""

from __future__ import annotations

import re

from dynascope import InvalidSetting

__all__ = ["parse_pairs", "write_pairs"]

PAIR = re.compile(r"(\d{1,9})(?:\s*[,+]\s*|\s+)(\d{1,9})")
HEADER = re.compile(r"a(?:\s*[,+]\s*|\s+)b", re.IGNORECASE)
SEEN = 30


def parse_pairs(text: str) -> list[tuple[int, int]]:
    """Return pairs in ascending order.

    The first line may be the header ``a,b`` of a CSV file; ``#`` begins a comment that ends with its line.

    Raises:
        InvalidSetting: a part that is no pair, a pair that is given twice, or none at all; the line is named.
    """
    found: dict[tuple[int, int], int] = {}
    first = True
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        for part in (part.strip().strip('"') for part in line.partition("#")[0].split(";")):
            if not part or (first and HEADER.fullmatch(part)):
                first = first and not part
                continue
            first = False
            match = PAIR.fullmatch(part)
            if match is None:
                raise InvalidSetting(
                    f"line {number}: a pair is written 'a b', 'a,b' or 'a+b', with lines or ';' between pairs; found "
                    f"{part[:SEEN]!r}"
                )
            pair = int(match[1]), int(match[2])
            if pair in found:
                raise InvalidSetting(
                    f"the pair {pair[0]}+{pair[1]} is given twice, in lines {found[pair]} and {number}; each row of a "
                    "probe is another pair"
                )
            found[pair] = number
    if not found:
        raise InvalidSetting("there is no pair; write at least one, such as 3+5")
    return sorted(found)


def write_pairs(pairs: list[tuple[int, int]]) -> str:
    """Return pairs as one text, which ``parse_pairs`` reads back: ``0+1;2+3``."""
    return ";".join(f"{a}+{b}" for a, b in pairs)
