"""What is computed of a variant under a probe, what is stale, what is missing, and what cannot be computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dynascope.analysis.plan import Counts, plan
from dynascope.contract.view import View
from dynascope.plugins.registry import Registry
from dynascope.store.variant import Variant

__all__ = ["Freshness", "analyzers_of"]


@dataclass(frozen=True)
class Freshness:
    """What an analysis would find now.

    Attributes:
        counts: by analyzer id, the units that are fresh, stale and missing.
        not_applicable: by analyzer id, why it cannot serve this variant under this probe.
    """

    counts: Mapping[str, Counts] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, variant: Variant, plugins: Registry, probe: str) -> Freshness:
        """Compare what is stored with what should be, for every analyzer that is installed.

        Raises:
            DynascopeError: the probe cannot be made for this variant.
        """
        found = plan(variant, plugins, probe=probe, analyzers=list(plugins.all("analyzers")))
        return cls(found.counts, {one.analyzer: one.reason for one in found.not_applicable})

    def missing(self, view: View) -> list[str]:
        """Return the analyzers of a view of which nothing is stored."""
        return [name for name in analyzers_of(view) if (one := self.counts.get(name)) and not one.fresh + one.stale]

    def stale(self, view: View) -> list[str]:
        """Return the analyzers of a view of which something stored is not what would be computed now."""
        return [name for name in analyzers_of(view) if (one := self.counts.get(name)) and one.stale]

    def impossible(self, view: View) -> str:
        """Return why a view can never be drawn here; empty if it can."""
        reasons = (self.not_applicable.get(name, "") for name in analyzers_of(view))
        return next((f"{reason}" for reason in reasons if reason), "")

    def why_stale(self, names: Iterable[str]) -> str:
        """Say why units are stale; each of them is opened."""
        said = []
        for name in names:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in self.counts[name].reasons().items())
            said.append(f"{name}: {reasons}")
        return "; ".join(said)


def analyzers_of(view: View) -> list[str]:
    """Return the analyzers whose arrays a view reads, sorted."""
    return sorted({read.partition("/")[0] for read in view.reads if read != "metrics"})
