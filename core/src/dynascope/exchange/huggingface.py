"""Folders ``checkpoint-N`` as the Hugging Face Trainer leaves them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.contract.layout import ForeignRun, Layout, Snapshot
from dynascope.errors import ExchangeError
from dynascope.exchange.files import listed, number, read_facts, read_object, read_state, whole_number

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HuggingFace"]

FOLDER = re.compile(r"checkpoint-(\d+)")
LOG = "trainer_state.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class HuggingFace(Layout):
    """A Trainer's output folder, or one ``checkpoint-N`` of it.

    ``checkpoint-N`` holds the weights after N optimizer steps (``global_step``). ``eval_loss`` of the log is of the
    weights at its step, and taken as the test loss. ``loss`` is a mean over the steps since the last entry, each
    measured before its update: it is a train loss of known weights only where every step was logged.
    """

    name = "huggingface"
    title = "Hugging Face Trainer folders checkpoint-N"

    def recognises(self, path: Path) -> bool:
        return bool(_folders(path))

    def read(self, path: Path) -> ForeignRun:
        folders = _folders(path)
        if not folders:
            raise ExchangeError(f"{path} holds no folder checkpoint-N with {' or '.join(WEIGHTS)}.")
        last = folders[max(folders)]
        facts = read_facts(last, "config.json")
        for step, folder in folders.items():
            stated = read_object(folder / LOG).get("global_step", step)
            if stated != step:
                raise ExchangeError(
                    f"{folder} states global_step {stated} in {LOG}, and {step} in its name. Which is it?"
                )
        rows, notes = _losses(last / LOG)
        return ForeignRun(
            snapshots=tuple(
                Snapshot(step, f"{folder.name}/{_weights(folder).name}", partial(_read, folder))
                for step, folder in sorted(folders.items())
            ),
            facts={**read_facts(path, "config.json"), **facts},
            facts_from="config.json",
            metrics=rows,
            notes=notes,
        )


def _folders(path: Path) -> dict[int, Path]:
    """Return the checkpoint folders by step."""
    try:
        places = [path] if FOLDER.fullmatch(path.name) else list(path.iterdir()) if path.is_dir() else []
        return {
            int(match[1]): place
            for place in places
            if (match := FOLDER.fullmatch(place.name)) and any((place / name).is_file() for name in WEIGHTS)
        }
    except OSError:
        return {}


def _weights(folder: Path) -> Path:
    return next(folder / name for name in WEIGHTS if (folder / name).is_file())


def _read(folder: Path) -> Mapping[str, Tensor]:
    return read_state(_weights(folder))[0]


def _losses(path: Path) -> tuple[list[dict[str, float]], tuple[str, ...]]:
    """Return the losses that a ``trainer_state.json`` logs as rows, and sentences for the user."""
    history = listed(read_object(path).get("log_history"), f"{path}: log_history")
    entries = [
        (whole_number(entry["step"], f"{path}: step of an entry of log_history"), entry)
        for entry in history
        if isinstance(entry, dict) and "step" in entry
    ]
    trained = [(step, entry) for step, entry in entries if "loss" in entry]
    every = [step for step, _ in trained] == list(range(1, len(trained) + 1))
    rows: dict[int, dict[str, float]] = {}

    def put(epoch: int, column: str, entry: Mapping[str, Any], name: str) -> None:
        row = rows.setdefault(epoch, {"epoch": epoch, "train_loss": math.nan, "test_loss": math.nan})
        row[column] = number(entry[name], f"{path}: {name} of step {entry['step']}")

    for step, entry in entries:
        if "eval_loss" in entry:
            put(step, "test_loss", entry, "eval_loss")
        if "eval_accuracy" in entry:
            put(step, "test_accuracy", entry, "eval_accuracy")
    if every:
        for step, entry in trained:
            put(step - 1, "train_loss", entry, "loss")
    notes: tuple[str, ...] = ()
    if trained and not every:
        notes = (
            "The training losses of trainer_state.json are means over several steps, of no single weights; they are "
            "left out.",
        )
    return [rows[epoch] for epoch in sorted(rows)], notes
