"""Times and bytes in words, and text for widgets that read markup."""

from __future__ import annotations

__all__ = ["in_bytes", "in_time", "plain"]


def plain(text: str) -> str:
    """Return text as Typography shows it, letter for letter: it reads markup."""
    for sign in "\\`*_[]<>#":
        text = text.replace(sign, f"\\{sign}")
    return text


def in_time(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def in_bytes(count: float) -> str:
    """Return bytes in words."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count / size < 1000 else f"{count / size:,.0f} {unit}"
    return f"{count / 1e3:.3g} kB"
