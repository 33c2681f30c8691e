"""What all plug-ins together provide, looked up by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from dynascope.contract.chosen_probe import ChosenProbe, parse_probe
from dynascope.errors import UnknownName

if TYPE_CHECKING:
    from dynascope.contract.analyzer import Instrument
    from dynascope.contract.family import Family
    from dynascope.contract.probe import Probe
    from dynascope.contract.view import View

__all__ = ["PluginRow", "Provided", "Registry"]

SINGULAR = {
    "analyzers": "analyzer", "families": "family", "probes": "probe", "reports": "report", "views": "view",
}  # fmt: skip


@dataclass(frozen=True)
class PluginRow:
    """One plug-in as found.

    Attributes:
        name: the entry point's name, which prefixes the names of what it provides.
        distribution, version: where it comes from.
        status: ``"active"``, ``"blocked"`` or ``"failed"``.
        provides: names by kind.
        error: what went wrong, in one text; empty if nothing did.
        traceback: where it went wrong, for whoever mends the plug-in; empty if nothing did.
    """

    name: str
    distribution: str
    version: str
    status: str
    provides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Provided:
    """One object with where it comes from.

    Attributes:
        kind: ``"analyzers"``, ``"families"``, ``"probes"``, ``"reports"`` or ``"views"``.
        name: its own name.
        plugin, distribution, plugin_version: who provides it.
        item: the object.
    """

    kind: str
    name: str
    plugin: str
    distribution: str
    plugin_version: str
    item: Any

    @property
    def id(self) -> str:
        """``"<plug-in>.<name>"``, unique by construction."""
        return f"{self.plugin}.{self.name}"


class Registry:
    """An immutable table of plug-ins and of what they provide, everything sorted by name."""

    def __init__(self, plugins: Iterable[PluginRow], provided: Iterable[Provided]) -> None:
        self.plugins = tuple(sorted(plugins, key=lambda row: (row.name, row.distribution)))
        self._provided: dict[str, dict[str, Provided]] = {kind: {} for kind in SINGULAR}
        for entry in sorted(provided, key=lambda entry: entry.id):
            self._provided[entry.kind][entry.id] = entry

    def all(self, kind: str) -> Mapping[str, Provided]:
        """Return everything of one kind, by id."""
        return self._provided[kind]

    def find(self, kind: str, name: str) -> Provided:
        """Return one object by id, or by bare name where only one plug-in has it.

        Raises:
            UnknownName: no such name, or several; the message lists the choices.
        """
        entries = self._provided[kind]
        if name in entries:
            return entries[name]
        same = [entry for entry in entries.values() if entry.name == name]
        if len(same) == 1:
            return same[0]
        choices = [entry.id for entry in same] or (
            [entry.name for entry in entries.values()] if "." not in name else list(entries)
        )
        raise UnknownName(SINGULAR[kind], name, choices)

    def family(self, name: str) -> Family:
        """Return a family by name."""
        return cast("Family", self.find("families", name).item)

    def probe(self, name: str) -> Probe:
        """Return a probe by name."""
        return cast("Probe", self.find("probes", name).item)

    def choose(self, text: str, **settings: Any) -> ChosenProbe:
        """Return a probe at settings: ``choose("random_pairs:count=5")``, ``choose("random_pairs", count=5)``.

        Raises:
            UnknownName: no such probe, or it has no such setting.
            InvalidSetting: a text that cannot be read, or a value that breaks its rule or is lacking.
        """
        name, written = parse_probe(text)
        provided = self.find("probes", name)
        return ChosenProbe.of(provided.item, {**written, **settings}, provided.plugin)

    def analyzer(self, name: str) -> Instrument:
        """Return an analyzer by id or unambiguous name."""
        return cast("Instrument", self.find("analyzers", name).item)

    def view(self, name: str) -> View:
        """Return a view by id or unambiguous name."""
        return cast("View", self.find("views", name).item)

    @property
    def failed(self) -> tuple[PluginRow, ...]:
        """The plug-ins that could not be loaded."""
        return tuple(row for row in self.plugins if row.status == "failed")
