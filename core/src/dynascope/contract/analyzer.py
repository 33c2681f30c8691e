"""An analyzer: turns one checkpoint into named, labelled arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from dynascope.errors import UnknownName

if TYPE_CHECKING:
    from dynascope.contract.config import Config
    from dynascope.contract.probe import Batch

__all__ = ["Activation", "Analyzer", "Output", "Read", "Step", "Stored", "Weight"]

Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class Activation:
    """An activation of the shared forward pass.

    Attributes:
        hook: its TransformerLens hook name.
        position: the sequence position to keep; None keeps all.
    """

    hook: str
    position: int | None = -1


@dataclass(frozen=True)
class Weight:
    """A weight of the checkpoint.

    Attributes:
        name: its name in the checkpoint.
        rows: the first ``rows`` rows of it; None for all.
    """

    name: str
    rows: int | None = None


@dataclass(frozen=True)
class Stored:
    """An array that another analyzer stores of the same checkpoint. That analyzer runs first.

    Attributes:
        array: ``"<plug-in>.<analyzer>/<array>"``.
    """

    array: str

    @property
    def analyzer(self) -> str:
        """The analyzer's id."""
        return self.array.partition("/")[0]


Read: TypeAlias = str | Activation | Weight | Stored
"""What an analyzer reads: a site of the family by its common name, an activation or weight by its own, or what
another analyzer stores."""


@dataclass(frozen=True)
class Output:
    """Declares one array that an analyzer writes.

    Attributes:
        dims: the name of each axis.
        dtype: its numpy type on disk: a float, an integer or ``"str"``; never float16, bool or complex.
        units: ``"1"`` for a number without a unit.
        description: one sentence.
        index_base: the first coordinate of an axis that has no coordinates of its own; 0 if not given.
            An output that is named like its only axis *is* that axis' coordinates.
        chunk: axes along which it is read one index at a time (one neuron's map is one small read).
        packed: store as integers of this type with ``scale_factor`` and ``add_offset`` (CF conventions);
            the error is at most half of ``scale_factor``.
    """

    dims: tuple[str, ...]
    dtype: str
    units: str
    description: str
    index_base: Mapping[str, int] = field(default_factory=dict)
    chunk: tuple[str, ...] = ()
    packed: Literal["int16", "int8"] | None = None


@dataclass(frozen=True)
class Step:
    """One checkpoint, as an analyzer sees it. Arrays are read-only.

    Attributes:
        epoch: the number of optimizer updates behind the weights.
        config: the variant's settings.
        context: the facts that the analyzer declared in ``needs``.
        batch: the probe's inputs.
        arrays: what the analyzer declared in ``reads``.
    """

    epoch: int
    config: Config
    context: Mapping[str, Any]
    batch: Batch
    arrays: Mapping[Read, Array]

    def __getitem__(self, read: Read) -> Array:
        """Return a declared read: an activation ``"row feature"``, a weight or a stored array in its own shape.

        Raises:
            UnknownName: the analyzer did not declare it.
        """
        if read not in self.arrays:
            raise UnknownName("declared read", str(read), map(str, self.arrays))
        return self.arrays[read]

    def unfolded(self, read: Read) -> Array:
        """Return an activation with its rows unfolded to the probe's axes: ``"a b feature"``."""
        array = self[read]
        return array.reshape(self.batch.shape + array.shape[1:])


class Analyzer(ABC):
    """Measures one checkpoint. Returns arrays; the core checks, stamps and writes them.

    The module that defines it imports numpy at most; torch and the like only inside methods.
    """

    name: ClassVar[str]
    """``[a-z][a-z0-9_]*``, unique within the plug-in."""
    title: ClassVar[str] = ""
    description: ClassVar[str]
    version: ClassVar[int] = 1
    """Raise it when the numbers change: what was stored before is then stale."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Facts of the family's context."""
    reads: ClassVar[tuple[Read, ...]] = ()
    """Sites, activations, weights, and what other analyzers store. One forward pass serves all analyzers."""
    probe_axes: ClassVar[tuple[str, ...]] = ()
    """Axes that the probe must unfold to; empty if any probe will do."""
    parameters: ClassVar[Mapping[str, str | int | float]] = {}
    """Thresholds and choices; stamped on what is stored."""
    outputs: ClassVar[Mapping[str, Output]]

    @abstractmethod
    def analyze(self, step: Step) -> Mapping[str, Array]:
        """Return one array for each declared output. A pure function of ``step``."""
