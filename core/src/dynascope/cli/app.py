"""The ``dynascope`` command: arguments in, one clear error or a result out."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from dynascope.cli.options import (
    BackgroundOption,
    JsonOption,
    ProbeOption,
    WorkspaceOption,
    opened_workspace,
    start_job,
    with_files_of,
)
from dynascope.cli.report_commands import draw, report

__all__ = ["app", "main"]

app = typer.Typer(
    name="dynascope",
    help="Train model families, keep checkpoints, measure each of them, and scrub through training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(report, name="report")
app.command()(draw)

DEBUG = "--debug"
SPINS = "2000"
"""How long threads of a parallel loop wait actively for each other, in turns of libgomp's waiting loop.

By default it is for milliseconds. That is a few per cent faster on a machine of one's own; on one that others use, too,
the thread that waits takes the core of the one that works, and an epoch takes 31 to 126 ms instead of 30 to 55
(``benchmarks/training.py shared``). The variable ``GOMP_SPINCOUNT`` overrides it.
"""


def main() -> None:
    """Run the command line. A ``DynascopeError`` is printed without traceback, unless ``--debug``."""
    from dynascope.errors import DynascopeError

    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is loaded
    arguments = sys.argv[1:]
    debug = DEBUG in arguments
    arguments = [argument for argument in arguments if argument != DEBUG]
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app(arguments, prog_name="dynascope")
    except DynascopeError as error:
        if debug:
            raise
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(metadata.version("dynascope"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Train model families, keep checkpoints, measure each of them, and scrub through training.

    Every command takes --debug, which shows tracebacks.
    """


@app.command()
def init(path: Annotated[Path, typer.Argument(help="The folder to make.")] = Path("workspace")) -> None:
    """Make a workspace, with a family.json for each family of the installed plug-ins."""
    from dynascope.cli import tables
    from dynascope.store.workspace import Workspace

    workspace = Workspace.create(path)
    tables.say(
        f"Workspace {workspace.path} has the families {', '.join(family.name for family in workspace.families())}."
    )


@app.command()
def families(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the families, their settings and presets."""
    from dynascope.cli import tables

    tables.families(opened_workspace(workspace), as_json=json)


@app.command()
def train(
    family: Annotated[str, typer.Argument(help="The family's name.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings: p=53 seed=1 weight_decay=2.", show_default=False),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A named recipe of the family.", show_default=False)] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Optimizer updates; the family's default.", show_default=False)
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="Epochs to keep: '0:1500:100,9000:13000:50'; the family's default.", show_default=False),
    ] = None,
    keep_optimizer: Annotated[
        Literal["all", "last", "none"] | None,
        typer.Option(
            help="Keep the optimizer's state with these checkpoints; with all where that is below 2 GiB.",
            show_default=False,
        ),
    ] = None,
    eval_every: Annotated[
        int | None, typer.Option(help="Measure the test split every so many epochs; each by default.", min=1)
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="Compile the pass; where it pays by default.", show_default=False),
    ] = None,
    overwrite: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="Delete this variant, and train it again.", show_default=False),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="One variant a seed: '0:64' is 64 of them, '5' is seed 5.", show_default=False)
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="Train every combination: '--grid p=59,113 seed=0:8', or a YAML file.", show_default=False),
    ] = None,
    stack: Annotated[
        int | None, typer.Option(help="How many variants are computed as one.", min=1, show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="How many processes train variants; one a core.", min=1, show_default=False)
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Train them on a Dask cluster: 'local', or a scheduler's address.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which variants there would be, and what they take on the disk.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --dry-run: print JSON.")] = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train a variant, or continue it where it stopped; or many variants, with --seeds or --grid."""
    if overwrite is not None and overwrite.startswith("-"):
        raise typer.BadParameter("--overwrite needs the name of the variant: --overwrite VARIANT.")
    if seeds is None and grid is None:
        for name, given in (("--stack", stack), ("--workers", workers), ("--dask", dask)):
            if given is not None:
                raise typer.BadParameter(f"{name} is for many variants: use it with --seeds or --grid.")
    elif overwrite is not None:
        raise typer.BadParameter("--overwrite names one variant: use it without --seeds and --grid.")
    if json and not dry_run:
        raise typer.BadParameter("--json is for what --dry-run says: use it with --dry-run.")
    opened = opened_workspace(workspace)
    if background and not dry_run:
        start_job(opened, "train")
        return

    from dynascope.cli import training

    chosen = training.Options(epochs, schedule, keep_optimizer, eval_every, compiled)
    said: Literal["table", "json"] | None = ("json" if json else "table") if dry_run else None
    if seeds is None and grid is None:
        training.train(opened, family, settings or [], preset, chosen, overwrite, said)
    else:
        many = seeds, grid or [], stack, workers, dask
        training.train_many(opened, family, settings or [], preset, chosen, *many, said)


@app.command()
def replay(
    variant: Annotated[str, typer.Argument(help="The variant's name.")],
    epoch: Annotated[int, typer.Option(help="The epoch to make again.", min=0)],
    out: Annotated[
        Path | None, typer.Option(help="A safetensors file to write; the workspace by default.", show_default=False)
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Go on to the next checkpoint, and compare the weights.")
    ] = True,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Make the weights of any epoch again, from the nearest earlier state, and verify them."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "replay")
        return

    from dynascope.cli import training

    training.replay(opened, variant, epoch, out, verify)


checkpoints = typer.Typer(no_args_is_help=True, help="List a variant's checkpoints, or add some by replay.")
app.add_typer(checkpoints, name="checkpoints")


@checkpoints.command("list")
def list_checkpoints(
    variant: Annotated[str, typer.Argument(help="The variant's name.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List a variant's checkpoints, and which of them training can be replayed from."""
    from dynascope.cli import tables

    tables.checkpoints(opened_workspace(workspace).variant(variant), as_json=json)


@checkpoints.command("add")
def add_checkpoints(
    variant: Annotated[str, typer.Argument(help="The variant's name.")],
    schedule: Annotated[str, typer.Argument(help="Epochs to add: '9000:10000:10', 'every:500'.")],
    inexact: Annotated[
        bool, typer.Option("--inexact", help="Add them even if the replay differs from what was recorded.")
    ] = False,
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Then bring up to date what has been analysed of the variant.")
    ] = False,
    probe: Annotated[
        str | None, typer.Option(help="With --analyze: the probe; the family's default.", show_default=False)
    ] = None,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add epochs to a trained variant by replay; those that exist are not touched."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "checkpoints add")
        return

    from dynascope.cli import training

    training.add_checkpoints(opened, variant, schedule, inexact)
    if analyze:
        from dynascope.cli import work

        work.bring_up_to_date(opened, variant, probe)


@app.command()
def analyze(
    variants: Annotated[
        list[str] | None, typer.Argument(help="Names of variants; all by default.", show_default=False)
    ] = None,
    analyzer: Annotated[
        list[str] | None, typer.Option("--analyzer", "-a", help="Only this analyzer (repeatable).", show_default=False)
    ] = None,
    probe: ProbeOption = None,
    epochs: Annotated[
        str | None, typer.Option(help="Only these checkpoints: '0,100:500:100'.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute again what is fresh.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be computed, and why.")] = False,
    workers: Annotated[
        int | None, typer.Option(help="Share the work out to so many processes.", min=1, show_default=False)
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Share it out on a Dask cluster: 'local', or a scheduler's address.", show_default=False),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="For activations, in each process: '512MiB'. [default: 4GiB]", show_default=False)
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="While they are in training, analyse each checkpoint as it is kept.")
    ] = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Compute the artifacts that are missing or stale: one forward pass per checkpoint for all analyzers."""
    if follow:
        for name, given in (("--epochs", epochs is not None), ("--force", force), ("--dry-run", dry_run)):
            if given:
                raise typer.BadParameter(f"--follow analyses every checkpoint as it is kept: use it without {name}.")
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "analyze")
        return

    from dynascope.cli import work

    work.analyze(opened, variants or [], analyzer, probe, epochs, force, dry_run, workers, dask, memory, follow)


@app.command()
def status(
    variants: Annotated[
        list[str] | None, typer.Argument(help="Names of variants; all by default.", show_default=False)
    ] = None,
    analyzer: Annotated[
        list[str] | None, typer.Option("--analyzer", "-a", help="Only this analyzer (repeatable).", show_default=False)
    ] = None,
    probe: ProbeOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List what is analysed: for each variant and analyzer what is fresh, stale (and why) and missing."""
    from dynascope.cli import work

    work.status(opened_workspace(workspace), variants or [], analyzer, probe, as_json=json)


artifacts = typer.Typer(no_args_is_help=True, help="Verify, repair, prune and pack what analyses have stored.")
app.add_typer(artifacts, name="artifacts")

VariantsArgument = Annotated[
    list[str] | None, typer.Argument(help="Names of variants; all by default.", show_default=False)
]
OnlyProbeOption = Annotated[
    str | None, typer.Option(help="Only what was made under this probe.", show_default=False, callback=with_files_of)
]


@artifacts.command("verify")
def verify_artifacts(
    variants: VariantsArgument = None,
    probe: OnlyProbeOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Open every file and check it; the exit code is 1 if one is damaged."""
    from dynascope.cli import artifacts as stored

    stored.verify(opened_workspace(workspace), variants or [], probe, json)


@artifacts.command("repair")
def repair_artifacts(
    variants: VariantsArgument = None,
    probe: OnlyProbeOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Remove damaged units and leftovers, and rebuild series; whole units are never touched."""
    from dynascope.cli import artifacts as stored

    stored.repair(opened_workspace(workspace), variants or [], probe, json)


@artifacts.command("prune")
def prune_artifacts(
    variants: VariantsArgument = None,
    probe: OnlyProbeOption = None,
    only: Annotated[
        Literal["stale", "orphaned"] | None, typer.Option(help="Only these; both by default.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List only.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the units that are stale or that nothing would make any more; with --yes, remove them."""
    from dynascope.cli import artifacts as stored

    stored.prune(opened_workspace(workspace), variants or [], probe, only, yes, dry_run)


@artifacts.command("pack")
def pack_artifacts(
    variant: Annotated[str, typer.Argument(help="The variant's name.")],
    out: Annotated[Path, typer.Option(help="The HDF5 file to make.")],
    analyzer: Annotated[
        list[str] | None, typer.Option("--analyzer", "-a", help="Only this analyzer (repeatable).", show_default=False)
    ] = None,
    probe: ProbeOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a variant's artifacts as one HDF5 file, one group per checkpoint. Nothing is overwritten."""
    from dynascope.cli import artifacts as stored

    stored.pack(opened_workspace(workspace), variant, out, probe, analyzer)


@app.command()
def table(
    variants: VariantsArgument = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            "-c",
            help="Metrics, settings, analyzers or their arrays, comma-separated; metrics and scalars by default.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .csv or .parquet file, replaced if it exists; CSV here by default.")
    ] = None,
    probe: ProbeOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write what was measured at each epoch of many variants as one table."""
    from dynascope.cli import artifacts as stored

    stored.table(opened_workspace(workspace), variants or [], columns or [], probe, out)


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(help="What another program left, or a bundle.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="What it does not state: train_fraction=0.4 data_seed=0.", show_default=False
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option("--as", help="Its layout; recognised by content by default.", show_default=False)
    ] = None,
    family: Annotated[str | None, typer.Option(help="The family; the one it fits.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="The variant's name.", show_default=False)] = None,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Import a run of another program as a variant; its recorded losses are checked against its weights."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "import")
        return

    from dynascope.cli import exchange

    exchange.import_path(opened, path, settings or [], layout, family, name)


@app.command()
def bundle(
    variants: Annotated[list[str], typer.Argument(metavar="VARIANT...", help="Of one family.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="FILE.zip; VARIANT.zip here by default.", show_default=False)
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Only these checkpoints: '0,100:500:100'.", show_default=False)
    ] = None,
    reports: Annotated[
        list[str] | None, typer.Option("--report", "-r", help="A report that goes with it.", show_default=False)
    ] = None,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write variants with all that was measured of them as one archive, for `dynascope import` elsewhere."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "bundle")
        return

    from dynascope.cli import exchange

    exchange.bundle(opened, variants, out, epochs, reports or [])


@app.command()
def export(
    variant: Annotated[str, typer.Argument(help="The variant's name.")],
    layout: Annotated[str, typer.Option("--to", help="transformer-lens, miscope, tensorboard, wandb, ...")],
    out: Annotated[
        Path | None, typer.Option(help="What to make; VARIANT_LAYOUT here by default.", show_default=False)
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Only these checkpoints: '0,100:500:100'.", show_default=False)
    ] = None,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a variant in another program's layout. Nothing is overwritten."""
    opened = opened_workspace(workspace)
    if background:
        start_job(opened, "export")
        return

    from dynascope.cli import exchange

    exchange.export(opened, variant, layout, out, epochs)


jobs = typer.Typer(invoke_without_command=True, help="List the jobs, or follow, cancel, continue, remove one.")
app.add_typer(jobs, name="jobs")

JobArgument = Annotated[str, typer.Argument(metavar="ID", help="The job's id, as `dynascope jobs` lists it.")]


@jobs.callback()
def list_jobs(context: typer.Context, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List what was started with --background, or follow, cancel, continue or remove one."""
    if context.invoked_subcommand is not None:
        context.obj = workspace
        return
    from dynascope.cli import tables

    tables.jobs(opened_workspace(workspace), as_json=json)


@jobs.command()
def follow(context: typer.Context, job: JobArgument, workspace: WorkspaceOption = None) -> None:
    """Print a job's log as it grows, until its end, and exit with its code; Ctrl-C ends this, not the job."""
    from dynascope.cli import jobs

    jobs.follow(opened_workspace(workspace or context.obj), job)


@jobs.command()
def cancel(
    context: typer.Context,
    job: JobArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Kill it, with all that it started, if it does not end.")
    ] = False,
    wait: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for its end.", min=0)] = 10.0,
    workspace: WorkspaceOption = None,
) -> None:
    """Tell a job to end; training saves the epoch that it reached."""
    from dynascope.cli import jobs

    jobs.cancel(opened_workspace(workspace or context.obj), job, force, wait)


@jobs.command(name="continue")
def continue_(context: typer.Context, job: JobArgument, workspace: WorkspaceOption = None) -> None:
    """Run a job's command again: it goes on where it was cancelled, failed or killed."""
    from dynascope.cli import jobs

    jobs.resume(opened_workspace(workspace or context.obj), job)


@jobs.command()
def remove(context: typer.Context, job: JobArgument, workspace: WorkspaceOption = None) -> None:
    """Delete the record and log of a job that has ended; what it made stays."""
    from dynascope.cli import jobs

    jobs.remove(opened_workspace(workspace or context.obj), job)


@app.command()
def variants(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the variants with their state, final metrics and artifacts."""
    from dynascope.cli import tables

    tables.variants(opened_workspace(workspace), as_json=json)


@app.command()
def probes(
    variant: Annotated[
        str | None, typer.Argument(help="List those under which this variant has artifacts.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List the probes and their settings or, for a variant, those that it was analysed under."""
    from dynascope.cli import probes as listed

    listed.probes(opened_workspace(workspace).variant(variant) if variant is not None else None, as_json=json)


@app.command()
def views(
    variant: Annotated[
        str | None, typer.Argument(help="Say what this variant lacks for each view.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List the views, what they read and, for a variant, whether they can be drawn."""
    from dynascope.cli import tables

    tables.views(opened_workspace(workspace).variant(variant) if variant is not None else None, as_json=json)


@app.command()
def plugins(json: JsonOption = False) -> None:
    """List the plug-ins, what they provide, and the errors of those that failed."""
    from dynascope.cli import tables

    tables.plugins(as_json=json)


@app.command()
def serve(
    path: Annotated[Path | None, typer.Argument(help="The workspace.", show_default=False)] = None,
    port: Annotated[int, typer.Option(help="The port.", min=0, max=65535)] = 5006,
    address: Annotated[
        str, typer.Option(help="The address to listen on; anything but loopback is open to the network.")
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the workbench on this machine."""
    import importlib.util

    from dynascope.errors import PluginError

    opened = opened_workspace(path or workspace)
    if importlib.util.find_spec("dynascope_workbench") is None:
        raise PluginError("The workbench is not installed. Install the distribution dynascope-workbench.")
    command = [
        sys.executable,
        "-m",
        "dynascope_workbench",
        str(opened.path),
        f"--address={address}",
        f"--port={port}",
    ]
    os.execv(sys.executable, [*command, *(["--open"] if open_browser else [])])
