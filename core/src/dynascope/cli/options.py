"""Options that several commands have, and what stands behind them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BackgroundOption",
    "JsonOption",
    "ProbeOption",
    "WorkspaceOption",
    "opened_workspace",
    "start_job",
    "with_files_of",
]

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="The workspace; DYNASCOPE_WORKSPACE, the one here, or ./workspace.",
        show_default=False,
    ),
]
BackgroundOption = Annotated[
    bool,
    typer.Option("--background", help="Work on as a job when this terminal is closed: see `dynascope jobs`."),
]


def with_files_of(probe: str | None) -> str | None:
    """Put the content of files in the place of ``@FILE``; without one, nothing is loaded for it."""
    if probe is None or "=@" not in probe:
        return probe
    from dynascope.cli.probes import with_files

    return with_files(probe)


ProbeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[:SETTING=VALUE,...]",
        help="The probe: 'random_pairs:count=500', 'pairs:pairs=@hard.csv', or a folder of artifacts; the family's "
        "default.",
        show_default=False,
        callback=with_files_of,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def opened_workspace(path: Path | None):  # type: ignore[no-untyped-def]  # naming the type would import the store
    """Open the workspace that was named, or the one here."""
    from dynascope.store.workspace import Workspace, find_workspace

    return Workspace(find_workspace(path))


def start_job(workspace, command: str) -> None:  # type: ignore[no-untyped-def]  # the type would import the store
    """Let this command line go on as a job."""
    from dynascope.cli import jobs

    jobs.start(workspace, command, sys.argv[1:])
