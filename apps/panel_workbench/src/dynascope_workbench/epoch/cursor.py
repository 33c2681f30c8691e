"""What every view follows: which variant, under which probe, at which checkpoint, and what is chosen in it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import param

__all__ = ["DIFFERENCE", "ONE", "SIDE_BY_SIDE", "Cursor", "nearest"]

ONE, SIDE_BY_SIDE, DIFFERENCE = "one epoch", "A | B", "B − A"
"""What is shown: one epoch, two of them, or what differs between them."""


class Cursor(param.Parameterized):
    """The state of one browser tab."""

    variant = param.String("", doc="name of the variant")
    probe = param.String("", doc="the probe, as text")
    epochs = param.List([], item_type=int, doc="the checkpoints, ascending")
    index = param.Integer(0, bounds=(0, None), doc="position in epochs: of A, where there are two")
    other = param.Integer(0, bounds=(0, None), doc="position in epochs of B")
    mode = param.Selector(default=ONE, objects=[ONE, SIDE_BY_SIDE, DIFFERENCE], doc="whether there are two")
    chosen = param.Dict({}, doc="the coordinates that are chosen, by axis: a neuron, a frequency, a head, a pair")

    @property
    def epoch(self) -> int:
        """The epoch at the cursor; 0 where there is no checkpoint."""
        return self._at(self.index)

    @property
    def other_epoch(self) -> int | None:
        """The epoch at the second cursor; None where one epoch is shown."""
        return None if self.mode == ONE else self._at(self.other)

    def _at(self, index: int) -> int:
        return self.epochs[min(index, len(self.epochs) - 1)] if self.epochs else 0

    def jump(self, epoch: float) -> None:
        """Move to the checkpoint that is nearest to an epoch."""
        if self.epochs:
            self.index = nearest(self.epochs, epoch)


def nearest(epochs: Sequence[int], epoch: float) -> int:
    """Return the index of the epoch nearest to ``epoch``; the earlier one of two that are equally near."""
    right = min(bisect_left(epochs, epoch), len(epochs) - 1)
    left = max(right - 1, 0)
    return left if epoch - epochs[left] <= epochs[right] - epoch else right
