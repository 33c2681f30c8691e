"""What Bokeh and Panel do in the browser needlessly, or too early, is mended there: see ``mends.js``."""

from __future__ import annotations

from pathlib import Path

from panel.custom import JSComponent

__all__ = ["Mends"]


class Mends(JSComponent):
    """Stands in the header, before any picture, and shows nothing."""

    _esm = Path(__file__).with_suffix(".js")
