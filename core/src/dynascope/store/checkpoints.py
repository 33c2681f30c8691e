"""Checkpoints: safetensors files named by epoch, whose header says whose weights they are.

Read and written with numpy, so that listing, hashing and reading weights need no torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dynascope.digest import digest_of
from dynascope.errors import CheckpointError
from dynascope.store.atomic import publish

__all__ = ["LAST_EPOCH", "CheckpointFolder"]

FILE_NAME = re.compile(r"epoch_(\d{8})\.safetensors")
LAST_EPOCH = 99_999_999
FORMAT = 1
HEADER = "dynascope"
"""The one metadata key. safetensors writes several in no fixed order, and equal checkpoints must be equal bytes."""


class CheckpointFolder:
    """A folder of checkpoints of one variant.

    Args:
        path: the folder; it need not exist yet.
        identity: the variant's ``Config.digest``; a checkpoint of another variant is refused.
        family, variant: names for the header and for messages.
    """

    def __init__(self, path: Path, *, identity: str, family: str, variant: str) -> None:
        self.path, self.identity, self.family, self.variant = path, identity, family, variant

    def epochs(self) -> list[int]:
        """Return the epochs that have a checkpoint, ascending."""
        if not self.path.is_dir():
            return []
        matches = (FILE_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def file(self, epoch: int) -> Path:
        """Return the path of an epoch's checkpoint, whether or not it exists."""
        return self.path / f"epoch_{epoch:08d}.safetensors"

    def write(
        self, epoch: int, weights: Mapping[str, np.ndarray[Any, Any]], *, inexact: Mapping[str, float] | None = None
    ) -> None:
        """Publish the weights after ``epoch`` optimizer updates.

        Args:
            inexact: for a replay that differs from what was recorded, by how much; the header tells.

        Raises:
            CheckpointError: an epoch that no file's name can hold.
        """
        if not 0 <= epoch <= LAST_EPOCH:
            raise CheckpointError(
                f"Variant {self.variant} cannot have a checkpoint of epoch {epoch}: they go from 0 to {LAST_EPOCH}."
            )
        weights = {name: np.asarray(array, order="C") for name, array in weights.items()}
        header = {
            **self._belonging(epoch),
            "family": self.family,
            "variant": self.variant,
            "weights_sha256": digest_of(weights),
            **({} if inexact is None else {"inexact_replay": dict(inexact)}),
        }
        with publish(self.file(epoch)) as temporary:
            temporary.write_bytes(save(weights, {HEADER: json.dumps(header)}))

    def keep(self, epochs: Iterable[int]) -> None:
        """Delete the files of all other epochs."""
        for epoch in set(self.epochs()) - set(epochs):
            self.file(epoch).unlink(missing_ok=True)

    def digest(self, epoch: int) -> str:
        """Return the SHA-256 of the weights as the header states it, without reading them.

        Raises:
            CheckpointError: as ``read``.
        """
        return str(self.header(epoch)["weights_sha256"])

    def header(self, epoch: int) -> dict[str, Any]:
        """Return what the file says of itself: epoch, family, variant, hash, and whether it is an inexact replay.

        Raises:
            CheckpointError: as ``read``.
        """
        with self._opened(epoch) as tensors:
            return _header(tensors)

    def read(self, epoch: int) -> dict[str, np.ndarray[Any, Any]]:
        """Return the weights after ``epoch`` optimizer updates, checked against the header.

        Raises:
            CheckpointError: there is no such checkpoint, the file is damaged, or it belongs to another variant.
        """
        with self._opened(epoch) as tensors:
            weights = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (not a mapping)
            stated = _header(tensors)["weights_sha256"]
        if digest_of(weights) != stated:
            raise CheckpointError(
                f"Checkpoint {self.file(epoch)} is damaged: its weights do not have the hash that its header states. "
                "Restore it from a copy, or train the variant in another workspace."
            )
        return weights

    def _opened(self, epoch: int) -> Any:
        path = self.file(epoch)
        if not path.is_file():
            epochs = self.epochs()
            near = f" The nearest one is epoch {min(epochs, key=lambda one: abs(one - epoch))}." if epochs else ""
            raise CheckpointError(f"Variant {self.variant} has no checkpoint of epoch {epoch}.{near}")
        try:
            tensors = safe_open(path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"Checkpoint {path} is damaged or not a safetensors file: {error}. "
                "Restore it from a copy, or train the variant in another workspace."
            ) from None
        header, wanted = _header(tensors), self._belonging(epoch)
        if header.get("format") != FORMAT or "weights_sha256" not in header:
            raise CheckpointError(
                f"Checkpoint {path} does not say whose weights it holds, in format {FORMAT}: it was written by "
                "something else, or by another version of Dynascope. Move it away."
            )
        wrong = [
            f"{key} {header.get(key)!r} instead of {wanted[key]!r}" for key in wanted if header.get(key) != wanted[key]
        ]
        if wrong:
            raise CheckpointError(
                f"Checkpoint {path} does not belong to variant {self.variant} of {self.family}: {', '.join(wrong)}; "
                f"it says that it is of {header.get('variant')} of {header.get('family')}. "
                "Move it away; its own variant's folder is where it is read."
            )
        return tensors

    def _belonging(self, epoch: int) -> dict[str, Any]:
        return {"format": FORMAT, "epoch": epoch, "config_sha256": self.identity}


def _header(tensors: Any) -> dict[str, Any]:
    """Return what is stated of the weights; empty for a file that is not ours."""
    try:
        header = json.loads((tensors.metadata() or {}).get(HEADER, "{}"))
    except json.JSONDecodeError:
        return {}
    return header if isinstance(header, dict) else {}
