"""Working out what an analysis has to do: pure comparisons of stamps, before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dynascope.contract.analyzer import Activation, Analyzer, Read, Weight
from dynascope.contract.probe import Batch
from dynascope.digest import digest_of
from dynascope.errors import CheckpointError, Failure, UnknownName
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.units import Stamp, list_units, parameters_text
from dynascope.store.variant import Variant

__all__ = ["Bound", "NotApplicable", "Plan", "Task", "plan"]


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
        places: for each of its reads, the activation or weight that the family has there.
    """

    provided: Provided
    context: dict[str, Any]
    places: dict[Read, Activation | Weight]

    @property
    def analyzer(self) -> Analyzer:
        """The analyzer itself."""
        item: Analyzer = self.provided.item
        return item


@dataclass(frozen=True)
class Task:
    """The units of one checkpoint that are to be computed.

    Attributes:
        epoch: the checkpoint.
        units: each analyzer with the stamp its arrays will carry.
    """

    epoch: int
    units: tuple[tuple[Bound, Stamp], ...]


@dataclass(frozen=True)
class Plan:
    """What an analysis has to do.

    Attributes:
        variant, probe, batch: of what, on which inputs.
        analyzers: those that apply.
        tasks: the work, by epoch, ascending; checkpoints with nothing to do are left out.
        fresh, stale, missing: numbers of units; the work is ``stale + missing`` (and the fresh ones, if forced).
        not_applicable: the analyzers that were asked for and cannot run here.
        unreadable: checkpoints whose header is damaged.
    """

    variant: Variant
    probe: str
    batch: Batch
    analyzers: tuple[Bound, ...]
    tasks: tuple[Task, ...]
    fresh: int
    stale: int
    missing: int
    not_applicable: tuple[NotApplicable, ...]
    unreadable: tuple[Failure, ...]


def plan(
    variant: Variant,
    registry: Registry,
    *,
    probe: str | None = None,
    analyzers: Iterable[str] | None = None,
    epochs: Sequence[int] | None = None,
    force: bool = False,
) -> Plan:
    """Compare what is stored with what should be.

    Args:
        variant: a trained variant (or one in training).
        registry: the plug-ins.
        probe: its name; the family's default one by default.
        analyzers: names; those that ``family.json`` lists, or all, by default.
        epochs: the checkpoints; all by default.
        force: compute fresh units too.

    Raises:
        UnknownName: an unknown probe, analyzer or epoch.
        DynascopeError: the probe cannot be made for this family.
    """
    family = variant.family
    context = family.base.context(variant.config)
    chosen_probe = registry.probe(probe or family.probe)
    for fact in chosen_probe.needs:
        if fact not in context:
            raise UnknownName(
                f"fact in the context of family {family.name}, which probe {chosen_probe.name} needs,", fact, context
            )
    batch = chosen_probe.make(variant.config)

    names = analyzers if analyzers is not None else family.file.analyzers
    provided = (
        list(registry.all("analyzers").values())
        if names is None
        else list({entry.id: entry for entry in (registry.find("analyzers", name) for name in names)}.values())
    )
    results = [_bind(entry, variant, context, batch) for entry in sorted(provided, key=lambda entry: entry.id)]
    bound = [result for result in results if isinstance(result, Bound)]
    not_applicable = [result for result in results if isinstance(result, NotApplicable)]

    available = variant.checkpoint_folder.epochs()
    chosen = list(available) if epochs is None else sorted(set(epochs))
    for epoch in chosen:
        if epoch not in available:
            raise UnknownName(f"checkpoint of {variant.name}", str(epoch), map(str, available))
    family_version = registry.find("families", family.base.name).plugin_version
    return _compared(variant, family_version, chosen_probe.name, batch, bound, not_applicable, chosen, force)


def _compared(
    variant: Variant,
    family_version: str,
    probe: str,
    batch: Batch,
    bound: list[Bound],
    not_applicable: list[NotApplicable],
    epochs: Sequence[int],
    force: bool,
) -> Plan:
    artifacts = variant.artifacts_of(probe)
    stored = {one.provided.id: list_units(artifacts.folder / one.provided.id) for one in bound}
    context_digests = {one.provided.id: digest_of([one.context, list(one.places.values())]) for one in bound}
    counts = {"fresh": 0, "stale": 0, "missing": 0}
    tasks, unreadable = [], []
    for epoch in epochs:
        try:
            checkpoint = variant.checkpoint_folder.digest(epoch)
        except CheckpointError as error:
            unreadable.append(Failure("", epoch, variant.checkpoint_folder.file(epoch), error))
            continue
        units = []
        for one in bound:
            stamp = Stamp(
                family=variant.family.name,
                family_version=family_version,
                variant=variant.name,
                epoch=epoch,
                analyzer=one.provided.id,
                analyzer_version=one.analyzer.version,
                plugin_version=one.provided.plugin_version,
                parameters=parameters_text(one.analyzer.parameters),
                probe=probe,
                probe_sha256=batch.digest,
                checkpoint_sha256=checkpoint,
                context_sha256=context_digests[one.provided.id],
            )
            there = [unit.digest for unit in stored[one.provided.id].get(epoch, [])]
            state = "fresh" if stamp.digest in there else "stale" if there else "missing"
            counts[state] += 1
            if force or state != "fresh":
                units.append((one, stamp))
        if units:
            tasks.append(Task(epoch, tuple(units)))
    return Plan(
        variant, probe, batch, tuple(bound), tuple(tasks), **counts,
        not_applicable=tuple(not_applicable), unreadable=tuple(unreadable),
    )  # fmt: skip


def _bind(provided: Provided, variant: Variant, context: Any, batch: Batch) -> Bound | NotApplicable:
    """Resolve what an analyzer needs and reads, or say what the family or the probe lacks."""
    analyzer: Analyzer = provided.item
    family = variant.family
    for fact in analyzer.needs:
        if fact not in context:
            return NotApplicable(provided.id, f"family {family.name} has no {fact!r} in its context")
    missing = [axis for axis in analyzer.probe_axes if axis not in batch.dims]
    if missing:
        return NotApplicable(provided.id, f"the probe's rows do not unfold to the axes {missing}")
    sites = family.base.sites(variant.config)
    places: dict[Read, Activation | Weight] = {}
    for read in analyzer.reads:
        if isinstance(read, str):
            if read not in sites:
                return NotApplicable(
                    provided.id, f"family {family.name} has no site {read!r}; it has {', '.join(sorted(sites))}"
                )
            places[read] = sites[read]
        else:
            places[read] = read
    return Bound(provided, {fact: context[fact] for fact in analyzer.needs}, places)
