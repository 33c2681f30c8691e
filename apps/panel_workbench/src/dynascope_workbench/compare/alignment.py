"""Which epoch of each variant belongs to one position of the slider: the same one, or as far from a milestone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from dynascope_workbench.epoch.cursor import nearest

__all__ = ["Alignment", "Track", "distance"]


class Track(NamedTuple):
    """The checkpoints of one variant.

    Attributes:
        name: of the variant.
        epochs: ascending; empty where there is none yet.
        mark: the epoch that becomes 0 where variants are aligned; None where it was not reached.
    """

    name: str
    epochs: Sequence[int]
    mark: int | None


@dataclass(frozen=True)
class Alignment:
    """Variants beside each other.

    Attributes:
        tracks: of the variants, in order.
        aligned: on the mark of each; at the same epoch otherwise.
    """

    tracks: tuple[Track, ...]
    aligned: bool = False

    @cached_property
    def reference(self) -> Track | None:
        """The first variant that has the mark: one without it is shown at the epoch of this one."""
        having = (track for track in self.tracks if track.mark is not None and track.epochs)
        return next(having, None) if self.aligned else None

    def origin(self, track: Track) -> int:
        """Return the epoch at which a variant is where the slider is at 0."""
        if self.reference is None:
            return 0
        return track.mark if track.mark is not None else self.reference.mark or 0

    @cached_property
    def positions(self) -> list[int]:
        """The places of the slider: every checkpoint of every variant, ascending."""
        return sorted({epoch - self.origin(track) for track in self.tracks for epoch in track.epochs})

    def asked(self, track: Track, position: int) -> int:
        """Return the epoch of a variant that belongs to a position, whether or not it has a checkpoint there."""
        return position + self.origin(track)

    def epoch(self, track: Track, position: int) -> int | None:
        """Return the checkpoint of a variant that is nearest to a position; None where it has none."""
        return track.epochs[nearest(track.epochs, self.asked(track, position))] if track.epochs else None

    def place(self, position: int, mark: str = "") -> str:
        """Say where the slider is: ``"epoch 1,750"``, ``"300 before grokking"``."""
        return f"epoch {position:,}" if self.reference is None else distance(position, mark)


def distance(epochs: int, mark: str) -> str:
    """Say how far something is from a milestone: ``"300 before grokking"``."""
    if epochs == 0:
        return f"at {mark}"
    return f"{abs(epochs):,} {'before' if epochs < 0 else 'after'} {mark}"
