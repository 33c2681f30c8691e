"""The commands around reports, and the one that draws a single view."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynascope.cli.options import (
    BackgroundOption,
    JsonOption,
    ProbeOption,
    WorkspaceOption,
    opened_workspace,
    start_job,
)

__all__ = ["draw", "report"]

report = typer.Typer(
    no_args_is_help=True,
    help="List, show, check and export reports: saved choices of views, which fit any variant of their family.",
)

ReportArgument = Annotated[
    str, typer.Argument(metavar="REPORT", help="Its name, its id if a plug-in ships it, or a JSON file.")
]
FamilyOption = Annotated[
    str | None, typer.Option(help="Its family; that of the variants, or the only one.", show_default=False)
]
VariantsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--variant", "-v", help="A variant; several stand beside each other (repeatable).", show_default=False
    ),
]
EpochsOption = Annotated[
    str | None,
    typer.Option(
        help="'0,100:500:100': those that a page or a film runs through, or at which a picture or a paper is drawn.",
        show_default=False,
    ),
]
DifferenceOption = Annotated[
    bool, typer.Option("--difference", help="Of two variants, show the second less the first, too.")
]
SpeedOption = Annotated[float, typer.Option("--per-second", help="Epochs a second, of a GIF or MP4.")]


@report.command("list")
def list_reports(family: FamilyOption = None, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the reports of a family, or of all: those of the workspace, and those that plug-ins ship."""
    from dynascope.cli import reports

    reports.listing(opened_workspace(workspace), family, as_json=json)


@report.command()
def show(
    name: ReportArgument, family: FamilyOption = None, workspace: WorkspaceOption = None, json: JsonOption = False
) -> None:
    """Print what a report holds."""
    from dynascope.cli import reports

    reports.show(opened_workspace(workspace), name, family, as_json=json)


@report.command()
def validate(
    name: ReportArgument,
    variant: VariantsOption = None,
    family: FamilyOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Check a report against the plug-ins and, with --variant, say what a variant lacks for it."""
    from dynascope.cli import reports

    reports.validate(opened_workspace(workspace), name, variant or [], family)


@report.command("export")
def export_report(
    name: ReportArgument,
    variant: VariantsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="FILE.html, .pdf, .md, .png, .svg, .gif or .mp4; VARIANT_REPORT.html here by default.",
            show_default=False,
        ),
    ] = None,
    epochs: EpochsOption = None,
    difference: DifferenceOption = False,
    per_second: SpeedOption = 8,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a report as one page that works offline, as a paper, as pictures or as a film."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "report export")
        return

    from dynascope.cli import reports

    reports.export(opened, name, variant or [], out, epochs, difference, per_second)


def draw(
    view: Annotated[str, typer.Argument(help="The view, by id or unambiguous name.")],
    variants: Annotated[list[str], typer.Argument(metavar="VARIANT...", help="Of which; several beside each other.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="KEY=VALUE", help="A control of the view (repeatable).", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="FILE.png, .svg, .pdf, .gif, .mp4 or .html; VARIANT_VIEW.png here by default.",
            show_default=False,
        ),
    ] = None,
    epochs: EpochsOption = None,
    probe: ProbeOption = None,
    difference: DifferenceOption = False,
    per_second: SpeedOption = 8,
    plain: Annotated[bool, typer.Option("--plain", help="Without title, variant and epoch on a picture.")] = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw a view of variants: a picture for a paper, a film, or a page that works offline."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "draw")
        return

    from dynascope.cli import reports

    reports.draw(opened, view, variants, settings or [], out, epochs, probe, difference, per_second, plain)
