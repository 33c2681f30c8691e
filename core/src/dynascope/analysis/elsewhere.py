"""Computing units in other processes: a plan is cut into orders, which are names and numbers."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dynascope.analysis.binding import Bound, bind
from dynascope.analysis.desk import Desk
from dynascope.analysis.plan import Ledger, Plan, Sweep
from dynascope.errors import AnalysisFailed, DynascopeError, Failure, WorkspaceError, error_text
from dynascope.executors import Where, opened
from dynascope.plugins.discovery import registry
from dynascope.plugins.versions import Versions, check_versions, versions_of
from dynascope.store.stamps import SERIES, Stamp, place_of
from dynascope.store.workspace import Workspace

__all__ = ["Order", "Report", "carry_out", "share_out"]

log = logging.getLogger(__name__)

SECONDS = 4.0
"""How long an order should take: so long that handing it out does not count, so short that little is lost with it."""
ATTEMPTS = 3
"""How often an order is given out whose worker dies. One that kills its worker each time is reported."""


@dataclass(frozen=True)
class Order:
    """Units of one variant: consecutive checkpoints with the analyzers that they need, or some over the series.

    Attributes:
        workspace, family, variant, probe: by path and names; the probe as it is written.
        epochs: of the checkpoints of the analysis.
        units: the stamps of the units to compute, by epoch.
        series: the stamps of units over the series.
        ledger: which units are read of other analyzers.
        lacking: the analyzers of which it is known that they do not apply.
        versions: of the plug-ins of the process that planned.
        memory: bytes that activations may take.
        attempt: how often it was given out.
    """

    workspace: Path
    family: str
    variant: str
    probe: str
    epochs: tuple[int, ...]
    units: tuple[tuple[int, tuple[Stamp, ...]], ...]
    series: tuple[Stamp, ...]
    ledger: Ledger
    lacking: Mapping[str, str]
    versions: Versions
    memory: int
    attempt: int = 1

    @property
    def size(self) -> int:
        """The number of units."""
        return sum(len(stamps) for _, stamps in self.units) + len(self.series)

    @property
    def stamps(self) -> Iterator[Stamp]:
        """The stamps of all units."""
        return (stamp for stamps in (*(stamps for _, stamps in self.units), self.series) for stamp in stamps)


@dataclass(frozen=True)
class Report:
    """What came of an order.

    Attributes:
        failures: of its units.
        lacking: the analyzers that turned out not to apply, with the reason.
        seconds: that it took, without the start of the worker.
    """

    failures: list[Failure]
    lacking: dict[str, str]
    seconds: float


def carry_out(order: Order) -> Report:
    """Compute the units of an order, in the process of a worker.

    Raises:
        PluginError: this worker has other plug-ins, or other versions of them, than the process that planned.
        AnalysisFailed: the probe or the family is not what it was when the analysis was planned.
    """
    check_versions(registry(), order.versions)
    desk = _desk(order)
    began = time.perf_counter()
    failures: list[Failure] = []
    for epoch, stamps in order.units:
        failures += desk.checkpoint(epoch, stamps)
    for stamp in order.series:
        failures += desk.series(stamp)
    desk.settle()
    # Errors of other classes may not survive the way back, and their traceback does not.
    told = [replace(failure, error=AnalysisFailed(error_text(failure.error))) for failure in failures]
    return Report(told, dict(desk.lacking), time.perf_counter() - began)


def _desk(order: Order) -> Desk:
    """Return the desk of an order; that of the order before it, if it is of the same variant and probe."""
    names = tuple(sorted({stamp.analyzer for stamp in order.stamps} | set(order.ledger)))
    # A Dask worker may have several threads; each has a desk of its own.
    desk = _at_work(order.workspace, order.family, order.variant, order.probe, names, threading.get_ident())
    for stamp in order.stamps:
        if stamp.probe_sha256 != desk.batch.digest:
            raise AnalysisFailed(f"Probe {order.probe} does not make the inputs here that it made at planning.")
    desk.epochs, desk.ledger, desk.model.memory = order.epochs, order.ledger, order.memory
    desk.lacking = dict(order.lacking)
    desk.of_every.clear()  # of an order that was broken off
    return desk


@lru_cache(maxsize=8)
def _at_work(workspace: Path, family: str, name: str, probe: str, analyzers: tuple[str, ...], thread: int) -> Desk:
    plugins = registry()
    variant = Workspace(workspace).variant(f"{family}/{name}")
    chosen_probe = plugins.choose(probe)
    batch = chosen_probe.make(variant.config)
    chosen = [plugins.find("analyzers", one) for one in analyzers]
    bound, _ = bind(chosen, plugins, variant, variant.family.base.context(variant.config), batch)
    return Desk(variant, chosen_probe, batch, {one.id: one for one in bound}, (), {})


def share_out(
    plans: Sequence[Plan],
    where: Where,
    memory: int,
    advance: Callable[[int], None],
    restack: Callable[[Plan, Iterable[str]], None],
) -> list[tuple[list[Failure], dict[str, str]]]:
    """Compute the units of plans elsewhere; return what failed of each, and which analyzers do not apply.

    Args:
        advance: called with the units that were done.
        restack: called where a plan's series are going to be read.
    """
    known = versions_of(registry())
    sharing = [_Sharing(work, memory, known, restack) for work in plans]
    running: dict[Any, tuple[_Sharing, Order]] = {}
    with opened(where) as port:
        while any(one.unfinished for one in sharing):
            workers = port.workers
            for one in sharing:
                while len(running) < 2 * workers and (order := one.next(workers)) is not None:
                    running[port.submit(carry_out, order)] = one, order
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                one, order = running.pop(future)
                one.take(order, future, advance)
    return [(one.failures, one.lacking) for one in sharing]


@dataclass
class _Sharing:
    """A plan that is being shared out: sweep after sweep, of each the last checkpoint first where it is read."""

    work: Plan
    memory: int
    versions: Versions
    restack: Callable[[Plan, Iterable[str]], None]
    failures: list[Failure] = field(default_factory=list)
    lacking: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._waves = deque(wave for sweep in self.work.sweeps for wave in _waves(sweep))
        self._out = 0
        self._restacked = False
        self._again: deque[Order] = deque()
        self._pace: float | None = None

    @property
    def unfinished(self) -> bool:
        """Whether something is still to be done."""
        return bool(self._waves or self._again or self._out)

    def next(self, workers: int) -> Order | None:
        """Return an order that can be given out now; None if there is none before others are done."""
        if self._again:
            self._out += 1
            return self._again.popleft()
        while self._waves and not self._waves[0].tasks and not self._waves[0].series:
            if self._out:
                return None  # the next wave reads what is being computed
            self._waves.popleft()
            self._restacked = False
        if not self._waves:
            return None
        wave = self._waves[0]
        size = 1
        if self._pace is not None:
            fair = -(-len(wave.tasks) // (2 * workers))
            size = max(1, min(fair, int(SECONDS / self._pace)))
        tasks, rest = wave.tasks[:size], wave.tasks[size:]
        if wave.series or (not self._restacked and wave.reads_every):
            self.restack(self.work, self.work.ledger)
            self._restacked = True
        self._waves[0] = Sweep(rest, ())
        self._out += 1
        return self._order([(task.epoch, tuple(stamp for _, stamp in task.units)) for task in tasks], wave.series)

    def take(self, order: Order, future: Any, advance: Callable[[int], None]) -> None:
        """Take in what came of an order; one whose worker died is to be given out again."""
        self._out -= 1
        try:
            report = future.result()
        except WorkspaceError:
            raise
        except DynascopeError as error:
            self._lost(order, error, advance)
        except Exception as error:  # whatever each kind of executor raises for a worker that died
            log.debug("An order was lost.", exc_info=error)
            if order.attempt < ATTEMPTS:
                log.warning("A worker died; its work is given out again (attempt %d).", order.attempt + 1)
                # One checkpoint may be what kills: the others are not to be lost with it.
                again = replace(order, attempt=order.attempt + 1)
                parts = [replace(again, units=(unit,)) for unit in order.units] if len(order.units) > 1 else [again]
                self._again.extend(parts)
            else:
                died = AnalysisFailed(
                    f"No worker could finish it in {ATTEMPTS} attempts, as where each is killed or has no memory "
                    f"left: {error_text(error)}"
                )
                self._lost(order, died, advance)
        else:
            self.failures += report.failures
            self.lacking.update(report.lacking)
            if order.units:
                self._pace = report.seconds / len(order.units)
            advance(order.size)

    def _lost(self, order: Order, error: DynascopeError, advance: Callable[[int], None]) -> None:
        folder = self.work.variant.checkpoint_folder
        self.failures += [Failure("", epoch, folder.file(epoch), error) for epoch, _ in order.units]
        self.failures += [Failure(stamp.analyzer, None, folder.path, error) for stamp in order.series]
        advance(order.size)

    def _order(self, units: list[tuple[int, tuple[Stamp, ...]]], series: Iterable[tuple[Bound, Stamp]]) -> Order:
        work, folder = self.work, self.work.variant.folder
        ledger = work.ledger
        read_at_all = any(bound.reads_every(read) for bound in work.analyzers for read in bound.stored)
        if not read_at_all:
            here = {*(place_of(epoch) for epoch, _ in units), place_of(max(work.checkpoints)), SERIES}
            ledger = {name: {at: digests[at] for at in digests if at in here} for name, digests in ledger.items()}
        return Order(
            folder.parents[2],
            work.variant.family.name,
            work.variant.name,
            work.probe.text,
            tuple(work.checkpoints),
            tuple(units),
            tuple(stamp for _, stamp in series),
            ledger,
            self.lacking,
            self.versions,
            self.memory,
        )


def _waves(sweep: Sweep) -> Iterator[Sweep]:
    """Cut a sweep into parts, each of which reads what the ones before it have stored."""
    tasks = sweep.tasks
    if len(tasks) > 1 and tasks[0].epoch > tasks[1].epoch:  # the last checkpoint is read at the others
        yield Sweep(tasks[:1], ())
        tasks = tasks[1:]
    yield Sweep(tasks, ())
    for unit in sweep.series:
        yield Sweep((), (unit,))
