"""Text between the views."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from dynascope.contract.report import TextBlock
from dynascope.reports.markdown import html_of_markdown
from dynascope_workbench.panes import HtmlPane
from dynascope_workbench.session import when_locked

__all__ = ["TextCard"]

STYLE = """
:host { color: inherit; font-size: 14px; line-height: 1.5; }
p { margin: 4px 0; max-width: 75em; }
"""


class TextCard:
    """Markdown that can be changed on the page.

    Args:
        block: the text.
        after: the id of the view that it stands behind; empty at the top.
        changed: called when the text was changed.
        removed: called with the card when it is to go.

    Attributes:
        panel: what stands on the page.
    """

    def __init__(
        self, block: TextBlock, after: str, changed: Callable[[], None], removed: Callable[[TextCard], None]
    ) -> None:
        self.after, self._changed = after, changed
        self._shown = HtmlPane(sizing_mode="stretch_width", margin=(2, 8), stylesheets=[STYLE])
        self.editor = pmui.TextAreaInput(
            label="text, in Markdown", value=block.text, rows=4, auto_grow=True, sizing_mode="stretch_width",
            visible=False, margin=(10, 8),
        )  # fmt: skip
        self._edit = pmui.IconButton(icon="edit", description="Change the text", size="small", margin=0)
        remove = pmui.IconButton(icon="close", description="Remove the text", size="small", margin=0)
        self._edit.on_click(lambda _: when_locked(self.edit))
        remove.on_click(lambda _: when_locked(lambda: removed(self)))
        self.editor.param.watch(lambda _: self._write(), "value")
        buttons = pn.Row(self._edit, remove, margin=0, styles={"margin-left": "auto"})
        self.panel = pmui.Paper(
            pn.Row(self._shown, self.editor, buttons, sizing_mode="stretch_width", margin=0),
            elevation=0, sizing_mode="stretch_width", sx={"background": "transparent", "padding": "0 10px"}, margin=0,
            styles={"grid-column": "1 / -1"}, css_classes=["text-card"],
        )  # fmt: skip
        self._show()

    @property
    def block(self) -> TextBlock:
        """What a report keeps of it."""
        return TextBlock(text=self.editor.value)

    def edit(self) -> None:
        """Change the text, or show it again."""
        editing = not self.editor.visible
        self.editor.visible, self._shown.visible = editing, not editing
        self._edit.param.update(
            icon="check" if editing else "edit", description="Done" if editing else "Change the text"
        )

    def _write(self) -> None:
        self._show()
        self._changed()

    def _show(self) -> None:
        self._shown.object = html_of_markdown(self.editor.value or "*No text yet.*")
