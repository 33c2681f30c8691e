"""Working out what an analysis has to do: pure comparisons of stamps, before anything heavy is imported."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynascope.analysis.binding import Bound, NotApplicable, bind, with_what_they_read
from dynascope.contract.analyzer import Instrument, VariantsAnalyzer
from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.contract.probe import Batch
from dynascope.contract.reads import Stored
from dynascope.digest import digest_of
from dynascope.errors import ArtifactError, CheckpointError, Failure, UnknownName
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.probe_file import choose_probe
from dynascope.store.stamps import SERIES, Stamp, Stamps, parameters_text, place_of
from dynascope.store.units import Unit, changed_since, list_units, list_wholes
from dynascope.store.variant import Variant

__all__ = ["Counts", "Ledger", "Plan", "Sweep", "Task", "chosen_analyzers", "digest_of_all", "plan"]

DAMAGED = "a checkpoint is damaged"

Ledger = Mapping[str, Mapping[str, str]]
"""For each analyzer that others read, the digest of the stamp that its unit at each place has."""


@dataclass(frozen=True)
class Task:
    """The units of one checkpoint that are to be computed.

    Attributes:
        epoch: the checkpoint.
        units: each analyzer with the stamp its arrays will carry, after what it reads.
    """

    epoch: int
    units: tuple[tuple[Bound, Stamp], ...]


@dataclass(frozen=True)
class Sweep:
    """Once through the checkpoints, and then what is measured over the series of them.

    Attributes:
        tasks: the work at each checkpoint, ascending; the last checkpoint comes first where it is read at the others.
        series: the units over the series, each after what it reads.
    """

    tasks: tuple[Task, ...]
    series: tuple[tuple[Bound, Stamp], ...]

    @property
    def reads_every(self) -> bool:
        """Whether something is read of every checkpoint at each of these."""
        return any(bound.reads_every(read) for task in self.tasks for bound, _ in task.units for read in bound.stored)


@dataclass(frozen=True)
class Counts:
    """How many units of one analyzer are there.

    Attributes:
        fresh: stored, and what would be computed now.
        stale: stored, but something that decides the numbers has changed.
        missing: not stored.
        old: a stale unit of each place that has one, with the stamp it should have.
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


@dataclass(frozen=True, repr=False)
class Plan:
    """What an analysis has to do for one variant.

    Attributes:
        variant, probe, batch: of what, on which inputs.
        analyzers: those that apply, and those that they read, each after what it reads.
        checkpoints: the digest of each checkpoint that can be read, by epoch, ascending.
        sweeps: the work.
        counts: by analyzer id, how many units are fresh, stale and missing; the work is the stale and the missing
            ones (and the fresh ones, if forced).
        not_applicable: the analyzers that were asked for and cannot run here.
        waiting: the analyzers over the series of which some checkpoint will not be there, with the reason.
        unreadable: checkpoints whose header is damaged.
        absent: by analyzer id, the epochs at which its unit is not there and not planned; None for one of the series.
        ledger: which units are read by other analyzers.
        stamps: of each analyzer.
    """

    variant: Variant
    probe: ChosenProbe
    batch: Batch
    analyzers: tuple[Bound, ...]
    checkpoints: Mapping[int, str]
    sweeps: tuple[Sweep, ...]
    counts: dict[str, Counts]
    not_applicable: tuple[NotApplicable, ...]
    waiting: tuple[NotApplicable, ...]
    unreadable: tuple[Failure, ...]
    absent: Mapping[str, frozenset[int | None]]
    ledger: Ledger
    stamps: Mapping[str, Stamps] = field(repr=False)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The work at checkpoints."""
        return tuple(task for sweep in self.sweeps for task in sweep.tasks)

    def __repr__(self) -> str:
        return f"<plan of {self.variant.name}: {self.units:,} units to compute, {self.fresh:,} were fresh>"

    @property
    def units(self) -> int:
        """How many units are to be computed."""
        return sum(len(task.units) for task in self.tasks) + sum(len(sweep.series) for sweep in self.sweeps)

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

    def lacks(self, read: Stored) -> bool:
        """Tell whether something that is read over the series, or of the last checkpoint, will not be there."""
        return _lacks(read, self.absent[read.analyzer], self.checkpoints)

    def expected(self, analyzer: str) -> dict[str, Stamp]:
        """Return the stamp that each unit of an analyzer has when it is fresh, by place; none where that is unsure."""
        if any(one.analyzer == analyzer and one.reason == DAMAGED for one in self.waiting):
            return {}
        stamps = self.stamps[analyzer]
        return {place: stamps.at(place, checkpoint) for place, checkpoint in self._places(analyzer).items()}

    def _places(self, analyzer: str) -> dict[str, str]:
        (bound,) = (one for one in self.analyzers if one.id == analyzer)
        if bound.over_series:
            return {SERIES: digest_of_all(self.checkpoints)}
        return {place_of(epoch): checkpoint for epoch, checkpoint in self.checkpoints.items()}


def chosen_analyzers(registry: Registry, names: Iterable[str] | None) -> list[Provided]:
    """Return analyzers by name, each once; all that are installed and not ``on_demand``, if no names are given.

    Raises:
        UnknownName: an unknown analyzer.
    """
    if names is None:
        return [entry for entry in registry.all("analyzers").values() if not entry.item.on_demand]
    return list({entry.id: entry for entry in (registry.find("analyzers", name) for name in names)}.values())


def plan(
    variant: Variant,
    registry: Registry,
    *,
    probe: str | ChosenProbe | None = None,
    analyzers: Iterable[str] | None = None,
    epochs: Sequence[int] | None = None,
    force: bool = False,
) -> Plan:
    """Compare what is stored with what should be.

    What an analyzer reads of others is planned with it, wherever it reads it: the others' units at the same
    checkpoint, at the last one, or at all of them.

    Args:
        variant: a trained variant (or one in training).
        registry: the plug-ins.
        probe: as it is written (``"random_pairs:count=500"``), the name of a folder of artifacts, or the object; the
            family's default one by default.
        analyzers: names; those that ``family.json`` lists, or all, by default.
        epochs: the checkpoints at which they are wanted; all by default. Then analyzers over the series, unless they
            are named, are planned only where all that they read is there.
        force: compute fresh units too, of the analyzers that are asked for, not of what they read.

    Raises:
        UnknownName: an unknown probe, analyzer or epoch.
        DynascopeError: the probe cannot be made for this family.
    """
    family = variant.family
    context = family.base.context(variant.config)
    chosen_probe = choose_probe(probe or family.probe, registry, variant.folder.parent)
    for fact in chosen_probe.probe.needs:
        if fact not in context:
            raise UnknownName(
                f"fact in the context of family {family.name}, which probe {chosen_probe.name} needs,", fact, context
            )
    batch = chosen_probe.make(variant.config)
    names = analyzers if analyzers is not None else family.file.analyzers
    chosen = chosen_analyzers(registry, names)
    bound, not_applicable = bind(with_what_they_read(chosen, registry), registry, variant, context, batch)

    found = variant.checkpoint_folder.digests()
    for epoch in epochs or ():
        if epoch not in found:
            raise UnknownName(f"checkpoint of {variant.name}", str(epoch), map(str, found))
    checkpoints = {epoch: digest for epoch, digest in found.items() if isinstance(digest, str)}
    unreadable = [
        Failure("", epoch, variant.checkpoint_folder.file(epoch), error)
        for epoch, error in found.items()
        if isinstance(error, CheckpointError) and (epochs is None or epoch in epochs)
    ]
    stamping = _Stamping(variant, registry, chosen_probe.key, batch, checkpoints)
    for one in bound:
        stamping.add(one)
    asked = {one.id for one in chosen}
    between = [read for one in chosen if isinstance(one.item, VariantsAnalyzer) for read in _sources(one)]
    whole = epochs is None or analyzers is not None
    picked = set(checkpoints) & set(checkpoints if epochs is None else epochs)
    wanted = _wanted(bound, asked, between, checkpoints, picked, whole)
    comparing = _Comparing(variant.artifacts_of(chosen_probe).folder, stamping)
    unsure = _unsure(bound, found)
    for one in bound:
        if one.id in unsure:
            comparing.leave(one)
            continue
        comparing.add(one, wanted[one.id], picked if force and one.id in asked else set(), one.id in asked)
    return Plan(
        variant,
        chosen_probe,
        batch,
        tuple(bound),
        checkpoints,
        comparing.sweeps(),
        comparing.counts,
        tuple(not_applicable),
        tuple(comparing.waiting),
        tuple(unreadable),
        {name: frozenset(epochs) for name, epochs in comparing.absent.items()},
        stamping.ledger(read for group in (bound, chosen) for one in group for read in _sources(one)),
        stamping.stamps,
    )


def _sources(one: Bound | Provided) -> tuple[Stored, ...]:
    analyzer: Instrument = one.analyzer if isinstance(one, Bound) else one.item
    return tuple(read for read in analyzer.reads if isinstance(read, Stored))


def _wanted(
    bound: Sequence[Bound],
    asked: set[str],
    between: Iterable[Stored],
    checkpoints: Mapping[int, str],
    picked: set[int],
    whole: bool,
) -> dict[str, set[int]]:
    """Return at which epochs each analyzer is wanted: where it is asked for, and where it is read.

    An analyzer over the series is wanted at all of them or at none.
    """
    everywhere = set(checkpoints)
    wanted: dict[str, set[int]] = {one.id: set() for one in bound}
    for read in between if whole and everywhere else ():
        if read.analyzer in wanted:
            wanted[read.analyzer] |= {max(everywhere)} if read.at == "last" else everywhere
    for one in reversed(bound):  # readers come before what they read
        if one.id in asked:
            wanted[one.id] |= (everywhere if whole else set()) if one.over_series else picked
        if wanted[one.id]:
            if one.over_series:
                wanted[one.id] = everywhere
            for read in one.stored:
                last = {max(everywhere)} if read.at == "last" else set()
                wanted[read.analyzer] |= last or (everywhere if one.reads_every(read) else wanted[one.id])
    return wanted


def _unsure(bound: Sequence[Bound], found: Mapping[int, Any]) -> set[str]:
    """Return the analyzers whose stamps cannot be told: they read a checkpoint that is damaged, and may be mended."""
    damaged = {epoch for epoch, digest in found.items() if not isinstance(digest, str)}
    unsure: set[str] = set()
    for one in bound:
        sources = {read.analyzer for read in one.stored}
        every = one.over_series or any(one.reads_every(read) for read in one.stored)
        last = max(found) in damaged if damaged and any(read.at == "last" for read in one.stored) else False
        if (damaged and every) or last or sources & unsure:
            unsure.add(one.id)
    return unsure


def _lacks(read: Stored, absent: Collection[int | None], checkpoints: Mapping[int, str]) -> bool:
    return max(checkpoints, default=None) in absent if read.at == "last" else bool(absent)


def digest_of_all(digests: Mapping[Any, str]) -> str:
    """Return one digest of many, by place."""
    return hashlib.sha256("".join(f"{place} {digest}\n" for place, digest in digests.items()).encode()).hexdigest()


class _Stamping:
    """The stamps of a variant's units, each of which follows from those of what it reads."""

    def __init__(
        self, variant: Variant, registry: Registry, probe: str, batch: Batch, checkpoints: Mapping[int, str]
    ) -> None:
        self.checkpoints = checkpoints
        self.places = {place_of(epoch): checkpoint for epoch, checkpoint in checkpoints.items()}
        self.stamps: dict[str, Stamps] = {}
        self.digests: dict[str, dict[str, str]] = {}
        self._variant, self._registry, self._probe, self._batch = variant, registry, probe, batch

    def add(self, one: Bound) -> None:
        """Work out the digests of an analyzer's units; what it reads was added before."""
        variant, analyzer = self._variant, one.analyzer
        # What is read of other analyzers is decided by their stamps: at this epoch by what those share.
        read: list[Any] = [[stored.array, self._identity(one, stored)] for stored in one.stored]
        if one.reads_metrics and self.checkpoints:
            read.append(variant.metrics_file.digest(max(self.checkpoints)))
        self.stamps[one.id] = Stamps(
            family=variant.family.name,
            family_version=self._registry.find("families", variant.family.base.name).plugin_version,
            variant=variant.name,
            analyzer=one.id,
            analyzer_version=analyzer.version,
            plugin_version=one.provided.plugin_version,
            parameters=parameters_text(analyzer.parameters),
            probe=self._probe,
            probe_sha256=self._batch.digest,
            context_sha256=digest_of([one.context, list(one.places.values()), read]),
        )
        places = {SERIES: digest_of_all(self.checkpoints)} if one.over_series else self.places
        digest = self.stamps[one.id].digest
        self.digests[one.id] = {place: digest(place, checkpoint) for place, checkpoint in places.items()}

    def ledger(self, reads: Iterable[Stored]) -> Ledger:
        """Return the digests of the units that are read."""
        return {read.analyzer: self.digests[read.analyzer] for read in reads if read.analyzer in self.digests}

    def _identity(self, reader: Bound, stored: Stored) -> str:
        digests = self.digests[stored.analyzer]
        if SERIES in digests:
            return digests[SERIES]
        if stored.at == "last":
            return next(reversed(digests.values()), "")
        if reader.reads_every(stored):
            return digest_of_all(digests)
        return self.stamps[stored.analyzer].digest("", "")


class _Comparing:
    """What is stored, compared with what is wanted."""

    def __init__(self, folder: Path, stamping: _Stamping) -> None:
        self.counts: dict[str, Counts] = {}
        self.waiting: list[NotApplicable] = []
        self._folder, self._stamping = folder, stamping
        self._tasks: dict[int, dict[int, list[tuple[Bound, Stamp]]]] = {}
        self._series: dict[int, list[tuple[Bound, Stamp]]] = {}
        self.absent: dict[str, set[int | None]] = {}

    def leave(self, one: Bound) -> None:
        """Leave an analyzer as it is: what is right for it cannot be told."""
        self.counts[one.id] = Counts(0, 0, 0, ())
        self.absent[one.id] = {*self._stamping.checkpoints, None}
        self.waiting.append(NotApplicable(one.id, DAMAGED))

    def add(self, one: Bound, wanted: set[int], forced: set[int], asked: bool) -> None:
        """Compare the units of an analyzer; what it reads was added before."""
        if one.over_series:
            self._add_series(one, bool(forced), asked or bool(wanted))
            return
        names = _names(self._folder / one.id)
        digests, stamps = self._stamping.digests[one.id], self._stamping.stamps[one.id]
        fresh, missing = 0, 0
        old: list[tuple[Unit, Stamp]] = []
        stored: dict[int, list[Unit]] | None = None
        absent = self.absent[one.id] = set()
        for (place, digest), (epoch, checkpoint) in zip(
            digests.items(), self._stamping.checkpoints.items(), strict=True
        ):
            there = f"{place}-{digest}.h5" in names
            if epoch not in wanted:
                if not there:
                    absent.add(epoch)
                continue
            if there:
                fresh += 1
                if epoch not in forced:
                    continue
            else:
                if stored is None:
                    stored = list_units(self._folder / one.id)
                if epoch in stored:
                    old.append((stored[epoch][-1], stamps.at(place, checkpoint)))
                else:
                    missing += 1
            self._tasks.setdefault(one.stage, {}).setdefault(epoch, []).append((one, stamps.at(place, checkpoint)))
        self.counts[one.id] = Counts(fresh, len(old), missing, tuple(old))

    def _add_series(self, one: Bound, force: bool, asked: bool) -> None:
        (digest,) = self._stamping.digests[one.id].values()
        stamp = self._stamping.stamps[one.id].at(SERIES, digest_of_all(self._stamping.checkpoints))
        units = list_wholes(self._folder / one.id).get(SERIES, [])
        fresh = any(unit.digest == digest for unit in units)
        old = () if fresh else tuple((unit, stamp) for unit in units[-1:])
        self.counts[one.id] = Counts(int(fresh), len(old), int(not units), old)
        self.absent[one.id] = set()
        if fresh and not force:
            return
        checkpoints = self._stamping.checkpoints
        lacking = [read.analyzer for read in one.stored if _lacks(read, self.absent[read.analyzer], checkpoints)]
        if lacking:
            self.absent[one.id] = {None}
            reason = f"{lacking[0]} is not there wherever it is read"
            self.waiting.append(NotApplicable(one.id, reason))
        elif asked and checkpoints:
            self._series.setdefault(one.stage, []).append((one, stamp))

    def sweeps(self) -> tuple[Sweep, ...]:
        """Return the work, stage after stage."""
        last = max(self._stamping.checkpoints, default=0)
        sweeps = []
        for stage in sorted({*self._tasks, *self._series}):
            tasks = [Task(epoch, tuple(units)) for epoch, units in sorted(self._tasks.get(stage, {}).items())]
            if any(read.at == "last" for task in tasks for one, _ in task.units for read in one.stored):
                tasks.sort(key=lambda task: task.epoch != last)
            sweeps.append(Sweep(tuple(tasks), tuple(self._series.get(stage, ()))))
        return tuple(sweeps)


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
