"""A layout: how another program lays out a trained run on disk, read and perhaps written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dynascope.errors import ExchangeError

if TYPE_CHECKING:
    from torch import Tensor

    from dynascope.store.variant import Variant

__all__ = ["Adopted", "ForeignRun", "Layout", "Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """The weights of one moment of a foreign run.

    Attributes:
        epoch: how many updates are behind them; None where the source does not say.
        source: the file's name, and the place in it if it holds several.
        read: returns the tensors by the source's own names.
    """

    epoch: int | None
    source: str
    read: Callable[[], Mapping[str, Tensor]]


@dataclass(frozen=True)
class ForeignRun:
    """What a layout finds in a source.

    Attributes:
        snapshots: the weights, in the order of the source.
        facts: what the source states of the run, by the source's own names (``lr``, ``frac_train``, ``d_model``).
        facts_from: the file that states them, where it is not the one with the weights.
        metrics: rows with ``epoch`` and any of the columns of ``metrics.csv``, of the weights after that many updates.
        metrics_epoch_known: whether the layout fixes to which weights a recorded loss belongs. Where it does not,
            the importer finds out, by computing the losses of the weights.
        resolution: half of the last decimal of the recorded losses; 0 for full precision.
        train_rows, test_rows: the split, as the indices of the examples in the order of the family; None if not stated.
        notes: sentences for the user.
    """

    snapshots: tuple[Snapshot, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    facts_from: str = ""
    metrics: Sequence[Mapping[str, float]] = ()
    metrics_epoch_known: bool = True
    resolution: float = 0.0
    train_rows: tuple[int, ...] | None = None
    test_rows: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adopted:
    """Foreign weights in a family's own names and shapes.

    Attributes:
        settings: what the shapes and the source's facts state, as settings of the family.
        weights: what ``forward`` and ``hooked`` take.
        notes: sentences for the user.
    """

    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


class Layout(ABC):
    """Reads, and perhaps writes, the files of another program.

    A layout knows files; the family knows what the weights in them mean (``Family.adopt``). Files are recognised by
    what they hold. Pickles are read with ``dynascope.exchange.files.read_pickle`` only, which executes nothing.
    """

    name: ClassVar[str]
    """What ``--as`` and ``--to`` take: ``[a-z][a-z0-9-]*``, unique among all layouts."""
    title: ClassVar[str]
    readable: ClassVar[bool] = True
    """Whether it can be imported."""
    writable: ClassVar[bool] = False
    """Whether ``write`` is implemented."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Tell whether ``path`` is a run in this layout. Cheap; never raises, whatever lies there."""

    @abstractmethod
    def read(self, path: Path) -> ForeignRun:
        """Return what lies at ``path``. Weights are read when a snapshot is asked for them, where that is possible.

        Raises:
            ExchangeError: saying what was found and what was expected.
        """

    def write(self, variant: Variant, path: Path, epochs: Sequence[int]) -> tuple[str, ...]:
        """Write a variant's checkpoints of ``epochs`` to ``path``, which does not exist; return sentences for the user.

        The core calls it with a temporary path, and renames.

        Raises:
            ExchangeError: the layout can only be read, or cannot hold this variant.
        """
        raise ExchangeError(f"Layout {self.name} can be read, not written.")
