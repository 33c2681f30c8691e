"""A report as one HTML file: no server, no network, and the same epoch control as in the app."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.embed.util import standalone_docs_json_and_render_items
from bokeh.models import CustomJS, Div
from bokeh.resources import Resources
from jinja2 import Environment
from markupsafe import Markup

from dynascope.contract.report import Report, TextBlock
from dynascope.drawing import Drawing
from dynascope.drawing.limits import share_limits
from dynascope.drawing.player import PLAYER_SCRIPT, PLAYER_STYLE
from dynascope.drawing.tables import TABLE_STYLE
from dynascope.frames import events_of, phases_of
from dynascope.plugins.registry import Registry
from dynascope.reports.film import Film, packed
from dynascope.reports.markdown import html_of_markdown
from dynascope.reports.panels import Panel, Section, sections_of
from dynascope.reports.provenance import provenance_of, rows_of
from dynascope.store.atomic import publish
from dynascope.store.variant import Variant

__all__ = ["page_of", "write_page"]

HERE = Path(__file__).parent


@dataclass
class _Card:
    """A panel on the page: its drawing, and what it is at each epoch."""

    panel: Panel
    drawing: Drawing | None = None
    film: Film | None = None


def write_page(path: Path, html: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    with publish(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def page_of(
    report: Report,
    variants: Sequence[Variant],
    plugins: Registry,
    command: str,
    *,
    epochs: Sequence[int] | None = None,
    difference: bool = False,
) -> str:
    """Return the page of a report over variants.

    Args:
        report: what is shown.
        variants: of which: several stand beside each other at the same epoch.
        plugins: the registry.
        command: that makes the page again.
        epochs: at which it can be moved; all checkpoints of the variants by default.
        difference: of two variants, also the second less the first.

    Raises:
        UnknownName: a view of the report is of no plug-in that is installed.
        ArtifactError: none of the views can be drawn.
    """
    sections = sections_of(report, variants, plugins, difference=difference)
    wanted = sorted({epoch for variant in variants for epoch in variant.checkpoints} if epochs is None else set(epochs))
    document = Document()
    cards = {id(panel): _drawn(panel) for section in sections for panel in section.panels}
    for section in sections:
        alike = [cards[id(panel)].drawing for panel in section.panels if panel.minus is None]
        share_limits([drawing.root for drawing in alike if drawing is not None])
    for card in cards.values():
        _record(card, wanted, document)
    filmed = [card for card in cards.values() if card.film is not None and card.film.tracks]
    tracks, numbers = packed(card.film for card in filmed if card.film is not None)
    roots = [card.drawing.root for card in cards.values() if card.drawing and not isinstance(card.drawing.root, Div)]
    docs, items = standalone_docs_json_and_render_items(roots) if roots else ({}, [])
    ids = [root.id for root in roots]  # of the elements, too, in which they are shown
    panels = [panel for section in sections for panel in section.panels]
    provenance = provenance_of(panels, plugins, command, report)
    start = report.epochs[0] if report.epochs else wanted[-1] if wanted else 0
    artifacts = [variant.artifacts_of(report.probe) for variant in variants]
    alone = len(variants) == 1
    film = {
        "epochs": wanted,
        "start": int(np.abs(np.asarray(wanted) - start).argmin()) if wanted else 0,
        "phases": [(one.start, one.name) for one in phases_of(variants[0], artifacts[0])] if alone else [],
        "events": [(one.epoch, one.said) for one in events_of(variants[0], artifacts[0])] if alone else [],
        "packing": "gzip",
        "films": [
            {
                "number": number,
                "epochs": card.film.epochs if card.film else [],
                "places": _places(wanted, card.film.epochs if card.film else []),
                "tracks": of_card,
            }
            for number, (card, of_card) in enumerate(zip(filmed, tracks, strict=True))
        ],
    }
    bits = {track["bits"] for of_card in tracks for track in of_card if track["kind"] == "cells"}
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    template = environment.from_string((HERE / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=report.title,
        variants=[variant.name for variant in variants],
        stale=sorted({name for panel in panels for name in panel.stale}),
        sections=[_said(section, cards, filmed) for section in sections],
        styles=Markup(f"{PLAYER_STYLE.read_text()}\n{TABLE_STYLE.replace(':host', '.picture')}\n{_style()}"),
        provenance=provenance,
        rows=rows_of(provenance),
        bits=next(iter(bits), 16),
        film=film,
        bokeh={"docs": docs, "items": [{**one.to_json(), "roots": {id: id for id in ids}} for one in items]},
        numbers=base64.b64encode(gzip.compress(numbers, 6, mtime=0)).decode(),
        scripts=[Markup(text) for text in Resources(mode="inline", components=["bokeh"]).js_raw],
        page=Markup(_script()),
    )


def _drawn(panel: Panel) -> _Card:
    return _Card(panel, panel.draw(panel.frame.epoch) if panel.frame is not None else None)


def _record(card: _Card, wanted: Sequence[int], document: Document) -> None:
    """Record what a card shows at each epoch that it has, as near as can be to those that are wanted."""
    drawing, frame = card.drawing, card.panel.frame
    if drawing is None or frame is None:
        return
    for figure in drawing.figures:
        figure.border_fill_alpha = 0
        if card.panel.provided.item.series:
            figure.js_on_event("tap", CustomJS(code="window.dynascope.go(cb_obj.x)"))
    # A table is HTML of the page, and no model of it.
    (Document() if isinstance(drawing.root, Div) else document).add_root(drawing.root)
    having = np.asarray(frame.epochs)
    epochs = sorted({int(having[np.abs(having - epoch).argmin()]) for epoch in wanted})
    card.film = Film(drawing.root, epochs, lambda epoch: drawing.move(frame.moved_to(epoch)))


def _places(wanted: Sequence[int], having: Sequence[int]) -> list[int]:
    """Return, for each epoch, the place of the nearest one that a film has."""
    return [int(np.abs(np.asarray(having) - epoch).argmin()) for epoch in wanted]


def _said(section: Section, cards: dict[int, _Card], filmed: Sequence[_Card]) -> dict[str, Any]:
    """Return what the template says of a section."""
    if isinstance(section.block, TextBlock):
        return {"html": html_of_markdown(section.block.text)}
    shown = []
    several = len(section.panels) > 1
    for panel in section.panels:
        card = cards[id(panel)]
        root = card.drawing.root if card.drawing is not None else None
        shown.append(
            {
                "title": panel.provided.item.title,
                "of": panel.of if several else "",
                "description": panel.provided.item.description,
                "lacks": panel.lacks,
                "notes": panel.notes,
                "stale": panel.stale,
                "root": root.id if root is not None else "",
                "table": root.text if isinstance(root, Div) else "",
                "film": next((number for number, one in enumerate(filmed) if one is card), None),
            }
        )
    return {"cards": shown, "wide": section.block.wide or several}


def _style() -> str:
    return (HERE / "page.css").read_text(encoding="utf-8")


def _script() -> str:
    """Return the script of the page: the epoch control, and what moves the pictures."""
    player = PLAYER_SCRIPT.read_text(encoding="utf-8").replace("export function", "function")
    return f"{player}\n{(HERE / 'page.js').read_text(encoding='utf-8')}"
