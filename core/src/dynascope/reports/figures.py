"""Pictures for papers: vectors or pixels, in matplotlib's text, with where they come from written into the file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from dynascope.drawing.limits import share_limits
from dynascope.drawing.painting import Painting
from dynascope.errors import InvalidSetting
from dynascope.reports.panels import Panel
from dynascope.store.atomic import publish
from dynascope.style import GREY

__all__ = ["FORMATS", "Plate", "save_plate"]

FORMATS = ("png", "svg", "pdf")
WIDTH, HEIGHT = 5.2, 3.1
"""Of one picture, inches: as wide as the text of a paper."""
DPI = 200
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "dynascope",
    "axes.linewidth": 0.6,
    "legend.handletextpad": 0.5,
}


class Plate:
    """One picture or several, on one sheet, that can be moved along the epochs.

    Args:
        panels: what is drawn, of those that can be.
        epoch: at which.
        lines: epochs at which pictures over the epochs have a line; ``epoch`` alone by default.
        titled: whether titles, variant and epoch are written above and below.
        columns: of the sheet.

    Raises:
        ArtifactError: a view has a picture that cannot be painted.
    """

    def __init__(
        self,
        panels: Sequence[Panel],
        epoch: int,
        *,
        lines: Sequence[int] | None = None,
        titled: bool = True,
        columns: int = 2,
    ) -> None:
        shown = [panel for panel in panels if panel.frame is not None]
        self._titled, self._variants = titled, list(dict.fromkeys(panel.variant.name for panel in shown))
        across = min(columns, len(shown))
        down = math.ceil(len(shown) / across)
        with rc_context(STYLE):
            self.figure = Figure(figsize=(WIDTH * across, HEIGHT * down), layout="constrained")
            axes = self.figure.subplots(down, across, squeeze=False).ravel()
            for empty in axes[len(shown) :]:
                empty.axis("off")
            self.drawings = [panel.draw(epoch) for panel in shown]
            self._share_limits(shown)
            self._paintings = []
            for panel, drawing, axis in zip(shown, self.drawings, axes):
                if lines is not None and panel.provided.item.series:
                    drawing.hide_epoch()
                painting = Painting(drawing, axis)
                self._paintings.append(painting)
                for at in lines or () if panel.provided.item.series else ():
                    axis.axvline(at, color=GREY, linewidth=1, linestyle=(0, (3, 2.5)), zorder=3.5)
                if titled:
                    of = f", {panel.of}" if len(self._variants) > 1 else ""
                    axis.set_title(
                        f"{panel.provided.item.title}{of}",
                        fontsize=9.5,
                        fontweight="bold",
                        loc="left",
                        pad=painting.head + 6,
                    )
            self._panels = shown
            self._said = self.figure.supxlabel("", fontsize=7, color=GREY, x=0.01, ha="left") if titled else None
        self._say(epoch)

    def _share_limits(self, shown: Sequence[Panel]) -> None:
        """Let pictures of one view have one scale."""
        by_view: dict[str, list[Any]] = {}
        for panel, drawing in zip(shown, self.drawings, strict=True):
            if panel.minus is None:
                by_view.setdefault(panel.provided.id, []).append(drawing.root)
        for roots in by_view.values():
            share_limits(roots)

    def move(self, epoch: int) -> None:
        """Show another epoch, or the nearest one that a view has."""
        with rc_context(STYLE):
            for panel, drawing, painting in zip(self._panels, self.drawings, self._paintings, strict=True):
                assert panel.frame is not None
                drawing.move(panel.frame.moved_to(panel.at(epoch)))
                painting.update()
        self._say(epoch)

    def _say(self, epoch: int) -> None:
        if self._said is not None:
            self._said.set_text(f"{', '.join(self._variants)} · epoch {epoch:,}")


def save_plate(plate: Plate, path: Path, provenance: Mapping[str, Any], *, dpi: int = DPI) -> None:
    """Write a plate to a file, whose ending says how; where it comes from is in the file's metadata.

    Raises:
        InvalidSetting: an ending that is none of ``FORMATS``.
        WorkspaceError: it cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise InvalidSetting(f"A picture is saved as {', '.join(FORMATS)}; {path.name} has the ending {path.suffix!r}.")
    told, by = json.dumps(provenance, separators=(",", ":")), f"Dynascope {provenance['made']['dynascope']}"
    metadata = {
        "png": {"Software": by, "Description": told},
        "svg": {"Creator": by, "Description": told, "Date": provenance["made"]["at"]},
        "pdf": {"Creator": by, "Subject": told},
    }[kind]
    with publish(path) as temporary, rc_context(STYLE):
        plate.figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)
