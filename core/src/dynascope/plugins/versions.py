"""Plug-ins elsewhere must be those of the process that planned the work."""

from __future__ import annotations

from collections.abc import Iterable

from dynascope.errors import PluginError
from dynascope.plugins.registry import Registry

__all__ = ["Versions", "check_versions", "versions_of"]

Versions = tuple[tuple[str, str], ...]


def versions_of(plugins: Registry) -> Versions:
    """Return name and version of each plug-in that works, sorted by name."""
    return tuple((row.name, row.version) for row in plugins.plugins if not row.error)


def check_versions(plugins: Registry, planned: Iterable[tuple[str, str]]) -> None:
    """Compare the plug-ins of this worker with those with which its work was planned.

    Raises:
        PluginError: one is missing on either side, or has another version.
    """
    mine, theirs = dict(versions_of(plugins)), dict(planned)
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            raise PluginError(
                f"This worker has plug-in {name} {mine.get(name, 'not at all')}, and the work was planned with "
                f"{theirs.get(name, 'none')}. Install the same versions everywhere."
            )
