"""Folders of state dicts, an epoch in each name: what people keep who train HookedTransformers and the like."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.contract.layout import ForeignRun, Layout, Snapshot
from dynascope.errors import ExchangeError
from dynascope.exchange.files import (
    WEIGHT_SUFFIXES,
    epoch_in,
    named_epoch,
    read_facts,
    read_state,
    read_table,
    weight_files,
)

if TYPE_CHECKING:
    from torch import Tensor

    from dynascope.store.variant import Variant

__all__ = ["StateDicts"]

FACTS = ("settings.json", "config.json", "cfg.json", "hparams.json")
SELF = "metrics_epoch"
"""The fact by which our own exports say that their losses are those of the weights of the same epoch."""


class StateDicts(Layout):
    """A folder of ``.pt``, ``.pth`` or ``.safetensors`` state dicts, or one of them.

    The epoch is read from each file's name. Beside them may lie ``config.json`` (or ``settings.json``, ``cfg.json``,
    ``hparams.json``) and one CSV file with a column ``epoch`` or ``step`` and losses.
    """

    name = "transformer-lens"
    title = "HookedTransformer state dicts, an epoch in each name (.pt, .pth, .safetensors)"
    writable = True

    def recognises(self, path: Path) -> bool:
        if path.is_file():
            return path.suffix in WEIGHT_SUFFIXES
        return bool(weight_files(path))

    def read(self, path: Path) -> ForeignRun:
        files = [path] if path.is_file() else weight_files(path)
        if not files:
            raise ExchangeError(f"{path} holds no file {', '.join('*' + suffix for suffix in WEIGHT_SUFFIXES)}.")
        folder = path.parent if path.is_file() else path
        facts = read_facts(folder, *FACTS)
        rows, resolution, table = (
            read_table(folder) if path.is_dir() or len(weight_files(folder)) == 1 else ([], 0.0, "")
        )
        notes = [f"Losses are from {table}."] if table else []
        if bare := [file.name for file in files if named_epoch(file.name) is None and epoch_in(file.name) is not None]:
            notes.append(
                f"{bare[0]} is taken for epoch {epoch_in(bare[0])}, by the number at the end of its name"
                + (f", and {len(bare) - 1} more alike." if len(bare) > 1 else ".")
            )
        return ForeignRun(
            snapshots=tuple(Snapshot(epoch_in(file.name), file.name, partial(_read, file)) for file in files),
            facts=facts,
            facts_from=", ".join(name for name in FACTS if (folder / name).is_file()),
            metrics=rows,
            metrics_epoch_known=SELF in facts,
            resolution=resolution,
            notes=tuple(notes),
        )

    def write(self, variant: Variant, path: Path, epochs: Sequence[int]) -> tuple[str, ...]:
        """Write ``epoch_EEEEEEEE.safetensors`` with HookedTransformer's names, ``config.json``, settings and losses."""
        import torch
        from safetensors.torch import save_file

        path.mkdir()
        fields: dict[str, Any] = {}
        for epoch in epochs:
            weights = {name: torch.from_numpy(array) for name, array in variant.weights(epoch).items()}
            fields, state = variant.family.base.hooked_transformer(variant.config, weights)
            tensors = {name: tensor.contiguous() for name, tensor in state.items()}
            save_file(tensors, path / f"epoch_{epoch:08d}.safetensors", {"format": "pt"})
        (path / "config.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        settings = stated_settings(variant)
        stated = {**settings, "family": variant.family.base.name, SELF: "updates before the loss was measured"}
        (path / "settings.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
        if variant.metrics_file.path.exists():
            (path / "metrics.csv").write_bytes(variant.metrics_file.path.read_bytes())
        return ("config.json holds the fields of a HookedTransformerConfig, settings.json those of the variant.",)


def stated_settings(variant: Variant) -> dict[str, Any]:
    """Return the settings of a variant that somebody knows: of an imported one, not those its source left out."""
    unknown = variant.origin.get("not_stated", ())
    return {name: value for name, value in variant.config.settings.items() if name not in unknown}


def _read(file: Path) -> Mapping[str, Tensor]:
    return read_state(file)[0]
