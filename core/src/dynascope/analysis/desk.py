"""What a process needs to compute units of one variant under one probe."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dynascope.analysis.binding import Bound, Place
from dynascope.analysis.forward import MEMORY, Found, Model
from dynascope.analysis.hessian import LossCurvature
from dynascope.analysis.plan import Ledger, Plan
from dynascope.analysis.series import StoredSeries, read_stored
from dynascope.contract.analyzer import Analyzer, SeriesAnalyzer, SlicedAnalyzer, Step
from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.contract.probe import Batch
from dynascope.contract.reads import (
    Activation,
    AllWeights,
    ForwardPass,
    Gradient,
    Logits,
    LossHessian,
    Read,
    Rows,
    Stored,
    Weight,
)
from dynascope.errors import Failure, NotOffered, WorkspaceError
from dynascope.store.atomic import settle
from dynascope.store.series import SERIES_FILE
from dynascope.store.stamps import Stamp
from dynascope.store.units import Unit, write_unit
from dynascope.store.variant import Variant

__all__ = ["Desk"]

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]


class Desk:
    """Computes units: reads, calls analyzers, and writes what they return.

    Args:
        variant, probe, batch: of what, on which inputs.
        analyzers: those that are bound to them, by id.
        epochs: of the checkpoints that the analysis was planned with, ascending.
        ledger: which units are read of other analyzers.
        memory: bytes that activations may take.
    """

    def __init__(
        self,
        variant: Variant,
        probe: ChosenProbe,
        batch: Batch,
        analyzers: Mapping[str, Bound],
        epochs: Sequence[int],
        ledger: Ledger,
        memory: int = MEMORY,
    ) -> None:
        self.variant, self.batch, self.analyzers = variant, batch, analyzers
        self.epochs, self.ledger = epochs, ledger
        self.artifacts = variant.artifacts_of(probe)
        self.model = Model(variant, batch, memory)
        self.lacking: dict[str, str] = {}
        """The analyzers that turned out not to apply, once there was a model to look at, with the reason."""
        self.of_every: dict[Stored, Array] = {}
        """What is read of every checkpoint, until ``settle``: it is the same at each."""
        self._unsettled: set[Path] = set()

    @classmethod
    def of(cls, work: Plan, memory: int = MEMORY) -> Desk:
        """Return the desk of a plan."""
        analyzers = {bound.id: bound for bound in work.analyzers}
        return cls(work.variant, work.probe, work.batch, analyzers, list(work.checkpoints), work.ledger, memory)

    def checkpoint(self, epoch: int, stamps: Sequence[Stamp]) -> list[Failure]:
        """Compute units of one checkpoint, each after what it reads; return what failed.

        Raises:
            WorkspaceError: the disk is full, or cannot be written to: the next unit would meet that too.
        """
        file = self.variant.checkpoint_folder.file(epoch)
        wanted = [self.analyzers[stamp.analyzer] for stamp in stamps if stamp.analyzer not in self.lacking]
        try:
            at_epoch = _AtEpoch(self, epoch, wanted)
        except WorkspaceError:
            raise
        except Exception as error:  # one unusable checkpoint must not stop the others
            return [Failure("", epoch, file, error)]
        failures = []
        for stamp in stamps:
            bound = self.analyzers[stamp.analyzer]
            if self.lacks_what_it_reads(bound):
                continue
            try:
                arrays = at_epoch.made[bound.id] = at_epoch.arrays(bound)
                axes = {axis: self.batch.axes[axis] for axis in bound.analyzer.probe_axes}
                self._write(bound, stamp, arrays, axes)
            except WorkspaceError:
                raise
            except NotOffered as error:
                self.lacking[bound.id] = str(error)
            except Exception as error:  # any error of a plug-in is reported, with its place, at the end
                log.debug("Unit failed.", exc_info=error)
                at_epoch.made.pop(bound.id, None)
                failures.append(Failure(_who(bound), epoch, file, error))
        return failures

    def series(self, stamp: Stamp) -> list[Failure]:
        """Compute one unit over the series; return what failed.

        Raises:
            WorkspaceError: as ``checkpoint``.
        """
        bound = self.analyzers[stamp.analyzer]
        analyzer = bound.analyzer
        assert isinstance(analyzer, SeriesAnalyzer)
        if self.lacks_what_it_reads(bound):
            return []
        try:
            series = StoredSeries(self.variant, self.batch, self.artifacts, bound, self.epochs, self.ledger)
            self._write(bound, stamp, analyzer.analyze(series), {"epoch": series.epochs})
        except WorkspaceError:
            raise
        except NotOffered as error:
            self.lacking[bound.id] = str(error)
        except Exception as error:
            log.debug("Unit failed.", exc_info=error)
            return [Failure(_who(bound), None, self.variant.checkpoint_folder.path, error)]
        return []

    def lacks_what_it_reads(self, bound: Bound) -> bool:
        """Tell whether an analyzer does not apply: the model lacks what it reads, or what it reads does not apply."""
        for stored in bound.stored:
            if stored.analyzer in self.lacking:
                self.lacking.setdefault(bound.id, f"it reads {stored.array}, and {stored.analyzer} does not apply")
        return bound.id in self.lacking

    def _write(self, bound: Bound, stamp: Stamp, arrays: Mapping[str, Array], axes: Mapping[str, Array]) -> None:
        folder = self.artifacts.folder / bound.id
        again = bound.over_series or Unit(stamp.place, stamp.digest, folder).path.exists()
        write_unit(folder, stamp, bound.analyzer.outputs, arrays, axes, settled=False)
        if again:  # a series that was stacked of the unit before lists the same names
            (folder / SERIES_FILE).unlink(missing_ok=True)
        self._unsettled.add(folder)

    def settle(self) -> None:
        """Wait until the names of all that was written are on the disk."""
        self.of_every.clear()
        while self._unsettled:
            settle(self._unsettled.pop())


class _AtEpoch:
    """One checkpoint at a desk: everything that its analyzers read of the model, from at most one pass."""

    def __init__(self, desk: Desk, epoch: int, analyzers: Sequence[Bound]) -> None:
        self._desk, self._epoch = desk, epoch
        self.made: dict[str, Mapping[str, Array]] = {}
        self._sliced: dict[str, Any] = {}
        self._weights = desk.model.weights(epoch)
        places = list(dict.fromkeys(place for bound in analyzers for place in bound.places.values()))
        self._found = desk.model.without_pass(self._weights, places)
        passing = [place for place in places if isinstance(place, (Activation, Logits, Gradient))]
        if not passing:
            for bound in filter(_takes_slices, analyzers):
                self._take(bound, slice(0, len(desk.batch.inputs)), {})
            return
        whole = {place for one in analyzers if not _takes_slices(one) for place in one.places.values()}
        for rows, found, complete in desk.model.passes(epoch, self._weights, passing, whole):
            for bound in filter(_takes_slices, analyzers):
                self._take(bound, rows, found)
            self._found.update(complete)

    def arrays(self, bound: Bound) -> Mapping[str, Array]:
        """Return what an analyzer makes of the checkpoint."""
        analyzer = bound.analyzer
        assert isinstance(analyzer, Analyzer)
        if isinstance(analyzer, SlicedAnalyzer) and _takes_slices(bound):
            so_far = self._sliced[bound.id]
            if isinstance(so_far, Exception):
                raise so_far
            places = {read: place for read, place in bound.places.items() if not _has_rows(place) or _is_sum(place)}
            return analyzer.finish(self._step(bound, self._read(places, self._found)), so_far)
        return analyzer.analyze(self._step(bound, self._read(bound.places, self._found)))

    def _take(self, bound: Bound, rows: slice, found: Found) -> None:
        so_far = self._sliced.get(bound.id)
        if isinstance(so_far, Exception):
            return
        analyzer = bound.analyzer
        assert isinstance(analyzer, SlicedAnalyzer)
        places = {read: place for read, place in bound.places.items() if not _is_sum(place)}
        there: Found = {**self._found, **found}
        for place, array in self._found.items():
            if isinstance(place, Rows) and not isinstance(array, Exception):
                there[place] = array[rows]
        try:
            reads = self._read(places, there)
            self._sliced[bound.id] = analyzer.take(self._step(bound, reads, rows), so_far)
        except Exception as error:  # it is reported where the unit is due
            self._sliced[bound.id] = error

    def _read(self, places: Mapping[Read, Place], found: Found) -> dict[Read, Array]:
        reads: dict[Read, Array] = {}
        for read, place in places.items():
            if not isinstance(place, (AllWeights, ForwardPass, LossHessian)):
                array = found[place]
                if isinstance(array, Exception):
                    raise array
                reads[read] = array
        return reads

    def _stored(self, read: Stored) -> Array:
        """Return what another analyzer has stored; what it has made just now, as a file would give it."""
        desk = self._desk
        last = read.at == "last" and self._epoch == desk.epochs[-1]
        output = desk.analyzers[read.analyzer].analyzer.outputs[read.name]
        if read.analyzer in self.made and (read.at is None or last) and output.packed is None:
            made = np.asarray(self.made[read.analyzer][read.name])
            array = made.astype(str).astype(object) if output.dtype == "str" else made.astype(output.dtype)
            array.flags.writeable = False
            return array
        if read.at == "every":
            if read not in desk.of_every:
                desk.of_every[read] = read_stored(desk.artifacts, desk.ledger, read, every=True)
            return desk.of_every[read]
        return read_stored(desk.artifacts, desk.ledger, read, epoch=self._epoch if read.at is None else None)

    def _step(self, bound: Bound, reads: dict[Read, Array], rows: slice | None = None) -> Step:
        desk = self._desk
        for stored in bound.stored if rows is None or not _takes_slices(bound) else ():
            reads[stored] = self._stored(stored)
        more: dict[str, Any] = {}
        if ForwardPass() in bound.places.values():
            names = {read: place.name for read, place in bound.places.items() if isinstance(place, Weight)}
            more["forward"] = partial(self._forward, names)
        for place in bound.places.values():
            if isinstance(place, LossHessian):
                more["hessian"] = LossCurvature(desk.model, self._weights, place.over)
        return Step(
            epoch=self._epoch,
            config=desk.variant.config,
            context=bound.context,
            batch=desk.batch,
            arrays=reads,
            weights=self._weights if AllWeights() in bound.places.values() else {},
            rows=slice(0, len(desk.batch.inputs)) if rows is None else rows,
            **more,
        )

    def _forward(self, names: Mapping[Read, str], weights: Mapping[str, Array], rows: Array | None = None) -> Array:
        other = {names.get(name, name): array for name, array in weights.items()}
        return self._desk.model.forward({**self._weights}, other, rows)


def _takes_slices(bound: Bound) -> bool:
    return isinstance(bound.analyzer, SlicedAnalyzer) and any(map(_has_rows, bound.places.values()))


def _has_rows(place: Place) -> bool:
    return isinstance(place, (Activation, Logits, Rows)) or (
        isinstance(place, Gradient) and isinstance(place.at, Activation)
    )


def _is_sum(place: Place) -> bool:
    """Tell whether something is a sum over all rows, and so complete with the last slice only."""
    return isinstance(place, Gradient) and not isinstance(place.at, Activation)


def _who(bound: Bound) -> str:
    return f"{bound.id} {bound.provided.plugin_version}"
