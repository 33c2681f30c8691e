"""The views that are chosen, as cards in a grid, and the list in which they are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope.analysis.freshness import Freshness
from dynascope.plugins import Provided
from dynascope_workbench.cards.card import ViewCard
from dynascope_workbench.cards.host import Host
from dynascope_workbench.explore.chooser import ViewChooser
from dynascope_workbench.session import Session, read_only

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
    """

    def __init__(self, session: Session, host: Host, show: Callable[[ViewCard], None], views: Sequence[str]) -> None:
        self._session, self._host, self._show = session, host, show
        provided = session.plugins.all("views").values()
        ordered = sorted(provided, key=lambda entry: (not entry.item.series, entry.id))
        self.entries: dict[str, Provided] = {entry.id: entry for entry in ordered}
        self._cards: dict[str, ViewCard] = {}
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._alone: ViewCard | None = None
        self.chooser = ViewChooser(value=self.known(views), sizing_mode="stretch_width", margin=(4, 14))
        self.grid = pn.Column(sizing_mode="stretch_width", margin=(8, 0, 0, 0), stylesheets=[GRID])
        self.drawer = pmui.Drawer(
            pmui.Typography("Views", variant="h6", margin=(10, 14, 0, 14)), self.chooser, anchor="right", size=460
        )

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
            wide: which cards take the whole width.
        """
        for name in set(self._cards) - set(self.chooser.value):
            if self._cards.pop(name) is self._alone:
                self._alone = None
        for card in self.chosen:
            card.panel.styles = WIDE if card is self._alone or wide(card) else NARROW
            card.panel.visible = card in self.seen
        panels = [card.panel for card in self.chosen]
        if panels != list(self.grid):
            self.grid[:] = panels

    def open(self, views: Mapping[str, Mapping[str, Any]]) -> None:
        """Choose views, with their settings; one that no plug-in has is told."""
        unknown = [name for name in views if name not in self.entries]
        if unknown:
            self._session.notify(f"No plug-in that is installed has {', '.join(unknown)}.", "warning")
        self._cards.clear()
        self._alone = None
        self._settings = {name: settings for name, settings in views.items() if settings}
        before, self.chooser.value = self.chooser.value, self.known(list(views))
        if self.chooser.value == before:
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
