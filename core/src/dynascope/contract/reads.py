"""What an analyzer can declare that it reads. The core works out one forward pass that keeps all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from dynascope.contract.config import Config
    from dynascope.contract.probe import Batch

__all__ = [
    "METRICS",
    "Activation",
    "AllWeights",
    "ClassOf",
    "ForwardPass",
    "Gradient",
    "Logit",
    "Logits",
    "Loss",
    "LossHessian",
    "Read",
    "Rows",
    "Stored",
    "Weight",
]

METRICS = "metrics"
"""The training metrics, for analyzers over the series and over variants."""


@dataclass(frozen=True)
class Activation:
    """An activation of the shared forward pass, ``"row feature"``, or ``"row position feature"``.

    Attributes:
        hook: its TransformerLens hook name.
        position: the sequence position to keep; None keeps all.
        dtype: the numpy type to keep it in; that of the model by default.
        axis: along which positions lie: 1, after the rows; 2 for the queries of a pattern ``"row head query key"``.
    """

    hook: str
    position: int | None = -1
    dtype: str | None = None
    axis: int = 1


@dataclass(frozen=True)
class Weight:
    """A weight of the checkpoint, in its own shape.

    Attributes:
        name: its name in the checkpoint.
        rows: the first ``rows`` rows of it; None for all.
    """

    name: str
    rows: int | None = None


@dataclass(frozen=True)
class AllWeights:
    """Every weight of the checkpoint, of whatever family; they are in ``step.weights``, by name."""


@dataclass(frozen=True)
class ForwardPass:
    """The model itself, of whatever family: ``step.forward(weights, rows)`` gives the logits at other weights.

    Declaring it costs no pass; each call is one, of the rows that it names.
    """


@dataclass(frozen=True)
class LossHessian:
    """The Hessian of the family's loss over rows of the probe: ``step.hessian(vectors)`` gives products with it.

    Declaring it costs nothing. The first product takes the gradient of the loss, in double precision, and each one
    differentiates once more.

    Attributes:
        over: the mean is taken over the rows where this fact is not 0; None: over all rows.
    """

    over: str | None = "train"


@dataclass(frozen=True)
class Logits:
    """The logits at the answer position, ``"row class"``, as ``Family.answers`` gives them.

    Attributes:
        dtype: the numpy type to keep them in; that of the model by default.
    """

    dtype: str | None = None


@dataclass(frozen=True)
class Rows:
    """A fact about each row of the probe, which the family states: ``"label"``, ``"train"``.

    Attributes:
        fact: one of ``Family.row_facts``.
    """

    fact: str


ClassOf: TypeAlias = "Callable[[Config, Batch], np.ndarray[Any, Any]]"
"""A function that chooses a class for each row of a probe."""


@dataclass(frozen=True)
class Loss:
    """The family's loss over rows of the probe.

    Attributes:
        over: the mean is taken over the rows where this fact is not 0, such as ``"train"``; None: over all rows.
    """

    over: str | None = None


@dataclass(frozen=True)
class Logit:
    """One logit of each row, so that the gradient at a row is that of its own logit.

    Attributes:
        of: the fact that names the class, such as ``"label"``, or a function of a module that chooses it.
    """

    of: str | ClassOf = "label"


@dataclass(frozen=True)
class Gradient:
    """A gradient, taken in the shared pass.

    Attributes:
        at: the activation or weight, or a site of the family by its common name; it has the shape of that.
        of: what is differentiated.
    """

    at: str | Activation | Weight
    of: Loss | Logit


@dataclass(frozen=True)
class Stored:
    """An array that another analyzer stores. That analyzer runs first.

    Attributes:
        array: ``"<plug-in>.<analyzer>/<array>"``.
        at: of an analyzer of checkpoints: ``None`` means the same checkpoint, and for an analyzer over the series
            every checkpoint; ``"last"`` the last checkpoint of the variant; ``"every"`` all of them, with ``epoch``
            as the first axis. An array over the series has no epoch to choose.
    """

    array: str
    at: Literal["last", "every"] | None = None

    @property
    def analyzer(self) -> str:
        """The analyzer's id."""
        return self.array.partition("/")[0]

    @property
    def name(self) -> str:
        """The array's own name."""
        return self.array.partition("/")[2]


Read: TypeAlias = str | Activation | Weight | AllWeights | ForwardPass | LossHessian | Logits | Rows | Gradient | Stored
"""What an analyzer reads: a site of the family by its common name, or one of these."""
