"""The series of a variant's checkpoints as analyzers see it, and several variants beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dynascope.analysis.binding import Bound
from dynascope.analysis.plan import Ledger
from dynascope.contract.config import Config
from dynascope.contract.probe import Batch
from dynascope.contract.reads import METRICS, AllWeights, Read, Stored, Weight
from dynascope.errors import ArtifactError, InvalidSetting, NotOffered, UnknownName
from dynascope.store.artifacts import Artifacts
from dynascope.store.hdf5 import Vanished
from dynascope.store.stamps import SERIES, place_of
from dynascope.store.units import Unit
from dynascope.store.variant import Variant

__all__ = ["StoredSeries", "metrics_until", "read_stored"]

Array = np.ndarray[Any, Any]


class StoredSeries:
    """Implements ``dynascope.Series`` on a variant's files; everything is read when it is asked for.

    Args:
        variant, batch, artifacts: of what, on which inputs, and where arrays are stored.
        bound: who reads.
        epochs: the checkpoints of the analysis.
        ledger: which units are read.
    """

    def __init__(
        self,
        variant: Variant,
        batch: Batch,
        artifacts: Artifacts,
        bound: Bound,
        epochs: Sequence[int],
        ledger: Ledger,
    ) -> None:
        self.batch = batch
        self.epochs = _frozen(np.array(epochs, dtype=np.int64))
        self._variant, self._artifacts, self._bound, self._ledger = variant, artifacts, bound, ledger

    @property
    def config(self) -> Config:
        return self._variant.config

    @property
    def context(self) -> Mapping[str, Any]:
        return self._bound.context

    @cached_property
    def metrics(self) -> Mapping[str, Array]:
        self._declared(METRICS)
        return metrics_until(self._variant, int(self.epochs[-1]))

    def __getitem__(self, read: Read) -> Array:
        self._declared(read)
        if isinstance(read, Stored):
            return read_stored(self._artifacts, self._ledger, read, every=self._bound.reads_every(read))
        if not isinstance(read, Weight):
            raise _otherwise(read)
        return _frozen(np.stack([self.at(read, int(epoch)) for epoch in self.epochs]))

    def at(self, read: Read, epoch: int) -> Array:
        self._declared(read)
        self._known(epoch)
        if isinstance(read, Stored):
            if read.at == "last":
                raise InvalidSetting(f"{read} is of the last checkpoint: series[...] reads it, and no epoch is chosen.")
            return read_stored(self._artifacts, self._ledger, read, epoch=epoch)
        if not isinstance(read, Weight):
            raise _otherwise(read)
        weights = self._variant.checkpoint_folder.read(epoch)
        if read.name not in weights:
            raise NotOffered(str(UnknownName(f"weight of {self._variant.family.name}", read.name, weights)))
        return _frozen(weights[read.name][: read.rows])

    def weights(self, epoch: int) -> Mapping[str, Array]:
        self._declared(AllWeights())
        self._known(epoch)
        return {name: _frozen(array) for name, array in self._variant.checkpoint_folder.read(epoch).items()}

    def _declared(self, read: Read) -> None:
        reads = self._bound.analyzer.reads
        if read not in reads:
            raise UnknownName("declared read", str(read), map(str, reads))

    def _known(self, epoch: int) -> None:
        if epoch not in self.epochs:
            raise UnknownName(f"checkpoint of {self._variant.name}", str(epoch), map(str, self.epochs))


def read_stored(
    artifacts: Artifacts, ledger: Ledger, read: Stored, *, every: bool = False, epoch: int | None = None
) -> Array:
    """Return a stored array: over the series if it is, or at every checkpoint, at one, or (by default) at the last.

    Raises:
        ArtifactError: it is not stored there: the analyzer has failed.
    """
    digests = ledger[read.analyzer]
    folder = artifacts.folder / read.analyzer
    try:
        if every and SERIES not in digests:
            units = [Unit(place, digest, folder) for place, digest in digests.items()]
            return _frozen(artifacts.stack(units, read.array))
        place = SERIES if SERIES in digests else max(digests) if epoch is None else place_of(epoch)
        found: Array = artifacts.read_unit(Unit(place, digests[place], folder), read.analyzer, read.name).values
        return found
    except Vanished as error:
        raise ArtifactError(f"reads {read.array}, which is not stored everywhere it is read: {error}") from None


def metrics_until(variant: Variant, epoch: int) -> Mapping[str, Array]:
    """Return the training metrics by column, up to an epoch, which is included."""
    columns = variant.metrics_file.read()
    kept = columns["epoch"] <= epoch
    return {name: _frozen(values[kept]) for name, values in columns.items()}


def _otherwise(read: Read) -> InvalidSetting:
    way = "series.metrics" if read == METRICS else "series.weights(epoch)"
    return InvalidSetting(f"{read!r} is read as {way}.")


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
