"""What ``train``, ``replay`` and ``checkpoints add`` do: settings parsed, work shown with progress bars."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.numpy import save

from dynascope.cli.outlook import outlook
from dynascope.cli.tables import say, size
from dynascope.cli.work import console
from dynascope.errors import InvalidSetting, TrainingError, WorkspaceError
from dynascope.executors import Where
from dynascope.jobs.command import to_continue
from dynascope.jobs.progress import announce, command_to_continue, report
from dynascope.settings import parse_settings
from dynascope.store.atomic import publish
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace
from dynascope.training import ensemble, grid, loop, recipe
from dynascope.training import replay as replaying

__all__ = ["Options", "add_checkpoints", "replay", "train", "train_many"]

DryRun = Literal["table", "json"] | None
"""Whether only to say what would be trained, and how."""
SHOWN = 0.1
"""Seconds between two refreshes of the bar."""


@dataclass(frozen=True)
class Options:
    """How to train, as the command line says it; None: as before, or the default."""

    epochs: int | None = None
    schedule: str | None = None
    keep_optimizer: recipe.KeepOptimizer | None = None
    eval_every: int | None = None
    compiled: bool | None = None


def train(
    workspace: Workspace,
    family: str,
    pairs: Sequence[str],
    preset: str | None,
    options: Options,
    overwrite: str | None,
    dry_run: DryRun = None,
) -> None:
    """Train one variant with a progress bar, and say what came of it."""
    settings = _with_epochs(parse_settings(pairs), options)
    for name, value in settings.items():
        if isinstance(value, str) and grid.RANGE.fullmatch(value):
            raise InvalidSetting(f"{name}={value} is several values: use --grid {name}={value}.")
    variant = workspace.new_variant(family, settings, preset)
    announce([variant.full_name])
    options = _with_length(options, settings, preset, variant)
    if overwrite is not None and overwrite != variant.name:
        raise InvalidSetting(
            f"--overwrite names {overwrite!r}, but these settings are those of {variant.name!r}. Nothing was deleted."
        )
    if dry_run is not None:
        outlook([variant], options, afresh=overwrite is not None, as_json=dry_run == "json")
        return
    how = recipe.resolved(variant, **asdict(options), afresh=overwrite is not None)
    last = how.epochs
    if overwrite is not None or recipe.reached(variant) != last:
        _say_sizes(variant, how)
    with _bar() as bar:
        task = bar.add_task("training", total=last, metrics="")
        shown = 0.0

        def progress(row: Mapping[str, float]) -> None:
            nonlocal shown
            bar.start()
            if (now := time.monotonic()) - shown > SHOWN or row["epoch"] >= last:
                shown = now
                bar.update(task, completed=int(row["epoch"]), metrics=_in_words(row))
                report(int(row["epoch"]), last, "epochs", _in_words(row))

        result = loop.train(variant, **asdict(options), overwrite=overwrite is not None, progress=progress)
    if result.seconds == 0:
        say(
            f"{variant.name} is already trained to epoch {result.epochs}: nothing to do. "
            f"To train it again from the beginning: --overwrite {variant.name}"
        )
    else:
        say(
            f"{variant.name}: epochs {result.started_at} to {result.epochs} in {result.seconds:.0f} s, "
            f"{len(variant.checkpoints)} checkpoints, in {variant.folder}."
        )


def train_many(
    workspace: Workspace,
    family: str,
    pairs: Sequence[str],
    preset: str | None,
    options: Options,
    seeds: str | None,
    grids: Sequence[str],
    stack: int | None,
    workers: int | None,
    dask: str | None,
    dry_run: DryRun = None,
) -> None:
    """Train every point of a grid, with one progress bar, and list what came of each variant."""
    fixed, axes = grid.axes_of(workspace.family(family).configure(preset=preset).settings, pairs, seeds, grids)
    points = grid.settings_of(axes)
    variants = list(
        {
            variant.name: variant
            for point in points
            for variant in [workspace.new_variant(family, _with_epochs({**fixed, **point}, options), preset)]
        }.values()
    )
    announce([variant.full_name for variant in variants])
    options = _with_length(options, fixed, preset, variants[0])
    if dry_run is not None:
        outlook(variants, options, afresh=False, as_json=dry_run == "json")
        return
    plan = ensemble.plan_ensemble(variants, stack=stack, workers=workers, dask=dask, **asdict(options))
    count = sum(len(task.variants) for task in plan.tasks)
    if plan.finished:
        say(f"{_count(len(plan.finished), 'variant')} already trained: nothing to do for them.")
    if plan.tasks:
        largest = max(len(task.variants) for task in plan.tasks)
        stacks = _count(len(plan.tasks), "stack")
        say(f"{_count(count, 'variant')} in {stacks} of up to {largest}, {_in_place(plan.where)}.")
        _say_sizes(plan.tasks[0].variants[0], plan.tasks[0].recipe, count)
    total = sum(task.recipe.epochs * len(task.variants) for task in plan.tasks)
    first: dict[str, int] = {}
    reached: dict[str, int] = {}
    begun = time.monotonic()
    with _bar() as bar:
        task = bar.add_task("training", total=total, metrics="")
        shown = 0.0

        def progress(name: str, row: Mapping[str, float]) -> None:
            nonlocal shown
            bar.start()
            reached[name] = int(row["epoch"])
            first.setdefault(name, reached[name])
            if (now := time.monotonic()) - shown > SHOWN:
                shown = now
                rate = (sum(reached.values()) - sum(first.values())) / (now - begun)
                bar.update(task, completed=sum(reached.values()), metrics=f"{rate:,.0f} epochs/s")
                report(sum(reached.values()), total, "epochs", f"{rate:,.0f} epochs/s")

        results = ensemble.train_ensemble(plan, progress)
        bar.update(task, completed=total)
        report(sum(reached.values()), total, "epochs")
    failed = [result for result in results if result.error is not None]
    if plan.tasks:
        say(f"{count - len(failed)} of {_count(count, 'variant')} trained in {time.monotonic() - begun:.0f} s.")
    if failed:
        reasons = "\n".join(f"  {result.variant}: {result.error}" for result in failed)
        raise TrainingError(f"{_count(len(failed), 'variant')} could not be trained to the end:\n{reasons}")


def replay(workspace: Workspace, name: str, epoch: int, out: Path | None, verify: bool) -> None:
    """Make an epoch again, say how it agrees with what was recorded, and keep its weights."""
    variant = workspace.variant(name)
    announce([variant.full_name])
    if out is not None and out.exists():
        raise InvalidSetting(f"{out} exists; name another file, nothing is overwritten.")
    if epoch in variant.checkpoints:
        say(f"{variant.name} has a checkpoint of epoch {epoch}: {variant.checkpoint_folder.file(epoch)}")
        if out is not None:
            _write(out, variant.checkpoint_folder.read(epoch))
        return
    with _replaying(variant) as progress:
        moment = list(replaying.replay_epochs(variant, [epoch], verify=verify, progress=progress))[-1]
    say(f"{variant.name}, epoch {epoch}, replayed from epoch {moment.check.start}: {moment.check.summary}.")
    if out is not None:
        _write(out, moment.weights)
    elif moment.check.exact:
        variant.replayed_folder.write(epoch, moment.weights)
        say(f"Kept in {variant.replayed_folder.file(epoch)}.")
    else:
        say("Not kept: --out FILE writes it nevertheless.")


def add_checkpoints(workspace: Workspace, name: str, schedule: str, inexact: bool) -> None:
    """Add epochs by replay, with a progress bar, and say what came of it."""
    variant = workspace.variant(name)
    announce([variant.full_name])
    with _replaying(variant) as progress:
        added = replaying.add_checkpoints(variant, schedule, inexact=inexact, progress=progress)
    if not added.epochs:
        say(f"{variant.name} has all {added.present} of these checkpoints: nothing to do.")
        return
    say(
        f"{variant.name}: {_count(len(added.epochs), 'checkpoint')} added, {added.present} were there; the replay is "
        f"{added.check.summary}. `dynascope analyze {variant.name}` measures them."
    )


def _write(out: Path, weights: Mapping[str, Any]) -> None:
    try:
        with publish(out) as temporary:
            temporary.write_bytes(save(dict(weights)))
    except OSError as error:
        raise WorkspaceError(f"Could not write {out}: {error.strerror}.") from None
    say(f"Written to {out}.")


def _with_epochs(settings: dict[str, Any], options: Options) -> dict[str, Any]:
    if options.epochs is None:
        return settings
    if "epochs" in settings:
        raise InvalidSetting("Setting 'epochs' is given twice: as epochs= and as --epochs.")
    return {**settings, "epochs": options.epochs}


def _with_length(options: Options, settings: Mapping[str, Any], preset: str | None, variant: Variant) -> Options:
    """Return the options with the length that the settings or the preset ask for, if they do."""
    asked = "epochs" in settings or "epochs" in variant.family.base.presets.get(preset or "", {})
    return replace(options, epochs=variant.config.training.epochs) if asked else options


@contextmanager
def _bar() -> Iterator[Progress]:
    """Offer a progress bar, to be started with the work; end it before anything else is said.

    Ctrl-C becomes a sentence and an exit code.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
        console=console(),
    )
    try:
        try:
            yield bar
        finally:
            if bar.live.is_started:
                bar.stop()
    except KeyboardInterrupt:
        again = command_to_continue() or shlex.join(["dynascope", *to_continue(sys.argv[1:])])
        say(f"Interrupted; what was done is kept. To continue: {again}")
        raise SystemExit(130) from None


@contextmanager
def _replaying(variant: Variant) -> Iterator[Callable[[int, int], None]]:
    """Offer what is to be called with the number of updates done and of all updates."""
    with _bar() as bar:
        task = bar.add_task("replaying", total=None, metrics="")

        def progress(done: int, total: int) -> None:
            bar.start()
            bar.update(task, completed=done, total=total)
            report(done, total, "epochs", variant.name)

        yield progress


def _say_sizes(variant: Variant, how: recipe.Recipe, variants: int = 1) -> None:
    weights, state = recipe.size_on_disk(variant, len(how.schedule))
    kept = {"all": state, "last": state // len(how.schedule), "none": 0}[how.keep_optimizer]
    each = "" if variants == 1 else f" for each of {variants} variants"
    say(
        f"Keeps {len(how.schedule)} checkpoints{each}: {size(weights)} of weights, {size(kept)} of "
        f"optimizer state ({how.keep_optimizer})" + (", compiled." if how.compiled else ".")
    )


def _in_place(where: Where) -> str:
    if where.kind == "dask":
        return f"on {where.count} Dask workers here" if where.address == "local" else f"on Dask at {where.address}"
    return "in this process" if where.kind == "inline" else f"in {where.count} processes"


def _in_words(row: Mapping[str, float]) -> str:
    if math.isnan(row["test_loss"]):
        return f"loss {row['train_loss']:.1e}"
    return f"loss {row['train_loss']:.1e} / {row['test_loss']:.1e}  accuracy {row['test_accuracy']:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
