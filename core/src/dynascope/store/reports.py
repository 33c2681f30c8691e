"""Reports: saved choices of views, with their settings and a probe. They hold no numbers, and fit any variant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dynascope.errors import InvalidSetting, UnknownName, WorkspaceError
from dynascope.store.atomic import read_json, write_json

__all__ = ["Report", "ReportView", "Reports"]

NAME = re.compile(r"\w[\w .+-]{0,63}")


class ReportView(BaseModel):
    """A view of a report.

    Attributes:
        view: its id, ``"<plug-in>.<name>"``.
        controls: the settings that are not the view's own defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    controls: dict[str, bool | int | float | str | None] = {}


class Report(BaseModel):
    """What ``reports/<name>.json`` holds.

    Attributes:
        format: 1.
        name: its name, and its file's.
        family: the family whose variants it shows.
        probe: under which; None for the family's default.
        views: in the order in which they are shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    family: str
    probe: str | None = None
    views: tuple[ReportView, ...]


class Reports:
    """The reports of one family in a workspace.

    Args:
        folder: ``model_families/<family>/reports``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the names of the reports, sorted."""
        return sorted(file.stem for file in self.folder.glob("*.json") if not file.name.startswith("."))

    def open(self, name: str) -> Report:
        """Return a report.

        Raises:
            UnknownName: there is none of this name.
            WorkspaceError: its file is damaged.
        """
        if name not in self.names():
            raise UnknownName("report", name, self.names())
        path = self._file(name)
        read_json(path)  # one error for a file that is missing or is not JSON
        try:
            report = Report.model_validate_json(path.read_bytes())
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise WorkspaceError(f"{path} is not a report: {where}: {problem['msg'].lower()}.") from None
        if report.name != name:
            raise WorkspaceError(f"{path}: the name {report.name!r} must be its file's, {name!r}. Change one of them.")
        return report

    def save(self, report: Report, *, overwrite: bool = False) -> None:
        """Write a report.

        Raises:
            InvalidSetting: the name cannot be a file's, or is taken and ``overwrite`` is not set.
            WorkspaceError: it cannot be written.
        """
        path = self._file(report.name)
        if path.exists() and not overwrite:
            raise InvalidSetting(f"There is a report {report.name!r} already. Choose another name, or replace it.")
        write_json(path, report.model_dump(mode="json"))

    def remove(self, name: str) -> None:
        """Delete a report.

        Raises:
            UnknownName: there is none of this name.
        """
        if name not in self.names():
            raise UnknownName("report", name, self.names())
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        if NAME.fullmatch(name) is None or name != name.strip():
            raise InvalidSetting(
                f"A report's name holds letters, digits, spaces and . + - _, begins with a letter or digit, and has at "
                f"most 64 of them; found {name!r}."
            )
        return self.folder / f"{name}.json"
