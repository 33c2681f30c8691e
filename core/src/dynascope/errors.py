"""Every error Dynascope raises on purpose.

    DynascopeError
    ├── UnknownName            a family, variant, probe, analyzer, view or parameter that does not exist
    ├── InvalidSetting         a parameter, schedule or declaration that breaks its rule
    ├── PluginError            a plug-in that cannot be loaded or breaks the contract
    ├── WorkspaceError         a folder or file of the workspace that is not what it should be
    ├── CheckpointError        a checkpoint that is missing, damaged or of another variant
    ├── ArtifactError          an artifact that is missing, damaged, or does not match its declaration
    ├── ExchangeError          a foreign file or folder that cannot be imported, or an export that cannot be written
    ├── TrainingError          training that cannot go on (divergence, or another process holds the variant)
    ├── AnalysisFailed         what another process reported of a unit
    ├── JobError               a job that is not in the state for what was asked of it, or cannot be started
    └── AnalysisError          one or more analyzers failed; the others are stored

A message says the object, the rule, what was seen and what to do. Context (plug-in, analyzer, epoch,
file) is added once, where it is known.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "AnalysisError",
    "AnalysisFailed",
    "ArtifactError",
    "CheckpointError",
    "DynascopeError",
    "ExchangeError",
    "Failure",
    "InvalidSetting",
    "JobError",
    "NotOffered",
    "PluginError",
    "TrainingError",
    "UnknownName",
    "WorkspaceError",
    "error_text",
]


class DynascopeError(Exception):
    """Base of all errors that the user can act on."""

    exit_code = 2


class UnknownName(DynascopeError):
    """A name that nothing has; the message lists the choices and the nearest one."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.choices = kind, name, sorted(choices, key=_in_order)
        near = _nearest(name, self.choices)
        hint = f" Did you mean {near!r}?" if near else ""
        listed = ", ".join(self.choices) if self.choices else "none"
        named = " named" if " of " in kind else ""
        super().__init__(f"There is no {kind}{named} {name!r}.{hint} Choices: {listed}.")


def _in_order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (-1, name)


def _nearest(name: str, choices: list[str]) -> str | None:
    if name.isdigit() and choices and all(choice.isdigit() for choice in choices):
        return min(choices, key=lambda choice: abs(int(choice) - int(name)))
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    close = close or [choice for choice in lowered if name and choice.startswith(name.lower())]
    return lowered[close[0]] if close else None


class NotOffered(DynascopeError):
    """What a family's model or a probe's rows do not have: the analyzer that needs it does not apply there."""


class InvalidSetting(DynascopeError):
    """A value that breaks the rule of its field.

    Args:
        message: what is wrong.
        problems: the same by setting, for a form; empty where it is about no setting.
    """

    def __init__(self, message: str, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.problems = dict(problems or {})


class PluginError(DynascopeError):
    """A plug-in that cannot be imported or breaks the contract."""


class WorkspaceError(DynascopeError):
    """A folder or file of the workspace that is not what it should be."""


class CheckpointError(DynascopeError):
    """A checkpoint that is missing, damaged or belongs to another variant."""


class ArtifactError(DynascopeError):
    """An artifact that is missing, damaged, or does not match its declaration."""


class ExchangeError(DynascopeError):
    """A foreign file or folder that cannot be imported, or an export that cannot be written."""


class TrainingError(DynascopeError):
    """Training stopped, with everything until then kept."""

    exit_code = 1


class AnalysisFailed(DynascopeError):
    """What another process reported of a unit that failed there."""

    exit_code = 1


def error_text(error: Exception) -> str:
    """Return an error in words: those of Dynascope as they are, others with their class and place."""
    if isinstance(error, DynascopeError):
        return str(error)
    return f"{type(error).__name__}: {error}{_place(error)}"


class JobError(DynascopeError):
    """A job that is not in the state for what was asked of it, or whose process cannot be started."""


def _place(error: Exception) -> str:
    """Return the line of code that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno}; --debug shows the traceback)" if frames else ""


@dataclass(frozen=True)
class Failure:
    """One unit of analysis that failed.

    Attributes:
        analyzer: its id and version; empty where the checkpoint itself cannot be used.
        epoch, file: the checkpoint; of a unit over several, None and their folder.
        error: what was raised.
    """

    analyzer: str
    epoch: int | None
    file: Path
    error: Exception


class AnalysisError(DynascopeError):
    """One or more units failed; what succeeded is stored.

    Attributes:
        failures: every unit that failed.
    """

    exit_code = 1

    def __init__(self, failures: Iterable[Failure]) -> None:
        self.failures = tuple(failures)
        alike: dict[tuple[str, Path, str], list[Failure]] = {}
        for failure in self.failures:
            key = failure.analyzer, failure.file.parent, error_text(failure.error)
            alike.setdefault(key, []).append(failure)
        lines = []
        for (analyzer, _, text), group in alike.items():
            who = f"analyzer {analyzer}, " if analyzer else ""
            epochs = ", ".join(str(failure.epoch) for failure in group)
            files = str(group[0].file) if len(group) == 1 else f"{len(group)} files in {group[0].file.parent}"
            where = "all checkpoints" if group[0].epoch is None else f"epoch{'s' if len(group) > 1 else ''} {epochs}"
            lines.append(f"  {who}{where} ({files}):\n    {text}")
        count = len(self.failures)
        super().__init__(
            f"{count} unit{'s' if count != 1 else ''} of analysis failed; the others are stored.\n" + "\n".join(lines)
        )
