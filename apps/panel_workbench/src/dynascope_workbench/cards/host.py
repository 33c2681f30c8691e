"""What a card asks of the page on which it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynascope_workbench.cards.card import ViewCard

__all__ = ["Choosing", "Host"]


class Host:
    """What a card asks of the page on which it is. This one does nothing of it, and its cards do not offer it."""

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Follow what was chosen in a picture: an epoch, a neuron, a frequency."""

    compute: Callable[[Sequence[str]], None] | None = None
    """Computes analyzers for the variant that is shown."""
    save: Callable[[ViewCard, str], None] | None = None
    """Saves what the card shows: ``"png"``, ``"svg"`` or ``"csv"``."""
    expand: Callable[[ViewCard], None] | None = None
    """Shows this card alone, as large as the window, or all of them again."""
    widen: Callable[[ViewCard], None] | None = None
    """Lets the card take the whole width of the page, or no longer."""
    remove: Callable[[ViewCard], None] | None = None
    """Takes the card from the page."""

    def controls_changed(self, card: ViewCard, changed: Mapping[str, Any]) -> None:
        """Follow the controls that were changed in a card."""


class Choosing(Host):
    """A page that only follows choices.

    Args:
        choose: what it does with one.
    """

    def __init__(self, choose: Callable[[Mapping[str, Any]], None]) -> None:
        self._choose = choose

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Follow what was chosen in a picture."""
        self._choose(chosen)
