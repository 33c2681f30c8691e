"""When models of bokeh may be changed."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

__all__ = ["when_locked"]


def when_locked(change: Callable[[], None]) -> None:
    """Change models of bokeh when the document may be changed: a button's callback does not hold its lock."""
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        change()
    else:
        document.add_next_tick_callback(change)
