"""Working out what an analysis has to do: pure comparisons of stamps, before anything heavy is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynascope.contract.analyzer import Analyzer
from dynascope.contract.probe import Batch
from dynascope.contract.reads import Activation, Read, Stored, Weight
from dynascope.digest import digest_of
from dynascope.errors import ArtifactError, CheckpointError, Failure, PluginError, UnknownName
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.units import Stamp, Stamps, Unit, changed_since, list_units, parameters_text
from dynascope.store.variant import Variant

__all__ = ["Bound", "Counts", "NotApplicable", "Plan", "Task", "plan"]


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
        places: for each of its reads of the model, the activation or weight that the family has there.
    """

    provided: Provided
    context: dict[str, Any]
    places: dict[Read, Activation | Weight]

    @property
    def stored(self) -> tuple[Stored, ...]:
        """What it reads of other analyzers."""
        return tuple(read for read in self.analyzer.reads if isinstance(read, Stored))

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
class Counts:
    """How many units of one analyzer are there.

    Attributes:
        fresh: stored, and what would be computed now.
        stale: stored, but something that decides the numbers has changed.
        missing: not stored.
        old: a stale unit of each epoch that has one, with the stamp it should have.
    """

    fresh: int
    stale: int
    missing: int
    old: tuple[tuple[Unit, Stamp], ...]

    def reasons(self) -> dict[str, int]:
        """Return why units are stale, in words, and for how many of them; each stale unit is opened.

        Examples: ``analyzer_version 1, now 2``; ``checkpoint_sha256``.
        """
        found: Counter[str] = Counter()
        for unit, wanted in self.old:
            try:
                found.update(changed_since(unit, wanted))
            except ArtifactError:
                found["damaged"] += 1
        return dict(found)


@dataclass(frozen=True)
class Plan:
    """What an analysis has to do.

    Attributes:
        variant, probe, batch: of what, on which inputs.
        analyzers: those that apply.
        tasks: the work, by epoch, ascending; checkpoints with nothing to do are left out.
        counts: by analyzer id, how many units are fresh, stale and missing; the work is the stale and the missing
            ones (and the fresh ones, if forced).
        not_applicable: the analyzers that were asked for and cannot run here.
        unreadable: checkpoints whose header is damaged.
    """

    variant: Variant
    probe: str
    batch: Batch
    analyzers: tuple[Bound, ...]
    tasks: tuple[Task, ...]
    counts: dict[str, Counts]
    not_applicable: tuple[NotApplicable, ...]
    unreadable: tuple[Failure, ...]

    @property
    def fresh(self) -> int:
        """The number of fresh units."""
        return sum(one.fresh for one in self.counts.values())

    @property
    def stale(self) -> int:
        """The number of stale units."""
        return sum(one.stale for one in self.counts.values())

    @property
    def missing(self) -> int:
        """The number of missing units."""
        return sum(one.missing for one in self.counts.values())


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
    bound, not_applicable = _bound_in_order(provided, registry, variant, context, batch)

    checkpoints = variant.checkpoint_folder.digests()
    for epoch in epochs or ():
        if epoch not in checkpoints:
            raise UnknownName(f"checkpoint of {variant.name}", str(epoch), map(str, checkpoints))
    chosen = checkpoints if epochs is None else {epoch: checkpoints[epoch] for epoch in sorted(set(epochs))}
    readable = {epoch: digest for epoch, digest in chosen.items() if isinstance(digest, str)}
    unreadable = [
        Failure("", epoch, variant.checkpoint_folder.file(epoch), error)
        for epoch, error in chosen.items()
        if isinstance(error, CheckpointError)
    ]
    family_version = registry.find("families", family.base.name).plugin_version
    counts: dict[str, Counts] = {}
    work: dict[int, list[tuple[Bound, Stamp]]] = {}
    identities: dict[str, str] = {}
    for one in bound:
        # What is read of other analyzers is decided by their stamps at this epoch, and those by what they share.
        read = [[stored.array, identities[stored.analyzer]] for stored in one.stored]
        stamps = Stamps(
            family=family.name,
            family_version=family_version,
            variant=variant.name,
            analyzer=one.provided.id,
            analyzer_version=one.analyzer.version,
            plugin_version=one.provided.plugin_version,
            parameters=parameters_text(one.analyzer.parameters),
            probe=chosen_probe.name,
            probe_sha256=batch.digest,
            context_sha256=digest_of([one.context, list(one.places.values()), *([read] if read else [])]),
        )
        identities[one.provided.id] = stamps.digest(0, "")
        stored = list_units(variant.artifacts_of(chosen_probe.name).folder / one.provided.id)
        counts[one.provided.id], wanted = _compared(stamps, stored, readable, force)
        for epoch in wanted:
            work.setdefault(epoch, []).append((one, stamps.at(epoch, readable[epoch])))
    return Plan(
        variant,
        chosen_probe.name,
        batch,
        tuple(bound),
        tuple(Task(epoch, tuple(work[epoch])) for epoch in sorted(work)),
        counts,
        tuple(not_applicable),
        tuple(unreadable),
    )


def _compared(
    stamps: Stamps, stored: Mapping[int, Sequence[Unit]], checkpoints: Mapping[int, str], force: bool
) -> tuple[Counts, list[int]]:
    """Compare one analyzer's stored units with what should be; return the counts, and the epochs to compute."""
    fresh = missing = 0
    old, wanted = [], []
    for epoch, checkpoint in checkpoints.items():
        units = stored.get(epoch, ())
        digest = stamps.digest(epoch, checkpoint)
        if any(unit.digest == digest for unit in units):
            fresh += 1
            if not force:
                continue
        elif units:
            old.append((units[-1], stamps.at(epoch, checkpoint)))
        else:
            missing += 1
        wanted.append(epoch)
    return Counts(fresh, len(old), missing, tuple(old)), wanted


def _bound_in_order(
    chosen: Sequence[Provided], registry: Registry, variant: Variant, context: Any, batch: Batch
) -> tuple[list[Bound], list[NotApplicable]]:
    """Bind the chosen analyzers and those that they read, each after what it reads; sort out what does not apply.

    Raises:
        PluginError: analyzers read each other in a circle.
    """
    installed = {entry.id: entry for entry in registry.all("analyzers").values()}
    results: dict[str, Bound | NotApplicable] = {}

    def bind(entry: Provided, path: tuple[str, ...]) -> Bound | NotApplicable:
        if entry.id in path:
            circle = " -> ".join((*path[path.index(entry.id) :], entry.id))
            raise PluginError(f"Analyzers read each other in a circle: {circle}. One of them must not read the next.")
        if entry.id not in results:
            lacks = ""
            for read in entry.item.reads:
                if isinstance(read, Stored):
                    other, _, array = read.array.partition("/")
                    if other not in installed or array not in installed[other].item.outputs:
                        lacks = f"no analyzer that is installed stores {read.array}"
                    elif isinstance(bind(installed[other], (*path, entry.id)), NotApplicable):
                        lacks = f"it reads {read.array}, and {other} does not apply"
            result = NotApplicable(entry.id, lacks) if lacks else _bind(entry, variant, context, batch)
            results[entry.id] = result  # after what it reads
        return results[entry.id]

    for entry in sorted(chosen, key=lambda entry: entry.id):
        bind(entry, ())
    bound = [result for result in results.values() if isinstance(result, Bound)]
    return bound, [result for result in results.values() if isinstance(result, NotApplicable)]


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
        if isinstance(read, Stored):
            continue
        if isinstance(read, str):
            if read not in sites:
                return NotApplicable(
                    provided.id, f"family {family.name} has no site {read!r}; it has {', '.join(sorted(sites))}"
                )
            places[read] = sites[read]
        else:
            places[read] = read
    return Bound(provided, {fact: context[fact] for fact in analyzer.needs}, places)
