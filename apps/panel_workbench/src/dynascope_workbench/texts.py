"""Text for widgets that read markup."""

from __future__ import annotations

__all__ = ["plain"]


def plain(text: str) -> str:
    """Return text as Typography shows it, letter for letter: it reads markup."""
    for sign in "\\`*_[]<>#":
        text = text.replace(sign, f"\\{sign}")
    return text
