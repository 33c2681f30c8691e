"""The state of a page in its address: what restores the page, and nothing that reaches a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

import panel as pn

__all__ = ["Address", "chosen_in", "chosen_text", "settings_in", "settings_text", "whole_number"]

Settings = Mapping[str, Mapping[str, Any]]
WRITE_MS = 300
"""How long the address may lag behind: a browser counts how often it is changed."""


class Address:
    """Keeps the state of a page in the address of its tab.

    Args:
        location: the address.
        state: returns the state; what is None is left out.
    """

    def __init__(self, location: Any, state: Callable[[], Mapping[str, Any]]) -> None:
        self._location, self._state = location, state
        self._document = pn.state.curdoc
        self._waiting = False

    def write(self) -> None:
        """Write the state soon; at once where there is no browser."""
        if self._document is None or self._document.session_context is None:
            self._write()
        elif not self._waiting:
            self._waiting = True
            self._document.add_timeout_callback(self._write, WRITE_MS)

    def _write(self) -> None:
        self._waiting = False
        state = self._state()
        kept = {name: value for name, value in self._location.query_params.items() if name not in state}
        self._location.search = "?" + urlencode(kept | {name: one for name, one in state.items() if one is not None})


def chosen_text(chosen: Mapping[str, int | str]) -> str:
    """Write what is chosen: ``neuron:42,frequency:5``."""
    return ",".join(f"{axis}:{value}" for axis, value in chosen.items())


def chosen_in(text: str) -> dict[str, int | str]:
    """Read what is chosen; what is not written so is left out."""
    found: dict[str, int | str] = {}
    for part in text.split(","):
        axis, colon, value = part.partition(":")
        if axis.isidentifier() and colon and value:
            found[axis] = int(value) if value.lstrip("-").isdigit() else value
    return found


def settings_text(settings: Settings) -> str:
    """Write the controls of views: ``fourier.class_circle:frequency=5;scale=fixed|...``."""
    written = []
    for view, controls in settings.items():
        if controls:
            written.append(f"{view}:" + ";".join(f"{name}={value}" for name, value in controls.items()))
    return "|".join(written)


def settings_in(text: str, views: Collection[str]) -> dict[str, dict[str, str]]:
    """Read the controls of views, of those that there are."""
    found: dict[str, dict[str, str]] = {}
    for part in text.split("|"):
        view, _, controls = part.partition(":")
        if view in views:
            pairs = (pair.partition("=") for pair in controls.split(";"))
            found[view] = {name: value for name, equals, value in pairs if name and equals}
    return found


def whole_number(text: Any) -> int | None:
    """Return a number that an address holds; None where it holds something else."""
    written = str(text)
    return int(written) if written.isascii() and written.isdigit() and len(written) < 16 else None
