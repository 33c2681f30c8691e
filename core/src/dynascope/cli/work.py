"""What ``dynascope analyze`` does, and how settings are read from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from dynascope.analysis import run
from dynascope.analysis.plan import Plan, plan
from dynascope.cli import tables
from dynascope.cli.tables import say
from dynascope.errors import AnalysisError, Failure, InvalidSetting
from dynascope.executors import Where
from dynascope.jobs.progress import command_to_continue, report
from dynascope.plugins.discovery import registry
from dynascope.schedule import parse_ranges
from dynascope.store.workspace import Workspace

__all__ = ["analyze", "console", "parse_settings", "picked_epochs", "status"]


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` pairs as a mapping; a value that is JSON is read as such, any other is text.

    Raises:
        InvalidSetting: a pair without ``=``, or a key given twice.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InvalidSetting(f"Settings are written KEY=VALUE, like p=53; found {pair!r}.")
        if key in settings:
            raise InvalidSetting(f"Setting {key!r} is given twice.")
        settings[key] = _value(text)
    return settings


def _value(text: str) -> Any:
    """Read JSON, numbers separated by commas, or text."""
    for attempt in (text, f"[{text}]"):
        try:
            return json.loads(attempt)
        except json.JSONDecodeError:
            continue
    return text


def analyze(
    workspace: Workspace,
    names: Sequence[str],
    analyzers: Sequence[str] | None,
    probe: str | None,
    epochs: str | None,
    force: bool,
    dry_run: bool,
    workers: int | None,
    dask: str | None,
) -> None:
    """Analyse variants with a progress bar; failures are listed at the end."""
    chosen = [workspace.variant(name) for name in names] or workspace.variants()
    if not chosen and not workspace.broken_variants():
        say("No variant yet. Train one: dynascope train FAMILY")
        return
    failures: list[Failure] = []
    plugins = registry()
    where = Where("dask", workers, dask) if dask is not None else Where("processes", workers) if workers else Where()
    for number, variant in enumerate(chosen, start=1):
        picked = None
        if epochs is not None:
            picked = picked_epochs(epochs, variant.checkpoints)
        work = plan(variant, plugins, probe=probe, analyzers=analyzers, epochs=picked, force=force)
        for left_out in work.not_applicable:
            say(f"{left_out.analyzer} does not apply to {variant.name}: {left_out.reason}.")
        if dry_run:
            units = sum(len(task.units) for task in work.tasks)
            say(f"{variant.name}: {units} units at {len(work.tasks)} checkpoints would be computed.")
            tables.status([work], as_json=False)
        else:
            failures += _carried_out(work, where, f"{variant.name}, {number} of {len(chosen)}")
    broken = [] if names else workspace.broken_variants()
    for row in broken:
        say(f"{row.name} is left out: {row.error}")
    if failures:
        raise AnalysisError(failures)
    if broken:
        raise SystemExit(1)


def status(
    workspace: Workspace, names: Sequence[str], analyzers: Sequence[str] | None, probe: str | None, *, as_json: bool
) -> None:
    """Print what is fresh, stale and missing, without computing anything."""
    chosen = [workspace.variant(name) for name in names] or workspace.variants()
    plugins = registry()
    tables.status([plan(variant, plugins, probe=probe, analyzers=analyzers) for variant in chosen], as_json=as_json)


def _carried_out(work: Plan, where: Where, which: str) -> tuple[Failure, ...]:
    """Carry out one variant's plan, say what came of it, and return what failed."""
    name, total = work.variant.name, sum(len(task.units) for task in work.tasks)
    if not total and not work.unreadable:
        run.run_plan(work)  # the stacked series may still be missing
        if work.analyzers:
            say(f"{name}: all {work.fresh} units are fresh: nothing to do.")
        return ()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("units"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    failures: tuple[Failure, ...] = ()
    with Progress(*columns, console=console()) as bar:
        task = bar.add_task("analysing", total=total)
        try:
            run.run_plan(work, partial(_advance, bar, task, which), where)
        except AnalysisError as error:
            failures = error.failures
        except KeyboardInterrupt:
            bar.stop()
            again = command_to_continue() or "run the same command"
            say(f"Interrupted; what was done is kept. To continue: {again}")
            raise SystemExit(130) from None
    computed = total + len(work.unreadable) - len(failures)
    kinds = [f"{count} {kind}" for kind, count in (("missing", work.missing), ("stale", work.stale)) if count]
    units = "unit" if computed == 1 else "units"
    say(f"{name}: {computed} {units} computed ({', '.join(kinds) or 'forced'}), {work.fresh} were fresh.")
    return failures


def picked_epochs(text: str, available: Sequence[int]) -> list[int]:
    """Return the epochs that were asked for; a range picks the checkpoints that lie in it."""
    picked: set[int] = set()
    for chosen in parse_ranges(text):
        picked.update(chosen if len(chosen) == 1 else (epoch for epoch in available if epoch in chosen))
    if not picked or not available:
        raise InvalidSetting(
            f"No checkpoint lies in {text!r}; there are {len(available)}"
            + (f", from {available[0]} to {available[-1]}." if available else ".")
        )
    return sorted(picked)


def _advance(bar: Progress, task: TaskID, which: str, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)
    report(done, total, "units", which)


def console() -> Console:
    """Return where progress is shown: the error stream, so that results can be piped."""
    return Console(stderr=True)
