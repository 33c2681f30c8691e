"""Grids of settings: ``p=59,113 seed=0:8``, or a W&B-style YAML file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from dynascope.errors import InvalidSetting
from dynascope.settings import parse_settings

__all__ = ["RANGE", "axes_of", "parse_axis", "parse_grid", "read_grid", "settings_of"]

RANGE = re.compile(r"(-?\d+):(-?\d+)(?::(\d+))?")
LARGEST = 100_000


def parse_axis(text: str) -> list[Any]:
    """Return the values of an axis: ``59,113``, ``0:8`` (as in Python, without 8), ``0:8:2``, ``0:3,10``, ``sgd,adam``.

    A value in brackets is one value: ``[0.9,0.98],[0.9,0.999]``.

    Raises:
        InvalidSetting: an empty axis or range.
    """
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except json.JSONDecodeError:
        values = [value for part in text.split(",") for value in _values(text, part.strip())]
    if not values:
        raise InvalidSetting(f"Grid: {text!r} holds no value.")
    return values


def parse_grid(axes: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the axes of a grid, each from its text.

    Raises:
        InvalidSetting: an empty axis or range.
    """
    return {name: parse_axis(text) for name, text in axes.items()}


def read_grid(path: Path) -> dict[str, list[Any]]:
    """Read a grid from a W&B-style YAML file: ``parameters: {p: {values: [59, 113]}, seed: {min: 0, max: 7}}``.

    ``value`` gives one value, ``values`` several, ``min`` and ``max`` all integers between, both included.

    Raises:
        InvalidSetting: the file cannot be read, is no such grid, or uses another method than ``grid``.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSetting(f"Grid {path} cannot be read: {error}") from None
    parameters = content.get("parameters") if isinstance(content, dict) else None
    if not isinstance(parameters, dict) or not parameters:
        raise InvalidSetting(f"Grid {path} needs 'parameters:', each with 'values:', as W&B sweeps have them.")
    if content.get("method", "grid") != "grid":
        raise InvalidSetting(f"Grid {path} has method {content['method']!r}; only 'grid' is carried out.")
    return {str(name): _axis(path, str(name), entry) for name, entry in parameters.items()}


def axes_of(
    defaults: Mapping[str, Any], pairs: Sequence[str], seeds: str | None, grids: Sequence[str]
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return the settings that all variants share, and the axes of the grid.

    Among the plain settings, one that could not be a setting's value (``seed=0:8``, ``p=59,113``) is an axis too, so
    that ``--grid p=59,113 seed=0:8`` reads as it looks.

    Args:
        defaults: every setting of the family, with its default.
        pairs: plain settings, ``KEY=VALUE``.
        seeds: the axis of the setting ``seed``.
        grids: axes, ``KEY=VALUES``, or names of files for ``read_grid``.

    Raises:
        InvalidSetting: a setting that is given twice, or an axis that cannot be one.
    """
    fixed: dict[str, Any] = {}
    axes: dict[str, list[Any]] = {}
    for pair in (*grids, *pairs):
        if pair in grids and pair.endswith((".yaml", ".yml")):
            found = read_grid(Path(pair))
        else:
            ((name, value),) = parse_settings([pair]).items()
            text = pair.partition("=")[2]
            single = isinstance(defaults.get(name), (list, tuple)) and not any(
                isinstance(item, list) for item in (value if isinstance(value, list) else ())
            )
            several = not single and (pair in grids or isinstance(value, list) or ":" in text)
            found = {name: parse_axis(text) if several else [value]}
        for name, values in found.items():
            if name in fixed or name in axes:
                raise InvalidSetting(f"Setting {name!r} is given twice.")
            if name == "epochs" and len(values) > 1:
                raise InvalidSetting("epochs is the length of training, not what is trained: give one, as --epochs.")
            if len(values) == 1:
                fixed[name] = values[0]
            else:
                axes[name] = values
    if seeds is not None:
        if "seed" in fixed or "seed" in axes:
            raise InvalidSetting("Setting 'seed' is given twice: as seed= and as --seeds.")
        if "seed" not in defaults:
            raise InvalidSetting("This family has no setting 'seed'. Name the setting to vary with --grid.")
        axes["seed"] = parse_axis(seeds)
    return fixed, axes


def settings_of(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the settings of each point of a grid; the last axis varies fastest.

    Raises:
        InvalidSetting: an unreasonable number of points.
    """
    points = 1
    for values in axes.values():
        points *= len(values)
    if points > LARGEST:
        raise InvalidSetting(f"The grid has {points} points; at most {LARGEST} are trained at once. Is a range wrong?")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _values(text: str, part: str) -> Sequence[Any]:
    match = RANGE.fullmatch(part)
    if match:
        start, stop, step = match.groups()
        values = range(int(start), int(stop), int(step or 1) or -1)
        if not values:
            raise InvalidSetting(f"Grid: the range {part!r} is empty; START < STOP and STEP >= 1.")
        if len(values) > LARGEST:
            raise InvalidSetting(f"Grid: the range {part!r} holds {len(values)} values, more than {LARGEST}.")
        return values
    if not part:
        raise InvalidSetting(f"Grid: {text!r} holds an empty value.")
    try:
        return [json.loads(part)]
    except json.JSONDecodeError:
        return [part]


def _number(value: Any) -> Any:
    """Return a number that YAML takes for text (``1e-3``, without a point) as a number."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def _axis(path: Path, name: str, entry: Any) -> list[Any]:
    if isinstance(entry, dict):
        if "value" in entry:
            return [_number(entry["value"])]
        if isinstance(entry.get("values"), list) and entry["values"]:
            return [_number(value) for value in entry["values"]]
        low, high = entry.get("min"), entry.get("max")
        if isinstance(low, int) and isinstance(high, int) and low <= high:
            return list(range(low, high + 1))
    raise InvalidSetting(
        f"Grid {path}: parameter {name!r} needs 'value', a list of 'values', or whole numbers 'min' and 'max'."
    )
