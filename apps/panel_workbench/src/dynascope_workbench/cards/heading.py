"""The buttons of a card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from dynascope_workbench.session import when_locked

__all__ = ["CardButtons"]

HERE = Path(__file__).parent


class CardButtons(JSComponent):
    """What can be done with a card, in one component: a page of cards has many of them, and is to come at once."""

    offered = param.List([], item_type=str, doc='which are there: "about", "save", "widen", "expand", "remove"')
    pressed = param.Dict({}, doc="the one that was pressed: action, kind (of what is saved), and a number that rises")

    _esm = HERE / "heading.js"
    _stylesheets = [HERE / "heading.css"]

    def on_press(self, action: str, do: Callable[[str], None]) -> None:
        """Do something when a button is pressed; it is told the kind that was chosen, empty where there is none."""

        def pressed(event: Any) -> None:
            if event.new.get("action") == action:
                when_locked(lambda: do(event.new.get("kind", "")))

        self.param.watch(pressed, "pressed")

    def press(self, action: str, kind: str = "") -> None:
        """Do what pressing a button does."""
        self.pressed = {"action": action, "kind": kind, "number": self.pressed.get("number", 0) + 1}
