"""How many jobs are running, in the page's header, on whichever page one is."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope_workbench.jobs.watch import watch_of
from dynascope_workbench.session import Session

__all__ = ["RunningJobs"]

EVERY_MS = 3_000


class RunningJobs:
    """A chip that is there while something runs, and leads to the jobs.

    Args:
        session: whose jobs they are.
    """

    def __init__(self, session: Session) -> None:
        self._watch = watch_of(session.workspace)
        self.chip = pmui.Button(
            label="", variant="outlined", size="small", margin=(0, 8), visible=False,
            sx={"color": "inherit", "borderColor": "currentColor"},
        )  # fmt: skip
        self.chip.on_click(lambda _: session.go("train"))

    def panel(self) -> Any:
        """Return the chip; in a browser it is kept up to date."""
        self.refresh()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.refresh, EVERY_MS)
        return self.chip

    def refresh(self) -> None:
        """Look how many are running."""
        count = len(self._watch.running())
        label = f"{count} job{'s' if count != 1 else ''} running" if count else self.chip.label
        if (self.chip.label, self.chip.visible) != (label, count > 0):
            self.chip.param.update(label=label, visible=count > 0)
