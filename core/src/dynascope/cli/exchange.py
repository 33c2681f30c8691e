"""What ``import`` and ``export`` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dynascope.cli.tables import say
from dynascope.cli.work import console, picked_epochs
from dynascope.errors import InvalidSetting
from dynascope.exchange.bundle import import_bundle, is_bundle, write_bundle
from dynascope.exchange.exporting import export_variant
from dynascope.exchange.importing import import_run
from dynascope.jobs.progress import report
from dynascope.reports.exporting import find_report
from dynascope.settings import parse_settings
from dynascope.store.workspace import Workspace

__all__ = ["bundle", "export", "import_path"]


def import_path(
    workspace: Workspace, path: Path, pairs: Sequence[str], layout: str | None, family: str | None, name: str | None
) -> None:
    """Import a run with a progress bar, and say what is known of it; or a bundle of another workspace."""
    if is_bundle(path):
        _import_bundle(workspace, path, [*pairs, *filter(None, (layout, family, name))])
        return
    screen = console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=screen, transient=True, disable=not screen.is_interactive)
    task = bar.add_task("reading")

    def progress(what: str, done: int, total: int) -> None:
        bar.start()
        bar.update(task, description=what, completed=done, total=total)
        report(done, total, "checkpoints", what)

    try:
        result = import_run(
            workspace, path, layout=layout, family=family, name=name, settings=parse_settings(pairs), progress=progress
        )
    finally:
        bar.stop()
    variant = result.variant
    if not result.is_new:
        say(f"{variant.name} is already imported: nothing to do.")
        return
    if result.declared:
        say(f"Family {result.declared} was declared for it in {workspace.path / 'model_families' / result.declared}.")
    epochs = variant.checkpoints
    say(
        f"{variant.name}: {len(epochs)} checkpoint{'s' if len(epochs) > 1 else ''}, "
        f"epoch{'s' if len(epochs) > 1 else ''} {epochs[0]}"
        + (f" to {epochs[-1]}" if len(epochs) > 1 else "")
        + f", in {variant.folder}."
    )
    say(result.check.sentence)
    for note in result.notes:
        say(note)
    unknown = variant.origin["not_stated"]
    if unknown:
        say(f"Not stated by the source: {', '.join(unknown)}.")


def _import_bundle(workspace: Workspace, path: Path, more: Sequence[str]) -> None:
    if more:
        raise InvalidSetting(f"{path} is a bundle, which says everything itself; leave out {' '.join(more)}.")
    result = import_bundle(workspace, path, told=lambda done, total: report(done, total, "files"))
    names = ", ".join(one.name for one in result.variants)
    say(f"{names}: imported, as it was bundled." if result.is_new else f"{names}: already here, as it was bundled.")
    for note in result.notes:
        say(note)


def bundle(
    workspace: Workspace, names: Sequence[str], out: Path | None, epochs: str | None, reports: Sequence[str]
) -> None:
    """Write a bundle, and say where it is."""
    variants = [workspace.variant(name) for name in names]
    found = [find_report(workspace, name, variants[0].family.name) for name in reports]
    every = sorted({epoch for one in variants for epoch in one.checkpoints})
    chosen = None if epochs is None else picked_epochs(epochs, every)
    target = out if out is not None else Path(f"{'_'.join(one.name for one in variants)}.zip")
    notes = write_bundle(
        variants, target, reports=found, epochs=chosen, told=lambda done, total: report(done, total, "files")
    )
    say(f"{target} was written ({target.stat().st_size / 1e6:.1f} MB). dynascope import takes it over elsewhere.")
    for note in notes:
        say(note)


def export(workspace: Workspace, name: str, layout: str, out: Path | None, epochs: str | None) -> None:
    """Export a variant, and say where it is."""
    variant = workspace.variant(name)
    target = out if out is not None else Path(f"{variant.name}_{layout}")
    chosen = None if epochs is None else picked_epochs(epochs, variant.checkpoints)
    if out is None and layout.endswith("-pth"):
        target = target.with_name(f"{target.name}.pth")
    count = len(variant.checkpoints if chosen is None else chosen)
    report(0, count, "checkpoints")
    notes = export_variant(variant, layout, target, epochs=chosen, plugins=workspace.plugins)
    report(count, count, "checkpoints")
    say(f"{variant.name} was exported to {target}.")
    for note in notes:
        say(note)
