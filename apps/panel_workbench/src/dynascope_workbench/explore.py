"""The page of linked views: one variant, one epoch control, and a grid of guarded cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui
import param
from panel.io import hold

from dynascope import DynascopeError, Variant
from dynascope.frames import events_of, phases_of
from dynascope_workbench.address import chosen_in, chosen_text, settings_in, settings_text, whole_number
from dynascope_workbench.card import Host, ViewCard
from dynascope_workbench.chooser import ViewChooser
from dynascope_workbench.cursor import ONE, SIDE_BY_SIDE, Cursor, nearest
from dynascope_workbench.freshness import Freshness, analyzers_of
from dynascope_workbench.player import EpochPlayer
from dynascope_workbench.reports import ReportBar
from dynascope_workbench.saver import Saver
from dynascope_workbench.session import Session, read_only, when_locked

__all__ = ["Explore"]

FOLLOWED = ("variant", "probe", "index", "other", "mode", "chosen")
ONE_LINE = {"alignItems": "center", "flexWrap": "wrap"}
STICKY = {"position": "sticky", "top": 0, "zIndex": 5, "padding": "2px 10px", "borderRadius": "10px"}
GRID = """
:host {
  display: grid !important;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 600px), 1fr));
  gap: 14px;
  align-items: start;
}
"""
"""As many columns as there is room for."""
WIDE, NARROW = {"grid-column": "1 / -1"}, {"grid-column": "auto"}
LOOK_MS = 1_500
"""How often the page looks whether something was computed or trained."""
WRITE_MS = 300
"""How long the address may lag behind."""
AROUND = 250
"""What stands above and below a picture that fills the window, px."""


class Explore(Host):
    """The views of one variant, moved together.

    Args:
        session: the workspace, and what provides the views.
        views: which are shown at first, by id; by default those that the family of the first variant names, or all.

    Attributes:
        cursor: what the views follow.
        views: the list in which they are chosen.
        cards: the views that are shown, in order.
        freshness: what is stale and missing of the variant, as far as it was looked at.
    """

    title = "Explore"

    def __init__(self, session: Session, views: Sequence[str] | None = None) -> None:
        self.session = session
        self.cursor = Cursor()
        self.freshness = Freshness()
        self._variants = session.variants()
        entries = sorted(session.plugins.all("views").values(), key=lambda entry: (not entry.item.series, entry.id))
        self._entries = {entry.id: entry for entry in entries}
        self._cards: dict[str, ViewCard] = {}
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._expanded: ViewCard | None = None
        self._seen: object = None
        self._awaited: int | None = None
        self._write_address = lambda: None
        self._make_widgets([name for name in views or self._default_views() if name in self._entries])
        self._connect()
        if self._variants:
            self.cursor.variant = next(iter(self._variants))

    def _make_widgets(self, views: list[str]) -> None:
        self.views = ViewChooser(value=views, entries=self._entry_rows(), sizing_mode="stretch_width", margin=(4, 14))
        self.player = EpochPlayer(sizing_mode="stretch_width", margin=(4, 4))
        self.other_player = EpochPlayer(
            sizing_mode="stretch_width", margin=(0, 4, 4, 4), title="B", keys=False, visible=False
        )
        self.saver = Saver(width=0, height=0, margin=0)
        self._choice = pmui.Select(label="variant", options=[], width=320, size="small", margin=(8, 4))
        self._probe = pmui.Select(label="probe", options=[], width=200, size="small", margin=(8, 4))
        self._mode = pmui.RadioButtonGroup(
            options=list(self.cursor.param.mode.objects), value=ONE, size="small", margin=(8, 8),
            sx={"whiteSpace": "nowrap", "& .MuiToggleButton-root": {"textTransform": "none", "padding": "4px 10px"}},
            description="One epoch, two beside each other, or what differs between them",
        )  # fmt: skip
        self._open_chooser = pmui.Button(
            label="Views", icon="dashboard_customize", variant="outlined", size="small", margin=(8, 6)
        )
        self._drawer = pmui.Drawer(
            pmui.Typography("Views", variant="h6", margin=(10, 14, 0, 14)), self.views, anchor="right", size=460
        )
        self._link = pmui.IconButton(
            icon="link", description="Copy a link to what is shown", size="small", margin=(8, 4)
        )
        self.reports = ReportBar(self.session, lambda: (self.settings(), self.cursor.probe), self._open_views)
        self._notes = pn.Column(sizing_mode="stretch_width", margin=0)
        self._chips = pn.FlexBox(sizing_mode="stretch_width", margin=(0, 6), visible=False, align_items="center")
        self._grid = pn.Column(sizing_mode="stretch_width", margin=(8, 0, 0, 0), stylesheets=[GRID])

    def _connect(self) -> None:
        """Lead changes from the widgets to the cursor, and from there to the views."""
        cursor, player, other = self.cursor, self.player, self.other_player
        # Both ways: the browser owns the position; a clicked curve and another variant move it from here.
        player.param.watch(lambda event: setattr(cursor, "index", event.new), "index")
        cursor.param.watch(lambda event: setattr(player, "index", event.new), "index")
        other.param.watch(lambda event: setattr(cursor, "other", event.new), "index")
        cursor.param.watch(lambda event: setattr(other, "index", event.new), "other")
        player.param.watch(lambda event: self._offer_epoch(event.new), "wanted")
        player.param.watch(lambda _: self._escape(), "escaped")
        self._choice.param.watch(lambda event: setattr(cursor, "variant", event.new), "value")
        self._probe.param.watch(lambda event: setattr(cursor, "probe", event.new or cursor.probe), "value")
        self._mode.param.watch(lambda event: setattr(cursor, "mode", event.new), "value")
        self._open_chooser.on_click(lambda _: when_locked(self._show_chooser))
        self._link.on_click(lambda _: when_locked(self._copy_link))
        self.views.param.watch(lambda _: self._show_views(), "value")
        self.views.param.watch(lambda event: self._compute_view(event.new["id"]), "compute")
        cursor.param.watch(self._follow, list(FOLLOWED))
        for each, names in (
            (cursor, ["variant", "probe", "index", "other", "mode", "chosen"]),
            (self.views, ["value"]),
        ):
            each.param.watch(lambda *_: self._write_address(), names)

    # What is shown.

    @property
    def variant(self) -> Variant | None:
        """The variant at the cursor."""
        return self._variants.get(self.cursor.variant)

    @property
    def cards(self) -> list[ViewCard]:
        """The views that are shown."""
        return [self._expanded] if self._expanded else [self._card(name) for name in self.views.value]

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the views that are chosen, each with the settings that are not its own defaults."""
        return {name: self._card(name).settings() for name in self.views.value}

    def _card(self, name: str) -> ViewCard:
        if name not in self._cards:
            card = self._cards[name] = ViewCard(self._entries[name], self.session.plugins, self)
            card.restore(self._settings.pop(name, {}))
            self._show(card)
        return self._cards[name]

    def _show(self, card: ViewCard) -> None:
        cursor = self.cursor
        if self.variant is not None:
            card.tell(self.freshness)
            card.show(self.variant, cursor.probe, cursor.epoch, cursor.other_epoch, cursor.mode)
            card.mark(cursor.chosen)

    def _default_views(self) -> Sequence[str]:
        variant = self.variant or next(iter(self._variants.values()), None)
        return (variant.family.base.default_views if variant is not None else ()) or tuple(self._entries)

    def _show_views(self) -> None:
        """Lay the chosen views out. One that was away is shown anew: it has not followed meanwhile."""
        if self._expanded is not None and self._expanded.provided.id not in self.views.value:
            self._expanded = None
        for name in set(self._cards) - set(self.views.value):
            del self._cards[name]
        chosen = [self._card(name) for name in self.views.value]
        for card in chosen:
            two = self.cursor.mode == SIDE_BY_SIDE and not card.provided.item.series
            card.panel.styles = WIDE if two or card is self._expanded else NARROW
            card.panel.visible = card in self.cards
        panels = [card.panel for card in chosen]
        if panels != list(self._grid):
            self._grid[:] = panels

    def _open_views(self, views: Mapping[str, Mapping[str, Any]] | None) -> None:
        """Show the views of a report, or those that the family usually shows, with their settings."""
        chosen = views if views is not None else {name: {} for name in self._default_views()}
        unknown = [name for name in chosen if name not in self._entries]
        if unknown:
            self.session.notify(f"No plug-in that is installed has {', '.join(unknown)}.", "warning")
        self._cards.clear()
        self._expanded = None
        self._settings = {name: settings for name, settings in chosen.items() if settings}
        self.views.value = [name for name in chosen if name in self._entries]
        self._show_views()

    # What a card asks of the page.

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Follow a click in a view: go to an epoch, and choose a neuron, a frequency, ... in every view."""
        if "epoch" in chosen:
            self.cursor.jump(chosen["epoch"])
        coordinates = {axis: value for axis, value in chosen.items() if axis != "epoch"}
        if coordinates:
            self.cursor.chosen = {**self.cursor.chosen, **coordinates}

    def controls_changed(self, card: ViewCard, changed: Mapping[str, Any]) -> None:
        """Choose in every view what a control of one was set to, if it is a coordinate."""
        coordinates = {name: value for name, value in changed.items() if name in card.axes and value is not None}
        if coordinates:
            self.choose(coordinates)
        self._write_address()

    def compute(self, analyzers: Sequence[str]) -> None:
        """Start an analysis of the variant; what it computes appears by itself."""
        assert self.variant is not None
        words = [word for name in analyzers for word in ("--analyzer", name)]
        words += ["--probe", self.cursor.probe] if self.cursor.probe != self.variant.family.probe else []
        try:
            job = self.session.start("analyze", [*words, self.cursor.variant])
        except DynascopeError as error:
            self.session.notify(str(error), "error")
            return
        self.session.notify(f"Job {job.id} computes {', '.join(analyzers)}; it appears here as it is done.")

    def save(self, card: ViewCard, kind: str) -> None:
        """Save what a card shows: a picture as it is shown, or its numbers."""
        cursor, title = self.cursor, card.provided.item.title
        epochs = [cursor.epoch] if cursor.other_epoch is None else [cursor.epoch, cursor.other_epoch]
        at = "-".join(str(epoch) for epoch in epochs)
        variant = cursor.variant.partition("/")[2]
        name = f"{variant}_{card.provided.id}_{at}"
        if kind == "csv":
            self.saver.text(f"{name}.csv", card.numbers())
            return
        if not card.drawings or not card.drawings[0].figures:
            self.session.notify("There is no picture to be saved here.", "warning")
            return
        said = " and ".join(f"{epoch:,}" for epoch in epochs)
        where = f"{title} · {variant} · epoch {said}"
        self.saver.picture(kind, name, [drawing.root.ref["id"] for drawing in card.drawings], where)

    def expand(self, card: ViewCard) -> None:
        """Show a card alone, as large as the window, or all of them again."""
        before, self._expanded = self._expanded, None if self._expanded is card else card
        if before is not None:
            before.resize(None)
        for each in self.cards:
            each.move(self.cursor.epoch, self.cursor.other_epoch)
        card.resize(max(self.player.window_height - AROUND, 300) if self._expanded is card else None)
        self._show_views()

    def remove(self, card: ViewCard) -> None:
        """Take a card from the page."""
        self.views.value = [name for name in self.views.value if name != card.provided.id]

    def _escape(self) -> None:
        if self._expanded is not None:
            self.expand(self._expanded)
        elif self.cursor.chosen:
            self.cursor.chosen = {}

    # The page.

    def panel(self) -> Any:
        """Return the page's content."""
        self._broken = pn.Column(sizing_mode="stretch_width", margin=0)
        self._say_what_is_broken()
        self._empty = pmui.Alert(
            "There is no variant in this workspace yet. Train one on the page Train, or with `dynascope train FAMILY`.",
            severity="info", sizing_mode="stretch_width", margin=(8, 0), visible=not self._variants,
        )  # fmt: skip
        first = pmui.Row(
            self._choice, self._probe, self.reports.choice, self.reports.button, self._open_chooser, self._mode,
            self._link, sizing_mode="stretch_width", sx=ONE_LINE,
        )  # fmt: skip
        self._bar = pmui.Paper(
            first, self.player, self.other_player, self._chips, self._notes, elevation=2,
            sizing_mode="stretch_width", margin=0, sx=STICKY, visible=bool(self._variants),
        )  # fmt: skip
        self._show_views()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.look, LOOK_MS)
        return pn.Column(
            self._empty, self._bar, self._broken, self._grid, self._drawer, self.reports.dialog, self.saver,
            sizing_mode="stretch_width", margin=(14, 14),
        )  # fmt: skip

    def opened(self, state: Mapping[str, Any]) -> None:
        """Look at what is there now, and go where another page leads: a variant, an epoch."""
        self._list_variants()
        if state.get("variant") in self._variants:
            self.cursor.variant = state["variant"]
        if state.get("epoch") is not None:
            self.cursor.jump(state["epoch"])

    def _list_variants(self) -> None:
        """Show which variants there are."""
        self._variants = self.session.variants()
        shorts = [name.partition("/")[2] for name in self._variants]
        names = {
            short if shorts.count(short) == 1 else name: name
            for name, short in zip(self._variants, shorts, strict=True)
        }
        if self.cursor.variant not in self._variants and self._variants:
            self.cursor.variant = next(iter(self._variants))
        self._choice.param.update(options=names, value=self.cursor.variant or None)

    def _say_what_is_broken(self) -> None:
        self._broken[:] = [
            pmui.Alert(f"{row.name}: {row.error}", severity="warning", sizing_mode="stretch_width", margin=(8, 0, 0, 0))
            for row in self.session.workspace.broken_variants()
        ]

    def _follow(self, *events: Any) -> None:
        """The one dispatcher: every view is moved in one batch, each guarded by its card."""
        changed = {event.name for event in events}
        if self.variant is None:
            return
        with hold(freeze=True):
            if changed & {"variant", "probe"}:
                self._open(self.variant, fresh="variant" in changed)
            elif "mode" in changed:
                self._change_mode()
            elif changed & {"index", "other"}:
                for card in self.cards:
                    card.move(self.cursor.epoch, self.cursor.other_epoch)
            if "chosen" in changed:
                for card in self.cards:
                    card.choose(self.cursor.chosen)
                    card.mark(self.cursor.chosen)
                self._show_chosen()

    def _open(self, variant: Variant, *, fresh: bool) -> None:
        """Show another variant; at the checkpoint nearest to the epoch that was shown before."""
        cursor = self.cursor
        earlier = (cursor.epoch, cursor.other_epoch) if cursor.epochs else (None, None)
        with param.parameterized.discard_events(cursor):
            cursor.probe = variant.family.probe if fresh or not cursor.probe else cursor.probe
        self.freshness = Freshness()
        self._take_epochs(variant, *earlier)
        self._choice.value = cursor.variant
        probes = _probes(variant)
        self._probe.param.update(options=list(dict.fromkeys([cursor.probe, *probes])), value=cursor.probe)
        self._probe.visible = len(self._probe.options) > 1
        self.reports.of_family(variant.family.name)
        self._seen = self._signature(variant)
        for card in self._cards.values():
            self._show(card)
        self._look_at_freshness()

    def _take_epochs(self, variant: Variant, epoch: int | None, other: int | None) -> None:
        """Take the checkpoints that there are now, and stay where the cursors are, as nearly as they allow."""
        cursor, epochs = self.cursor, variant.checkpoints
        artifacts = variant.artifacts_of(cursor.probe)
        with param.parameterized.discard_events(cursor):
            cursor.epochs = epochs
            last = max(len(epochs) - 1, 0)
            cursor.index = nearest(epochs, epoch) if epochs and epoch is not None else last
            cursor.other = nearest(epochs, other) if epochs and other is not None else 0
        phases = [(phase.start, phase.name) for phase in phases_of(variant, artifacts)]
        events = [(event.epoch, event.said) for event in events_of(variant, artifacts)]
        for player, index in ((self.player, cursor.index), (self.other_player, cursor.other)):
            player.param.update(epochs=epochs, index=index, phases=phases, events=events)

    def _change_mode(self) -> None:
        two = self.cursor.mode != ONE
        if two and self.cursor.other == self.cursor.index:
            last = max(len(self.cursor.epochs) - 1, 0)
            self.cursor.other = 0 if self.cursor.index == last else last
        self.player.title = "A" if two else ""
        self.other_player.visible = two
        self._mode.value = self.cursor.mode
        for card in self.cards:
            card.compare(self.cursor.epoch, self.cursor.other_epoch, self.cursor.mode)
        self._show_views()

    # What changes beside the page.

    def look(self) -> None:
        """Look whether something was computed or trained since; what concerns the page is shown."""
        variant = self.variant
        if variant is None:
            if len(self.session.variants()):
                self._empty.visible, self._bar.visible = False, True
                self._list_variants()
            return
        seen = self._signature(variant)
        if seen == self._seen:
            return
        self._seen = seen
        with hold(freeze=True):
            if variant.checkpoints != self.cursor.epochs:
                self._take_epochs(variant, self.cursor.epoch, self.cursor.other_epoch)
            if self._awaited in self.cursor.epochs:
                self.cursor.jump(self._awaited)
                self._awaited, self._notes[:] = None, []
            for card in self.cards:
                card.refresh(self.cursor.epoch)
        self._look_at_freshness()

    def _signature(self, variant: Variant) -> object:
        """Return what changes when a checkpoint, an artifact or a row of metrics is written."""
        artifacts = variant.artifacts_of(self.cursor.probe).folder
        folders = [variant.folder / "checkpoints", variant.metrics_file.path, artifacts]
        folders += [folder for name in self.views.value for folder in self._folders_of(name, artifacts)]
        return [_changed_at(folder) for folder in folders]

    def _folders_of(self, view: str, artifacts: Any) -> list[Any]:
        return [artifacts / analyzer for analyzer in analyzers_of(self._entries[view].item)]

    def _look_at_freshness(self) -> None:
        """Work out beside the page what is stale and missing, and tell the cards."""
        variant, probe = self.variant, self.cursor.probe
        assert variant is not None

        def look() -> Freshness:
            try:
                return Freshness.of(variant, self.session.plugins, probe)
            except (DynascopeError, OSError):
                return Freshness()  # each card says what is wrong with what it reads

        def tell(found: Freshness) -> None:
            if (self.variant, self.cursor.probe) == (variant, probe):
                self.freshness = found
                for card in self._cards.values():
                    card.tell(found)
                if self._drawer.open:
                    self.views.entries = self._entry_rows()

        self.session.aside(look, tell)

    def _show_chooser(self) -> None:
        self.views.entries = self._entry_rows()
        self._drawer.open = True

    def _entry_rows(self) -> list[dict[str, Any]]:
        """Return what the list of views says of each."""
        rows = []
        for name, entry in sorted(self._entries.items()):
            view, note, state = entry.item, "", ""
            if reason := self.freshness.impossible(view):
                note, state = f"cannot be shown here: {reason}", "impossible"
            elif missing := self.freshness.missing(view):
                note, state = f"not computed: {', '.join(missing)}", "missing"
            elif stale := self.freshness.stale(view):
                note, state = f"stale: {', '.join(stale)}", "stale"
            rows.append(
                {
                    "id": name, "title": view.title, "group": entry.plugin.replace("_", " "),
                    "description": view.description, "note": note, "state": state,
                    "computable": state in ("missing", "stale") and not read_only(),
                }
            )  # fmt: skip
        return rows

    def _compute_view(self, name: str) -> None:
        view = self._entries[name].item
        self.compute(self.freshness.missing(view) + self.freshness.stale(view))

    # Any epoch.

    def _offer_epoch(self, epoch: int | None) -> None:
        """Say that an epoch was not saved, and offer to make it."""
        if epoch is None or self.variant is None:
            self._notes[:] = []
            return
        said = f"Epoch {epoch:,} was not saved; the nearest that was, {self.cursor.epoch:,}, is shown."
        reached = int(self.variant.metadata.get("epoch") or 0)
        note = pmui.Typography(said, variant="body2", margin=(8, 8))
        if not 0 <= epoch <= reached:
            note.object = f"{said} Training ended at {reached:,}." if epoch > reached else said
            self._notes[:] = [note]
            return
        make = pmui.Button(
            label=f"Make epoch {epoch:,} by replay", variant="outlined", size="small", margin=4, disabled=read_only()
        )
        make.on_click(lambda _: self._make_epoch(epoch))
        self._notes[:] = [pmui.Row(note, make, sx={"alignItems": "center"})]

    def _make_epoch(self, epoch: int) -> None:
        words = ["--analyze", *(["--probe", self.cursor.probe])]
        try:
            job = self.session.start("checkpoints add", [self.cursor.variant, str(epoch), *words])
        except DynascopeError as error:
            self.session.notify(str(error), "error")
            return
        self._awaited = epoch
        said = f"Job {job.id} makes epoch {epoch:,} and analyses it; it is shown when it is there."
        self._notes[:] = [pmui.Typography(said, variant="body2", margin=(8, 8))]

    # What is chosen, and the address.

    def _show_chosen(self) -> None:
        """Name what is chosen, each with a way to let go of it."""
        chips = []
        for axis, value in self.cursor.chosen.items():
            chip = pmui.Button(
                label=f"{axis} {value}  ✕", variant="outlined", size="small", margin=(2, 4), css_classes=["chosen"],
                description=f"Let go of {axis} {value}",
            )  # fmt: skip
            chip.on_click(lambda _, axis=axis: self._let_go(axis))
            chips.append(chip)
        self._chips[:] = [pmui.Typography("chosen", variant="caption", margin=(6, 4)), *chips] if chips else []
        self._chips.visible = bool(chips)

    def _let_go(self, axis: str) -> None:
        left = {name: value for name, value in self.cursor.chosen.items() if name != axis}
        when_locked(lambda: setattr(self.cursor, "chosen", left))

    def _copy_link(self) -> None:
        self._write_address()
        self.saver.link()
        self.session.notify("The link to this page was copied.", "success")

    def state(self) -> dict[str, Any]:
        """Return what the address says of the page."""
        cursor, settings = self.cursor, self.settings()
        report = self.reports.name
        usual = not report and list(settings) == [name for name in self._default_views() if name in self._entries]
        family = self.variant.family if self.variant is not None else None
        return {
            "variant": cursor.variant,
            "probe": cursor.probe if family is not None and cursor.probe != family.probe else None,
            "epoch": cursor.epoch,
            "b": cursor.other_epoch,
            "show": None if cursor.mode == ONE else ("both" if cursor.mode == SIDE_BY_SIDE else "difference"),
            "chosen": chosen_text(cursor.chosen) or None,
            "report": report or None,
            "views": None if usual else ",".join(settings),
            "settings": settings_text(settings) or None,
        }

    def follow_address(self, location: Any) -> None:
        """Start at what the address names, and keep it in the address."""
        asked = location.query_params
        if asked.get("variant") in self._variants:
            self.cursor.variant = asked["variant"]
        if self.variant is not None:
            self._restore(asked, self.variant)
        document = pn.state.curdoc
        waiting = False

        def write() -> None:
            nonlocal waiting
            waiting = False
            state = self.state()
            kept = {name: value for name, value in location.query_params.items() if name not in state}
            location.search = "?" + urlencode(kept | {name: one for name, one in state.items() if one is not None})

        def soon() -> None:
            nonlocal waiting
            if document is None or document.session_context is None:
                write()
            elif not waiting:
                waiting = True
                document.add_timeout_callback(write, WRITE_MS)

        self._write_address = soon

    def _restore(self, asked: Mapping[str, Any], variant: Variant) -> None:
        if asked.get("probe") in _probes(variant):
            self.cursor.probe = asked["probe"]
        if "report" in asked:
            self.reports.open(str(asked["report"]))
        settings = settings_in(str(asked.get("settings", "")), self._entries)
        named = [name for name in str(asked.get("views", "")).split(",") if name in self._entries]
        if named or settings:
            self._open_views({name: settings.get(name, {}) for name in named or self.views.value})
        modes = dict(zip(("both", "difference"), self.cursor.param.mode.objects[1:], strict=True))
        if (epoch := whole_number(asked.get("epoch"))) is not None:
            self.cursor.jump(epoch)
        if asked.get("show") in modes:
            if (other := whole_number(asked.get("b"))) is not None and self.cursor.epochs:
                self.cursor.other = nearest(self.cursor.epochs, other)
            self.cursor.mode = modes[asked["show"]]
        if chosen := chosen_in(str(asked.get("chosen", ""))):
            self.cursor.chosen = chosen


def _probes(variant: Variant) -> list[str]:
    """Return the probes under which something of a variant is stored."""
    folder = variant.folder / "artifacts"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def _changed_at(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
