"""A report laid on a variant, in a notebook: it shows itself, and is saved as a file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynascope.contract.report import Report
from dynascope.plugins.discovery import registry

if TYPE_CHECKING:
    from dynascope.store.variant import Variant

__all__ = ["ShownReport"]

MOST_SHOWN = 30
"""Epochs of a report that stands in a notebook: the notebook's file keeps them."""
HEIGHT = 720


class ShownReport:
    """A report of a variant; made by ``variant.report(name)``."""

    def __init__(self, variant: Variant, report: Report) -> None:
        self.variant, self.report = variant, report

    def save(self, path: str | Path, epochs: Sequence[int] | None = None, **more: Any) -> list[Path]:
        """Write it as a page that works offline, a paper, pictures or a film, as the ending of ``path`` says.

        Args:
            path: ends in ``.html``, ``.pdf``, ``.md``, ``.png``, ``.svg``, ``.gif`` or ``.mp4``.
            epochs: as for ``dynascope report export``.
            more: ``per_second`` of what moves.

        Returns:
            What was written.

        Raises:
            InvalidSetting: another ending.
            ArtifactError: none of the views can be drawn.
            WorkspaceError: it cannot be written.
        """
        from dynascope.reports.exporting import export_report

        command = f"variant.report({self.report.name!r}).save({str(path)!r})"
        return export_report(self.report, [self.variant], registry(), Path(path), command, epochs=epochs, **more)

    def _repr_html_(self) -> str:
        from dynascope.reports.page import page_of

        every = np.array(self.variant.checkpoints)
        some = every[np.unique(np.linspace(0, len(every) - 1, MOST_SHOWN).round().astype(int))] if len(every) else every
        page = page_of(self.report, [self.variant], registry(), repr(self), epochs=[int(epoch) for epoch in some])
        return (
            f'<iframe srcdoc="{escape(page)}" width="100%" height="{HEIGHT}" style="border: 0" '
            f'title="{escape(self.report.title)}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<report {self.report.title!r} of {self.variant.name}: {len(self.report.views)} views>"
