"""Every error Dynascope raises on purpose.

    DynascopeError
    ├── UnknownName            a family, variant, probe, analyzer, view or parameter that does not exist
    ├── InvalidSetting         a parameter, schedule or declaration that breaks its rule
    ├── PluginError            a plug-in that cannot be loaded or breaks the contract
    ├── WorkspaceError         a folder or file of the workspace that is not what it should be
    ├── CheckpointError        a checkpoint that is missing, damaged or of another variant
    ├── ArtifactError          an artifact that is missing, damaged, or does not match its declaration
    ├── TrainingError          training that cannot go on (divergence, or another process holds the variant)
    └── AnalysisError          one or more analyzers failed; the others are stored

A message says the object, the rule, what was seen and what to do. Context (plug-in, analyzer, epoch,
file) is added once, where it is known, with ``add_note``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AnalysisError",
    "ArtifactError",
    "CheckpointError",
    "DynascopeError",
    "InvalidSetting",
    "PluginError",
    "TrainingError",
    "UnknownName",
    "WorkspaceError",
]


class DynascopeError(Exception):
    """Base of all errors that the user can act on."""

    exit_code = 2

    def __str__(self) -> str:
        return "\n".join([*map(str, self.args), *getattr(self, "__notes__", ())])


class UnknownName(DynascopeError):
    """A name that nothing has; the message lists the choices and the nearest one."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.choices = kind, name, sorted(choices)
        near = difflib.get_close_matches(name, self.choices, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(self.choices) if self.choices else "none"
        super().__init__(f"There is no {kind} {name!r}.{hint} Choices: {listed}.")


class InvalidSetting(DynascopeError):
    """A value that breaks the rule of its field."""


class PluginError(DynascopeError):
    """A plug-in that cannot be imported or breaks the contract."""


class WorkspaceError(DynascopeError):
    """A folder or file of the workspace that is not what it should be."""


class CheckpointError(DynascopeError):
    """A checkpoint that is missing, damaged or belongs to another variant."""


class ArtifactError(DynascopeError):
    """An artifact that is missing, damaged, or does not match its declaration."""


class TrainingError(DynascopeError):
    """Training stopped, with everything until then kept."""

    exit_code = 1


class AnalysisError(DynascopeError):
    """One or more analyzers failed; what succeeded is stored.

    Attributes:
        failures: one exception per failed unit, each with notes that name analyzer, epoch and file.
    """

    exit_code = 1

    def __init__(self, failures: Iterable[Exception]) -> None:
        self.failures = tuple(failures)
        lines = []
        for failure in self.failures:
            notes = "; ".join(getattr(failure, "__notes__", ()))
            lines.append(f"  {type(failure).__name__}: {failure.args[0] if failure.args else ''} ({notes})")
        count = len(lines)
        super().__init__(
            f"{count} unit{'s' if count != 1 else ''} of analysis failed; the others are stored:\n"
            + "\n".join(lines)
        )
