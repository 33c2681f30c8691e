"""The epoch control."""

from __future__ import annotations

from pathlib import Path

import param
from panel.custom import JSComponent

__all__ = ["EpochPlayer"]

HERE = Path(__file__).parent


class EpochPlayer(JSComponent):
    """A slider over the real checkpoints with first, previous, play, next and last, keys, and a label.

    The browser owns the position: it moves at once and sends the newest index, so no step is lost and nothing
    lags behind the hand.
    """

    epochs = param.List([], item_type=int, doc="the checkpoints, ascending")
    index = param.Integer(0, doc="position in epochs")

    _esm = HERE / "player.js"
    _stylesheets = [HERE / "player.css"]
    # Panel waits this many ms before it sends a change. The default of 50 is felt; at 0 nothing is merged.
    _debounce = 10
