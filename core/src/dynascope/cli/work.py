"""What ``dynascope analyze`` does, and how settings are read from the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

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
from dynascope.analysis.comparison import Compared, plan_comparisons, run_comparisons
from dynascope.analysis.plan import Plan, plan
from dynascope.cli import tables
from dynascope.cli.following import follow
from dynascope.cli.probes import say_probe
from dynascope.cli.tables import say
from dynascope.errors import AnalysisError, Failure, InvalidSetting
from dynascope.executors import Where
from dynascope.jobs.progress import announce, command_to_continue, report
from dynascope.plugins.discovery import registry
from dynascope.schedule import parse_ranges
from dynascope.store.workspace import Workspace

__all__ = ["analyze", "bring_up_to_date", "console", "parse_bytes", "picked_epochs", "status"]


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
    memory: str | None,
    following: bool = False,
) -> None:
    """Analyse variants with a progress bar; failures are listed at the end.

    Args:
        following: as long as one of them is in training, wait for its checkpoints, and analyse them first.
    """
    plugins = registry()
    budget = run.MEMORY if memory is None else parse_bytes(memory)
    where = Where("dask", workers, dask) if dask is not None else Where("processes", workers) if workers else Where()
    if following:
        with _interruptible():
            follow(workspace, names, plugins, analyzers, probe, where, budget)
    chosen = [workspace.variant(name) for name in names] or workspace.variants()
    if not chosen and not workspace.broken_variants():
        say("No variant yet. Train one: dynascope train FAMILY")
        return
    announce([variant.full_name for variant in chosen])
    plans: list[Plan] = []
    for variant in chosen:
        picked = None if epochs is None else picked_epochs(epochs, variant.checkpoints)
        plans.append(plan(variant, plugins, probe=probe, analyzers=analyzers, epochs=picked, force=force))
        if probe is not None and len(plans) == 1:
            say_probe(plans[0].probe)
        _say_what_is_left_out(plans[-1])
    # Variants are compared where all of them are analysed, or where the analyzer is named.
    compared = plan_comparisons(plans, plugins, analyzers) if analyzers or not names else []
    if dry_run:
        for work in plans:
            units, checkpoints = (
                _count(n, noun) for n, noun in ((work.units, "unit"), (len(work.tasks), "checkpoint"))
            )
            say(f"{work.variant.name}: {units} at {checkpoints} would be computed.")
        tables.status(plans, compared, as_json=False)
        failures = []
    else:
        failures = _carried_out(plans, where, budget)
        for one in compared:
            failed = run_comparisons([one], force)
            _say_what_was_compared(one, force, failed)
            failures += failed
    broken = [] if names else workspace.broken_variants()
    for row in broken:
        say(f"{row.name} is left out: {row.error}")
    if failures:
        raise AnalysisError(failures)
    if broken:
        raise SystemExit(1)


def bring_up_to_date(workspace: Workspace, name: str, probe: str | None) -> None:
    """Analyse a variant by the analyzers by which it was analysed before; by all, if there were none."""
    variant = workspace.variant(name)
    known = registry().all("analyzers")
    before = [one for one in variant.artifacts_of(probe or variant.family.probe).analyzers() if one in known]
    analyze(workspace, [name], before or None, probe, None, False, False, None, None, None)


def parse_bytes(text: str) -> int:
    """Return a number of bytes: ``512MiB``, ``4GiB``, ``2GB``, ``1073741824``.

    Raises:
        InvalidSetting: it is not a number of bytes.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt])(i?))?b?\s*", text.lower())
    found = int(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " ")) if match else 0
    if not found:
        raise InvalidSetting(f"Memory is written like 512MiB or 4GiB; found {text!r}.")
    return found


def status(
    workspace: Workspace, names: Sequence[str], analyzers: Sequence[str] | None, probe: str | None, *, as_json: bool
) -> None:
    """Print what is fresh, stale and missing, without computing anything."""
    chosen = [workspace.variant(name) for name in names] or workspace.variants()
    plugins = registry()
    plans = [plan(variant, plugins, probe=probe, analyzers=analyzers) for variant in chosen]
    compared = plan_comparisons(plans, plugins, analyzers) if analyzers or not names else []
    if probe is not None and plans and not as_json:
        say_probe(plans[0].probe)
    tables.status(plans, compared, as_json=as_json)


def _say_what_is_left_out(work: Plan) -> None:
    for left_out in work.not_applicable:
        say(f"{left_out.analyzer} does not apply to {work.variant.name}: {left_out.reason}.")
    for waiting in work.waiting:
        say(f"{waiting.analyzer} waits for {work.variant.name}: {waiting.reason}.")


def _carried_out(plans: Sequence[Plan], where: Where, memory: int) -> list[Failure]:
    """Carry out plans, say what came of each, and return what failed."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("units"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    total = sum(work.units for work in plans)
    with _interruptible(), Progress(*columns, console=console(), disable=not total) as bar:
        task = bar.add_task("analysing", total=total)
        outcomes = run.run_plans(plans, partial(_advance, bar, task, _title(plans)), where, memory)
    for work, outcome in zip(plans, outcomes, strict=True):
        _say_what_was_done(work, outcome)
    return [failure for outcome in outcomes for failure in outcome.failures]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make a sentence and an exit code of Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        again = command_to_continue() or "run the same command"
        say(f"Interrupted; what was done is kept. To continue: {again}")
        raise SystemExit(130) from None


def _title(plans: Sequence[Plan]) -> str:
    return plans[0].variant.name if len(plans) == 1 else f"{len(plans)} variants"


def _say_what_was_done(work: Plan, outcome: run.Outcome) -> None:
    name = work.variant.name
    for left_out in outcome.not_applicable:
        say(f"{left_out.analyzer} does not apply to {name}: {left_out.reason}")
    if not work.units and not work.unreadable:
        if work.analyzers:
            say(f"{name}: all {work.fresh} units are fresh: nothing to do.")
        return
    lacking = {left_out.analyzer for left_out in outcome.not_applicable}
    skipped = sum(work.counts[name].missing + work.counts[name].stale for name in lacking)
    computed = work.units + len(work.unreadable) - len(outcome.failures) - skipped
    kinds = [f"{count} {kind}" for kind, count in (("missing", work.missing), ("stale", work.stale)) if count]
    say(f"{name}: {_count(computed, 'unit')} computed ({', '.join(kinds) or 'forced'}), {work.fresh} were fresh.")


def _say_what_was_compared(one: Compared, force: bool, failed: Sequence[Failure]) -> None:
    for left_out in one.left_out:
        say(f"{one.provided.id} leaves out {left_out.analyzer}: {left_out.reason}.")
    if one.stamp is not None and (force or not one.fresh) and not failed:
        say(f"{one.provided.id}: computed over {_count(len(one.plans), 'variant')}.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
