"""What ``dynascope jobs`` and ``--background`` do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dynascope.cli.tables import say
from dynascope.jobs import Job
from dynascope.jobs.command import of_command_line
from dynascope.store.workspace import Workspace

__all__ = ["cancel", "follow", "remove", "resume", "start"]

KILLED = 137
"""The exit code with which a shell reports a process that was killed."""


def start(workspace: Workspace, command: str, arguments: Sequence[str]) -> None:
    """Start the command line that was given, and that is this command, as a job, and say how to follow it."""
    words = of_command_line(arguments)
    for word in command.split():
        words.remove(word)
    job = workspace.jobs.start(command, words)
    say(f"Job {job.id} was started. {_how_to_follow(job)}")


def follow(workspace: Workspace, name: str) -> None:
    """Print a job's log until its end, with a bar on a terminal, and exit with the job's code."""
    job = workspace.jobs[name]
    console = Console(stderr=True)
    columns = (
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, text="")

        def look() -> None:
            if (progress := job.progress) is not None:
                bar.update(
                    task, description=progress.what, completed=progress.done, total=progress.total, text=progress.text
                )

        try:
            for text in job.follow(look):
                print(text, end="", flush=True)  # above the bar, which takes in what is printed
        except KeyboardInterrupt:
            bar.stop()
            say(f"Not followed any more; the job goes on. To end it: dynascope jobs cancel {job.id}")
            raise SystemExit(130) from None
    state, code = job.state, job.code
    if state != "done":
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"Job {job.id}: {state}.", markup=False)
    raise SystemExit(KILLED if code is None else code)


def cancel(workspace: Workspace, name: str, force: bool, patience: float) -> None:
    """Tell a job to end, and say what became of it."""
    job = workspace.jobs[name]
    state = job.cancel(force=force, patience=patience)
    if state == "running":
        say(
            f"Job {job.id} was told to end, and has not ended yet: it may be saving. Look again with `dynascope jobs`; "
            "--force kills it."
        )
        raise SystemExit(1)
    again = f" To continue: dynascope jobs continue {job.id}" if state != "done" else ""
    say(f"Job {job.id}: {state}.{again}")


def resume(workspace: Workspace, name: str) -> None:
    """Continue a job."""
    job = workspace.jobs[name].resume()
    say(f"Job {job.id} goes on, attempt {job.attempts}. {_how_to_follow(job)}")


def remove(workspace: Workspace, name: str) -> None:
    """Remove the record of a job."""
    workspace.jobs.remove(name)
    say(f"Job {name} was removed. What it made stays.")


def _how_to_follow(job: Job) -> str:
    return f"To follow it: dynascope jobs follow {job.id}"
