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

__all__ = [
    "epoch_in",
    "find_state",
    "listed",
    "mentions",
    "named_epoch",
    "number",
    "read_facts",
    "read_object",
    "read_pickle",
    "read_state",
    "read_table",
    "weight_files",
    "whole_number",
]

WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
STATE_KEYS = ("model", "state_dict", "model_state_dict", "model_state", "weights", "params")
"""Where a file that holds more than a state dict keeps it."""
PREFIXES = ("_orig_mod.", "module.", "model.", "transformer.")
"""What wrappers put before every name."""
LARGEST = 2**53
"""The largest whole number up to which floats have them all."""
MOST_SEARCHED = 64 * 2**20
"""Bytes of an old, unzipped pickle in which ``mentions`` looks."""

_COUNTED = re.compile(r"(?<![a-z])(?:epochs?|steps?|iter(?:ation)?s?|updates?|global_step)[-_=.]?(\d+)")
_SAVED = re.compile(r"(?<![a-z])(?:ckpt|checkpoint)[-_=.]?(\d+)")
_BARE = re.compile(r"(?:^|[-_]|(?<!\d)\.)(\d+)$")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")


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
    """Return the epoch in a file's name: after a word such as ``step``, or bare at its end; None if there is none.

    Examples:
        >>> epoch_in("ckpt_100.pt"), epoch_in("model_step5000.pth"), epoch_in("1900.pth"), epoch_in("p97_seed0.pt")
        (100, 5000, 1900, None)
    """
    named = named_epoch(name)
    bare = _BARE.findall(_DATE.sub("", _stem(name)))
    return named if named is not None else int(bare[0]) if bare else None


def named_epoch(name: str) -> int | None:
    """Return the number after ``epoch``, ``step``, ``checkpoint`` or the like in a file's name; None if there is none.

    A date is none, except where the name calls it a number of epochs or steps.
    """
    stem = _stem(name)
    found = _COUNTED.findall(stem) or _SAVED.findall(_DATE.sub("", stem))
    return int(found[-1]) if found else None


def _stem(name: str) -> str:
    stem = name.lower()
    for suffix in WEIGHT_SUFFIXES:
        stem = stem.removesuffix(suffix)
    return stem


def number(value: Any, where: str) -> float:
    """Return what a source states as a number; NaN for null.

    Raises:
        ExchangeError: it is none; ``where`` begins the message.
    """
    if value is None:
        return math.nan
    try:
        return float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ExchangeError(f"{where} is {value!r:.60}, which is not a number.") from None


def whole_number(value: Any, where: str) -> int:
    """Return what a source states as a whole number.

    Raises:
        ExchangeError: it is none, or too large for one; ``where`` begins the message.
    """
    found = number(value, where)
    if not found.is_integer() or abs(found) > LARGEST:
        raise ExchangeError(f"{where} is {value!r:.60}, which is not a whole number.")
    return int(found)


def listed(values: Any, where: str) -> list[Any]:
    """Return what a source states as a list, which may be a tensor; empty for null.

    Raises:
        ExchangeError: it is none; ``where`` begins the message.
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, (list, tuple, type(None))):
        raise ExchangeError(f"{where} is {values!r:.60}, which is not a list.")
    return list(values or ())


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds; an empty one where there is no file.

    Raises:
        ExchangeError: the file is something else.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ExchangeError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(content, dict):
        raise ExchangeError(f"{path} must hold a JSON object; it holds a {type(content).__name__}.")
    return content


def read_facts(folder: Path, *names: str) -> dict[str, Any]:
    """Return the JSON objects in these files of a folder as one flat mapping; those in objects do not win.

    Raises:
        ExchangeError: a file that is not a JSON object.
    """
    facts: dict[str, Any] = {}
    for name in names:
        content = read_object(folder / name)
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
        ExchangeError: several such files, a cell that is no number, or an epoch that is no whole one.
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
        for count, line in enumerate(lines, start=2):
            where = f"{path}, line {count}:"
            row = {ours: number(line[name] or None, f"{where} {name}") for ours, name in columns.items()}
            row["epoch"] = whole_number(line[columns["epoch"]], f"{where} {columns['epoch']}")
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
    decimals = {len(one.partition(".")[2]) if "e" not in one.lower() else 99 for one in numbers if one}
    most = max(decimals, default=99)
    return 0.5 * 10.0**-most if most <= 8 else 0.0
