"""The page that compares: variants chosen in a table, beside each other under one epoch control."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from dynascope import Variant
from dynascope_workbench.address import Address
from dynascope_workbench.compare.alignment import Alignment, Track, distance
from dynascope_workbench.compare.beside import Beside
from dynascope_workbench.compare.columns import ColumnHead, beside, caption
from dynascope_workbench.compare.differences import differing, short_titles
from dynascope_workbench.compare.milestones import GROKKING, marks_of, title_of
from dynascope_workbench.compare.overlay import Overlay
from dynascope_workbench.compare.variants_table import MOST, VariantsTable
from dynascope_workbench.epoch.cursor import nearest
from dynascope_workbench.epoch.player import EpochPlayer
from dynascope_workbench.looks import BAR, ONE_LINE, STICKY
from dynascope_workbench.session import Session, nothing_yet, together, when_locked
from dynascope_workbench.tables import html_table

__all__ = ["Compare"]

AT_FIRST = 2
"""Variants, and views, that are shown at first."""
NAME = "compare"
"""Of this page, in the address."""
SAME = "epoch"
OWN_GROKKING = "grokking"


class Compare:
    """Variants beside each other, and on top of each other.

    Attributes:
        table: in which they are chosen.
        align: by what they are aligned: ``"epoch"``, ``"grokking"``, or the name of another stored milestone.
        views: which views are shown, a row each.
        rows: their cards, by view.
        overlay: a quantity of all of them in one picture.
        player: its positions are epochs, or distances from the milestone.
    """

    title = "Compare"

    def __init__(self, session: Session) -> None:
        self.session = session
        self._variants = session.variants()
        self._entries = session.plugins.all("views")
        self._alignment = Alignment(())
        self._marks: dict[str, Mapping[str, float]] = {}
        self._titles: dict[str, str] = {}
        self._heads: dict[str, ColumnHead] = {}
        self._location: Any = None
        self._address: Address | None = None
        self._quiet = self._begun = False
        self._wished: Mapping[str, Any] = {}
        self.rows: dict[str, Beside] = {}
        self.table = VariantsTable(session, lambda names: when_locked(lambda: self.choose(names)))
        self.align = pmui.Select(
            label="align on", options={"the same epoch": SAME}, value=SAME, width=300, size="small", margin=(8, 4, 4, 4)
        )
        self.views = pmui.MultiChoice(
            label="views", options={self._title(name): name for name in self._entries}, value=[], chip=True,
            searchable=True, sizing_mode="stretch_width", margin=(8, 4, 0, 4),
        )  # fmt: skip
        self.player = EpochPlayer(sizing_mode="stretch_width", styles={"flex": "1 1 560px"}, margin=(6, 4))
        self.overlay = Overlay(session.plugins, self._jump, MOST)
        self._note = pmui.Alert("", severity="info", sizing_mode="stretch_width", margin=(8, 0))
        self._differences = pn.Column(sizing_mode="stretch_width", margin=0)
        self._head_row = pn.Column(sizing_mode="stretch_width", margin=0)
        self._grid = pn.Column(sizing_mode="stretch_width", margin=0)
        self._body = pn.Column(sizing_mode="stretch_width", margin=0)
        self.table.look(self._variants)
        self.table.choose(list(self._variants)[:AT_FIRST])
        self.player.param.watch(lambda _: self._move(), "index")
        self.align.param.watch(lambda _: self._align(), "value")
        self.views.param.watch(lambda _: self._show_views(), "value")
        for choice in (self.overlay.quantity, self.overlay.place):
            choice.param.watch(lambda _: self._write_address(), "value")
        # The table is there at once; pictures are drawn when the page is.
        pn.state.onload(self._begin) if pn.state.curdoc is not None else self._begin()

    @property
    def chosen(self) -> dict[str, Variant]:
        """The variants that are compared, by name."""
        return {name: self._variants[name] for name in self.table.chosen if name in self._variants}

    @property
    def position(self) -> int:
        """Where the slider is: an epoch, or a distance from the milestone."""
        epochs = self.player.epochs
        return epochs[min(self.player.index, len(epochs) - 1)] if epochs else 0

    def opened(self, state: Mapping[str, Any]) -> None:
        """Look at what is there now; compare the variants that the page before names.

        Args:
            state: ``variants``, ``variant``, ``epoch``: all optional.
        """

        def open_now() -> None:
            before = list(self.table.chosen)
            self._variants = self.session.variants()
            self.table.look(self._variants)
            asked = _asked(state, before)
            wanted = [name for name in asked or before if name in self._variants][:MOST]
            gone = [name for name in asked or before if name not in self._variants]
            self.choose(wanted or list(self._variants)[:AT_FIRST])
            if gone:
                self._say(f"No longer in this workspace: {', '.join(gone)}.")
            if state.get("epoch") is not None:
                self._go(state["epoch"])

        if self._begun and (state or self._changed()):
            when_locked(open_now)
        elif state:  # it is only being made
            self.table.choose([name for name in _asked(state, self.table.chosen) if name in self._variants][:MOST])
            self._wished = {**self._wished, **{name: state[name] for name in ("epoch",) if name in state}}
        self._write_address()

    def follow_address(self, location: Any) -> None:
        """Start with what the address names, if it is this page's, and keep it there."""
        asked = location.query_params
        if asked.get("page") == NAME:
            names = [name for name in str(asked.get("variants", "")).split(",") if name in self._variants]
            if names:
                self.table.choose(list(dict.fromkeys(names))[:MOST])
            named = [name for name in str(asked.get("views", "")).split(",") if name in self._entries]
            self._quietly(lambda: self.views.param.update(value=named or self.views.value))
            self._wished = asked
            if self._begun:
                self._follow_wishes()
        self._location = location
        self._address = Address(location, self._state)

    def _begin(self) -> None:
        """Draw what was chosen while the page was made."""
        self._begun = True
        self._follow_wishes()
        self._body[:] = self._parts()  # whole: the page is laid out once

    def _follow_wishes(self) -> None:
        """Show what the address asks for, as far as there is such a thing."""
        asked, self._wished = self._wished, {}
        self.choose(self.table.chosen)
        if asked.get("align") in self.align.options.values():
            self.align.value = asked["align"]
        self.overlay.choose(str(asked.get("quantity", "")), str(asked.get("at", "")))
        if str(asked.get("epoch", "")).removeprefix("-").removesuffix(".0").isdigit():
            self._go(int(asked["epoch"]))
        self._write_address()

    def choose(self, names: Sequence[str]) -> None:
        """Compare these variants: at the epoch that was shown before, if there was one."""
        with together(anew=True):
            self._choose(names)

    def _choose(self, names: Sequence[str]) -> None:
        earlier = self._first_epoch()
        self.table.choose([name for name in names if name in self._variants][:MOST])
        chosen = self.chosen
        self._titles = short_titles(chosen)
        self._marks = {name: marks_of(variant) for name, variant in chosen.items()}
        if not self.views.value and chosen:
            family = next(iter(chosen.values())).family
            usual = self.session.workspace.reports(family.name).usual()
            wanted = [name for name in usual.views if name in self._entries] if usual is not None else []
            wanted = wanted or list(self._entries)
            self._quietly(lambda: self.views.param.update(value=wanted[:AT_FIRST]))
        self._offer_alignments()
        self._tell_differences()
        self._heads = {
            name: ColumnHead(
                place, name, self._titles[name],
                lambda name=name: when_locked(lambda: self._explore(name)),
                lambda name=name: when_locked(lambda: self.choose([one for one in self.table.chosen if one != name])),
            )
            for place, name in enumerate(chosen)
        }  # fmt: skip
        self._head_row[:] = [beside([head.panel for head in self._heads.values()])]
        self.overlay.show(chosen, self._titles)
        self._place(earlier)
        self._show_views()

    def panel(self) -> Any:
        """Return the page's content."""
        if not self._variants and not self.session.workspace.broken_variants():
            return nothing_yet(self.session)
        table = pmui.Card(
            self.table.panel(), title="Variants", collapsible=True, sizing_mode="stretch_width", margin=(0, 0, 8, 0),
            variant="outlined", elevation=0,
        )  # fmt: skip
        return pn.Column(table, self._body, sizing_mode="stretch_width", margin=(14, 14))

    def _parts(self) -> list[Any]:
        """Return what stands below the table."""
        bar = pmui.Paper(
            pmui.Row(self.align, self.player, sizing_mode="stretch_width", sx=ONE_LINE),
            self._head_row,
            elevation=2, sizing_mode="stretch_width", margin=(8, 0), sx=BAR, styles=STICKY, css_classes=["compare-bar"],
        )  # fmt: skip
        return [self._differences, self._note, bar, self.overlay.panel(), self.views, self._grid]

    def _title(self, name: str) -> str:
        """Return a view's title, with its id where two have the same."""
        title = self._entries[name].item.title
        alike = sum(entry.item.title == title for entry in self._entries.values()) > 1
        return f"{title} ({name})" if alike else title

    def _changed(self) -> bool:
        """Say whether variants have come or gone since the page looked last."""
        return set(self.session.variants()) != set(self._variants)

    def _quietly(self, change: Callable[[], Any]) -> None:
        """Change a choice without following it."""
        before, self._quiet = self._quiet, True
        try:
            change()
        finally:
            self._quiet = before

    # Where the slider is.

    def _offer_alignments(self) -> None:
        """Offer what at least one of the variants has reached; the family's grokking first."""
        reached = dict.fromkeys(
            mark for marks in self._marks.values() for mark, epoch in marks.items() if np.isfinite(epoch)
        )
        options = {"the same epoch": SAME}
        if GROKKING in reached:
            options["each one's own grokking (test accuracy)"] = OWN_GROKKING
        options |= {title_of(mark): mark for mark in reached if mark != GROKKING}
        kept = self.align.value if self.align.value in options.values() else SAME
        self._quietly(lambda: self.align.param.update(options=options, value=kept))

    @property
    def _mark(self) -> str:
        return GROKKING if self.align.value == OWN_GROKKING else str(self.align.value)

    @property
    def _mark_title(self) -> str:
        return OWN_GROKKING if self._mark == GROKKING else title_of(self._mark).partition(" (")[0]

    def _place(self, epoch: int | None) -> None:
        """Lay the slider out, and put it where the first variant is at an epoch; at the end, if None."""

        def track(name: str, variant: Variant) -> Track:
            at = self._marks[name].get(self._mark, np.nan)
            return Track(name, variant.checkpoints, round(at) if np.isfinite(at) else None)

        tracks = tuple(track(name, variant) for name, variant in self.chosen.items())
        self._alignment = alignment = Alignment(tracks, self.align.value != SAME)
        positions = alignment.positions
        index = max(len(positions) - 1, 0)
        if epoch is not None and positions:
            first = next(track for track in tracks if track.epochs)
            index = nearest(positions, epoch - alignment.origin(first))
        aligned = alignment.reference is not None
        unit = f"epochs from {self._mark_title}:" if aligned else "epoch"
        self._quietly(lambda: self.player.param.update(epochs=positions, index=index, unit=unit))
        self.overlay.align(
            {track.name: alignment.origin(track) for track in tracks},
            f"epochs from {self._mark_title}" if aligned else "epoch", zero=aligned,
        )  # fmt: skip
        without = [self._titles[track.name] for track in tracks if aligned and track.mark is None]
        what = f"not reached {self._mark_title}, and is shown at the epoch of the first variant that has"
        self._say(
            f"{'; '.join(without)}: has {what}." if without
            else "" if tracks else "Choose one to four variants in the table."
        )  # fmt: skip
        self._tell()

    def _first_epoch(self) -> int | None:
        tracks = [track for track in self._alignment.tracks if track.epochs]
        return self._alignment.epoch(tracks[0], self.position) if tracks else None

    def _epochs(self) -> dict[str, int]:
        """The checkpoint at which each variant is shown."""
        found = {track.name: self._alignment.epoch(track, self.position) for track in self._alignment.tracks}
        return {name: epoch for name, epoch in found.items() if epoch is not None}

    def _align(self) -> None:
        if self._quiet:
            return
        self._place(self._first_epoch())
        self._move()

    def _move(self) -> None:
        """The one dispatcher: every column is moved in one batch, each card guarded."""
        if self._quiet:
            return
        epochs = self._epochs()
        with together():
            self.overlay.move(self.position)
            for row in self.rows.values():
                row.move(epochs)
        self._tell()  # not within: text that is held arrives with its markup
        self._write_address()

    def _jump(self, position: float) -> None:
        """Go to the place of the slider that is nearest to one on the axis of the overlay."""
        if self.player.epochs:
            self.player.index = nearest(self.player.epochs, position)

    def _go(self, position: int) -> None:
        self._jump(float(position))

    def _chose(self, name: str, chosen: Mapping[str, Any]) -> None:
        """Follow a click in the picture of a variant: go to an epoch of it, set the controls in every card."""
        track = next(track for track in self._alignment.tracks if track.name == name)
        if "epoch" in chosen:
            self._jump(chosen["epoch"] - self._alignment.origin(track))
        for row in self.rows.values():
            row.choose(chosen)

    # What is said and shown.

    def _tell(self) -> None:
        """Say above each column which checkpoint it shows, and how far that is from the milestone."""
        for track in self._alignment.tracks:
            self._heads[track.name].say(self._where(track))
        self.overlay.move(self.position)

    def _where(self, track: Track) -> str:
        epoch = self._alignment.epoch(track, self.position)
        if epoch is None:
            return "no checkpoint yet"
        parts = [f"epoch {epoch:,}"]
        mark, title = (self._mark, self._mark_title) if self.align.value != SAME else (GROKKING, OWN_GROKKING)
        at = self._marks[track.name].get(mark)
        if at is not None:
            parts.append(distance(epoch - round(at), title) if np.isfinite(at) else f"{title} not reached")
        asked = self._alignment.asked(track, self.position)
        if asked != epoch:
            parts.append(f"nearest to {asked:,}")
        return " · ".join(parts)

    def _say(self, text: str) -> None:
        self._note.param.update(object=text, visible=bool(text))

    def _tell_differences(self) -> None:
        chosen = list(self.chosen.values())
        different, same = differing(chosen)
        parts: list[Any] = []
        if different:
            heads = ["setting", *self._titles.values()]
            titles = heads if len(set(heads)) == len(heads) else ["setting", *(one.name for one in chosen)]
            parts.append(html_table(titles, [[name.replace("_", " "), *values] for name, values in different.items()]))
        if len(chosen) > 1:
            shared = ", ".join(f"{name.replace('_', ' ')} = {value}" for name, value in same.items() if value != "–")
            text = f"Same: {shared}." if shared else "They share no setting."
            probes = dict.fromkeys(self.session.plugins.choose(one.family.probe).title for one in chosen)
            text += f" Probe: {', '.join(probes)}."
            parts.append(pmui.Typography(text, variant="body2", sx={"color": "text.secondary"}, margin=(2, 8)))
        self._differences[:] = parts

    def _show_views(self) -> None:
        if not self._quiet:
            with together(anew=True):
                self._lay_out()

    def _lay_out(self) -> None:
        """Lay the chosen views out, a row each with a card for each variant."""
        epochs = self._epochs()
        chosen = self.chosen
        epochs = {name: epochs.get(name, 0) for name in chosen}  # where there is no checkpoint, the card says so
        places = {name: place for place, name in enumerate(chosen)}
        self.rows = {
            view: self.rows.get(view) or Beside(self._entries[view], self.session.plugins, self._chose)
            for view in self.views.value
        }
        lines = []
        for row in self.rows.values():
            row.show(chosen, epochs)
            row.move(epochs)
            cells = [
                pn.Column(
                    caption(places[name], self._titles[name]), card.panel, sizing_mode="stretch_width", margin=0,
                    styles={"overflow-x": "auto"},
                )
                for name, card in row.cards.items()
            ]  # fmt: skip
            lines.append(beside(cells))
        self._grid[:] = lines
        self._write_address()

    # What leads here and away.

    def _explore(self, name: str) -> None:
        self.session.go("explore", variant=name, epoch=self._epochs().get(name))

    def _write_address(self) -> None:
        """Put what is shown into the address."""
        if self._address is not None and self._begun and not self._quiet:
            self._address.write()

    def _state(self) -> Mapping[str, Any]:
        """Return what restores the page; nothing while another page is shown, whose address it is."""
        if self._location.query_params.get("page") != NAME:
            return {}
        return {
            "variants": ",".join(self.table.chosen) or None,
            "views": ",".join(self.views.value) or None,
            "align": self.align.value,
            "quantity": self.overlay.quantity.value or None,
            "at": self.overlay.place.value or None,
            "epoch": self.position,
        }


def _asked(state: Mapping[str, Any], before: Sequence[str]) -> list[str]:
    """Return the variants that another page wants to be compared: one of them beside what was compared before."""
    beside = [state["variant"], *before] if state.get("variant") else []
    return list(dict.fromkeys(state.get("variants") or beside))
