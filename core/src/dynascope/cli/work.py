"""What the working commands do: settings parsed, work shown with progress bars."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
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
from dynascope.cli.tables import say
from dynascope.errors import AnalysisError, Failure, InvalidSetting
from dynascope.plugins.discovery import registry
from dynascope.schedule import parse_ranges
from dynascope.store.workspace import Workspace
from dynascope.training import loop

__all__ = ["analyze", "parse_settings", "picked_epochs", "train"]


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


def train(
    workspace: Workspace,
    family: str,
    pairs: Sequence[str],
    preset: str | None,
    epochs: int | None,
    schedule: str | None,
    keep_optimizer: loop.KeepOptimizer | None,
) -> None:
    """Train a variant with a progress bar, and say what came of it."""
    settings = parse_settings(pairs)
    if epochs is not None:
        if "epochs" in settings:
            raise InvalidSetting("Setting 'epochs' is given twice: as epochs= and as --epochs.")
        settings["epochs"] = epochs
    variant = workspace.new_variant(family, settings, preset)
    last = variant.config.training.epochs
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    shown = 0.0
    bar = Progress(*columns, console=_console())
    task = bar.add_task("training", total=last, metrics="")

    def progress(row: Mapping[str, float]) -> None:
        nonlocal shown
        bar.start()
        now = time.monotonic()
        if now - shown > 0.1 or row["epoch"] >= last:
            shown = now
            text = f"loss {row['train_loss']:.1e} / {row['test_loss']:.1e}  accuracy {row['test_accuracy']:.3f}"
            bar.update(task, completed=int(row["epoch"]), metrics=text)

    try:
        try:
            result = loop.train(
                variant, epochs=last, schedule=schedule, keep_optimizer=keep_optimizer, progress=progress
            )
        finally:
            if bar.live.is_started:
                bar.stop()
    except KeyboardInterrupt:
        say("Interrupted; what was done is kept. Run the same command to continue.")
        raise SystemExit(130) from None
    if result.seconds == 0:
        say(f"{variant.name} is already trained to epoch {result.epochs}: nothing to do.")
    else:
        say(
            f"{variant.name}: epochs {result.started_at} to {result.epochs} in {result.seconds:.0f} s, "
            f"{len(variant.checkpoints)} checkpoints, in {variant.folder}."
        )


def analyze(
    workspace: Workspace,
    names: Sequence[str],
    analyzers: Sequence[str] | None,
    probe: str | None,
    epochs: str | None,
    force: bool,
) -> None:
    """Analyse variants with a progress bar; failures are listed at the end."""
    chosen = [workspace.variant(name) for name in names] or workspace.variants()
    if not chosen and not workspace.broken_variants():
        say("No variant yet. Train one: dynascope train FAMILY")
        return
    failures: list[Failure] = []
    plugins = registry()
    for variant in chosen:
        picked = None
        if epochs is not None:
            picked = picked_epochs(epochs, variant.checkpoints)
        work = plan(variant, plugins, probe=probe, analyzers=analyzers, epochs=picked, force=force)
        for left_out in work.not_applicable:
            say(f"{left_out.analyzer} does not apply to {variant.name}: {left_out.reason}.")
        failures += _carried_out(work)
    broken = [] if names else workspace.broken_variants()
    for row in broken:
        say(f"{row.name} is left out: {row.error}")
    if failures:
        raise AnalysisError(failures)
    if broken:
        raise SystemExit(1)


def _carried_out(work: Plan) -> tuple[Failure, ...]:
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
    with Progress(*columns, console=_console()) as bar:
        task = bar.add_task("analysing", total=total)
        try:
            run.run_plan(work, partial(_advance, bar, task))
        except AnalysisError as error:
            failures = error.failures
        except KeyboardInterrupt:
            bar.stop()
            say("Interrupted; what was done is kept. Run the same command to continue.")
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


def _advance(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _console() -> Console:
    return Console(stderr=True)
