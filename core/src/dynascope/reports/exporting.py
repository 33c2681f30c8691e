"""A report, or one view, to a file whose ending says what it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dynascope.contract.report import Control, Report, ViewBlock
from dynascope.errors import ArtifactError, InvalidSetting
from dynascope.plugins.registry import Registry
from dynascope.store.reports import read_report
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace

__all__ = ["ENDINGS", "export_report", "export_view", "find_report"]

ENDINGS = ("html", "pdf", "md", "png", "svg", "gif", "mp4")
Told = Callable[[int, int], None]


def find_report(workspace: Workspace, name: str, family: str) -> Report:
    """Return a report: a file by its path, or one of a family, by its name, or by its id, if a plug-in ships it.

    Raises:
        UnknownName: there is none of this name.
        WorkspaceError: its file is damaged, or of another family.
    """
    path = Path(name).expanduser()
    if path.suffix == ".json" and path.is_file():
        return read_report(path)
    return workspace.reports(family).open(name)


def export_report(
    report: Report,
    variants: Sequence[Variant],
    plugins: Registry,
    path: Path,
    command: str,
    *,
    epochs: Sequence[int] | None = None,
    difference: bool = False,
    per_second: float = 8,
    told: Told = lambda done, total: None,
) -> list[Path]:
    """Write a report over variants to a file.

    Args:
        report: what is shown.
        variants: of which; several stand beside each other.
        plugins: the registry.
        path: its ending is one of ``ENDINGS``.
        command: that makes it again.
        epochs: of ``html``, ``gif`` and ``mp4`` those that it runs through, all checkpoints by default; of the others
            those at which it is drawn, by default those of interest, or the last checkpoint.
        difference: of two variants, also the second less the first.
        per_second: epochs a second, of what moves.
        told: called with the frames that are done, and those in all, of what moves.

    Returns:
        What was written.

    Raises:
        InvalidSetting: another ending; a variant of another family.
        UnknownName: a view of the report is of no plug-in that is installed.
        ArtifactError: none of the views can be drawn, or one cannot be painted.
        WorkspaceError: it cannot be written.
    """
    kind = _kind(path)
    if kind == "html":
        from dynascope.reports.page import page_of, write_page

        write_page(path, page_of(report, variants, plugins, command, epochs=epochs, difference=difference))
        return [path]
    if kind == "pdf":
        from dynascope.reports.paper import write_pdf

        write_pdf(path, report, variants, plugins, command, epochs or (), difference=difference)
        return [path]
    if kind == "md":
        from dynascope.reports.paper import write_markdown

        return [path, write_markdown(path, report, variants, plugins, command, epochs or (), difference=difference)]
    return _write_plates(
        report, variants, plugins, path, command, epochs=epochs, difference=difference, per_second=per_second, told=told
    )


def export_view(
    view: str,
    variants: Sequence[Variant],
    plugins: Registry,
    path: Path,
    command: str,
    *,
    controls: Mapping[str, Control] | None = None,
    probe: str | None = None,
    epochs: Sequence[int] | None = None,
    difference: bool = False,
    per_second: float = 8,
    titled: bool = True,
    told: Told = lambda done, total: None,
) -> list[Path]:
    """Write one view of variants to a file: a picture, one that moves, or a page.

    Args:
        view: by id or unambiguous name.
        controls: values of its controls; its own for the others.
        probe: as it is written; the family's default by default.
        titled: whether the view, the variant and the epoch are written on a picture.
        variants, plugins, path, command, epochs, difference, per_second, told: as for ``export_report``; a ``pdf`` is
            the picture alone.

    Returns, Raises:
        As ``export_report``; and UnknownName or InvalidSetting for a control that the view does not have, or a value
        that breaks its rule.
    """
    kind = _kind(path)
    provided = plugins.find("views", view)
    block = ViewBlock(view=provided.id, controls=dict(controls or {}))
    report = Report(title=provided.item.title, family=variants[0].family.name, probe=probe, blocks=(block,))
    if kind in ("html", "md"):
        return export_report(report, variants, plugins, path, command, epochs=epochs, difference=difference)
    return _write_plates(
        report, variants, plugins, path, command,
        epochs=epochs, difference=difference, per_second=per_second, titled=titled, told=told, strict=True,
    )  # fmt: skip


def _kind(path: Path) -> str:
    kind = path.suffix.removeprefix(".").lower()
    if kind not in ENDINGS:
        raise InvalidSetting(f"{path.name} ends in {path.suffix!r}; what is written ends in .{', .'.join(ENDINGS)}.")
    return kind


def _write_plates(
    report: Report,
    variants: Sequence[Variant],
    plugins: Registry,
    path: Path,
    command: str,
    *,
    epochs: Sequence[int] | None,
    difference: bool,
    per_second: float,
    told: Told,
    titled: bool = True,
    strict: bool = False,
) -> list[Path]:
    """Write pictures, one for each epoch, or one that moves."""
    from dynascope.reports.figures import Plate, save_plate
    from dynascope.reports.motion import MOTIONS, save_motion
    from dynascope.reports.panels import sections_of
    from dynascope.reports.provenance import provenance_of

    sections = sections_of(report, variants, plugins, difference=difference)
    panels = [panel for section in sections for panel in section.panels]
    for panel in panels:
        if strict and panel.notes:
            raise InvalidSetting(panel.notes[0])
        if strict and panel.lacks:
            raise ArtifactError(panel.lacks)
    provenance = provenance_of(panels, plugins, command, report if not strict else None)
    every = sorted({epoch for variant in variants for epoch in variant.checkpoints})
    columns = len(variants) + difference if len(variants) > 1 else 1 if len(panels) == 1 else 2
    if path.suffix.removeprefix(".").lower() in MOTIONS:
        shown = every if epochs is None else list(epochs)
        plate = Plate(panels, shown[0] if shown else 0, titled=titled, columns=columns)
        save_motion(plate, shown, path, provenance, per_second=per_second, told=told)
        return [path]
    chosen = list(epochs or report.epochs or every[-1:] or [0])
    files = [path if len(chosen) == 1 else path.with_stem(f"{path.stem}_{epoch}") for epoch in chosen]
    plate = Plate(panels, chosen[0], titled=titled, columns=columns)
    for epoch, file in zip(chosen, files, strict=True):
        plate.move(epoch)
        save_plate(plate, file, provenance)
    return files
