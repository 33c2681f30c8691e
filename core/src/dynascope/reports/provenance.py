"""Where an export comes from: what it shows, by which versions it was measured, and the command that makes it again."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

from dynascope.analysis.freshness import analyzers_of
from dynascope.contract.report import Report
from dynascope.digest import digest_of
from dynascope.plugins.registry import Registry
from dynascope.reports.panels import Panel
from dynascope.store.variant import Variant

__all__ = ["provenance_of", "rows_of"]


OF_TRAINING = ("state", "epoch", "first_started", "updated", "device", "versions")
"""What is said of how a variant was trained."""


def provenance_of(
    panels: Iterable[Panel], plugins: Registry, command: str, report: Report | None = None
) -> dict[str, Any]:
    """Return what an export is made from, as JSON can hold it.

    Args:
        panels: that are shown.
        plugins: the registry.
        command: that makes it again.
        report: that is shown; None for single views.

    Returns:
        ``made``: when, and the versions it was made with; ``command``; ``report``: its name, title, and the SHA-256 of
        its content; ``variants``: of each its settings and identity, when and by which versions it was trained, the
        probe, and of each analyzer its version, when it was computed, and whether it is stale.
    """
    shown = list(panels)
    variants = {panel.variant.full_name: panel.variant for panel in shown}
    found: dict[str, Any] = {
        "made": {
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "dynascope": metadata.version("dynascope"),
            "python": ".".join(map(str, sys.version_info[:3])),
            "plugins": {row.name: f"{row.distribution} {row.version}" for row in plugins.plugins},
        },
        "command": command,
    }
    if report is not None:
        content = report.model_dump(mode="json")
        found["report"] = {
            "name": report.name, "title": report.title, "family": report.family, "sha256": digest_of(content)
        }  # fmt: skip
    probe = report.probe if report is not None else None
    found["variants"] = [
        _variant(variant, [panel for panel in shown if panel.variant is variant], plugins, probe)
        for variant in variants.values()
    ]
    return found


def _variant(variant: Variant, panels: Sequence[Panel], plugins: Registry, probe: str | None) -> dict[str, Any]:
    known, artifacts = variant.metadata, variant.artifacts_of(probe)
    names = sorted({name for panel in panels for name in analyzers_of(panel.provided.item)})
    stale = {name for panel in panels for name in panel.stale}
    trained = {
        name: known[name]
        for name in ("state", "epoch", "first_started", "updated", "device", "versions")
        if name in known
    }
    return {
        "name": variant.name,
        "family": variant.family.name,
        "sha256": variant.identity,
        "settings": variant.config.settings,
        "origin": variant.origin,
        "trained": trained,
        "checkpoints": len(variant.checkpoints),
        "probe": plugins.choose(probe or variant.family.probe).text,
        "analyzers": {name: _analyzer(artifacts, name, stale) for name in names if artifacts.analyzers()},
    }


def _analyzer(artifacts: Any, name: str, stale: set[str]) -> dict[str, Any]:
    epochs = artifacts.epochs(name)
    if not epochs and artifacts.of_series(name) is None:
        return {"computed": None}
    stamp = artifacts.stamp(name, epochs[-1] if epochs else None)
    return {
        "version": int(stamp["analyzer_version"]),
        "plugin_version": str(stamp["plugin_version"]),
        "computed": str(stamp["created"]),
        "epochs": len(epochs) or "all",
        "stale": name in stale,
    }


def rows_of(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the same in words: what it is, and what is said of it."""
    made = found["made"]
    rows = [("made", f"{made['at']}, Dynascope {made['dynascope']}"), ("plug-ins", ", ".join(made["plugins"].values()))]
    if "report" in found:
        report = found["report"]
        rows.append(("report", f"{report['title']} ({report['name'] or 'not saved'}), sha256 {report['sha256'][:16]}"))
    for variant in found["variants"]:
        settings = ", ".join(f"{name} {_written(value)}" for name, value in variant["settings"].items())
        trained = variant["trained"]
        versions = ", ".join(f"{name} {version}" for name, version in trained.get("versions", {}).items())
        rows += [
            ("variant", f"{variant['family']}/{variant['name']}, sha256 {variant['sha256'][:16]}"),
            ("settings", settings),
            ("trained", f"{trained.get('state', 'unknown')}, {trained.get('updated', 'date unknown')}; {versions}"),
            ("probe", variant["probe"]),
        ]
        for name, one in variant["analyzers"].items():
            rows.append((name, _computed(one) if one["computed"] else "not computed"))
    return rows


def _computed(one: Mapping[str, Any]) -> str:
    stale = "; STALE" if one["stale"] else ""
    return f"version {one['version']} of {one['plugin_version']}, computed {one['computed']}{stale}"


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (list, dict, bool, type(None))) else str(value)
