"""Measuring variants beside each other: what is stored of each is read, and no model is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dynascope.analysis.binding import NotApplicable, lacks
from dynascope.analysis.forward import MEMORY
from dynascope.analysis.plan import Plan, chosen_analyzers, digest_of_all, plan
from dynascope.analysis.run import HERE, Progress, run_plans
from dynascope.analysis.series import metrics_until, read_stored
from dynascope.contract.analyzer import VariantsAnalyzer
from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.contract.config import Config
from dynascope.contract.reads import METRICS, Read, Stored
from dynascope.digest import digest_of
from dynascope.errors import AnalysisError, Failure, InvalidSetting, UnknownName, WorkspaceError
from dynascope.executors import Where
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.comparisons import BETWEEN, Comparisons, place_of_variants
from dynascope.store.probe_file import write_probe
from dynascope.store.stamps import SERIES, Stamp, parameters_text, place_of
from dynascope.store.units import list_wholes, write_unit
from dynascope.store.variant import Variant

__all__ = ["Compared", "StoredComparison", "compare", "comparisons_of", "plan_comparisons", "run_comparisons"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Compared:
    """One analyzer over variants of a family.

    Attributes:
        provided: the analyzer, with its plug-in.
        plans: of the variants that take part, by name, ascending.
        left_out: the variants that cannot take part, with the reason; ``analyzer`` holds their names.
        stamp: what the arrays will carry; None if no variant takes part.
        fresh, stale: whether a unit of these variants is there, and whether it is what would be computed now.
    """

    provided: Provided
    plans: tuple[Plan, ...]
    left_out: tuple[NotApplicable, ...]
    stamp: Stamp | None
    fresh: bool
    stale: bool

    @property
    def analyzer(self) -> VariantsAnalyzer:
        """The analyzer itself."""
        item: VariantsAnalyzer = self.provided.item
        return item


def compare(
    variants: Sequence[Variant],
    *,
    analyzers: Iterable[str] | None = None,
    probe: str | ChosenProbe | None = None,
    force: bool = False,
    plugins: Registry | None = None,
    where: Where = HERE,
    memory: int = MEMORY,
    progress: Progress | None = None,
) -> Comparisons:
    """Measure variants of one family beside each other; what is missing of each is computed before.

    Args:
        variants: two or more, or one.
        analyzers: names of analyzers over variants; all that are installed by default.
        probe, force, plugins, where, memory, progress: as in ``analyze``.

    Returns:
        What is stored of these and other variants.

    Raises:
        InvalidSetting: no variant, or variants of several families.
        UnknownName: an unknown probe or analyzer.
        AnalysisError: some units failed.
        WorkspaceError: the disk is full or cannot be written to.
    """
    known = plugins or registry()
    families = {variant.family.name for variant in variants}
    if len(families) != 1:
        found = f"those of {BETWEEN.join(sorted(families))}" if families else "none"
        raise InvalidSetting(f"Variants of one family are compared; found {found}.")
    chosen = [entry.id for entry in chosen_analyzers(known, analyzers) if isinstance(entry.item, VariantsAnalyzer)]
    plans = [plan(variant, known, probe=probe, analyzers=chosen) for variant in variants]
    outcomes = run_plans(plans, progress, where, memory)
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    failures += run_comparisons(plan_comparisons(plans, known, chosen), force)
    if failures:
        raise AnalysisError(failures)
    return comparisons_of(plans[0])


def plan_comparisons(plans: Sequence[Plan], plugins: Registry, analyzers: Iterable[str] | None) -> list[Compared]:
    """Work out, for each family among these plans, what analyzers over variants have to do.

    Args:
        plans: of variants, under one probe for each family.
        plugins: the registry.
        analyzers: names, of any analyzers; those that ``family.json`` lists, or all, by default.
    """
    families: dict[tuple[str, str], list[Plan]] = {}
    for work in sorted(plans, key=lambda work: work.variant.name):
        families.setdefault((work.variant.family.name, work.probe.key), []).append(work)
    names = None if analyzers is None else list(analyzers)
    return [
        _compared(entry, group, plugins)
        for group in families.values()
        for entry in chosen_analyzers(plugins, names if names is not None else group[0].variant.family.file.analyzers)
        if isinstance(entry.item, VariantsAnalyzer)
    ]


def run_comparisons(comparisons: Iterable[Compared], force: bool = False) -> list[Failure]:
    """Compute what is missing or stale; return what failed.

    Raises:
        WorkspaceError: the disk is full or cannot be written to.
    """
    failures = []
    for one in comparisons:
        if one.stamp is None or (one.fresh and not force):
            continue
        folder = comparisons_of(one.plans[0]).folder
        try:
            comparison = StoredComparison(one.analyzer, one.plans)
            names = np.array(comparison.variants)
            arrays = one.analyzer.analyze(comparison)
            write_probe(folder, one.plans[0].probe)
            write_unit(folder / one.provided.id, one.stamp, one.analyzer.outputs, arrays, {"variant": names})
        except WorkspaceError:
            raise
        except Exception as error:  # any error of a plug-in is reported at the end
            failures.append(Failure(f"{one.provided.id} {one.provided.plugin_version}", None, folder, error))
    return failures


def comparisons_of(work: Plan) -> Comparisons:
    """Return what is measured over the variants of a plan's family, under its probe."""
    return Comparisons(work.variant.folder.parent / "comparisons" / work.probe.key)


def _compared(entry: Provided, plans: Sequence[Plan], plugins: Registry) -> Compared:
    taking_part, left_out = [], []
    for work in plans:
        reason = _lacks(entry, work, plugins)
        if reason:
            left_out.append(NotApplicable(work.variant.name, reason))
        else:
            taking_part.append(work)
    if not taking_part:
        return Compared(entry, (), tuple(left_out), None, fresh=False, stale=False)
    stamp = _stamp(entry, taking_part, plugins)
    stored = list_wholes(comparisons_of(taking_part[0]).folder / entry.id).get(stamp.place, [])
    fresh = any(unit.digest == stamp.digest for unit in stored)
    return Compared(entry, tuple(taking_part), tuple(left_out), stamp, fresh, bool(stored) and not fresh)


def _lacks(entry: Provided, work: Plan, plugins: Registry) -> str:
    """Return why a variant cannot take part; empty if it can."""
    analyzer: VariantsAnalyzer = entry.item
    if not work.checkpoints:
        return "it has no checkpoint"
    context = work.variant.family.base.context(work.variant.config)
    for fact in analyzer.needs:
        if fact not in context:
            return f"its family has no {fact!r} in its context"
    for read in analyzer.reads:
        if isinstance(read, Stored):
            if wrong := lacks(read, plugins.all("analyzers")):
                return wrong
            digests = work.ledger.get(read.analyzer)
            if not digests:
                return f"{read.analyzer} does not apply to it"
            if SERIES not in digests and read.at is None:
                return f"{read.array} is stored at each checkpoint; the analyzer must say at='last' or at='every'"
            if work.lacks(read):
                return f"{read.analyzer} is not there wherever it is read"
    return ""


def _stamp(entry: Provided, plans: Sequence[Plan], plugins: Registry) -> Stamp:
    analyzer: VariantsAnalyzer = entry.item
    names = [work.variant.name for work in plans]
    inputs: dict[str, Any] = {}
    for work in plans:
        variant = work.variant
        context = variant.family.base.context(variant.config)
        read = [_identity(work, read) for read in analyzer.reads if isinstance(read, Stored)]
        metrics = variant.metrics_file.digest(max(work.checkpoints)) if METRICS in analyzer.reads else None
        inputs[variant.name] = [variant.identity, {fact: context[fact] for fact in analyzer.needs}, read, metrics]
    family = plans[0].variant.family
    return Stamp(
        family=family.name,
        family_version=plugins.find("families", family.base.name).plugin_version,
        variant=BETWEEN.join(names),
        place=place_of_variants(names),
        analyzer=entry.id,
        analyzer_version=analyzer.version,
        plugin_version=entry.plugin_version,
        parameters=parameters_text(analyzer.parameters),
        probe=plans[0].probe.key,
        probe_sha256=digest_of([work.batch.digest for work in plans]),
        checkpoint_sha256=digest_of([digest_of_all(work.checkpoints) for work in plans]),
        context_sha256=digest_of(inputs),
    )


def _identity(work: Plan, read: Stored) -> list[str]:
    digests = work.ledger[read.analyzer]
    if SERIES in digests:
        return [read.array, digests[SERIES]]
    last = place_of(max(work.checkpoints))
    return [read.array, digests[last] if read.at == "last" else digest_of_all(digests)]


class StoredComparison:
    """Implements ``dynascope.Comparison`` on the files of several variants.

    Args:
        analyzer: who reads.
        plans: of the variants, by name, ascending.
    """

    def __init__(self, analyzer: VariantsAnalyzer, plans: Sequence[Plan]) -> None:
        self._analyzer = analyzer
        self._plans = {work.variant.name: work for work in plans}

    @property
    def variants(self) -> Sequence[str]:
        return list(self._plans)

    @property
    def configs(self) -> Mapping[str, Config]:
        return {name: work.variant.config for name, work in self._plans.items()}

    @cached_property
    def contexts(self) -> Mapping[str, Mapping[str, Any]]:
        found = {name: work.variant.family.base.context(work.variant.config) for name, work in self._plans.items()}
        return {name: {fact: context[fact] for fact in self._analyzer.needs} for name, context in found.items()}

    @cached_property
    def epochs(self) -> Mapping[str, Array]:
        return {name: np.array(list(work.checkpoints), dtype=np.int64) for name, work in self._plans.items()}

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, Array]]:
        self._declared(METRICS)
        return {name: metrics_until(work.variant, max(work.checkpoints)) for name, work in self._plans.items()}

    def __getitem__(self, read: Read) -> Mapping[str, Array]:
        self._declared(read)
        if not isinstance(read, Stored):
            raise InvalidSetting(f"{read!r} is read as comparison.metrics.")
        return {
            name: read_stored(work.variant.artifacts_of(work.probe), work.ledger, read, every=read.at == "every")
            for name, work in self._plans.items()
        }

    def _declared(self, read: Read) -> None:
        if read not in self._analyzer.reads:
            raise UnknownName("declared read", str(read), map(str, self._analyzer.reads))
