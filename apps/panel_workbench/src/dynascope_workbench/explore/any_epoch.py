"""Any epoch: one that was asked for and not saved is told, and made by replay where that can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError, Variant
from dynascope_workbench.session import Session, read_only

__all__ = ["AnyEpoch"]


class AnyEpoch:
    """What is said of an epoch that was not saved.

    Args:
        session: that starts the replay.

    Attributes:
        panel: what is said; empty most of the time.
        awaited: the epoch that is being made.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.panel = pn.Column(sizing_mode="stretch_width", margin=0)
        self.awaited: int | None = None

    def offer(self, variant: Variant, probe: str, epoch: int | None, shown: int) -> None:
        """Say that an epoch was not saved, and offer to make it; with None say nothing.

        Args:
            variant, probe: of what.
            epoch: that was asked for.
            shown: the nearest one, which is shown in its place.
        """
        if epoch is None:
            self.panel[:] = []
            return
        said = f"Epoch {epoch:,} was not saved; the nearest that was, {shown:,}, is shown."
        reached = int(variant.metadata.get("epoch") or 0)
        if not 0 <= epoch <= reached:
            self._say(f"{said} Training ended at {reached:,}." if epoch > reached else said)
            return
        make = pmui.Button(
            label=f"Make epoch {epoch:,} by replay", variant="outlined", size="small", margin=4, disabled=read_only()
        )
        make.on_click(lambda _: self._make(variant, probe, epoch))
        self._say(said, make)

    def arrived(self, epochs: list[int], go: Callable[[int], None]) -> None:
        """Go to the epoch that was awaited, if it is there."""
        if self.awaited in epochs:
            go(self.awaited)
            self.awaited = None
            self.panel[:] = []

    def _make(self, variant: Variant, probe: str, epoch: int) -> None:
        name = f"{variant.family.name}/{variant.name}"
        try:
            job = self._session.start("checkpoints add", [name, str(epoch), "--analyze", "--probe", probe])
        except DynascopeError as error:
            self._session.notify(str(error), "error")
            return
        self.awaited = epoch
        self._say(f"Job {job.id} makes epoch {epoch:,} and analyses it; it is shown when it is there.")

    def _say(self, text: str, *more: Any) -> None:
        note = pmui.Typography(text, variant="body2", margin=(8, 8))
        self.panel[:] = [pmui.Row(note, *more, sx={"alignItems": "center", "flexWrap": "wrap"})]
