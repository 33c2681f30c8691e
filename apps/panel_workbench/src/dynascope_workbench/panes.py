"""Panes of text that change while another page is shown."""

from __future__ import annotations

from typing import Any

import panel as pn

__all__ = ["HtmlPane", "TextPane"]


class _OfItsTab:
    """A pane that stands on a hidden page is in no document, and Panel would fetch its styles from the internet."""

    def _get_properties(self, doc: Any) -> Any:
        return super()._get_properties(doc or pn.state.curdoc)  # type: ignore[misc]


class HtmlPane(_OfItsTab, pn.pane.HTML):
    """HTML."""


class TextPane(_OfItsTab, pn.pane.Str):
    """Text, letter for letter."""
