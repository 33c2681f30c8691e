"""Reading files that others wrote, without executing anything that they hold."""

from __future__ import annotations

import csv
import json
import math
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.errors import ExchangeError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["epoch_in", "mentions", "read_facts", "read_pickle", "read_state", "read_table", "weight_files"]

WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
STATE_KEYS = ("model", "state_dict", "model_state_dict", "model_state", "weights", "params")
"""Where a file that holds more than a state dict keeps it."""
PREFIXES = ("_orig_mod.", "module.", "model.", "transformer.")
"""What wrappers put before every name."""
MOST_SEARCHED = 64 * 2**20
"""Bytes of an old, unzipped pickle in which ``mentions`` looks."""

_WORD = re.compile(r"(?<![a-z])(?:epochs?|steps?|iter(?:ation)?s?|ckpt|checkpoint|updates?|global_step)[-_=.]?(\d+)")
_BARE = re.compile(r"(?:^|[-_.])(\d+)$")


class _Settings:
    """Stands for a configuration object in a pickle: it takes its attributes, and does nothing."""


_KNOWN_CLASSES = (
    "transformer_lens.HookedTransformerConfig.HookedTransformerConfig",
    "transformer_lens.config.HookedTransformerConfig.HookedTransformerConfig",
    "transformer_lens.config.hooked_transformer_config.HookedTransformerConfig",
    "easy_transformer.EasyTransformerConfig.EasyTransformerConfig",
)


def read_pickle(path: Path) -> Any:
    """Return what a ``torch.save`` file holds: tensors, numbers, text and containers; never code.

    Tensors come to the CPU, whatever device they were saved from. A TransformerLens configuration object becomes a
    mapping of its fields.

    Raises:
        ExchangeError: the file is damaged, or names anything else than weights; nothing of it is executed.
    """
    import torch

    known: list[Any] = [(_Settings, name) for name in _KNOWN_CLASSES]
    try:
        with torch.serialization.safe_globals(known):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is None:
            raise _damaged(path, error) from None
        raise ExchangeError(
            f"{path} was not read: it is a pickle that names {named[1]}, which is code and not weights. Nothing of it "
            "was executed. If you trust its author, load it with the program that wrote it, and save its state dict."
        ) from None
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ExchangeError(f"Could not read {path}: {error.strerror}.") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise _damaged(path, error) from None
    return _plain(content)


def _damaged(path: Path, error: Exception) -> ExchangeError:
    first = str(error).strip().partition("\n")[0]
    return ExchangeError(f"{path} is damaged or not a file of torch.save: {first or type(error).__name__}.")


def _plain(value: Any) -> Any:
    """Return ``value`` with configuration objects as mappings."""
    if isinstance(value, _Settings):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state dict of a file, and what else the file holds.

    Raises:
        ExchangeError: the file is damaged, or holds no state dict.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return unprefixed(load_file(path)), {}
        except (SafetensorError, OSError) as error:
            raise ExchangeError(f"{path} is damaged or not a safetensors file: {error}.") from None
    content = read_pickle(path)
    state = find_state(content)
    if state is None:
        what = f"a {type(content).__name__}"
        if isinstance(content, Mapping):
            what = f"a dict of {', '.join(repr(key) for key in list(content)[:8])}" if content else "an empty dict"
        raise ExchangeError(
            f"{path} holds no state dict: neither it nor one of its entries {', '.join(STATE_KEYS)} is a dict of "
            f"tensors; it holds {what}."
        )
    rest = {str(key): value for key, value in content.items() if key not in STATE_KEYS and key not in state}
    return state, rest


def find_state(content: Any) -> dict[str, Tensor] | None:
    """Return the dict of tensors that ``content`` is or holds, with wrappers' prefixes taken off the names."""
    import torch

    def is_state(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and bool(value)
            and all(isinstance(key, str) for key in value)
            and all(isinstance(item, torch.Tensor) for item in value.values())
        )

    if not isinstance(content, Mapping):
        return None
    for candidate in (content, *(content[key] for key in STATE_KEYS if key in content)):
        if is_state(candidate):
            return unprefixed(dict(candidate))
    return None


def unprefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without a prefix that all its names have."""
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return unprefixed({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return state


def mentions(path: Path, *words: str) -> bool:
    """Tell whether a pickle names all of ``words`` as text. Reads no tensor; never raises."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next((name for name in archive.namelist() if name.endswith("data.pkl")), None)
                content = archive.read(name) if name else b""
        else:
            with path.open("rb") as file:
                content = file.read(MOST_SEARCHED)
    except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, NotImplementedError, ValueError):
        return False
    return all(word.encode() in content for word in words)


def weight_files(folder: Path) -> list[Path]:
    """Return the files with weights in a folder, or else in its ``checkpoints``, sorted; empty if there is none."""
    for place in (folder, folder / "checkpoints"):
        try:
            found = sorted(
                entry
                for entry in place.iterdir()
                if entry.suffix in WEIGHT_SUFFIXES and not entry.name.startswith(".") and entry.is_file()
            )
        except OSError:
            continue
        if found:
            return found
    return []


def epoch_in(name: str) -> int | None:
    """Return the epoch in a file's name: after a word such as ``step``, or alone at its end; None if there is none.

    Examples:
        >>> epoch_in("ckpt_100.pt"), epoch_in("model_step5000.pth"), epoch_in("1900.pth"), epoch_in("p97_seed0.pt")
        (100, 5000, 1900, None)
    """
    stem = name.lower()
    for suffix in WEIGHT_SUFFIXES:
        stem = stem.removesuffix(suffix)
    found = _WORD.findall(stem) or _BARE.findall(stem)
    return int(found[-1]) if found else None


def read_facts(folder: Path, *names: str) -> dict[str, Any]:
    """Return the JSON objects in these files of a folder as one flat mapping; those in objects do not win.

    Raises:
        ExchangeError: a file that is not a JSON object.
    """
    facts: dict[str, Any] = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ExchangeError(f"{path} is not valid JSON: {error}.") from None
        if not isinstance(content, dict):
            raise ExchangeError(f"{path} must hold a JSON object; it holds a {type(content).__name__}.")
        flat = {key: value for key, value in content.items() if not isinstance(value, dict)}
        for value in content.values():
            if isinstance(value, dict):
                flat = {**value, **flat}
        facts = {**flat, **facts}
    return facts


_COLUMNS = {
    "epoch": ("epoch", "step", "global_step", "iteration", "update"),
    "train_loss": ("train_loss", "loss_train", "loss/train"),
    "test_loss": ("test_loss", "val_loss", "eval_loss", "loss_test", "loss/test", "validation_loss"),
    "train_accuracy": ("train_accuracy", "train_acc", "acc_train"),
    "test_accuracy": ("test_accuracy", "test_acc", "val_acc", "val_accuracy", "eval_accuracy", "acc_test"),
}


def read_table(folder: Path) -> tuple[list[dict[str, float]], float, str]:
    """Return the losses that a CSV file of a folder records: rows, half of their last decimal, the file's name.

    A file counts if it has a column ``epoch`` or ``step`` and one of a loss. Empty where there is no such file.

    Raises:
        ExchangeError: several such files, or a cell that is no number.
    """
    found: list[tuple[list[dict[str, float]], float, str]] = []
    for path in sorted(folder.glob("*.csv")):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error):
            continue
        header = {name.strip().lower(): name for name in (lines[0] if lines else {}) if isinstance(name, str)}
        columns = {
            ours: header[theirs]
            for ours, names in _COLUMNS.items()
            if (theirs := next((name for name in names if name in header), None))
        }
        if "epoch" not in columns or not {"train_loss", "test_loss"} & set(columns):
            continue
        rows = []
        for number, line in enumerate(lines, start=2):
            try:
                row = {ours: float(line[name]) if line[name] else math.nan for ours, name in columns.items()}
                row["epoch"] = int(row["epoch"])
            except (TypeError, ValueError):
                raise ExchangeError(f"{path}, line {number}: expected numbers, found {dict(line)!r}.") from None
            rows.append(row)
        losses = [line[columns[name]] for name in ("train_loss", "test_loss") if name in columns for line in lines]
        found.append((rows, _resolution(losses), path.name))
    if len(found) > 1:
        raise ExchangeError(
            f"{folder} holds several tables of losses: {', '.join(name for _, _, name in found)}. Keep one there."
        )
    return found[0] if found else ([], 0.0, "")


def _resolution(numbers: list[str]) -> float:
    """Return half of the last decimal where all numbers are written with the same few of them; else 0."""
    decimals = {len(number.partition(".")[2]) if "e" not in number.lower() else 99 for number in numbers if number}
    most = max(decimals, default=99)
    return 0.5 * 10.0**-most if most <= 8 else 0.0
