"""Probes on the command line: values that are read from files, and what ``dynascope probes`` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dynascope.cli.tables import listing, say
from dynascope.contract.chosen_probe import ChosenProbe, parse_probe, write_value
from dynascope.errors import InvalidSetting
from dynascope.plugins.discovery import registry
from dynascope.store.variant import Variant

__all__ = ["probes", "say_probe", "with_files"]


def with_files(text: str) -> str:
    """Return a written probe with the content of the files that its settings name: ``pairs:pairs=@hard.csv``.

    Nothing but the command line reads them: a value in quotes is never a file.

    Raises:
        InvalidSetting: a file that cannot be read, or holds no text.
    """
    name, settings = parse_probe(text, _content)
    return f"{name}:" + ",".join(f"{setting}={write_value(value)}" for setting, value in settings.items())


def say_probe(chosen: ChosenProbe) -> None:
    """Print which probe it is, where it was asked for."""
    say(f"Probe {chosen.name}: {chosen.title}; artifacts/{chosen.key}")


def probes(variant: Variant | None, *, as_json: bool) -> None:
    """Print the probes with their settings; for a variant, those under which it has artifacts."""
    rows = _declared() if variant is None else _stored(variant)
    if as_json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        say("No artifacts yet. Make some: dynascope analyze")
    else:
        listing(rows)


def _declared() -> list[dict[str, Any]]:
    rows = []
    for entry in registry().all("probes").values():
        fields = entry.item.Settings.model_fields if entry.item.Settings is not None else {}
        settings = {
            name: f"{field.description}" + ("" if field.is_required() else f" [{write_value(field.default)}]")
            for name, field in fields.items()
        }
        needs = list(entry.item.needs)
        rows.append({"probe": entry.name, "title": entry.item.title, "needs": needs, "settings": settings})
    return rows


def _stored(variant: Variant) -> list[dict[str, Any]]:
    return [
        {
            "folder": chosen.key,
            "title": chosen.title,
            "probe": chosen.name,
            "settings": chosen.given,
            "analyzers": len(variant.artifacts_of(chosen).analyzers()),
        }
        for chosen in variant.probes()
    ]


def _content(name: str) -> str:
    path = Path(name).expanduser()
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidSetting(
            f"The probe's setting is to be read from {path}, and cannot be: {error.strerror}."
        ) from None
    except UnicodeDecodeError:
        raise InvalidSetting(f"The probe's setting is to be read from {path}, which holds no text (UTF-8).") from None
