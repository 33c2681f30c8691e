"""What a form asks to be trained: which variants, and the command that trains them. No widgets, nothing is written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynascope import InvalidSetting, UnknownName, Variant, Workspace
from dynascope.schedule import parse_schedule
from dynascope.settings import parse_settings
from dynascope.training.grid import RANGE, axes_of, parse_axis, settings_of

__all__ = ["MOST", "Order", "order_of", "seeds_axis", "written"]

MOST = 1_000
"""Variants that a form starts at once."""
VARIED = re.compile(r"(\w+)=(.*?)(?=\s+\w+=|\s*$)")


@dataclass(frozen=True)
class Order:
    """What is to be trained.

    Attributes:
        variants: whether or not they are there.
        kept: the epochs of the checkpoints, ascending.
        last: the epoch at which training ends.
        words: the arguments of ``train``. None of them can become an option that the form did not mean: options are
            written in one word with their value, and the settings follow ``--``.
    """

    variants: tuple[Variant, ...]
    kept: tuple[int, ...]
    last: int
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line, as it would be typed."""
        return shlex.join(["dynascope", "train", *self.words])


def order_of(
    workspace: Workspace,
    family: str,
    pairs: Sequence[str],
    *,
    preset: str | None = None,
    seeds: str = "",
    varied: str = "",
    schedule: str = "",
) -> Order:
    """Work out what a form asks for.

    Args:
        workspace: where it would be trained.
        family: its name.
        pairs: settings that differ from the preset's, ``KEY=VALUE``.
        preset: its name.
        seeds: see ``seeds_axis``; empty for the one among the settings.
        varied: settings with several values, ``weight_decay=0.5,1 optimizer=adam,sgd``.
        schedule: the epochs to keep; empty for the family's.

    Raises:
        UnknownName: a family, preset or setting that is not there.
        InvalidSetting: what breaks its rule; ``problems`` names the fields, those of this form among them.
    """
    declared = workspace.family(family)
    defaults = declared.configure(preset=preset).settings
    settings = parse_settings(pairs)
    pairs = [_in_brackets(pair, settings) for pair in pairs]
    for name, value in settings.items():
        text = isinstance(value, str) and RANGE.fullmatch(value)
        if text or (isinstance(value, list) and value and isinstance(defaults.get(name), (int, float))):
            raise _wrong(name, f"one value goes here; several go below: {name}=0.5,1")
    grids = _grids(varied, defaults)
    axis = seeds_axis(seeds) if seeds.strip() else None
    try:
        fixed, axes = axes_of(defaults, pairs, axis, grids)
        points = settings_of(axes)
    except InvalidSetting as error:
        raise _wrong("seeds" if axis and not grids else "varied", str(error)) from None
    if len(points) > MOST:
        raise _wrong("varied", f"{len(points):,} variants; at most {MOST:,} are started here at once")
    configs = {config.digest: config for point in points for config in [declared.configure({**fixed, **point}, preset)]}
    first = next(iter(configs.values()))
    last, default = first.training.epochs, declared.schedule(first)
    try:
        kept = parse_schedule(schedule.strip() or default, last, family=default, clip=not schedule.strip())
    except (InvalidSetting, UnknownName) as error:
        raise _wrong("schedule", str(error)) from None
    options = [f"--preset={preset}"] if preset else []
    options += [f"--schedule={schedule.strip()}"] if schedule.strip() else []
    options += [f"--seeds={axis}"] if axis else []
    options += [f"--grid={grid}" for grid in grids]
    variants = tuple(
        Variant(declared, config, workspace.variant_folder(config.family, config.name)) for config in configs.values()
    )
    return Order(variants, tuple(kept), last, (*options, "--", family, *pairs))


def seeds_axis(text: str) -> str:
    """Return seeds as ``--seeds`` takes them: ``0-9``, both included, or how many (``10``), or a list (``3,5``).

    Raises:
        InvalidSetting: it is none of these.
    """
    text = text.strip()
    if match := re.fullmatch(r"(\d+)\s*-\s*(\d+)", text):
        first, last = int(match[1]), int(match[2])
        if first <= last:
            return f"{first}:{last + 1}"
    elif re.fullmatch(r"[1-9]\d*", text):
        return f"0:{text}"
    elif re.fullmatch(r"\d+(\s*,\s*\d+)+", text) or RANGE.fullmatch(text):
        return text.replace(" ", "")
    raise _wrong("seeds", f"seeds are written 0-9, 10 (how many) or 3,5; found {text!r}")


def written(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, str):
        return value
    return ",".join(map(json.dumps, value)) if isinstance(value, list) else json.dumps(value)


def _grids(varied: str, defaults: Mapping[str, Any]) -> list[str]:
    """Return the axes as ``--grid`` takes them, each value as JSON: none of them can be the name of a file."""
    found = VARIED.findall(varied)
    if not found and varied.strip():
        raise _wrong("varied", f"settings with several values are written weight_decay=0.5,1; found {varied.strip()!r}")
    grids = []
    for name, text in found:
        if name not in defaults:
            raise _wrong("varied", str(UnknownName("setting", name, defaults)))
        try:
            values = parse_axis(text.strip())
        except InvalidSetting as error:
            raise _wrong("varied", str(error)) from None
        grids.append(f"{name}={','.join(map(json.dumps, values))}")
    return grids


def _in_brackets(pair: str, settings: Mapping[str, Any]) -> str:
    """Return a pair whose value is a list in brackets: beside a grid it would be taken for several values."""
    name = pair.partition("=")[0]
    value = settings[name]
    return f"{name}={json.dumps(value, separators=(',', ':'))}" if isinstance(value, list) else pair


def _wrong(field: str, text: str) -> InvalidSetting:
    return InvalidSetting(f"{field}: {text}", {field: text})
