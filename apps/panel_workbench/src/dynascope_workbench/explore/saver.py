"""What only the browser can do: pictures as files exactly as they are shown, texts as files, the link to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

__all__ = ["Saver"]

HERE = Path(__file__).parent


class Saver(JSComponent):
    """Carries out one order after the other in the browser."""

    order = param.Dict({}, doc="kind: png, svg, text or link; and what it needs")

    _esm = HERE / "saver.js"

    def picture(self, kind: str, name: str, models: list[str], title: str) -> None:
        """Save bokeh models, beside each other, as they are shown: ``"png"`` with the title above, or ``"svg"``."""
        self._send(kind=kind, name=f"{name}.{kind}", models=models, title=title)

    def text(self, name: str, text: str) -> None:
        """Save a text."""
        self._send(kind="text", name=name, text=text)

    def link(self) -> None:
        """Put the page's address into the clipboard."""
        self._send(kind="link")

    def _send(self, **order: Any) -> None:
        self.order = {**order, "number": self.order.get("number", 0) + 1}
