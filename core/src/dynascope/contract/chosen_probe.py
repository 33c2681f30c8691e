"""A probe at settings, as it is written, named and made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from dynascope.contract.config import Config
from dynascope.contract.probe import Batch, Probe, ProbeSettings
from dynascope.errors import InvalidSetting, UnknownName

__all__ = ["KEY", "ChosenProbe", "parse_probe", "write_value"]

KEY = re.compile(r"([a-z][a-z0-9_]*)(-[0-9a-f]{8})?")
"""What a folder of artifacts is named: a probe's name, and a digest of its settings where it has some."""

NEXT_SETTING = re.compile(r",(?=\s*[A-Za-z_][A-Za-z0-9_]*=)")
"""A comma ends a value only where the next setting begins, so that values may hold commas."""
MOST_CHARACTERS = 40
"""Of a value in a title or a message: what is read stays one line."""


@dataclass(frozen=True, repr=False)
class ChosenProbe:
    """A probe with the settings that were chosen: what an analysis is made under.

    Attributes:
        probe: what is declared.
        settings: validated; None for a probe that has none.
        plugin: who provides it.
    """

    probe: Probe
    settings: ProbeSettings | None = None
    plugin: str = ""

    @classmethod
    def of(cls, probe: Probe, settings: Mapping[str, Any] | None = None, plugin: str = "") -> ChosenProbe:
        """Validate settings, in JSON types or as text (see ``parse_probe``), and return the choice.

        Raises:
            UnknownName: a setting that the probe does not have.
            InvalidSetting: a value that breaks its rule, or one that is lacking.
        """
        given = dict(settings or {})
        model = probe.Settings
        known = model.model_fields if model is not None else {}
        for name in given:
            if name not in known:
                raise UnknownName(f"setting of probe {probe.name}", name, known)
        if model is None:
            return cls(probe, None, plugin)
        values = {name: _read(model, name, value) if isinstance(value, str) else value for name, value in given.items()}
        try:
            return cls(probe, model.model_validate_json(json.dumps(values)), plugin)
        except ValidationError as error:
            problems = "; ".join(_problem(model, problem) for problem in error.errors())
            raise InvalidSetting(f"Probe {probe.name}: {problems}.") from None
        except TypeError as error:  # a value that JSON cannot hold
            raise InvalidSetting(f"Probe {probe.name}: {error}.") from None

    @property
    def name(self) -> str:
        """The probe's name."""
        return self.probe.name

    @cached_property
    def given(self) -> dict[str, Any]:
        """The settings that differ from their defaults, in JSON types: what tells this choice from others.

        A setting that the probe gains later, with a default, changes nothing that was chosen before.
        """
        if self.settings is None:
            return {}
        fields = type(self.settings).model_fields
        written = self.settings.model_dump(mode="json")
        return {
            name: written[name]
            for name, field in fields.items()
            if field.is_required() or getattr(self.settings, name) != field.get_default(call_default_factory=True)
        }

    @cached_property
    def key(self) -> str:
        """The name of its folder: the probe's name and, unless all is at its default, a digest of the settings."""
        if not self.given:
            return self.name
        canonical = json.dumps(self.given, sort_keys=True)
        return f"{self.name}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"

    @cached_property
    def text(self) -> str:
        """How it is written; ``parse_probe`` reads it back: ``random_pairs:count=500,seed=3``."""
        if not self.given:
            return self.name
        return f"{self.name}:" + ",".join(f"{name}={write_value(value)}" for name, value in self.given.items())

    @cached_property
    def title(self) -> str:
        """One line for people: ``500 random pairs (seed 3)``."""
        if self.probe.titled is not None and self.settings is not None:
            return self.probe.titled(self.settings)
        said = ", ".join(f"{name} {_shortened(write_value(value))}" for name, value in self.given.items())
        return f"{self.probe.title} ({said})" if said else self.probe.title

    def make(self, config: Config) -> Batch:
        """Return the inputs for a variant.

        Raises:
            InvalidSetting: the settings do not fit the variant, or give no row, or a coordinate twice.
        """
        batch = self.probe.make(config) if self.settings is None else self.probe.make(config, self.settings)
        if not isinstance(batch, Batch):
            raise InvalidSetting(f"Probe {self.name} must make a dynascope.Batch; it made {type(batch).__name__}.")
        if not len(batch.inputs):
            raise InvalidSetting(f"Probe {self.name} makes no row; an analysis needs at least one.")
        for axis, coordinates in batch.axes.items():
            values, counts = np.unique(np.asarray(coordinates), return_counts=True)
            if (counts > 1).any():
                raise InvalidSetting(
                    f"Probe {self.name} makes {axis} {values[counts.argmax()]} {counts.max()} times; a coordinate "
                    "stands for one row."
                )
        return batch

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<probe {_shortened(self.text)}: {self.title}>"


def parse_probe(text: str, from_file: Callable[[str], str] | None = None) -> tuple[str, dict[str, str]]:
    """Split a written probe into its name and its settings: ``NAME`` or ``NAME:SETTING=VALUE,SETTING=VALUE``.

    A comma ends a value only where the next ``SETTING=`` follows it. A value in double quotes is a JSON string, and may
    hold anything.

    Args:
        from_file: returns what a value ``@FILE`` without quotes stands for; without it, that is a text like others.

    Raises:
        InvalidSetting: a setting without ``=``, or one that is given twice.
    """
    name, _, rest = text.strip().partition(":")
    settings: dict[str, str] = {}
    while rest.strip():
        setting, equals, value = rest.partition("=")
        setting = setting.strip()
        if not equals or not setting.isidentifier():
            raise InvalidSetting(
                f"A probe is written NAME or NAME:SETTING=VALUE,SETTING=VALUE; found {_shortened(rest)!r} where a "
                f"SETTING= should begin, in {_shortened(text)!r}."
            )
        if setting in settings:
            raise InvalidSetting(f"Setting {setting!r} of probe {name} is given twice.")
        quoted = value.lstrip().startswith('"')
        settings[setting], rest = _value_and_rest(value, f"Setting {setting!r} of probe {name}")
        if from_file is not None and settings[setting].startswith("@") and not quoted:
            settings[setting] = from_file(settings[setting][1:])
    return name, settings


def write_value(value: Any) -> str:
    """Return a value as it is written in a probe's text: plain where that reads back, else as JSON."""
    if isinstance(value, str):
        plain = value.isprintable() and value == value.strip() and value[:1] not in ("", '"', "@")
        return value if plain and not NEXT_SETTING.search(value) else json.dumps(value)
    if isinstance(value, list) and value and all(isinstance(item, (int, float)) for item in value):
        return ",".join(map(json.dumps, value))
    return json.dumps(value)


def _value_and_rest(text: str, owner: str) -> tuple[str, str]:
    """Cut the value off a text that begins with it; one in quotes ends with them."""
    if text.lstrip().startswith('"'):
        begun = text.lstrip()
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(begun)
        except json.JSONDecodeError as error:
            raise InvalidSetting(f"{owner}: a value that begins with a quote is a JSON string; {error}.") from None
        rest = begun[end:].lstrip()
        if rest and not rest.startswith(","):
            raise InvalidSetting(f"{owner}: after the closing quote comes a comma or the end; found {rest[:20]!r}.")
        return str(value), rest[1:]
    found = NEXT_SETTING.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def _read(model: type[ProbeSettings], name: str, text: str) -> Any:
    """Return what a text means for a setting: JSON, numbers separated by commas, or the text, whichever fits first.

    Where nothing fits, it is the one of them that fails deepest inside: ``-1`` for a list is one wrong number in it.
    """
    annotation: Any = model.model_fields[name].annotation
    adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(strict=True))
    readings: list[Any] = []
    for attempt in (text, f"[{text}]"):
        try:
            reading = json.loads(attempt)
        except (json.JSONDecodeError, RecursionError):
            continue
        if not isinstance(reading, str):
            readings.append(reading)
    nearest, deepest = text, -1
    for reading in (*readings, text):
        try:
            adapter.validate_json(json.dumps(reading))
        except ValidationError as error:
            depth = max(len(problem["loc"]) for problem in error.errors())
            if depth > deepest:
                nearest, deepest = reading, depth
            continue
        return reading
    return nearest


def _problem(model: type[ProbeSettings], problem: Any) -> str:
    """Say in words what is wrong with one setting."""
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{name} must be given: {model.model_fields[name].description}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{name}: {message}" if name else message
    return f"{name}: {message[:1].lower()}{message[1:]}, got {_shortened(repr(problem['input']))}"


def _shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
