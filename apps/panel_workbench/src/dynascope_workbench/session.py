"""What the pages of one browser tab share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynascope import InvalidSetting, Registry, Variant, Workspace
from dynascope.jobs import Job

__all__ = ["Session", "read_only", "refuse_read_only"]


def read_only() -> bool:
    """Say whether this server only shows: with ``DYNASCOPE_READ_ONLY=1`` nothing can be started, changed or deleted."""
    return os.environ.get("DYNASCOPE_READ_ONLY", "") not in ("", "0")


def refuse_read_only() -> None:
    """Refuse what starts, changes or deletes something: a hidden button is no lock.

    Raises:
        InvalidSetting: this server only shows.
    """
    if read_only():
        raise InvalidSetting("This server only shows what is there: it was started with DYNASCOPE_READ_ONLY=1.")


@dataclass
class Session:
    """The workspace and plug-ins of a tab, and how its pages lead to each other.

    Attributes:
        workspace: where variants are read.
        plugins: what provides families, analyzers and views.
        go: shows another page by name, with what is to be shown there: ``go("explore", variant="...")``.
    """

    workspace: Workspace
    plugins: Registry
    go: Callable[..., None] = field(default=lambda page, **state: None)

    def variants(self) -> Mapping[str, Variant]:
        """Return the variants that are there now, by ``<family>/<name>``."""
        return {f"{variant.family.name}/{variant.name}": variant for variant in self.workspace.variants()}

    def start(self, command: str, arguments: list[str]) -> Job:
        """Start a job.

        Raises:
            InvalidSetting: this server only shows (``DYNASCOPE_READ_ONLY``).
        """
        refuse_read_only()
        return self.workspace.jobs.start(command, arguments, folder=self.workspace.path)
