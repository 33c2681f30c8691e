"""The commands that can be jobs, and what of a command line is kept of them."""

from __future__ import annotations

from collections.abc import Sequence

from dynascope.errors import InvalidSetting, UnknownName

__all__ = ["COMMANDS", "checked", "of_command_line", "to_continue"]

COMMANDS = ("analyze", "bundle", "checkpoints add", "draw", "export", "import", "replay", "report export", "train")

WORKSPACE = ("--workspace", "-w")
BACKGROUND = "--background"
OVERWRITE = "--overwrite"


def checked(command: str, arguments: Sequence[str]) -> list[str]:
    """Return the words of a command and its arguments as a list.

    Raises:
        UnknownName: a command that is none of a job.
        InvalidSetting: arguments that a job itself decides.
    """
    if command not in COMMANDS:
        raise UnknownName("command that can be a job", command, COMMANDS)
    found = [str(argument) for argument in arguments]
    if without(found, WORKSPACE, flags=(BACKGROUND,)) != found:
        raise InvalidSetting(
            f"The arguments of a job must not hold {BACKGROUND} or --workspace: it works in the background, in the "
            f"workspace whose job it is. Leave them out of {found}."
        )
    return [*command.split(), *found]


def of_command_line(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of ``dynascope ... --background`` without what the job knows by itself."""
    return without(arguments, WORKSPACE, flags=(BACKGROUND,))


def to_continue(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with which a command goes on: without what would delete what it did."""
    return without(arguments, (OVERWRITE,))


def without(arguments: Sequence[str], options: Sequence[str], flags: Sequence[str] = ()) -> list[str]:
    """Leave out options with their values (``-w X``, ``-wX``, ``--workspace X``, ``--workspace=X``), and flags."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument in options:
            next(rest, None)
        elif argument not in flags and not any(_has_value(argument, option) for option in options):
            kept.append(argument)
    return kept


def _has_value(argument: str, option: str) -> bool:
    """Say whether an argument is an option with its value in one."""
    return argument.startswith(f"{option}=" if option.startswith("--") else option)
