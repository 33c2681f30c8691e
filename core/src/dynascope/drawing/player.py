"""The epoch control of a browser: one script, in the app and in pages that need no server."""

from pathlib import Path

__all__ = ["PLAYER_SCRIPT", "PLAYER_STYLE"]

PLAYER_SCRIPT = Path(__file__).with_suffix(".js")
"""An ES module: ``render({model, el})`` makes the control; the model has ``epochs``, ``index``, ... and ``on``."""
PLAYER_STYLE = Path(__file__).with_suffix(".css")
