"""The layouts of other programs that train this family's model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope import ExchangeError, ForeignRun, Layout, Snapshot
from dynascope.exchange.files import (
    find_state,
    listed,
    mentions,
    number,
    read_object,
    read_pickle,
    read_state,
    whole_number,
)
from dynascope.exchange.state_dicts import stated_settings

if TYPE_CHECKING:
    from torch import Tensor

    from dynascope import Variant

__all__ = ["GrokkingPth", "MIScope", "ProgressMeasures"]

RECIPE = {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 1.0, "betas": [0.9, 0.98], "warmup": 0}
"""What MIScope's training code fixes for this model, and its files do not state."""
SETTINGS = "dynascope"
"""Where our exports hold the settings of the variant, for which the layouts have no place."""
NAMES = {"p": "prime", "train_fraction": "training_fraction", "seed": "seed", "data_seed": "data_seed"}


class MIScope(Layout):
    """A variant's folder of MIScope: ``config.json``, ``metadata.json`` and ``checkpoints/``.

    ``checkpoint_epoch_e`` and ``test_losses[e]`` are of the weights after e + 1 updates, ``train_losses[e]`` of those
    after e; the initial weights are not kept.
    """

    name = "miscope"
    title = "MIScope result folders"
    writable = True
    file_name = re.compile(r"checkpoint_epoch_(\d+)\.safetensors")

    def recognises(self, path: Path) -> bool:
        try:
            return (path / "metadata.json").is_file() and bool(self._files(path))
        except OSError:
            return False

    def read(self, path: Path) -> ForeignRun:
        files = self._files(path)
        if not files:
            raise ExchangeError(f"{path / 'checkpoints'} holds no checkpoint_epoch_EEEEE.safetensors.")
        facts = read_object(path / "config.json")
        metadata = path / "metadata.json"
        curves = read_object(metadata)
        notes: tuple[str, ...] = ()
        if intervention := facts.get("intervention"):
            notes = (
                f"The source intervened in training ({json.dumps(intervention)}): training with the variant's settings "
                "does not give these weights.",
            )
        ours = facts.get(SETTINGS)
        return ForeignRun(
            snapshots=tuple(
                Snapshot(int(match[1]) + 1, f"checkpoints/{match[0]}", partial(_state, path / "checkpoints" / match[0]))
                for match in files
            ),
            facts={**facts, **ours} if isinstance(ours, Mapping) else {**RECIPE, **facts},
            facts_from="config.json",
            metrics=_rows(curves, metadata, test_after=1),
            train_rows=_indices(curves, "train_indices", metadata),
            test_rows=_indices(curves, "test_indices", metadata),
            notes=notes,
        )

    def write(self, variant: Variant, path: Path, epochs: Sequence[int]) -> tuple[str, ...]:
        """Write all epochs but the initial one, for which the layout has no place."""
        from safetensors.torch import save_file

        kept = _without_initial(self.name, epochs)
        (path / "checkpoints").mkdir(parents=True)
        fields: dict[str, Any] = {}
        for epoch in kept:
            fields, state = _hooked(variant, epoch)
            save_file(state, path / "checkpoints" / f"checkpoint_epoch_{epoch - 1:05d}.safetensors")
        settings = stated_settings(variant)
        stated = {theirs: settings[ours] for ours, theirs in NAMES.items() if ours in settings}
        if "seed" in stated:
            stated["model_seed"] = stated["seed"]
        _write_json(path / "config.json", {**fields, **stated, SETTINGS: settings})
        train, test = _curves(variant)
        metadata = {
            "train_losses": train,
            "test_losses": test,
            **_split(variant),
            "checkpoint_epochs": [epoch - 1 for epoch in kept],
            "num_epochs": max(len(train), kept[-1]),
        }
        _write_json(path / "metadata.json", metadata)
        return _left_out(epochs)

    def _files(self, path: Path) -> list[re.Match[str]]:
        folder = path / "checkpoints"
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        return [match for name in names if (match := self.file_name.fullmatch(name))]


class GrokkingPth(Layout):
    """The file that the grokking demo of TransformerLens saves.

    A dict: ``config``, ``model``, ``checkpoints``, ``checkpoint_epochs``, ``train_losses``, ``test_losses``,
    ``train_indices``, ``test_indices``. Epochs are counted as MIScope does, which took them over from here; ``model``
    is the state at the end.
    """

    name = "grokking-pth"
    title = "the TransformerLens grokking demo's .pth"
    writable = True

    def recognises(self, path: Path) -> bool:
        return path.is_file() and path.suffix in (".pth", ".pt") and mentions(path, "checkpoints", "checkpoint_epochs")

    def read(self, path: Path) -> ForeignRun:
        content = read_pickle(path)
        if not isinstance(content, Mapping) or not {"checkpoints", "checkpoint_epochs"} <= set(content):
            raise ExchangeError(f"{path} is not the demo's file: it must hold 'checkpoints' and 'checkpoint_epochs'.")
        states = listed(content["checkpoints"], f"{path}: checkpoints")
        named = listed(content["checkpoint_epochs"], f"{path}: checkpoint_epochs")
        epochs = [whole_number(epoch, f"{path}: checkpoint_epochs[{index}]") for index, epoch in enumerate(named)]
        if len(states) != len(epochs):
            raise ExchangeError(f"{path} holds {len(states)} checkpoints, and {len(epochs)} checkpoint_epochs.")
        snapshots = [
            Snapshot(epoch + 1, f"{path.name}, checkpoints[{index}]", partial(_found, state, path))
            for index, (state, epoch) in enumerate(zip(states, epochs, strict=True))
        ]
        last = len(listed(content.get("train_losses"), f"{path}: train_losses"))
        if content.get("model") is not None and last and last not in {epoch + 1 for epoch in epochs}:
            snapshots.append(Snapshot(last, f"{path.name}, model", partial(_found, content["model"], path)))
        facts = dict(content["config"]) if isinstance(content.get("config"), Mapping) else {}
        if isinstance(content.get(SETTINGS), Mapping):
            facts |= content[SETTINGS]
        return ForeignRun(
            snapshots=tuple(snapshots),
            facts=facts,
            metrics=_rows(content, path, test_after=1),
            train_rows=_indices(content, "train_indices", path),
            test_rows=_indices(content, "test_indices", path),
        )

    def write(self, variant: Variant, path: Path, epochs: Sequence[int]) -> tuple[str, ...]:
        """Write all epochs but the initial one, for which the layout has no place."""
        import torch

        kept = _without_initial(self.name, epochs)
        fields: dict[str, Any] = {}
        states = []
        for epoch in kept:
            fields, state = _hooked(variant, epoch)
            states.append(state)
        train, test = _curves(variant)
        split = {name: torch.tensor(rows) for name, rows in _split(variant).items()}
        content = {
            "model": states[-1],
            "config": fields,
            "checkpoints": states,
            "checkpoint_epochs": [epoch - 1 for epoch in kept],
            "train_losses": [math.nan if value is None else value for value in train],
            "test_losses": [math.nan if value is None else value for value in test],
            **split,
            SETTINGS: stated_settings(variant),
        }
        torch.save(content, path)
        return _left_out(epochs)


class ProgressMeasures(Layout):
    """A run's folder of the progress-measures paper's code, or one file of it.

    ``init.pth`` holds the initial weights and the training pairs; ``{epoch}.pth`` those after epoch + 1 updates, with
    the losses before the last of them; ``final.pth`` those at the end, with all losses.
    """

    name = "progress-measures"
    title = "run folders of the progress-measures paper: {epoch}.pth, init.pth, final.pth, or one such file"

    def recognises(self, path: Path) -> bool:
        if path.is_file():
            return (
                path.suffix == ".pth"
                and mentions(path, "model", "train_loss", "embed.W_E")
                and not mentions(path, "checkpoint_epochs")
            )
        return any(self.recognises(file) for file in self._files(path)[:2])

    def read(self, path: Path) -> ForeignRun:
        files = [path] if path.is_file() else self._files(path)
        if not files:
            raise ExchangeError(f"{path} holds no {{epoch}}.pth, init.pth or final.pth.")
        snapshots: dict[str, Snapshot] = {}
        rows: dict[int, dict[str, float]] = {}
        facts: dict[str, Any] = {}
        train_rows = None
        for file in sorted(files, key=_in_order):
            content = read_pickle(file)
            state = find_state(content)
            if state is None:
                raise ExchangeError(f"{file} holds no 'model' that is a dict of tensors.")
            updates, curves = self._read_epochs(file, content)
            rows.update(curves)
            facts.update(_recipe_of(content))
            if train_rows is None:
                train_rows = _pairs(content.get("train_data"), file)
            if file.stem == "final" and updates in {snapshot.epoch for snapshot in snapshots.values()}:
                continue  # the last {epoch}.pth is of the same weights
            snapshots[file.name] = Snapshot(updates, file.name, partial(_state, file))
        return ForeignRun(
            snapshots=tuple(snapshots.values()),
            facts=facts,
            metrics=[rows[epoch] for epoch in sorted(rows)],
            train_rows=train_rows,
        )

    def _read_epochs(self, file: Path, content: Mapping[str, Any]) -> tuple[int | None, dict[int, dict[str, float]]]:
        """Return how many updates are behind a file's weights, and the losses that it records, by their epochs."""
        curves = {int(row["epoch"]): row for row in _rows(content, file, test_after=0)}
        if file.stem == "init":
            return 0, curves
        if curves:  # at the end of a run: as many updates as losses, each measured before its update
            return max(curves) + 1, curves
        epoch = content.get("epoch", int(file.stem) if file.stem.isdecimal() else None)
        if not isinstance(epoch, int):
            return None, {}
        losses = {
            name: number(content[name], f"{file}: {name}") for name in ("train_loss", "test_loss") if name in content
        }
        return epoch + 1, {epoch: {"epoch": epoch, **losses}} if losses else {}

    def _files(self, path: Path) -> list[Path]:
        try:
            entries = sorted(path.iterdir()) if path.is_dir() else []
        except OSError:
            return []
        return [entry for entry in entries if re.fullmatch(r"(init|final|\d+)\.pth", entry.name)]


def _in_order(file: Path) -> tuple[int, int]:
    return (0, 0) if file.stem == "init" else (1, int(file.stem)) if file.stem.isdecimal() else (2, 0)


def _state(file: Path) -> Mapping[str, Tensor]:
    return read_state(file)[0]


def _found(state: Any, path: Path) -> Mapping[str, Tensor]:
    found = find_state(state)
    if found is None:
        raise ExchangeError(f"{path}: one of its checkpoints is not a dict of tensors.")
    return found


def _rows(source: Mapping[str, Any], path: Path, *, test_after: int) -> list[dict[str, float]]:
    """Return the lists of losses as rows; test losses belong to ``test_after`` updates more than train losses."""
    rows: dict[int, dict[str, float]] = {}
    for name, shift in (("train", 0), ("test", test_after)):
        where = f"{path}: {name}_losses"
        for epoch, value in enumerate(listed(source.get(f"{name}_losses"), where), start=shift):
            row = rows.setdefault(epoch, {"epoch": epoch, "train_loss": math.nan, "test_loss": math.nan})
            row[f"{name}_loss"] = number(value, f"{where}[{epoch - shift}]")
    return [rows[epoch] for epoch in sorted(rows)]


def _indices(source: Mapping[str, Any], name: str, path: Path) -> tuple[int, ...] | None:
    if source.get(name) is None:
        return None
    where = f"{path}: {name}"
    return tuple(whole_number(value, f"{where}[{index}]") for index, value in enumerate(listed(source[name], where)))


def _pairs(values: Any, path: Path) -> tuple[int, ...] | None:
    """Return the a-major rows of the paper's triples (a, b, p)."""
    rows = []
    for index, triple in enumerate(listed(values, f"{path}: train_data")):
        where = f"{path}: train_data[{index}]"
        entries = [whole_number(one, where) for one in listed(triple, where)]
        if len(entries) != 3:
            raise ExchangeError(f"{where} is of {len(entries)} numbers; a, b and p were expected.")
        rows.append(entries[0] * entries[2] + entries[1])
    return tuple(rows) or None


def _recipe_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the saved optimizer states, which is what was done; the paper's code warms up over ten epochs."""
    optimizer = content.get("optimizer")
    groups = optimizer.get("param_groups") if isinstance(optimizer, Mapping) else None
    group = groups[0] if isinstance(groups, list) and groups else None
    if not isinstance(group, Mapping):
        return {}
    stated = {
        "learning_rate": group.get("initial_lr", group.get("lr")),
        "weight_decay": group.get("weight_decay"),
        "betas": group.get("betas"),
        "optimizer": "adamw",
        "warmup": 10 if "scheduler" in content else None,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _without_initial(layout: str, epochs: Sequence[int]) -> list[int]:
    kept = [epoch for epoch in epochs if epoch > 0]
    if not kept:
        raise ExchangeError(f"Layout {layout} has no place for initial weights, and no other epoch was chosen.")
    return kept


def _left_out(epochs: Iterable[int]) -> tuple[str, ...]:
    counted = "Its epoch e is Dynascope's e + 1: the layout counts from the first update."
    return (f"The initial weights are left out. {counted}",) if 0 in epochs else (counted,)


def _hooked(variant: Variant, epoch: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    import torch

    weights = {name: torch.from_numpy(array) for name, array in variant.weights(epoch).items()}
    return variant.family.base.hooked_transformer(variant.config, weights)


def _split(variant: Variant) -> dict[str, list[int]]:
    from dynascope_modular_addition.splits import order_of

    train, test = order_of(variant.config)
    return {"train_indices": train.tolist(), "test_indices": test.tolist()}


def _curves(variant: Variant) -> tuple[list[float | None], list[float | None]]:
    """Return train losses from epoch 0 and test losses from epoch 1, None where there is none."""
    metrics = variant.metrics_file.read()
    last = int(metrics["epoch"].max(initial=0))
    train: list[float | None] = [None] * last
    test: list[float | None] = [None] * last
    for epoch, before, after in zip(metrics["epoch"], metrics["train_loss"], metrics["test_loss"], strict=True):
        if epoch < last and not math.isnan(before):
            train[epoch] = float(before)
        if epoch >= 1 and not math.isnan(after):
            test[epoch - 1] = float(after)
    return train, test


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
