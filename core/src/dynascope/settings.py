"""Settings as they are written: ``KEY=VALUE``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dynascope.errors import InvalidSetting

__all__ = ["parse_settings"]


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` pairs as a mapping; a value that is JSON is read as such, any other is text.

    Raises:
        InvalidSetting: a pair without ``=``, or a key given twice.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InvalidSetting(f"Settings are written KEY=VALUE, like p=53; found {pair!r}.")
        if key in settings:
            raise InvalidSetting(f"Setting {key!r} is given twice.")
        settings[key] = _value(text)
    return settings


def _value(text: str) -> Any:
    """Read JSON, numbers separated by commas, or text."""
    for attempt in (text, f"[{text}]"):
        try:
            return json.loads(attempt)
        except json.JSONDecodeError:
            continue
    return text
