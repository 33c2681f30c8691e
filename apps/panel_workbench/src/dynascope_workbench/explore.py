"""The page of linked views: one variant, one epoch control, and a grid of guarded cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.io import hold

from dynascope import Variant
from dynascope.plugins import Provided
from dynascope_workbench.card import ViewCard
from dynascope_workbench.cursor import Cursor
from dynascope_workbench.player import EpochPlayer
from dynascope_workbench.session import Session

__all__ = ["Explore"]

ONE_LINE = {"alignItems": "center", "flexWrap": "wrap"}
STICKY = {"position": "sticky", "top": 0, "zIndex": 5, "padding": "2px 10px", "borderRadius": "10px"}


class Explore:
    """The views of one variant, moved together.

    Args:
        session: the workspace, and what provides the views.
        views: which are shown at first, by id; by default those that the family of the first variant names, or all.

    Attributes:
        cursor: what the views follow.
        views: the list in which they are chosen.
        cards: the views that are shown, in order.
    """

    title = "Explore"

    def __init__(self, session: Session, views: Sequence[str] | None = None) -> None:
        self.session = session
        plugins = session.plugins
        self.cursor = Cursor()
        self._variants = session.variants()
        entries = sorted(plugins.all("views").values(), key=lambda entry: (not entry.item.series, entry.id))
        self._cards: dict[str, ViewCard] = {}
        self._entries = {entry.id: entry for entry in entries}
        self.views = pmui.MultiChoice(
            label="views",
            options={self._title(entry): entry.id for entry in entries},
            value=[name for name in views or self._default_views() if name in self._entries],
            chip=True,
            sizing_mode="stretch_width",
            margin=(8, 4, 0, 4),
        )
        self._plugins = plugins
        self._grid = pmui.Grid(container=True, spacing=2, sizing_mode="stretch_width", margin=(8, 0, 0, 0))
        self.views.param.watch(lambda _: self._show_views(), "value")
        self.player = EpochPlayer(sizing_mode="stretch_width", styles={"flex": "1 1 560px"}, margin=(6, 4))
        # Both ways: the browser owns the position; a clicked curve and another variant move it from here.
        self.player.param.watch(lambda event: setattr(self.cursor, "index", event.new), "index")
        self.cursor.param.watch(lambda event: setattr(self.player, "index", event.new), "index")
        self.cursor.param.watch(self._follow, ["variant", "probe", "index"])
        if self._variants:
            self.cursor.variant = next(iter(self._variants))

    def follow_address(self, location: Any) -> None:
        """Start at the variant, epoch and views that the address names, and keep them in it."""
        asked = location.query_params
        named = [name for name in str(asked.get("views", "")).split(",") if name in self._entries]
        self.views.value = named or self.views.value
        if asked.get("variant") in self._variants:
            self.cursor.variant = asked["variant"]
        if str(asked.get("epoch", "")).isdigit():
            self.cursor.jump(int(asked["epoch"]))

        def update(*_: Any) -> None:
            named = self.views.value != at_first or "views" in location.query_params
            chosen = {"views": ",".join(self.views.value)} if named else {}
            location.update_query(variant=self.cursor.variant, epoch=self.cursor.epoch, **chosen)

        at_first = self.views.value
        self.cursor.param.watch(update, ["variant", "index"])
        self.views.param.watch(update, "value")

    @property
    def variant(self) -> Variant | None:
        """The variant at the cursor."""
        return self._variants.get(self.cursor.variant)

    @property
    def cards(self) -> list[ViewCard]:
        """The views that are shown."""
        return [self._card(name) for name in self.views.value]

    def _card(self, name: str) -> ViewCard:
        if name not in self._cards:
            card = self._cards[name] = ViewCard(self._entries[name], self._plugins, self.choose)
            if self.variant is not None:
                card.show(self.variant, self.cursor.probe, self.cursor.epoch)
        return self._cards[name]

    def _title(self, entry: Provided) -> str:
        """Return a view's title, with its id where two have the same."""
        alike = sum(other.item.title == entry.item.title for other in self._entries.values()) > 1
        return f"{entry.item.title} ({entry.id})" if alike else str(entry.item.title)

    def _default_views(self) -> Sequence[str]:
        variant = next(iter(self._variants.values()), None)
        return (variant.family.base.default_views if variant is not None else ()) or tuple(self._entries)

    def _show_views(self) -> None:
        """Lay the chosen views out. One that was away is shown anew: it has not followed meanwhile."""
        for name in set(self._cards) - set(self.views.value):
            del self._cards[name]
        self._grid[:] = [pmui.Grid(card.panel, size={"xs": 12, "lg": 6}) for card in self.cards]

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Follow a click in a view: go to an epoch, and set the controls of that name in every view."""
        if "epoch" in chosen:
            self.cursor.jump(chosen["epoch"])
        for card in self.cards:
            card.choose(chosen)

    def panel(self) -> Any:
        """Return the page's content."""
        if not self._variants:
            lines = ["There is no variant in this workspace yet. Train one: `dynascope train FAMILY`."]
            lines += [f"{row.name}: {row.error}" for row in self.session.workspace.broken_variants()]
            return pmui.Alert("\n\n".join(lines), severity="info", sizing_mode="stretch_width", margin=16)
        names = {name.partition("/")[2] if self._unique(name) else name: name for name in self._variants}
        choice = pmui.Select(
            label="variant", options=names, value=self.cursor.variant, width=340, size="small", margin=(8, 4, 4, 4)
        )
        choice.param.watch(lambda event: setattr(self.cursor, "variant", event.new), "value")
        bar = pmui.Paper(
            pmui.Row(choice, self.player, sizing_mode="stretch_width", sx=ONE_LINE),
            elevation=2,
            sizing_mode="stretch_width",
            margin=0,
            sx=STICKY,
        )
        self._show_views()
        broken = [
            pmui.Alert(f"{row.name}: {row.error}", severity="warning", sizing_mode="stretch_width", margin=(8, 0, 0, 0))
            for row in self.session.workspace.broken_variants()
        ]
        return pn.Column(bar, *broken, self.views, self._grid, sizing_mode="stretch_width", margin=(14, 14))

    def _unique(self, name: str) -> bool:
        short = name.partition("/")[2]
        return sum(other.partition("/")[2] == short for other in self._variants) == 1

    def _follow(self, *events: Any) -> None:
        """The one dispatcher: every view is moved in one batch, each guarded by its card."""
        changed = {event.name for event in events}
        variant = self.variant
        if variant is None:
            return
        with hold(freeze=True):
            if changed & {"variant", "probe"}:
                self._open(variant, fresh="variant" in changed)
            else:
                for card in self.cards:
                    card.move(self.cursor.epoch)

    def _open(self, variant: Variant, *, fresh: bool) -> None:
        """Show another variant; at the checkpoint nearest to the epoch that was shown before."""
        earlier = self.cursor.epoch if self.cursor.epochs else None
        epochs = variant.checkpoints
        with param.parameterized.discard_events(self.cursor):
            self.cursor.probe = variant.family.probe if fresh or not self.cursor.probe else self.cursor.probe
            self.cursor.epochs = epochs
            self.cursor.index = max(len(epochs) - 1, 0)
            if earlier is not None:
                self.cursor.jump(earlier)
        self.player.param.update(epochs=epochs, index=self.cursor.index)
        for card in self._cards.values():
            card.show(variant, self.cursor.probe, self.cursor.epoch)
