"""What is chosen (a neuron, a frequency, a head, a pair), named with a way to let go of each."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope_workbench.epoch.cursor import Cursor
from dynascope_workbench.session import when_locked

__all__ = ["Choices"]


class Choices:
    """A row of names; there is none while nothing is chosen.

    Args:
        cursor: that holds what is chosen.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.panel = pn.FlexBox(sizing_mode="stretch_width", margin=(0, 6), visible=False, align_items="center")

    def show(self) -> None:
        """Name what is chosen now."""
        buttons = [self._button(axis, value) for axis, value in self._cursor.chosen.items()]
        self.panel[:] = [pmui.Typography("chosen", variant="caption", margin=(6, 4)), *buttons] if buttons else []
        self.panel.visible = bool(buttons)

    def _button(self, axis: str, value: Any) -> Any:
        button = pmui.Button(
            label=f"{axis} {value}  ✕", variant="outlined", size="small", margin=(2, 4), css_classes=["chosen"],
            description=f"Let go of {axis} {value}",
        )  # fmt: skip
        button.on_click(lambda _: when_locked(lambda: self._let_go(axis)))
        return button

    def _let_go(self, axis: str) -> None:
        self._cursor.chosen = {name: value for name, value in self._cursor.chosen.items() if name != axis}
