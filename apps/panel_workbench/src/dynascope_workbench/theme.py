"""Light or dark, as it was chosen in this browser before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

__all__ = ["Theme"]


class Theme(JSComponent):
    """Remembers the theme of the page in a cookie, and begins with what the system prefers."""

    dark = param.Boolean(False, doc="whether the page is dark")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, **params: Any) -> None:
        chosen = pn.state.cookies.get("dynascope-theme") if pn.state.curdoc is not None else None
        super().__init__(dark=chosen == "dark", **params)

    def follow(self, page: Any) -> Any:
        """Return a page that has the theme, and whose button is remembered."""
        page.dark_theme = self.dark
        page.param.watch(lambda event: setattr(self, "dark", event.new), "dark_theme")
        # What changes while the browser is still fetching the page would be lost to it.
        self.param.watch(lambda event: pn.state.onload(lambda: setattr(page, "dark_theme", event.new)), "dark")
        return page
