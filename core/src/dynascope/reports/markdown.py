"""The text of reports. What is no Markdown in it, such as HTML, is shown as it is written."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["html_of_markdown", "tokens_of"]


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def html_of_markdown(text: str) -> str:
    """Return Markdown as HTML. Links lead nowhere but to http, https and mail."""
    return str(_parser().render(text))


def tokens_of(text: str) -> list[Token]:
    """Return Markdown as the tokens of its blocks."""
    return _parser().parse(text)
