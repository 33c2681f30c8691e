"""What the listing commands print: a table for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynascope.analysis.comparison import Compared
from dynascope.analysis.plan import Plan
from dynascope.contract.setting import settings_of
from dynascope.errors import DynascopeError
from dynascope.jobs import Job
from dynascope.plugins.discovery import registry
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace

__all__ = [
    "checkpoints",
    "families",
    "jobs",
    "listing",
    "plugins",
    "print_rows",
    "say",
    "size",
    "status",
    "variants",
    "views",
]


MOST_COLUMNS = 1_000


def say(text: str) -> None:
    """Print a line as it is, never wrapped."""
    Console(soft_wrap=True, highlight=False).print(text, markup=False)


def families(workspace: Workspace, *, as_json: bool) -> None:
    """Print the families of a workspace."""
    rows = []
    for family in workspace.families():
        base = family.base
        defaults = family.configure().settings
        choices = {one.name: list(one.choices) for one in settings_of(base) if one.choices}
        rows.append(
            {
                "family": family.name,
                "title": family.title,
                "probe": family.probe,
                "presets": sorted(base.presets),
                "settings": defaults,
                "choices": choices,
                "error": "",
            }
        )
    rows += [
        {"family": row.name, "title": "", "probe": "", "presets": [], "settings": {}, "choices": {}, "error": row.error}
        for row in workspace.broken_families()
    ]
    print_rows(rows, as_json)


def variants(workspace: Workspace, *, as_json: bool) -> None:
    """Print the variants of a workspace."""
    rows = []
    for variant in workspace.variants():
        try:
            rows.append(_variant_row(variant))
        except DynascopeError as error:
            rows.append(_broken_row(f"{variant.family.name}/{variant.name}", str(error)))
    broken = [_broken_row(row.name, row.error) for row in workspace.broken_variants()]
    print_rows([*rows, *broken], as_json)
    if not rows and not broken and not as_json:
        say("No variant yet. Train one: dynascope train FAMILY")


def _variant_row(variant: Variant) -> dict[str, Any]:
    metrics = variant.metrics_file.read()
    last = {name: column[-1] for name, column in metrics.items()} if len(metrics["epoch"]) else {}
    artifacts = variant.artifacts
    return {
        "variant": variant.name,
        "family": variant.family.name,
        "state": variant.state,
        "epoch": int(last.get("epoch", 0)),
        "checkpoints": len(variant.checkpoints),
        "train_loss": _rounded(last.get("train_loss")),
        "test_loss": _rounded(last.get("test_loss")),
        "test_accuracy": _rounded(last.get("test_accuracy")),
        "analysed": {name: len(artifacts.epochs(name)) for name in artifacts.analyzers()},
        "error": "",
    }


def _broken_row(name: str, error: str) -> dict[str, Any]:
    empty = dict.fromkeys(("family", "state", "epoch", "checkpoints", "train_loss", "test_loss", "test_accuracy"))
    return {"variant": name, **empty, "analysed": {}, "error": error}


def checkpoints(variant: Variant, *, as_json: bool) -> None:
    """Print a variant's checkpoints; ``replayable``: the optimizer's state is there, training can start from it."""
    states = set(variant.optimizer_folder.epochs())
    print_rows(
        [
            {
                "epoch": epoch,
                "file": variant.checkpoint_folder.file(epoch).name,
                "replayable": epoch in states or epoch == 0,
                "inexact": bool(variant.checkpoint_folder.header(epoch).get("inexact_replay")),
            }
            for epoch in variant.checkpoints
        ],
        as_json,
    )


def status(plans: Sequence[Plan], compared: Sequence[Compared], *, as_json: bool) -> None:
    """Print, for each variant and analyzer, how many units are fresh, stale (and why) and missing."""
    rows: list[dict[str, Any]] = []
    for work in plans:
        waiting = {one.analyzer: f"waits: {one.reason}" for one in work.waiting}
        for name, counts in work.counts.items():
            rows.append(
                {
                    "variant": work.variant.name,
                    "analyzer": name,
                    "fresh": counts.fresh,
                    "stale": counts.stale,
                    "missing": counts.missing,
                    "why stale": counts.reasons(),
                    "error": waiting.get(name, ""),
                }
            )
        told = [(one.analyzer, f"does not apply: {one.reason}") for one in work.not_applicable]
        for name, text in told:
            empty = dict.fromkeys(("fresh", "stale", "missing"))
            rows.append(
                {"variant": work.variant.name, "analyzer": name, **empty, "why stale": {}, "error": text},
            )
        rows += [
            {
                "variant": work.variant.name,
                "analyzer": "",
                "fresh": None,
                "stale": None,
                "missing": None,
                "why stale": {},
                "error": str(failure.error),
            }
            for failure in work.unreadable
        ]
    for one in compared:
        rows += [
            {
                "variant": f"({len(one.plans)} variant{'s' if len(one.plans) != 1 else ''})",
                "analyzer": one.provided.id,
                "fresh": int(one.fresh),
                "stale": int(one.stale),
                "missing": int(not (one.fresh or one.stale)),
                "why stale": {},
                "error": "; ".join(f"without {left_out.analyzer}: {left_out.reason}" for left_out in one.left_out),
            }
        ]
    print_rows(rows, as_json)


def views(variant: Variant | None, *, as_json: bool) -> None:
    """Print the views; for a variant, with what it lacks for each."""
    from dynascope.frames import missing_arrays

    rows = []
    for name, provided in registry().all("views").items():
        row: dict[str, Any] = {"view": name, "title": provided.item.title, "reads": list(provided.item.reads)}
        if variant is not None:
            row["missing"] = missing_arrays(provided.item, variant, variant.artifacts)
        rows.append(row)
    print_rows(rows, as_json)


def jobs(workspace: Workspace, *, as_json: bool) -> None:
    """Print the jobs of a workspace; for people, what fits into a line."""
    rows: list[dict[str, Any]] = []
    broken = dict(workspace.jobs.broken())
    for job in workspace.jobs.list():
        try:
            rows.append(_job_row(job, in_full=as_json))
        except DynascopeError as error:  # removed, or damaged, since it was listed
            broken[job.id] = str(error)
    names = ("progress", "started", *(("ended", "attempts", "code") if as_json else ()), "command")
    rows += [{"job": name, "state": "damaged", **dict.fromkeys(names), "error": broken[name]} for name in broken]
    print_rows(rows, as_json)
    if not rows and not as_json:
        say("No job yet. Start one: dynascope train FAMILY --background")


def _job_row(job: Job, *, in_full: bool) -> dict[str, Any]:
    progress = job.progress
    row: dict[str, Any] = {"job": job.id, "state": job.state, "progress": progress, "started": job.started}
    if in_full:
        more = {"ended": job.ended, "attempts": job.attempts, "code": job.code}
        row = {**row, "progress": progress and asdict(progress), **more}
    return {**row, "command": job.command, "error": job.reason}


def plugins(*, as_json: bool) -> None:
    """Print the discovery table."""
    rows = [
        {
            "plugin": row.name,
            "distribution": row.distribution,
            "version": row.version,
            "status": row.status,
            "provides": {kind: list(names) for kind, names in row.provides.items()},
            "error": row.error,
        }
        for row in registry().plugins
    ]
    print_rows(rows, as_json)


def size(count: int) -> str:
    """Return a number of bytes in words: ``0.4 MB``, ``35 MB``, ``2.1 GB``."""
    if count >= 1e9:
        return f"{count / 1e9:,.1f} GB"
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e6:.1f} MB"


def listing(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table for people; nothing where there is no row."""
    print_rows(rows, as_json=False)


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    names = [name for name in rows[0] if name != "error" or any(row["error"] for row in rows)]
    for name in names:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for row in rows:
        # Text, not str: what a plug-in's error says must not be read as markup.
        table.add_row(*(Text(_cell(row[name])) for name in names))
    # As wide as it needs to be: names and numbers are copied, and must not be broken.
    Console(highlight=False, width=MOST_COLUMNS).print(table, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_cell(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(f"{value:.4g}")
