"""One view for several variants: a card for each, with the same controls and the same limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dynascope import Variant
from dynascope.drawing.limits import share_limits
from dynascope.plugins import Provided, Registry
from dynascope_workbench.cards.card import ViewCard

__all__ = ["Beside"]


class Beside:
    """The cards of one view.

    Args:
        provided: the view, with its plug-in.
        plugins: the registry.
        choose: called with what a click in a picture chooses, and the name of the variant in whose picture it was.

    Attributes:
        cards: by the name of the variant.
    """

    def __init__(self, provided: Provided, plugins: Registry, choose: Callable[[str, Mapping[str, Any]], None]) -> None:
        self.provided, self._plugins, self._choose = provided, plugins, choose
        self.cards: dict[str, ViewCard] = {}
        self._followed: list[Any] = []
        self._drawn: dict[str, Any] = {}
        self._spreading = False

    def show(self, variants: Mapping[str, Variant], epochs: Mapping[str, int]) -> None:
        """Draw the view of each variant that is not drawn yet; forget the others.

        Args:
            variants: by name.
            epochs: at which each is shown.
        """
        self.cards = {name: self.cards[name] for name in variants if name in self.cards}
        for name, variant in variants.items():
            if name not in self.cards:
                card = self.cards[name] = ViewCard(
                    self.provided, self._plugins, lambda chosen, name=name: self._choose(name, chosen)
                )
                card.show(variant, variant.family.probe, epochs[name])
        self._agree()

    def move(self, epochs: Mapping[str, int]) -> None:
        """Show each variant at another epoch."""
        for name, card in self.cards.items():
            if name in epochs:
                card.move(epochs[name])
        self._agree()

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Set the controls that are named like an axis of which a coordinate was chosen."""
        for card in self.cards.values():
            card.choose(chosen)

    def _agree(self) -> None:
        """Follow controls that are new, and let pictures that are new have the limits of the others."""
        having = [card for card in self.cards.values() if card.controls is not None]
        for card in having:
            if any(card.controls is one for one in self._followed):
                continue
            names = [name for name in card.controls.param if name != "name"]
            if having[0] is not card:  # one that comes later takes what is chosen
                there = having[0].controls
                card.choose({name: getattr(there, name) for name in names if name in there.param})
            card.controls.param.watch(self._spread, names)
        self._followed = [card.controls for card in having]
        self._share_limits()

    def _spread(self, *events: Any) -> None:
        """Change a control in every column; each card drew itself before, as it watched first."""
        if self._spreading:
            return
        self._spreading = True
        try:
            self.choose({event.name: event.new for event in events})
        finally:
            self._spreading = False
        self._share_limits()

    def _share_limits(self) -> None:
        """Let equal colours and heights mean equal values, where the pictures are of one make."""
        drawn = {name: card.drawing for name, card in self.cards.items() if card.drawing is not None}
        if drawn.keys() == self._drawn.keys() and all(drawn[name] is self._drawn[name] for name in drawn):
            return
        self._drawn = drawn
        share_limits([drawing.root for drawing in drawn.values()])
