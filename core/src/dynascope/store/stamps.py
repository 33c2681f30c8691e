"""What decides the numbers of a unit of analysis. Two units with one stamp hold the same arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from dynascope.digest import digest_of

__all__ = ["SERIES", "Stamp", "Stamps", "parameters_text", "place_of"]

SERIES = "series"
"""The place of what is measured over all checkpoints of a variant."""


class Stamp(NamedTuple):
    """Everything that decides an analyzer's numbers. Two units with one stamp hold the same arrays.

    Attributes:
        place: ``place_of`` the checkpoint's epoch, ``SERIES``, or ``variants-`` and a digest of their names.
        checkpoint_sha256: of the weights; where several checkpoints are measured, of all of theirs.
        context_sha256: of the facts of the family, of where its sites are, and of the stamps of what is read of other
            analyzers.
    """

    family: str
    family_version: str
    variant: str
    place: str
    analyzer: str
    analyzer_version: int
    plugin_version: str
    parameters: str
    probe: str
    probe_sha256: str
    checkpoint_sha256: str
    context_sha256: str

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the stamp's SHA-256: what the file's name carries."""
        shared = {name: value for name, value in self._asdict().items() if name not in PER_CHECKPOINT}
        return _digest(digest_of(shared), self.place, self.checkpoint_sha256)


PER_CHECKPOINT = ("place", "checkpoint_sha256")


def _digest(shared: str, place: str, checkpoint: str) -> str:
    return hashlib.sha256(f"{shared} {place} {checkpoint}".encode()).hexdigest()[:16]


class Stamps:
    """The stamps of one analyzer of one variant: they differ in place and checkpoint only.

    A plan compares a hundred thousand of them with what is stored: what they share is digested once, and no stamp is
    made for a unit that is fresh.
    """

    def __init__(self, **shared: Any) -> None:
        self._any = Stamp(**shared, place="", checkpoint_sha256="")
        self._digest = digest_of(shared)

    def at(self, place: str, checkpoint: str) -> Stamp:
        """Return the stamp of a place."""
        return self._any._replace(place=place, checkpoint_sha256=checkpoint)

    def digest(self, place: str, checkpoint: str) -> str:
        """Return ``at(place, checkpoint).digest``."""
        return _digest(self._digest, place, checkpoint)


def place_of(epoch: int) -> str:
    """Return the place of a checkpoint, as files and groups are named: ``"00009100"``."""
    return f"{epoch:08d}"


def parameters_text(parameters: Mapping[str, str | int | float]) -> str:
    """Return an analyzer's parameters as canonical JSON, for the stamp."""
    return json.dumps(dict(parameters), sort_keys=True)
