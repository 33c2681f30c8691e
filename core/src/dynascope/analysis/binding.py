"""Binding analyzers to a variant and a probe: what each reads, and after which others it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from dynascope.contract.analyzer import Instrument, SeriesAnalyzer, VariantsAnalyzer
from dynascope.contract.probe import Batch
from dynascope.contract.reads import (
    METRICS,
    Activation,
    AllWeights,
    ForwardPass,
    Gradient,
    Logit,
    Logits,
    Loss,
    LossHessian,
    Read,
    Rows,
    Stored,
    Weight,
)
from dynascope.errors import PluginError
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.variant import Variant

__all__ = ["Bound", "NotApplicable", "Place", "bind", "facts_of", "lacks", "with_what_they_read"]

Place: TypeAlias = Activation | Weight | AllWeights | ForwardPass | LossHessian | Logits | Rows | Gradient
"""Where something is read of the model or of its inputs: what a read means in one family."""


@dataclass(frozen=True)
class NotApplicable:
    """An analyzer that this family or probe cannot serve.

    Attributes:
        analyzer: its id.
        reason: what is missing.
    """

    analyzer: str
    reason: str


@dataclass(frozen=True)
class Bound:
    """An analyzer bound to a variant and a probe.

    Attributes:
        provided: the analyzer, with its plug-in.
        context: the facts it declared in ``needs``.
        places: for each of its reads of the model, the place that the family has for it.
        stage: how many times all checkpoints must have been gone through before.
    """

    provided: Provided
    context: dict[str, Any]
    places: dict[Read, Place]
    stage: int = 0

    @property
    def id(self) -> str:
        """``"<plug-in>.<name>"``."""
        return self.provided.id

    @property
    def analyzer(self) -> Instrument:
        """The analyzer itself."""
        item: Instrument = self.provided.item
        return item

    @property
    def over_series(self) -> bool:
        """Whether it measures the series, and not each checkpoint."""
        return isinstance(self.analyzer, SeriesAnalyzer)

    @property
    def stored(self) -> tuple[Stored, ...]:
        """What it reads of other analyzers."""
        return tuple(read for read in self.analyzer.reads if isinstance(read, Stored))

    @property
    def reads_metrics(self) -> bool:
        """Whether it reads the training metrics."""
        return METRICS in self.analyzer.reads

    def reads_every(self, stored: Stored) -> bool:
        """Tell whether it reads an array of checkpoints at all of them."""
        return stored.at == "every" or (stored.at is None and self.over_series)


def with_what_they_read(chosen: Sequence[Provided], registry: Registry) -> list[Provided]:
    """Return the chosen analyzers, with what analyzers over variants read in place of those."""
    found: dict[str, Provided] = {}
    for entry in chosen:
        if isinstance(entry.item, VariantsAnalyzer):
            known = registry.all("analyzers")
            sources = [read for read in entry.item.reads if isinstance(read, Stored) and not lacks(read, known)]
            found.update({read.analyzer: known[read.analyzer] for read in sources})
        else:
            found[entry.id] = entry
    return list(found.values())


def bind(
    chosen: Sequence[Provided], registry: Registry, variant: Variant, context: Mapping[str, Any], batch: Batch
) -> tuple[list[Bound], list[NotApplicable]]:
    """Bind the chosen analyzers and those that they read, each after what it reads; sort out what does not apply.

    Raises:
        PluginError: analyzers read each other in a circle.
    """
    installed = registry.all("analyzers")
    results: dict[str, Bound | NotApplicable] = {}

    def visit(entry: Provided, path: tuple[str, ...]) -> Bound | NotApplicable:
        if entry.id in path:
            circle = " -> ".join((*path[path.index(entry.id) :], entry.id))
            raise PluginError(f"Analyzers read each other in a circle: {circle}. One of them must not read the next.")
        if entry.id not in results:
            result = _bound(entry, variant, context, batch)
            for read in entry.item.reads if isinstance(result, Bound) else ():
                if isinstance(read, Stored):
                    wrong = lacks(read, installed)
                    other = NotApplicable("", "") if wrong else visit(installed[read.analyzer], (*path, entry.id))
                    if isinstance(result, Bound) and isinstance(other, Bound):
                        result = _after(result, read, other)
                    else:
                        reason = wrong or f"it reads {read.array}, and {read.analyzer} does not apply"
                        result = NotApplicable(entry.id, reason)
                        break
            results[entry.id] = result  # after what it reads
        return results[entry.id]

    for entry in sorted(chosen, key=lambda entry: entry.id):
        visit(entry, ())
    bound = [result for result in results.values() if isinstance(result, Bound)]
    return bound, [result for result in results.values() if isinstance(result, NotApplicable)]


def facts_of(place: Place) -> Iterator[str]:
    """Yield the facts about rows that a place needs."""
    if isinstance(place, Rows):
        yield place.fact
    elif isinstance(place, LossHessian):
        yield from filter(None, ("label", place.over))
    elif isinstance(place, Gradient):
        if isinstance(place.of, Loss):
            yield from filter(None, ("label", place.of.over))
        elif isinstance(place.of, Logit) and isinstance(place.of.of, str):
            yield place.of.of


def lacks(read: Stored, installed: Mapping[str, Provided]) -> str:
    """Return why an array cannot be read by any analyzer of one variant; empty if it can."""
    other = installed.get(read.analyzer)
    if other is None or read.name not in other.item.outputs:
        return f"no analyzer that is installed stores {read.array}"
    if isinstance(other.item, VariantsAnalyzer):
        return f"{read.array} is measured over variants, and is none of a single one"
    if isinstance(other.item, SeriesAnalyzer) and read.at is not None:
        return f"{read.array} is measured over the series: it cannot be read at {read.at!r}"
    return ""


def _after(reader: Bound, read: Stored, source: Bound) -> Bound:
    """Put a reader into the stage in which what it reads is complete."""
    complete = source.over_series or reader.reads_every(read)
    stage = source.stage + (1 if complete and not reader.over_series else 0)
    return Bound(reader.provided, reader.context, reader.places, max(reader.stage, stage))


def _bound(provided: Provided, variant: Variant, context: Mapping[str, Any], batch: Batch) -> Bound | NotApplicable:
    """Resolve what an analyzer needs and reads of the model, or say what the family or the probe lacks."""
    analyzer: Instrument = provided.item
    family = variant.family
    for fact in analyzer.needs:
        if fact not in context:
            return NotApplicable(provided.id, f"family {family.name} has no {fact!r} in its context")
    missing = [axis for axis in analyzer.probe_axes if axis not in batch.dims]
    if missing:
        return NotApplicable(provided.id, f"the probe's rows do not unfold to the axes {missing}")
    sites = family.base.sites(variant.config)
    places: dict[Read, Place] = {}
    for read in analyzer.reads:
        if isinstance(read, Stored) or read == METRICS:
            continue
        site = read.at if isinstance(read, Gradient) else read
        if isinstance(site, str) and site not in sites:
            return NotApplicable(
                provided.id, f"family {family.name} has no site {site!r}; it has {', '.join(sorted(sites))}"
            )
        found = sites[site] if isinstance(site, str) else site
        place = Gradient(found, read.of) if isinstance(read, Gradient) else found  # type: ignore[arg-type]
        for fact in facts_of(place):
            if fact not in family.base.row_facts:
                return NotApplicable(provided.id, f"family {family.name} does not state {fact!r} of a probe's rows")
        places[read] = place
    return Bound(provided, {fact: context[fact] for fact in analyzer.needs}, places)
