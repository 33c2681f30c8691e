"""A report on paper: as PDF, or as Markdown with its pictures beside it, drawn at the epochs of interest."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it.token import Token

from dynascope.contract.report import Report, TextBlock
from dynascope.errors import ExchangeError
from dynascope.plugins.registry import Registry
from dynascope.reports.figures import Plate, save_plate
from dynascope.reports.markdown import tokens_of
from dynascope.reports.panels import Panel, Section, sections_of
from dynascope.reports.provenance import provenance_of, rows_of
from dynascope.store.atomic import publish, write_json
from dynascope.store.variant import Variant

__all__ = ["write_markdown", "write_pdf"]


@dataclass(frozen=True)
class _Picture:
    """A picture of a paper.

    Attributes:
        file: its name.
        panel: what is drawn.
        epoch: at which.
        caption: what is said below.
    """

    file: str
    panel: Panel
    epoch: int
    caption: str


def write_pdf(
    path: Path,
    report: Report,
    variants: Sequence[Variant],
    plugins: Registry,
    command: str,
    epochs: Sequence[int] = (),
    *,
    difference: bool = False,
) -> None:
    """Write a report as PDF, A4, with vectors; ``provenance.json`` is attached.

    Args:
        path: of the file.
        report, variants, plugins: what is shown.
        command: that makes it again.
        epochs: at which; those of interest of the report by default, or else the last checkpoint.
        difference: of two variants, also the second less the first.

    Raises:
        ExchangeError: the typesetter is not installed.
        UnknownName, ArtifactError: as ``sections_of``.
        WorkspaceError: it cannot be written.
    """
    try:
        import typst
    except ImportError:
        raise ExchangeError(
            "A PDF needs a typesetter that is not installed. Run: pip install 'dynascope[export]'."
        ) from None
    sections, chosen, provenance = _laid_out(report, variants, plugins, command, epochs, difference)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_json(place / "provenance.json", provenance)
        source = "".join(_typeset(report, variants, sections, chosen, provenance, place))
        (place / "report.typ").write_text(source, encoding="utf-8")
        pdf = typst.compile(str(place / "report.typ"), root=folder)
    with publish(path) as temporary:
        temporary.write_bytes(pdf)


def write_markdown(
    path: Path,
    report: Report,
    variants: Sequence[Variant],
    plugins: Registry,
    command: str,
    epochs: Sequence[int] = (),
    *,
    difference: bool = False,
) -> Path:
    """Write a report as Markdown, and beside it a folder ``<name>_files`` with its pictures and ``provenance.json``.

    Args:
        path, report, variants, plugins, command, epochs, difference: as for ``write_pdf``.

    Returns:
        The folder.

    Raises:
        UnknownName, ArtifactError, WorkspaceError: as for ``write_pdf``.
    """
    sections, chosen, provenance = _laid_out(report, variants, plugins, command, epochs, difference)
    folder = path.with_name(f"{path.stem}_files")
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        write_json(made / "provenance.json", provenance)
        parts = [f"# {report.title}", _line(variants, chosen)]
        parts += [f"> **Stale:** {name}" for name in _stale(sections)]
        for section in sections:
            if isinstance(section.block, TextBlock):
                parts.append(section.block.text)
            for picture in _pictures(section, chosen):
                table = _painted(picture, made, chosen, provenance)
                title = picture.panel.provided.item.title
                shown = _markdown_table(*table) if table else f"![{title}]({folder.name}/{picture.file})"
                parts += [shown, f"*{picture.caption}*"]
            parts += [f"> {said}" for panel in section.panels for said in _said_of(panel)]
        parts += ["## How this was made", _markdown_table(["what", ""], rows_of(provenance)), f"    {command}", ""]
        shutil.copytree(made, folder, dirs_exist_ok=True)
    with publish(path) as whole:
        whole.write_text("\n\n".join(parts), encoding="utf-8")
    return folder


def _markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    written = [[cell.replace("|", "\\|") for cell in row] for row in (titles, ["---"] * len(titles), *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in written)


def _laid_out(
    report: Report,
    variants: Sequence[Variant],
    plugins: Registry,
    command: str,
    epochs: Sequence[int],
    difference: bool,
) -> tuple[list[Section], list[int], dict[str, Any]]:
    sections = sections_of(report, variants, plugins, difference=difference)
    last = max((one.checkpoints[-1] for one in variants if one.checkpoints), default=0)
    chosen = sorted(set(epochs or report.epochs or [last]))
    panels = [panel for section in sections for panel in section.panels]
    return sections, chosen, provenance_of(panels, plugins, command, report)


def _pictures(section: Section, epochs: Sequence[int], ending: str = "png") -> Iterator[_Picture]:
    """Yield the pictures of a section: one over the epochs, or one at each of those that are chosen."""
    for panel in section.panels:
        if panel.frame is None:
            continue
        view = panel.provided.item
        moves = not view.series
        for epoch in epochs if moves else epochs[-1:]:
            nearest = panel.at(epoch)
            name = f"{panel.of.replace(' − ', '-')}_{panel.provided.id}_{nearest}.{ending}"
            of = f" {panel.of}." if len(section.panels) > 1 else ""
            at = f"Epoch {nearest:,}. " if moves else ""
            yield _Picture(name, panel, nearest, f"{view.title}.{of} {at}{view.description}".replace("  ", " "))


def _painted(
    picture: _Picture, folder: Path, epochs: Sequence[int], provenance: Mapping[str, Any]
) -> tuple[list[str], list[list[str]]] | None:
    """Save a picture; of a view that is a table, return the titles of its columns and its rows."""
    plate = Plate([picture.panel], picture.epoch, lines=epochs, titled=False)
    table = plate.drawings[0].table
    if table is None:
        save_plate(plate, folder / picture.file, provenance)
    return table


def _said_of(panel: Panel) -> list[str]:
    """Return what is missing of a panel, what could not be followed, and what is stale."""
    name = panel.provided.item.title
    stale = [f"{name}: stale, {', '.join(panel.stale)}."] if panel.stale else []
    return [
        *([f"{name}: {panel.lacks}"] if panel.lacks else []),
        *(f"{name}: {one}" for one in panel.notes),
        *stale,
    ]


def _stale(sections: Sequence[Section]) -> list[str]:
    return sorted({name for section in sections for panel in section.panels for name in panel.stale})


def _line(variants: Sequence[Variant], epochs: Sequence[int]) -> str:
    said = ", ".join(f"{epoch:,}" for epoch in epochs)
    return f"{' · '.join(one.name for one in variants)} · epoch{'s' if len(epochs) > 1 else ''} {said}"


# The typesetter's language. All text is given as strings, which hold nothing that it would read as its own.


def _typeset(
    report: Report,
    variants: Sequence[Variant],
    sections: Sequence[Section],
    epochs: Sequence[int],
    provenance: Mapping[str, Any],
    folder: Path,
) -> Iterator[str]:
    yield PREAMBLE.replace("TITLE", _string(report.title))
    yield f"#text(17pt, weight: 700)[#{_string(report.title)}]\n\n"
    yield f"#text(fill: luma(90))[#{_string(_line(variants, epochs))}]\n\n"
    if stale := _stale(sections):
        yield f"#warning[#{_string('Stale: ' + ', '.join(stale))}]\n\n"
    waiting: list[str] = []
    for section in sections:
        if isinstance(section.block, TextBlock):
            yield _in_columns(waiting)
            yield from _blocks(tokens_of(section.block.text))
            continue
        wide = section.block.wide
        if wide:
            yield _in_columns(waiting)
        for picture in _pictures(section, epochs, "pdf"):
            table = _painted(picture, folder, epochs, provenance)
            shown = _table(*table) if table else f"image({_string(picture.file)}, width: 100%)"
            figure = f"figure({shown}, caption: [#{_string(picture.caption)}])"
            if table and not wide:
                yield _in_columns(waiting)
            if wide or table:
                yield f"#{figure}\n\n"
            else:
                waiting.append(figure)
        said = [f"#warning[#{_string(one)}]\n\n" for panel in section.panels for one in _said_of(panel)]
        if said:
            yield _in_columns(waiting)
            yield from said
    yield _in_columns(waiting)
    yield "= How this was made\n\n#set text(7.5pt)\n#table(columns: (auto, 1fr), stroke: none, inset: 2pt,\n"
    for name, said_of in rows_of(provenance):
        yield f"  [#{_string(name)}], [#{_string(said_of)}],\n"
    yield f")\nMade again by\n\n#raw({_string(provenance['command'])}, block: true)\n"
    yield '#pdf.attach("provenance.json", relationship: "source", mime-type: "application/json")\n'


def _in_columns(waiting: list[str]) -> str:
    """Return figures, two beside each other, and forget them."""
    if not waiting:
        return ""
    inside = ",\n  ".join(waiting)
    waiting.clear()
    return f"#grid(columns: (1fr, 1fr), gutter: 10pt,\n  {inside},\n)\n\n"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table: the longest column takes the room that is left."""
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows)]
    columns = ", ".join("1fr" if width == max(widths) else "auto" for width in widths)
    cells = ", ".join(f"[#text(8pt)[#{_string(cell)}]]" for row in rows for cell in row)
    head = ", ".join(f"[#text(8pt, weight: 700)[#{_string(title)}]]" for title in titles)
    return (
        f"table(columns: ({columns}), stroke: none, align: left, inset: 3pt, table.hline(), table.header({head}), "
        f"table.hline(stroke: 0.5pt), {cells}, table.hline())"
    )


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


OPENING = {
    "paragraph_open": "", "bullet_list_open": "#list(\n", "ordered_list_open": "#enum(\n", "list_item_open": "[",
    "blockquote_open": "#quote(block: true)[", "em_open": "#emph[", "strong_open": "#strong[",
}  # fmt: skip
CLOSING = {
    "paragraph_close": "\n\n", "bullet_list_close": ")\n\n", "ordered_list_close": ")\n\n", "list_item_close": "],\n",
    "blockquote_close": "]\n\n", "em_close": "]", "strong_close": "]", "heading_close": "\n\n", "link_close": "]",
}  # fmt: skip


def _blocks(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield Markdown in the typesetter's language."""
    for token in tokens:
        if token.type in OPENING:
            yield OPENING[token.type]
        elif token.type in CLOSING:
            yield CLOSING[token.type]
        elif token.type == "heading_open":
            yield "=" * int(token.tag[1:]) + " "
        elif token.type == "inline":
            yield from _blocks(token.children or [])
        elif token.type == "link_open":
            yield f"#link({_string(str(token.attrGet('href')))})["
        elif token.type in ("softbreak", "hardbreak"):
            yield " " if token.type == "softbreak" else " \\\n"
        elif token.type in ("fence", "code_block"):
            yield f"#raw({_string(token.content)}, block: true)\n\n"
        elif token.type == "code_inline":
            yield f"#raw({_string(token.content)})"
        elif token.type == "hr":
            yield "#line(length: 100%, stroke: 0.4pt)\n\n"
        elif token.content:
            yield f"#{_string(token.content)}"


PREAMBLE = """#set document(title: TITLE, author: "Dynascope")
#set page(paper: "a4", margin: (x: 2cm, y: 2cm), numbering: "1")
#set text(9.5pt, font: ("Libertinus Serif", "New Computer Modern"))
#set par(justify: true)
#set figure(numbering: none)
#show figure.caption: set text(8pt)
#show figure.caption: set align(left)
#let warning(body) = block(stroke: (left: 2pt + rgb("#e69f00")), inset: 6pt, body)

"""
