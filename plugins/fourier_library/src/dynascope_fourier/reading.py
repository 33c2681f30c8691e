"""What the instruments ask of the arrays that they read, said once."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynascope import CheckpointError, InvalidSetting, Step
from dynascope.contract import Read

__all__ = ["finite", "in_double", "number_rows", "over_pairs"]

Array = np.ndarray[Any, Any]


def finite(array: Array, what: object) -> Array:
    """Return the array as it is.

    Raises:
        CheckpointError: it holds NaN or infinity.
    """
    if not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise CheckpointError(
            f"{what} of this checkpoint must be finite; {count} of {array.size} values are NaN or infinite. The "
            "training diverged before it: analyse earlier checkpoints."
        )
    return array


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
    p = step.context["cyclic_group"].order
    if step.batch.shape != (p, p):
        raise InvalidSetting(
            f"A transform over Z_{p} x Z_{p} needs every pair (a, b) once; the probe has the shape {step.batch.shape}. "
            "Use a probe of the full grid."
        )
    return finite(step.unfolded(read), read)


def number_rows(step: Step, read: Read) -> Array:
    """Return the rows of a weight that belong to the elements of the group, ``"element ..."``, float64.

    Raises:
        CheckpointError: they are not finite.
    """
    group = step.context["cyclic_group"]
    rows = step[read][group.first_token : group.first_token + group.order]
    return finite(rows, read).astype(np.float64)
