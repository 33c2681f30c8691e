"""What is computed of a variant under a probe, analyzer by analyzer: a line of the table of the page Analyse."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dynascope import ChosenProbe, DynascopeError, Variant, VariantsAnalyzer
from dynascope.analysis.plan import Counts, Plan, plan
from dynascope.plugins import Registry
from dynascope.plugins.registry import Provided

__all__ = ["LEGEND", "Cell", "Line", "jobs_for", "line_of", "why_stale"]

SIGNS = {"fresh": "●", "stale": "◐", "missing": "○", "demand": "◌", "none": "–", "waits": "…", "between": "≡"}
LEGEND = (
    "● fresh  ◐ some stale  ○ some missing  ◌ on demand, not computed  – does not apply  … waits for others  "
    "≡ over the variants that are chosen"
)
MOST_NUMBER = 999


@dataclass(frozen=True)
class Cell:
    """What there is of one analyzer.

    Attributes:
        kind: a key of ``SIGNS``: the worst that can be said of it.
        words: all that can be said of it.
        lacking: units that are missing or stale, of those that are not on demand.
        counts: where there are some.
    """

    kind: str
    words: str
    lacking: int = 0
    counts: Counts | None = None

    def shown(self) -> dict[str, str]:
        """Return the cell as the table takes it."""
        number = "" if not self.lacking else f"{self.lacking}" if self.lacking <= MOST_NUMBER else "999+"
        return {"kind": self.kind, "sign": SIGNS[self.kind], "number": number, "words": self.words}


@dataclass(frozen=True)
class Line:
    """What there is of one variant.

    Attributes:
        name: ``<family>/<variant>``.
        cells: by analyzer.
        error: why nothing can be said; empty if something can.
    """

    name: str
    cells: Mapping[str, Cell] = field(default_factory=dict)
    error: str = ""

    def shown(self) -> dict[str, Any]:
        """Return the line as the table takes it."""
        cells = [cell.shown() for cell in self.cells.values()]
        return {"id": self.name, "name": self.name.partition("/")[2], "error": self.error, "cells": cells}


def line_of(variant: Variant | str, probe: ChosenProbe, analyzers: Sequence[Provided], plugins: Registry) -> Line:
    """Compare what is stored of a variant with what should be.

    Args:
        variant: or the reason for which it cannot be read, after its name and a line break.
    """
    if isinstance(variant, str):
        name, _, reason = variant.partition("\n")
        return Line(name, error=reason)
    name = f"{variant.family.name}/{variant.name}"
    try:
        work = plan(variant, plugins, probe=probe, analyzers=[entry.id for entry in analyzers])
    except DynascopeError as error:
        return Line(name, error=str(error))
    except Exception as error:  # what a plug-in says of a variant may fail in any way
        return Line(name, error=f"{type(error).__name__}: {error}")
    if not work.checkpoints and work.unreadable:
        return Line(
            name, error=f"None of its {len(work.unreadable)} checkpoints can be read: {work.unreadable[0].error}"
        )
    if not work.checkpoints:
        return Line(name, error="It has no checkpoint yet: there is nothing to measure.")
    return Line(name, {entry.id: _cell(entry, work) for entry in analyzers})


def why_stale(cell: Cell) -> str:
    """Return why units are stale; each is opened. Empty where none is."""
    reasons = cell.counts.reasons() if cell.counts is not None and cell.counts.stale else {}
    return "; ".join(f"{reason} ({number:,})" for reason, number in reasons.items())


def jobs_for(cells: Collection[tuple[str, str]]) -> list[tuple[list[str], list[str]]]:
    """Return cells as few commands, each of some variants by some analyzers, everything sorted."""
    by_variant: dict[str, set[str]] = {}
    by_analyzer: dict[str, set[str]] = {}
    for variant, analyzer in cells:
        by_variant.setdefault(variant, set()).add(analyzer)
        by_analyzer.setdefault(analyzer, set()).add(variant)
    rows = [(sorted(variants), sorted(chosen)) for chosen, variants in _alike(by_variant).items()]
    columns = [(sorted(chosen), sorted(analyzers)) for chosen, analyzers in _alike(by_analyzer).items()]
    return sorted(min(rows, columns, key=len))


def _alike(groups: Mapping[str, set[str]]) -> dict[frozenset[str], list[str]]:
    found: dict[frozenset[str], list[str]] = {}
    for name, members in groups.items():
        found.setdefault(frozenset(members), []).append(name)
    return found


def _cell(entry: Provided, work: Plan) -> Cell:
    if isinstance(entry.item, VariantsAnalyzer):
        return Cell("between", "measured over the variants that are chosen, beside each other")
    for one in work.not_applicable:
        if one.analyzer == entry.id:
            return Cell("none", f"does not apply: {one.reason}")
    for one in work.waiting:
        if one.analyzer == entry.id:
            return Cell("waits", f"waits: {one.reason}")
    counts = work.counts.get(entry.id)
    if counts is None:
        return Cell("none", "does not apply")
    parts = [
        f"{number:,} {word}"
        for number, word in ((counts.missing, "missing"), (counts.stale, "stale"), (counts.fresh, "fresh"))
        if number
    ]
    parts += [f"{len(work.unreadable)} of its checkpoints cannot be read"] if work.unreadable else []
    words = ", ".join(parts) or "nothing to measure"
    if entry.item.on_demand and not counts.fresh and not counts.stale:
        return Cell("demand", f"{words}; it runs on demand, where it is named", counts=counts)
    kind = "missing" if counts.missing else "stale" if counts.stale else "fresh" if counts.fresh else "none"
    return Cell(kind, words, counts.missing + counts.stale, counts)
