"""From entry points to a registry. Discovery is data: a plug-in that fails is a row with its error.

The stock loader of pluggy stops at the first plug-in that cannot be imported, drops the second of two
entry points with one name, and accepts misspelt hooks; hence this one.
"""

from __future__ import annotations

import inspect
import logging
import os
import re
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import metadata
from typing import Any

import pluggy

from dynascope.contract.analyzer import Instrument
from dynascope.contract.family import Family
from dynascope.contract.hookspecs import GROUP, Specs
from dynascope.contract.probe import Probe
from dynascope.contract.report import Report
from dynascope.contract.view import View
from dynascope.errors import PluginError, UnknownName
from dynascope.plugins.declarations import check_declaration
from dynascope.plugins.registry import PluginRow, Provided, Registry

__all__ = ["KINDS", "discover", "registry"]

log = logging.getLogger(__name__)

KINDS: Mapping[str, type] = {
    "analyzers": Instrument, "families": Family, "probes": Probe, "reports": Report, "views": View,
}  # fmt: skip
"""What the hooks return, by the last word of the hook's name."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
GLOBAL_KINDS = ("families", "probes")
"""Kinds whose bare names name folders, and so are unique among all plug-ins."""


def discover(
    distributions: Iterable[metadata.Distribution] | None = None,
    *,
    block: Iterable[str] | None = None,
    strict: bool | None = None,
) -> Registry:
    """Load every plug-in and return the registry.

    Args:
        distributions: where to look; all installed ones by default.
        block: names to leave out; ``DYNASCOPE_BLOCK`` (comma-separated) by default.
        strict: raise at the first plug-in that fails; ``DYNASCOPE_STRICT_PLUGINS=1`` by default.

    Raises:
        PluginError: in strict mode only; otherwise failures are rows.
    """
    if block is None:
        block = os.environ.get("DYNASCOPE_BLOCK", "").split(",")
    blocked = {name.strip() for name in block} - {""}
    if strict is None:
        strict = os.environ.get("DYNASCOPE_STRICT_PLUGINS", "") not in ("", "0")

    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Specs)
    rows: list[PluginRow] = []
    provided: list[Provided] = []
    for entry_point, distribution in entry_points(distributions):
        row = PluginRow(entry_point.name, distribution.name, distribution.version, "active")
        if entry_point.name in blocked:
            rows.append(replace(row, status="blocked"))
            continue
        try:
            found = _load(manager, entry_point, row, rows, provided)
        except (Exception, SystemExit) as error:
            where = f"while loading plug-in {row.name!r} from {row.distribution} {row.version} ({entry_point.value})"
            if manager.has_plugin(entry_point.name):
                manager.unregister(name=entry_point.name)
            if strict:
                raise PluginError(f"{_text(error)} ({where})") from error
            log.warning("Plug-in %s of %s %s failed: %s", row.name, row.distribution, row.version, _text(error))
            trace = "".join(traceback.format_exception(error))
            rows.append(replace(row, status="failed", error=f"{_text(error)} ({where})", traceback=trace))
            continue
        provided.extend(found)
        rows.append(replace(row, provides=_names_by_kind(found)))
    return Registry(rows, provided)


@cache
def registry() -> Registry:
    """Return the registry of this process, loaded once."""
    return discover()


def entry_points(
    distributions: Iterable[metadata.Distribution] | None = None,
) -> list[tuple[metadata.EntryPoint, metadata.Distribution]]:
    """Return the entry points of our group with their distributions, sorted by name, then distribution.

    A distribution that is found twice (an editable install shadowing another) counts once, the first.
    """
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions() if distributions is None else distributions:
        # A half-removed installation has no name; it provides nothing.
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution)
    pairs = [
        (entry_point, distribution)
        for distribution in found.values()
        for entry_point in distribution.entry_points
        if entry_point.group == GROUP
    ]
    return sorted(pairs, key=lambda pair: (pair[0].name, pair[1].name))


def _load(
    manager: pluggy.PluginManager,
    entry_point: metadata.EntryPoint,
    row: PluginRow,
    rows: list[PluginRow],
    earlier: list[Provided],
) -> list[Provided]:
    """Import and register one plug-in, and return what it provides, checked."""
    if not NAME.fullmatch(entry_point.name):
        raise PluginError(f"Plug-in name {entry_point.name!r} must match {NAME.pattern}.")
    for other in rows:
        if other.name == row.name and other.status == "active":
            raise PluginError(
                f"Plug-in name {row.name!r} is also provided by {other.distribution} {other.version}; "
                "uninstall one, or rename the entry point."
            )
    plugin = entry_point.load()
    if inspect.isclass(plugin):
        raise PluginError(
            f"The entry point names the class {plugin.__name__}; name a module, or an instance of the class."
        )
    _check_hook_names(manager, plugin)
    manager.register(plugin, name=entry_point.name)
    others = [other for name, other in manager.list_name_plugin() if name != entry_point.name and other is not None]
    found: list[Provided] = []
    for kind in sorted(KINDS):
        hook = manager.subset_hook_caller(f"dynascope_{kind}", remove_plugins=others)
        # Consumed here: a hook that is a generator raises while it is iterated, not when it is called.
        items = [item for result in hook() for item in _iterated(result, kind)]
        for item in items:
            found.append(_provided(kind, item, row))
    _check_unique(found, earlier)
    return sorted(found, key=lambda entry: (entry.kind, entry.name))


def _check_hook_names(manager: pluggy.PluginManager, plugin: Any) -> None:
    known = sorted(f"dynascope_{kind}" for kind in KINDS)
    for name, value in inspect.getmembers(plugin, callable):
        marked = manager.parse_hookimpl_opts(plugin, name) is not None
        if marked and name not in known:
            raise UnknownName("hook", name, known)
        if name in known and not marked:
            raise PluginError(f"{name} is not marked: put @dynascope.hookimpl above it.")
        if name.startswith("dynascope_") and name not in known and inspect.isfunction(value):
            raise UnknownName("hook", name, known)


def _iterated(result: Any, kind: str) -> list[Any]:
    try:
        return list(result)
    except TypeError:
        if hasattr(type(result), "__iter__"):
            raise
        raise PluginError(
            f"dynascope_{kind} must return an iterable; it returned {type(result).__name__}. Put it in a list."
        ) from None


def _provided(kind: str, item: Any, row: PluginRow) -> Provided:
    base: Any = KINDS[kind]
    if inspect.isclass(item):
        raise PluginError(f"dynascope_{kind} returned the class {item.__name__}; did you forget the ()?")
    if not isinstance(item, base):
        raise PluginError(f"dynascope_{kind} must return {base.__name__} objects; it returned {item!r}.")
    name = getattr(item, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PluginError(f"{type(item).__name__}: name {name!r} must be a string that matches {NAME.pattern}.")
    check_declaration(item)
    return Provided(kind, name, row.name, row.distribution, row.version, item)


def _check_unique(found: list[Provided], earlier: list[Provided]) -> None:
    seen: dict[tuple[str, str], Provided] = {}
    for entry in earlier:
        if entry.kind in GLOBAL_KINDS:
            seen[entry.kind, entry.name] = entry
    for entry in found:
        other = seen.get((entry.kind, entry.name))
        if other is not None:
            raise PluginError(
                f"The name {entry.name!r} in {entry.kind} is provided twice: by plug-in {other.plugin!r} "
                f"({other.distribution} {other.plugin_version}) and plug-in {entry.plugin!r} "
                f"({entry.distribution} {entry.plugin_version}); rename one."
            )
        seen[entry.kind, entry.name] = entry


def _names_by_kind(found: list[Provided]) -> dict[str, tuple[str, ...]]:
    return {
        kind: names for kind in sorted(KINDS) if (names := tuple(entry.name for entry in found if entry.kind == kind))
    }


def _text(error: BaseException) -> str:
    """Return one line about an error, with its type where it is not one of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, (PluginError, UnknownName)) else f"{type(error).__name__}: {text}"
