"""In which settings variants differ, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynascope import Variant
from dynascope.contract.config import NOT_IDENTITY

__all__ = ["differing", "short_titles", "written"]

FAMILY = "family"
LONGEST = 48
"""Characters of a value: a list of training pairs has thousands."""
NOT_STATED = "not stated"
NONE = "–"


def differing(variants: Sequence[Variant]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the settings in which variants differ, and those that they share.

    Args:
        variants: of any families.

    Returns:
        By the name of the setting, in the order of the families' declarations: what each variant has, a dash where
        its family has no such setting; and what all have.
    """
    settings = [_settings(variant) for variant in variants]
    names = dict.fromkeys(name for of_one in settings for name in of_one)
    columns = {name: [of_one.get(name, NONE) for of_one in settings] for name in names}
    return (
        {name: values for name, values in columns.items() if len(set(values)) > 1},
        {name: values[0] for name, values in columns.items() if len(set(values)) == 1},
    )


def short_titles(variants: Mapping[str, Variant]) -> dict[str, str]:
    """Return what distinguishes variants, ``"seed 999, weight decay 1"``, by their names.

    A variant alone has its own name; so have variants of several families, as they differ in too much.
    """
    if len({variant.family.name for variant in variants.values()}) > 1 or len(variants) == 1:
        return {name: name.partition("/")[2] for name in variants}
    different = {
        setting: values
        for setting, values in differing(list(variants.values()))[0].items()
        if setting not in NOT_IDENTITY  # how long it was trained tells no variants apart
    }
    return {
        name: ", ".join(f"{setting.replace('_', ' ')} {values[place]}" for setting, values in different.items())
        or name.partition("/")[2]
        for place, name in enumerate(variants)
    }


def written(value: Any) -> str:
    """Return a setting's value as it is read: in few characters."""
    if isinstance(value, list):
        text = ", ".join(map(written, value))
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = NONE if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _settings(variant: Variant) -> dict[str, str]:
    unknown = set(variant.origin.get("not_stated", ()))
    found = {name: NOT_STATED if name in unknown else written(value) for name, value in variant.config.settings.items()}
    return {FAMILY: variant.family.name, **found}
