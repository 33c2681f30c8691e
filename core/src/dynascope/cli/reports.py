"""What ``report`` and ``draw`` do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dynascope.cli.tables import print_rows, say
from dynascope.cli.work import console, picked_epochs
from dynascope.contract.report import Report, TextBlock
from dynascope.errors import InvalidSetting, UnknownName
from dynascope.frames import missing_arrays, what_is_missing
from dynascope.jobs.progress import announce
from dynascope.jobs.progress import report as tell
from dynascope.reports.checking import check_report
from dynascope.reports.exporting import Told, export_report, export_view, find_report
from dynascope.settings import parse_settings
from dynascope.store.reports import read_report
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace

__all__ = ["draw", "export", "listing", "show", "validate"]


def listing(workspace: Workspace, family: str | None, *, as_json: bool) -> None:
    """Print the reports of a family, or of all; one that is damaged is a row with its error."""
    rows = []
    for declared in [workspace.family(family)] if family is not None else workspace.families():
        reports = workspace.reports(declared.name)
        for name in [*reports.names(), *reports.shipped]:
            row: dict[str, Any] = {"report": name, "family": declared.name, "title": "", "views": 0, "error": ""}
            try:
                found = reports.open(name)
                row |= {"title": found.title, "views": len(found.views)}
            except Exception as error:  # one file must not hide the others
                row["error"] = str(error)
            rows.append(row | {"from": "workspace" if name in reports.names() else "plug-in"})
    print_rows(rows, as_json)


def show(workspace: Workspace, name: str, family: str | None, *, as_json: bool) -> None:
    """Print a report: as JSON, as its file holds it, or in words."""
    found = _found(workspace, name, family)
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), indent=2))
        return
    epochs = f" Epochs of interest: {', '.join(map(str, found.epochs))}." if found.epochs else ""
    say(f"{found.title} (family {found.family}, probe {found.probe or 'of the family'}).{epochs}")
    for block in found.blocks:
        if isinstance(block, TextBlock):
            say(block.text)
        else:
            settings = ", ".join(f"{key}={value}" for key, value in block.controls.items())
            say(f"  {block.view}{f' ({settings})' if settings else ''}{' wide' if block.wide else ''}")


def validate(workspace: Workspace, name: str, variants: Sequence[str], family: str | None) -> None:
    """Say what is wrong with a report, and what variants lack for it.

    Raises:
        InvalidSetting: the plug-ins that are installed cannot show it.
    """
    chosen = [workspace.variant(one) for one in variants]
    found = _found(workspace, name, family or (chosen[0].family.name if chosen else None))
    problems = check_report(found, workspace.plugins)
    if problems:
        raise InvalidSetting(f"Report {found.name}: {' '.join(problems)}")
    say(f"Report {found.name}: {len(found.views)} views, all of them there.")
    for variant in chosen:
        artifacts = variant.artifacts_of(found.probe)
        lacking = {}
        for view in found.views:
            missing = missing_arrays(workspace.plugins.view(view), variant, artifacts)
            if missing:
                lacking[view] = what_is_missing(missing, variant, workspace.plugins, artifacts)
        count = f"lacks {len(lacking)} of {len(found.views)} views." if lacking else "lacks nothing."
        say(f"{variant.name}: {count}")
        for view, said in lacking.items():
            say(f"  {view}: {said}")


def export(
    workspace: Workspace,
    name: str,
    variants: Sequence[str],
    out: Path | None,
    epochs: str | None,
    difference: bool,
    per_second: float,
) -> None:
    """Export a report, and say where it is."""
    if not variants:
        raise InvalidSetting(
            f"Name a variant: dynascope report export {name} --variant VARIANT. `dynascope variants` lists them."
        )
    chosen = [workspace.variant(one) for one in variants]
    announce([one.full_name for one in chosen])
    found = find_report(workspace, name, chosen[0].family.name)
    title = (found.name or "report").replace(" ", "_")
    path = out if out is not None else Path(f"{'_'.join(one.name for one in chosen)}_{title}.html")
    words = ["dynascope", "report", "export", name, *(f"--variant={one}" for one in variants), f"--out={path}"]
    words += _options(epochs, difference, per_second, path)
    with _progress() as told:
        files = export_report(
            found, chosen, workspace.plugins, path, shlex.join(words),
            epochs=_picked(epochs, chosen), difference=difference, per_second=per_second, told=told,
        )  # fmt: skip
    _say_written(files)


def draw(
    workspace: Workspace,
    view: str,
    variants: Sequence[str],
    settings: Sequence[str],
    out: Path | None,
    epochs: str | None,
    probe: str | None,
    difference: bool,
    per_second: float,
    plain: bool,
) -> None:
    """Draw a view, and say where it is."""
    chosen = [workspace.variant(one) for one in variants]
    announce([one.full_name for one in chosen])
    provided = workspace.plugins.find("views", view)
    path = out if out is not None else Path(f"{'_'.join(one.name for one in chosen)}_{provided.name}.png")
    words = ["dynascope", "draw", view, *variants, *(f"--set={one}" for one in settings), f"--out={path}"]
    words += [f"--probe={probe}"] if probe is not None else []
    words += ["--plain"] if plain else []
    words += _options(epochs, difference, per_second, path)
    with _progress() as told:
        files = export_view(
            view, chosen, workspace.plugins, path, shlex.join(words),
            controls=parse_settings(settings), probe=probe, epochs=_picked(epochs, chosen), difference=difference,
            per_second=per_second, titled=not plain, told=told,
        )  # fmt: skip
    _say_written(files)


def _found(workspace: Workspace, name: str, family: str | None) -> Report:
    """Return a report of the family that is named, or of the only one that has it."""
    path = Path(name).expanduser()
    if path.suffix == ".json" and path.is_file():
        return read_report(path)
    if family is not None:
        return workspace.reports(family).open(name)
    having, every = [], []
    for declared in workspace.families():
        reports = workspace.reports(declared.name)
        every += [*reports.names(), *reports.shipped]
        names = [*every, *(one.name for one in reports.shipped.values())]
        having += [reports] if name in names else []
    if not having:
        raise UnknownName("report", name, every)
    if len(having) > 1 and name in having[0].names():
        families = ", ".join(one.family.name for one in having)
        raise InvalidSetting(f"{len(having)} families have a report {name!r}. Say which: --family, one of {families}.")
    return having[0].open(name)


def _picked(epochs: str | None, variants: Sequence[Variant]) -> list[int] | None:
    if epochs is None:
        return None
    return picked_epochs(epochs, sorted({epoch for one in variants for epoch in one.checkpoints}))


def _options(epochs: str | None, difference: bool, per_second: float, path: Path) -> list[str]:
    """Return the options that are not at their defaults."""
    words = [f"--epochs={epochs}"] if epochs is not None else []
    words += ["--difference"] if difference else []
    return words + ([f"--per-second={per_second:g}"] if path.suffix in (".gif", ".mp4") else [])


@contextmanager
def _progress() -> Iterator[Told]:
    """Yield what shows how many frames are done."""
    screen = console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=screen, transient=True, disable=not screen.is_interactive)
    task = bar.add_task("frames")

    def told(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)
        tell(done, total, "frames")

    try:
        yield told
    finally:
        bar.stop()


def _say_written(files: Sequence[Path]) -> None:
    for file in files:
        size = f" ({file.stat().st_size / 1e6:.1f} MB)" if file.is_file() else ""
        say(f"{file} was written{size}.")
