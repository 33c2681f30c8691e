"""What is measured over variants, and is not yet of some: key frequencies, kinds of training, ..."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError, Variant, VariantsAnalyzer
from dynascope.jobs import Job
from dynascope_workbench.looks import ONE_LINE
from dynascope_workbench.session import Session, read_only

__all__ = ["Completion"]

EVERY_MS = 1_000


class Completion:
    """A line that says what is missing, with the click that has it computed; not there where nothing is.

    Args:
        session: starts the job.
        done: called when it has ended.

    Attributes:
        lacking: the variants that were analysed, and of which nothing is said.
    """

    def __init__(self, session: Session, done: Callable[[], None]) -> None:
        self._session, self._done = session, done
        self.lacking: list[str] = []
        self._job: Job | None = None
        self._waits: Any = None
        known = session.plugins.all("analyzers").values()
        found = [one for one in known if isinstance(one.item, VariantsAnalyzer) and not one.item.on_demand]
        self._analyzers = [one.id for one in found]
        self._titles = "; ".join(one.item.title for one in found)
        self._said = pmui.Typography("", variant="body2", margin=(8, 8))
        self.button = pmui.Button(
            label="Compute", variant="outlined", size="small", margin=(4, 4), disabled=read_only()
        )
        self.button.on_click(lambda _: self.start())
        self.panel = pmui.Row(self._said, self.button, margin=0, sx=ONE_LINE, visible=False)

    def look(self, variants: Mapping[str, Variant], said: Collection[str]) -> None:
        """Look which variants were analysed and are not among those of which something is said."""
        self.lacking = [
            name
            for name, variant in variants.items()
            if name not in said and variant.artifacts_of(variant.family.probe).folder.exists()
        ]
        count = len(self.lacking)
        self._said.object = (
            f"Not computed yet for {count:,} analysed variant{'s' if count > 1 else ''}: {self._titles}."
        )
        self.panel.visible = bool(self.lacking and self._analyzers)

    def start(self) -> None:
        """Have it computed as a job; what it needs and is not there is computed first."""
        words = [word for name in self._analyzers for word in ("--analyzer", name)]
        try:
            self._job = self._session.start("analyze", [*words, "--", *self.lacking])
        except DynascopeError as error:
            self._session.notify(str(error), "error")
            return
        self._session.notify(f"Job {self._job.id} computes it; the columns appear here as it is done.")
        self.button.disabled = True
        if pn.state.curdoc is not None:
            self._waits = pn.state.add_periodic_callback(self.follow, EVERY_MS)

    def follow(self) -> None:
        """Look whether the job has ended."""
        if self._job is None or self._job.state == "running":
            return
        if self._waits is not None:
            self._waits.stop()
        self._job = self._waits = None
        self.button.disabled = read_only()
        self._done()
