"""The views that are chosen, as cards in a grid with text between them, and the list in which they are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope.analysis.freshness import Freshness
from dynascope.contract.report import Block, TextBlock, ViewBlock
from dynascope.plugins import Provided
from dynascope_workbench.cards.card import ViewCard
from dynascope_workbench.cards.host import Host
from dynascope_workbench.explore.chooser import ViewChooser
from dynascope_workbench.explore.text_card import TextCard
from dynascope_workbench.session import Session, read_only, when_locked

__all__ = ["Board"]

GRID = """
:host {
  display: grid !important;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 600px), 1fr));
  grid-auto-flow: dense;
  gap: 14px;
  align-items: start;
}
"""
"""As many columns as there is room for; a card beside a wide one is filled by what comes later."""
WIDE, NARROW = {"grid-column": "1 / -1"}, {"grid-column": "auto"}


class Board:
    """Cards of views.

    Args:
        session: whose plug-ins provide the views.
        host: the page, for the cards.
        show: draws a card that is new.
        views: which are chosen at first, by id.

    Attributes:
        entries: every view that there is, by id.
        chooser: the list in which they are chosen.
        grid: the cards.
        drawer: the list, at the side of the page.
        texts: what stands between the cards.
        wide: ids of the views that take the whole width.
    """

    def __init__(self, session: Session, host: Host, show: Callable[[ViewCard], None], views: Sequence[str]) -> None:
        self._session, self._host, self._show = session, host, show
        provided = session.plugins.all("views").values()
        ordered = sorted(provided, key=lambda entry: (not entry.item.series, entry.id))
        self.entries: dict[str, Provided] = {entry.id: entry for entry in ordered}
        self._cards: dict[str, ViewCard] = {}
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._alone: ViewCard | None = None
        self._order: list[str] = []
        self.texts: list[TextCard] = []
        self.wide: set[str] = set()
        self.chooser = ViewChooser(value=self.known(views), sizing_mode="stretch_width", margin=(4, 14))
        self.grid = pn.Column(sizing_mode="stretch_width", margin=(8, 0, 0, 0), stylesheets=[GRID])
        add = pmui.Button(label="Add a text", icon="notes", variant="text", size="small", margin=(8, 14))
        add.on_click(lambda _: when_locked(self.add_text))
        self.drawer = pmui.Drawer(
            pmui.Row(pmui.Typography("Views", variant="h6", margin=(10, 14, 0, 14)), add), self.chooser, anchor="right",
            size=460,
        )  # fmt: skip

    def known(self, names: Sequence[str]) -> list[str]:
        """Return those of the names that are views."""
        return [name for name in names if name in self.entries]

    @property
    def chosen(self) -> list[ViewCard]:
        """The cards of the views that are chosen, in order."""
        return [self._card(name) for name in self.chooser.value]

    @property
    def made(self) -> list[ViewCard]:
        """Those of the chosen cards that are made already; one that is not is drawn when it is made."""
        return [self._cards[name] for name in self.chooser.value if name in self._cards]

    @property
    def seen(self) -> list[ViewCard]:
        """The cards that are on the page: all that are chosen, or the one that is shown alone."""
        return [self._alone] if self._alone is not None else self.chosen

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the views that are chosen, each with the settings that are not its own defaults."""
        return {card.provided.id: card.settings() for card in self.chosen}

    def _card(self, name: str) -> ViewCard:
        if name not in self._cards:
            card = self._cards[name] = ViewCard(self.entries[name], self._session.plugins, self._host)
            card.restore(self._settings.pop(name, {}))
            self._show(card)
        return self._cards[name]

    def lay_out(self, *, wide: Callable[[ViewCard], bool] = lambda card: False) -> None:
        """Put the chosen views into the grid. One that was away is drawn anew: it has not followed meanwhile.

        Args:
            wide: which cards take the whole width, beside those that are ``wide``.
        """
        for name in set(self._cards) - set(self.chooser.value):
            if self._cards.pop(name) is self._alone:
                self._alone = None
        self._keep_texts()
        for card in self.chosen:
            spread = card is self._alone or card.provided.id in self.wide or wide(card)
            card.panel.styles = WIDE if spread else NARROW
            card.panel.visible = card in self.seen
        for text in self.texts:
            text.panel.visible = self._alone is None
        panels = [text.panel for text in self.texts if not text.after]
        for card in self.chosen:
            panels += [card.panel, *(text.panel for text in self.texts if text.after == card.provided.id)]
        if panels != list(self.grid):
            self.grid[:] = panels

    def _keep_texts(self) -> None:
        """Let a text whose view was removed stand behind the view before that."""
        views = self.chooser.value
        for text in self.texts:
            while text.after and text.after not in views:
                place = self._order.index(text.after) if text.after in self._order else 0
                text.after = self._order[place - 1] if place else ""
        self._order = list(views)

    def blocks(self) -> tuple[Block, ...]:
        """Return what is on the page, in order, as a report keeps it."""
        found: list[Block] = [text.block for text in self.texts if not text.after]
        for name, settings in self.settings().items():
            found.append(ViewBlock(view=name, controls=settings, wide=name in self.wide))
            found += [text.block for text in self.texts if text.after == name]
        return tuple(found)

    def open(self, blocks: Sequence[Block]) -> None:
        """Show views, with their settings, and the text between them; a view that no plug-in has is told."""
        views = {block.view: block for block in blocks if isinstance(block, ViewBlock)}
        unknown = [name for name in views if name not in self.entries]
        if unknown:
            self._session.notify(f"No plug-in that is installed has {', '.join(unknown)}.", "warning")
        self._cards.clear()
        self._alone = None
        self._settings = {name: block.controls for name, block in views.items() if block.controls}
        self.wide = {name for name, block in views.items() if block.wide}
        self.texts, after = [], ""
        for block in blocks:
            if isinstance(block, TextBlock):
                self.texts.append(self._text(block, after))
            elif block.view in self.entries:
                after = block.view
        self._order = self.known(list(views))
        before, self.chooser.value = self.chooser.value, self.known(list(views))
        if self.chooser.value == before:
            self.chooser.param.trigger("value")

    def _text(self, block: TextBlock, after: str) -> TextCard:
        return TextCard(block, after, lambda: self.chooser.param.trigger("value"), self._remove_text)

    def add_text(self) -> None:
        """Add a text behind all views, to be written."""
        card = self._text(TextBlock(text=""), self.chooser.value[-1] if self.chooser.value else "")
        card.edit()
        self.texts.append(card)
        self.drawer.open = False
        self.chooser.param.trigger("value")

    def _remove_text(self, card: TextCard) -> None:
        self.texts.remove(card)
        self.chooser.param.trigger("value")

    def widen(self, card: ViewCard) -> None:
        """Let a card take the whole width of the page, or no longer."""
        self.wide ^= {card.provided.id}
        self.chooser.param.trigger("value")

    def show_alone(self, card: ViewCard, height: int) -> None:
        """Show a card alone, so high; or all of them again, if it is alone already."""
        before, self._alone = self._alone, None if self._alone is card else card
        if before is not None:
            before.resize(None)
        if self._alone is not None:
            self._alone.resize(height)

    @property
    def alone(self) -> ViewCard | None:
        """The card that is shown alone, if one is."""
        return self._alone

    def remove(self, card: ViewCard) -> None:
        """Choose a view no longer."""
        self.chooser.value = [name for name in self.chooser.value if name != card.provided.id]

    def say(self, freshness: Freshness) -> None:
        """Say in the list what each view needs, and what of it is missing or stale."""
        rows = []
        for name, entry in sorted(self.entries.items()):
            view, note, state = entry.item, "", ""
            if reason := freshness.impossible(view):
                note, state = f"cannot be shown here: {reason}", "impossible"
            elif missing := freshness.missing(view):
                note, state = f"not computed: {', '.join(missing)}", "missing"
            elif stale := freshness.stale(view):
                note, state = f"stale: {', '.join(stale)}", "stale"
            rows.append(
                {
                    "id": name, "title": view.title, "group": entry.plugin.replace("_", " "),
                    "description": view.description, "note": note, "state": state,
                    "computable": state in ("missing", "stale") and not read_only(),
                }
            )  # fmt: skip
        self.chooser.entries = rows
