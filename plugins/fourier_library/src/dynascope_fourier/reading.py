"""What the instruments ask of the arrays that they read, said once."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynascope import CheckpointError, InvalidSetting, Step
from dynascope.contract import Read

__all__ = ["check_full_grid", "finite", "in_double", "number_rows", "over_pairs"]

Array = np.ndarray[Any, Any]


def finite(array: Array, what: object) -> Array:
    """Return the array as it is.

    Raises:
        CheckpointError: it holds NaN or infinity.
    """
    if not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise CheckpointError(
            f"{_named(what)} of this checkpoint must be finite; {count} of {array.size} values are NaN or infinite. "
            "The training diverged before it. If it is the last checkpoint, what reads the last one has nothing to "
            "read: move its file out of the variant's folder `checkpoints`, and the one before is the last."
        )
    return array


def _named(what: object) -> str:
    return what if isinstance(what, str) else f"The {type(what).__name__.lower()}"


def check_full_grid(step: Step) -> None:
    """Check that the rows of the probe are the pairs (a, b) of elements, a-major, each once.

    Raises:
        InvalidSetting: they are not.
    """
    p = step.context["cyclic_group"].order
    there = [np.asarray(values) for values in step.batch.axes.values()]
    if step.batch.shape != (p, p) or not all(np.array_equal(values, np.arange(p)) for values in there):
        raise InvalidSetting(
            f"What is said of Z_{p} x Z_{p} needs every pair (a, b) once, in order; the probe has the shape "
            f"{step.batch.shape}{'' if step.batch.shape != (p, p) else ', and other coordinates'}. Use a probe of the "
            "full grid."
        )


def in_double(step: Step, read: Read) -> Array:
    """Return a declared read in its own shape, float64.

    Raises:
        CheckpointError: it is not finite.
    """
    return finite(step[read], read).astype(np.float64)


def over_pairs(step: Step, read: Read) -> Array:
    """Return an activation or the logits over the full grid of pairs, ``"a b ..."``.

    Raises:
        InvalidSetting: the probe is not the full p x p grid.
        CheckpointError: it is not finite.
    """
    check_full_grid(step)
    return finite(step.unfolded(read), read)


def number_rows(step: Step, read: Read) -> Array:
    """Return the rows of a weight that belong to the elements of the group, ``"element ..."``, float64.

    Raises:
        CheckpointError: they are not finite.
    """
    group = step.context["cyclic_group"]
    rows = step[read][group.first_token : group.first_token + group.order]
    return finite(rows, read).astype(np.float64)
