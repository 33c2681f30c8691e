"""Tables as HTML: what stands in a cell is text, and never markup."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from html import escape

__all__ = ["TABLE_STYLE", "html_of"]

TABLE_STYLE = """
:host { color: inherit; font-size: 13px; overflow: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; }
td { border-top: 1px solid rgba(138, 138, 138, 0.3); }
th { font-weight: 600; white-space: nowrap; }
.named th { width: 90px; font-weight: 400; opacity: 0.7; }
.named th, .named td { border: none; padding: 2px 14px 2px 0; }
.number { text-align: right; white-space: nowrap; }
"""
"""A table takes the colours of the page, light or dark."""


def html_of(
    titles: Sequence[str] | None,
    rows: Iterable[Sequence[str]],
    numbers: Collection[int] = (),
    written: Callable[[str], str] = escape,
) -> str:
    """Return a table as HTML.

    Args:
        titles: of the columns; None for rows whose first cell is their title.
        rows: the cells of each row.
        numbers: the columns that hold numbers: they stand at the right.
        written: makes HTML of the text of a cell.
    """
    if titles is None:
        named = "".join(
            f"<tr><th scope='row'>{escape(first)}</th>{''.join(f'<td>{written(cell)}</td>' for cell in cells)}</tr>"
            for first, *cells in rows
        )
        return f"<table class='named'><tbody>{named}</tbody></table>"
    kinds = [' class="number"' if index in numbers else "" for index in range(len(titles))]

    def row(tag: str, cells: Iterable[str]) -> str:
        found = "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{found}</tr>"

    body = "".join(row("td", map(written, cells)) for cells in rows)
    return f"<table><thead>{row('th', map(escape, titles))}</thead><tbody>{body}</tbody></table>"
