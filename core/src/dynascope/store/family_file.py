"""``family.json``: a family as a workspace declares it, which may adapt a plug-in's family without code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dynascope.contract.config import Config
from dynascope.contract.family import Family
from dynascope.errors import InvalidSetting, UnknownName, WorkspaceError
from dynascope.plugins.registry import Registry
from dynascope.schedule import parse_schedule
from dynascope.store.atomic import read_json, write_json

__all__ = ["DeclaredFamily", "FamilyFile", "as_provided", "read_family_file", "write_family_file"]


class FamilyFile(BaseModel):
    """What ``family.json`` holds.

    Attributes:
        format: 1.
        name: the family's name, and its folder's.
        base: the plug-in's family that it adapts.
        title: one line for lists.
        settings: settings that replace the base's defaults, flat.
        schedule: the default checkpoint schedule; None for the base's.
        probe: the default probe, as it is written (``random_pairs:count=500``); None for the base's.
        analyzers: the analyzers that run when none is named; None for all that apply.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    name: str
    base: str
    title: str
    settings: dict[str, Any] = {}
    schedule: str | None = None
    probe: str | None = None
    analyzers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DeclaredFamily:
    """A plug-in's family with what a workspace says of it."""

    base: Family
    file: FamilyFile

    @property
    def name(self) -> str:
        """The family's name in this workspace."""
        return self.file.name

    @property
    def title(self) -> str:
        """One line for lists."""
        return self.file.title

    @property
    def probe(self) -> str:
        """The default probe, as it is written."""
        return self.file.probe or self.base.default_probe

    def configure(self, settings: Mapping[str, Any] | None = None, preset: str | None = None) -> Config:
        """Return a variant's config: the base's defaults, the preset, the file's settings, then ``settings``.

        Raises:
            UnknownName, InvalidSetting: as ``Family.configure``.
        """
        config = self.base.configure({**self.file.settings, **(settings or {})}, preset)
        return Config(self.name, config.parameters, config.architecture, config.training)

    def schedule(self, config: Config) -> str:
        """Return the default checkpoint schedule."""
        return self.file.schedule or self.base.schedule(config)


def as_provided(family: Family) -> DeclaredFamily:
    """Return a plug-in's family as it is, unadapted."""
    return DeclaredFamily(family, FamilyFile(name=family.name, base=family.name, title=family.title))


def write_family_file(path: Path, family: DeclaredFamily) -> None:
    """Publish a family's ``family.json``."""
    write_json(path, family.file.model_dump(mode="json"))


def read_family_file(path: Path, registry: Registry) -> DeclaredFamily:
    """Read and check a ``family.json``.

    Raises:
        WorkspaceError: the file is not one, or names a family, setting, probe, analyzer or schedule
            that cannot be used.
    """
    read_json(path)  # one error for a file that is missing or is not JSON
    try:
        file = FamilyFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].lower()}" for problem in error.errors()
        )
        raise WorkspaceError(f"{path} does not declare a family: {problems}.") from None
    if file.name != path.parent.name:
        raise WorkspaceError(f"{path}: name {file.name!r} must be its folder's, {path.parent.name!r}. Rename one.")
    try:
        family = DeclaredFamily(registry.family(file.base), file)
        family.configure()
        registry.choose(family.probe)
        for analyzer in file.analyzers or ():
            registry.find("analyzers", analyzer)
        if file.schedule is not None:
            parse_schedule(file.schedule, 0, clip=True)
    except (InvalidSetting, UnknownName) as error:
        raise WorkspaceError(f"{path}: {error}") from None
    return family
