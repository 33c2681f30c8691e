"""The epoch control."""

from __future__ import annotations

import param
from panel.custom import JSComponent

from dynascope.drawing.player import PLAYER_SCRIPT, PLAYER_STYLE

__all__ = ["EpochPlayer"]


class EpochPlayer(JSComponent):
    """A slider over the real checkpoints with first, previous, play, next and last, keys, speed, and a label.

    The browser owns the position: it moves at once and sends the newest index, so no step is lost and nothing
    lags behind the hand. A number that is typed moves to the nearest checkpoint; where that is another one, it is left
    in ``wanted``.
    """

    epochs = param.List([], item_type=int, doc="the checkpoints, ascending")
    index = param.Integer(0, doc="position in epochs")
    wanted = param.Integer(None, allow_None=True, doc="the epoch that was typed last, if it is none of epochs")
    phases = param.List([], doc="(first epoch, name) of each phase: named in the label, and ticks of the slider")
    events = param.List([], doc="(epoch, what happens) of each event: ticks of the slider")
    unit = param.String("epoch", doc="what the label says before the number")
    title = param.String("", doc="what stands before the buttons, where there are two of them")
    keys = param.Boolean(True, doc="whether keys pressed anywhere on the page move it")
    escaped = param.Integer(0, doc="how often Escape was pressed")
    window_height = param.Integer(0, doc="of the browser, px")

    # As text: Panel serves files of the component's own package only.
    _esm = PLAYER_SCRIPT.read_text(encoding="utf-8")
    _stylesheets = [PLAYER_STYLE.read_text(encoding="utf-8")]
    # Panel waits this many ms before it sends a change. The default of 50 is felt; at 0 nothing is merged.
    _debounce = 10
