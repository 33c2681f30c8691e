"""An analyzer turns one checkpoint, the series of them, or several variants, into named, labelled arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np

from dynascope.contract.reads import Read
from dynascope.errors import InvalidSetting, UnknownName

if TYPE_CHECKING:
    from dynascope.contract.config import Config
    from dynascope.contract.probe import Batch

__all__ = [
    "Analyzer",
    "Comparison",
    "Forward",
    "HessianProduct",
    "Instrument",
    "Output",
    "Series",
    "SeriesAnalyzer",
    "SlicedAnalyzer",
    "Step",
    "VariantsAnalyzer",
]

Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class Output:
    """Declares one array that an analyzer writes.

    Attributes:
        dims: the name of each axis.
        dtype: its numpy type on disk: a float, an integer or ``"str"``; never float16, bool or complex.
        units: ``"1"`` for a number without a unit.
        description: one sentence.
        index_base: the first coordinate of an axis that has no coordinates of its own; 0 if not given.
            An output that is named like its only axis *is* that axis' coordinates. The axis ``epoch`` of an analyzer
            over the series, and the axis ``variant`` of one over variants, have theirs from the core.
        chunk: axes along which it is read one index at a time (one neuron's map is one small read).
        packed: store as integers of this type with ``scale_factor`` and ``add_offset`` (CF conventions);
            the error is at most half of ``scale_factor``.
        citation: the source of its formula, where that is another one than the analyzer's.
    """

    dims: tuple[str, ...]
    dtype: str
    units: str
    description: str
    index_base: Mapping[str, int] = field(default_factory=dict)
    chunk: tuple[str, ...] = ()
    packed: Literal["int16", "int8"] | None = None
    citation: str = ""


class Forward(Protocol):
    """The model of a step, at weights of the analyzer's choice."""

    def __call__(self, weights: Mapping[str, Array], rows: Array | None = None) -> Array:
        """Return the logits of rows of the probe, ``"row class"``, as ``Logits()`` would be there.

        Args:
            weights: those that differ from the checkpoint's, by name, or by the site that the analyzer reads; they are
                taken in its type.
            rows: numbers of rows of the whole probe; all by default.

        Raises:
            UnknownName: the checkpoint has no weight of that name.
            InvalidSetting: a weight has another shape than the checkpoint's.
        """


def _not_declared(weights: Mapping[str, Array], rows: Array | None = None) -> Array:
    raise UnknownName("declared read", "ForwardPass()", ())


class HessianProduct(Protocol):
    """The Hessian of a loss at a step's weights.

    Attributes:
        names: the weights that training moves, sorted; all others are constants.
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, vectors: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the product with a vector, float64, by the names of all weights that training moves.

        Args:
            vectors: the parts of the vector by those names; 0 where there is none.

        Raises:
            UnknownName: training does not move a weight of that name.
            InvalidSetting: a part has another shape than the weight.
        """


class _NoHessian:
    """Stands where no Hessian was declared."""

    @property
    def names(self) -> tuple[str, ...]:
        raise UnknownName("declared read", "LossHessian()", ())

    def __call__(self, vectors: Mapping[str, Array]) -> Mapping[str, Array]:
        raise UnknownName("declared read", "LossHessian()", ())


@dataclass(frozen=True)
class Step:
    """One checkpoint, as an analyzer sees it. Arrays are read-only.

    Attributes:
        epoch: the number of optimizer updates behind the weights.
        config: the variant's settings.
        context: the facts that the analyzer declared in ``needs``.
        batch: the probe's inputs.
        arrays: what the analyzer declared in ``reads``.
        weights: all weights by name, for an analyzer that reads ``AllWeights()``.
        rows: the rows of the batch that the activations, logits and row facts are of; all of them, but for a
            ``SlicedAnalyzer``.
        forward: gives the logits at other weights, for an analyzer that reads ``ForwardPass()``.
        hessian: gives products with the Hessian of a loss, for an analyzer that reads ``LossHessian()``.
    """

    epoch: int
    config: Config
    context: Mapping[str, Any]
    batch: Batch
    arrays: Mapping[Read, Array]
    weights: Mapping[str, Array] = field(default_factory=dict)
    rows: slice = field(default_factory=lambda: slice(None))
    forward: Forward = _not_declared
    hessian: HessianProduct = field(default_factory=_NoHessian)

    def __getitem__(self, read: Read) -> Array:
        """Return a declared read: an activation ``"row feature"``, a weight or a stored array in its own shape.

        Raises:
            UnknownName: the analyzer did not declare it.
        """
        return _declared(self.arrays, read)

    def unfolded(self, read: Read) -> Array:
        """Return what has a row axis with its rows unfolded to the probe's axes: ``"a b feature"``.

        Raises:
            UnknownName: the analyzer did not declare it.
            InvalidSetting: there is a slice of the rows only.
        """
        array = self[read]
        if len(array) != len(self.batch.inputs):
            raise InvalidSetting(f"{read} has {len(array)} of {len(self.batch.inputs)} rows: they cannot be unfolded.")
        return array.reshape(self.batch.shape + array.shape[1:])


class Series(Protocol):
    """All checkpoints of one variant, as an analyzer over the series sees them. Arrays are read-only.

    Attributes:
        epochs: of the checkpoints, ascending, ``"epoch"``.
        config: the variant's settings.
        context: the facts that the analyzer declared in ``needs``.
        batch: the probe's inputs.
        metrics: the training metrics by column, up to the last checkpoint, for an analyzer that reads ``"metrics"``.
    """

    @property
    def epochs(self) -> Array: ...

    @property
    def config(self) -> Config: ...

    @property
    def context(self) -> Mapping[str, Any]: ...

    @property
    def batch(self) -> Batch: ...

    @property
    def metrics(self) -> Mapping[str, Array]: ...

    def __getitem__(self, read: Read) -> Array:
        """Return a declared read: with ``epoch`` as its first axis, unless it is one array for the whole series.

        Raises:
            UnknownName: the analyzer did not declare it.
        """

    def at(self, read: Read, epoch: int) -> Array:
        """Return a declared read at one checkpoint: for what is too large to have at every epoch at once.

        Raises:
            UnknownName: the analyzer did not declare it, or there is no such checkpoint.
        """

    def weights(self, epoch: int) -> Mapping[str, Array]:
        """Return all weights of a checkpoint by name, for an analyzer that reads ``AllWeights()``.

        Raises:
            UnknownName: the analyzer did not declare it, or there is no such checkpoint.
        """


class Comparison(Protocol):
    """Several variants of one family, as an analyzer over variants sees them. Arrays are read-only.

    Attributes:
        variants: their names, sorted.
        configs: the settings of each.
        contexts: of each, the facts that the analyzer declared in ``needs``.
        epochs: of each, the checkpoints, ``"epoch"``.
        metrics: of each, the training metrics by column, for an analyzer that reads ``"metrics"``.
    """

    @property
    def variants(self) -> Sequence[str]: ...

    @property
    def configs(self) -> Mapping[str, Config]: ...

    @property
    def contexts(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def epochs(self) -> Mapping[str, Array]: ...

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Array]]: ...

    def __getitem__(self, read: Read) -> Mapping[str, Array]:
        """Return a declared read of each variant; their shapes may differ.

        Raises:
            UnknownName: the analyzer did not declare it.
        """


class Instrument(ABC):
    """What every analyzer declares. Derive from one of the classes below, which say what is measured.

    The module that defines it imports numpy at most; torch and the like only inside methods.
    """

    name: ClassVar[str]
    """``[a-z][a-z0-9_]*``, unique within the plug-in."""
    title: ClassVar[str] = ""
    description: ClassVar[str]
    """One sentence; formulas, conventions and caveats belong to the docstring of the class."""
    citation: ClassVar[str] = ""
    """Where the formulas are from, and what is ours."""
    version: ClassVar[int] = 1
    """Raise it when the numbers change: what was stored before is then stale."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Facts of the family's context."""
    reads: ClassVar[tuple[Read, ...]] = ()
    """Sites, activations, weights, logits, gradients, and what other analyzers store."""
    probe_axes: ClassVar[tuple[str, ...]] = ()
    """Axes that the probe must unfold to; empty if any probe will do."""
    parameters: ClassVar[Mapping[str, str | int | float]] = {}
    """Thresholds and choices; stamped on what is stored."""
    outputs: ClassVar[Mapping[str, Output]]
    on_demand: ClassVar[bool] = False
    """Whether it runs only where it is named, to ``analyze`` or in ``family.json``, or read by another: for what
    takes much longer than the others."""


class Analyzer(Instrument):
    """Measures one checkpoint. Returns arrays; the core checks, stamps and writes them.

    One forward pass per checkpoint serves all analyzers.
    """

    @abstractmethod
    def analyze(self, step: Step) -> Mapping[str, Array]:
        """Return one array for each declared output. A pure function of ``step``."""


class SlicedAnalyzer(Analyzer):
    """Measures one checkpoint from slices of the probe's rows, as they come out of the forward pass.

    What it reads of the rows need never be in memory at once: for large probes. Slices come in order; where one
    ends is the core's choice, and must not matter.
    """

    @abstractmethod
    def take(self, step: Step, so_far: Any) -> Any:
        """Return what is known after the rows of ``step``, given what was known before (at first None)."""

    @abstractmethod
    def finish(self, step: Step, so_far: Any) -> Mapping[str, Array]:
        """Return one array for each declared output. ``step`` holds what has no rows: weights and stored arrays."""

    def analyze(self, step: Step) -> Mapping[str, Array]:
        """Return what ``finish`` does, for all rows in one slice."""
        return self.finish(step, self.take(step, None))


class SeriesAnalyzer(Instrument):
    """Measures the series of a variant's checkpoints: one unit for all of them.

    It reads ``Stored`` arrays, ``Weight`` and ``AllWeights``, and ``"metrics"``; no forward pass is made for it.
    Its outputs may have the axis ``epoch``.
    """

    @abstractmethod
    def analyze(self, series: Series) -> Mapping[str, Array]:
        """Return one array for each declared output. A pure function of ``series``."""


class VariantsAnalyzer(Instrument):
    """Measures several variants of a family beside each other: one unit for all of them.

    It reads ``Stored`` arrays (of the last or of every checkpoint, or over the series) and ``"metrics"``. Its outputs
    may have the axis ``variant``.
    """

    @abstractmethod
    def analyze(self, comparison: Comparison) -> Mapping[str, Array]:
        """Return one array for each declared output. A pure function of ``comparison``."""


def _declared(arrays: Mapping[Read, Array], read: Read) -> Array:
    if read not in arrays:
        raise UnknownName("declared read", str(read), map(str, arrays))
    return arrays[read]
