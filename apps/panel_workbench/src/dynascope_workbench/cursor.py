"""What every view follows: which variant, under which probe, at which checkpoint."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import param

__all__ = ["Cursor", "nearest"]


class Cursor(param.Parameterized):
    """The state of one browser tab."""

    variant = param.String("", doc="name of the variant")
    probe = param.String("", doc="name of the probe")
    epochs = param.List([], item_type=int, doc="the checkpoints, ascending")
    index = param.Integer(0, bounds=(0, None), doc="position in epochs")

    @property
    def epoch(self) -> int:
        """The epoch at the cursor; 0 where there is no checkpoint."""
        return self.epochs[min(self.index, len(self.epochs) - 1)] if self.epochs else 0

    def jump(self, epoch: float) -> None:
        """Move to the checkpoint that is nearest to an epoch."""
        if self.epochs:
            self.index = nearest(self.epochs, epoch)


def nearest(epochs: Sequence[int], epoch: float) -> int:
    """Return the index of the epoch nearest to ``epoch``; the earlier one of two that are equally near."""
    right = min(bisect_left(epochs, epoch), len(epochs) - 1)
    left = max(right - 1, 0)
    return left if epoch - epochs[left] <= epochs[right] - epoch else right
