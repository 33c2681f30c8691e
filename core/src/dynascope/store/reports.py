"""The reports of a family: those that a workspace keeps as files, and those that plug-ins ship."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dynascope.contract.report import Report
from dynascope.errors import InvalidSetting, UnknownName, WorkspaceError
from dynascope.plugins.registry import Registry
from dynascope.store.atomic import read_json, write_json
from dynascope.store.family_file import DeclaredFamily

__all__ = ["Reports", "check_name", "read_report"]

NAME = re.compile(r"\w[\w .+-]{0,63}")


def read_report(path: Path) -> Report:
    """Read a report from a file, of whatever family; it is named as the file is.

    Raises:
        WorkspaceError: there is none, or it is no report: the message names the line, the rule and what is there.
    """
    content = read_json(path)
    stated = content.get("format", 1)
    if isinstance(stated, int) and stated > 1:
        raise WorkspaceError(
            f"{path} is a report of format {stated}; this version of Dynascope reads format 1. Update Dynascope, or "
            "save the report again with this version."
        )
    text = path.read_text(encoding="utf-8")
    if "name" in content:
        line = _line(text, ("name",))
        raise WorkspaceError(f"{path}, line {line}: a report is named as its file is. Delete the line, or say title.")
    try:
        return Report.model_validate({**content, "name": path.stem})
    except ValidationError as error:
        raise WorkspaceError(_said(path, text, error)) from None


def check_name(name: str) -> None:
    """Check that a report can have this name.

    Raises:
        InvalidSetting: it could not be a file's.
    """
    if NAME.fullmatch(name) is None or name != name.strip():
        raise InvalidSetting(
            f"A report's name holds letters, digits, spaces and . + - _, begins with a letter or digit, and has at "
            f"most 64 of them; found {name!r}."
        )


class Reports:
    """The reports of one family in a workspace.

    Args:
        folder: ``model_families/<family>/reports``.
        family: the family.
        plugins: the registry, for what plug-ins ship.
    """

    def __init__(self, folder: Path, family: DeclaredFamily, plugins: Registry) -> None:
        self.folder, self.family = folder, family
        self._families = {family.name, family.base.name}
        self.shipped: Mapping[str, Report] = {
            name: provided.item
            for name, provided in plugins.all("reports").items()
            if provided.item.family in self._families
        }

    def names(self) -> list[str]:
        """Return the names of the reports that are files, sorted."""
        return sorted(file.stem for file in self.folder.glob("*.json") if not file.name.startswith("."))

    def usual(self) -> Report | None:
        """Return the report that the family begins with; None if it names none, or nobody ships it."""
        return self.shipped.get(self.family.base.default_report)

    def open(self, name: str) -> Report:
        """Return a report: a file by its name, or one that a plug-in ships by its id, ``"<plug-in>.<name>"``.

        Where only one plug-in ships a report of this name, that is enough.

        Raises:
            UnknownName: there is none of this name.
            WorkspaceError: its file is damaged, or of another family.
        """
        if name not in self.names():
            shipped = [one for id, one in self.shipped.items() if name in (id, one.name)]
            if len(shipped) == 1:
                return shipped[0]
        path = self._there(name)
        report = read_report(path)
        if report.family not in self._families:
            raise WorkspaceError(
                f"{path} is a report of family {report.family}; here are those of {self.family.name}. Move it to "
                f"model_families/{report.family}/reports, or change its family if its views are meant for this one."
            )
        return report

    def save(self, report: Report, *, overwrite: bool = False) -> Path:
        """Write a report to the file of its name, and return that.

        Raises:
            InvalidSetting: the name cannot be a file's, or is taken and ``overwrite`` is not set.
            WorkspaceError: it cannot be written.
        """
        path = self._file(report.name)
        if path.exists() and not overwrite:
            raise InvalidSetting(f"There is a report {report.name!r} already. Choose another name, or replace it.")
        write_json(path, report.model_dump(mode="json", exclude_defaults=True) | {"format": report.format})
        return path

    def rename(self, name: str, new: str) -> None:
        """Give a report another name.

        Raises:
            UnknownName: there is none of this name.
            InvalidSetting: the new name cannot be a file's, or is taken.
        """
        path, target = self._there(name), self._file(new)
        if target.exists():
            raise InvalidSetting(f"There is a report {new!r} already. Choose another name.")
        path.rename(target)

    def remove(self, name: str) -> None:
        """Delete a report.

        Raises:
            UnknownName: there is none of this name.
        """
        self._there(name).unlink(missing_ok=True)

    def _there(self, name: str) -> Path:
        if name not in self.names():
            raise UnknownName("report", name, [*self.names(), *self.shipped])
        return self._file(name)

    def _file(self, name: str) -> Path:
        check_name(name)
        return self.folder / f"{name}.json"


def _said(path: Path, text: str, error: ValidationError) -> str:
    """Say what is wrong with a file: each problem with its line, where it is, the rule, and what is there."""
    problems = []
    for problem in error.errors():
        place = _without_kind(problem["loc"])
        found = problem["input"]
        seen = "" if problem["type"] in ("missing", "extra_forbidden", "block") else f", found {found!r}"
        rule = problem["msg"].removeprefix("Value error, ")
        rule = rule[0].lower() + rule[1:]
        where = f" {'.'.join(map(str, place))}:" if place else ""
        problems.append(f"line {_line(text, place)}:{where} {rule}{seen}")
    return f"{path} is not a report: {'; '.join(problems)}."


def _without_kind(place: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the path to a value in the file: pydantic names the kind of a block after its number."""
    found = list(place)
    if len(found) > 2 and found[0] == "blocks":
        del found[2]
    return tuple(found)


def _line(text: str, place: Sequence[int | str]) -> int:
    """Return the line of a value in JSON text: of its key, where it has one; of the object that lacks it."""
    node: Any = yaml.compose(text.replace("\t", " "))  # JSON is YAML, whose nodes know their lines
    line = int(node.start_mark.line)
    for part in place:
        if isinstance(node, yaml.MappingNode):
            having = [(key, value) for key, value in node.value if key.value == str(part)]
            if not having:
                break
            line, node = int(having[0][0].start_mark.line), having[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = int(node.start_mark.line)
    return line + 1
