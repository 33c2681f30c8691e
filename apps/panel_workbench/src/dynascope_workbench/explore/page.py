"""The page of linked views: one variant, one epoch control, and a grid of guarded cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dynascope import DynascopeError, Variant
from dynascope.analysis.freshness import Freshness, analyzers_of
from dynascope.contract.report import Block, Report, ViewBlock
from dynascope.frames import events_of, missing_arrays, phases_of
from dynascope_workbench.address import Address, chosen_in, chosen_text, settings_in, settings_text, whole_number
from dynascope_workbench.cards.card import ViewCard
from dynascope_workbench.cards.host import Host
from dynascope_workbench.epoch.cursor import ONE, SIDE_BY_SIDE, Cursor, nearest
from dynascope_workbench.epoch.player import EpochPlayer
from dynascope_workbench.explore.any_epoch import AnyEpoch
from dynascope_workbench.explore.board import Board
from dynascope_workbench.explore.choices import Choices
from dynascope_workbench.explore.reports import ReportBar
from dynascope_workbench.explore.saver import Saver
from dynascope_workbench.looks import BAR, ONE_LINE, STICKY
from dynascope_workbench.session import Session, fetching, nothing_yet, together, when_locked

__all__ = ["Explore"]

NAME = "explore"
"""Of this page, in the address."""
SOME = 6
"""Views that are shown at first of a family that names none."""
FOLLOWED = ("variant", "probe", "index", "other", "mode", "chosen")
LOOK_MS = 1_500
"""How often the page looks whether something was computed or trained."""
LOOKS = 6
"""After so many looks at what goes on changing, views over the epochs are drawn anew."""
AROUND = 250
"""What stands above and below a picture that fills the window, px."""


class Explore(Host):
    """The views of one variant, moved together.

    Args:
        session: the workspace, and what provides the views.
        views: which are shown at first, by id; by default those that the family of the first variant names, or all.

    Attributes:
        cursor: what the views follow.
        board: the cards, and the list in which views are chosen.
        freshness: what is stale and missing of the variant, as far as it was looked at.
    """

    title = "Explore"

    def __init__(self, session: Session, views: Sequence[str] | None = None) -> None:
        self.session = session
        self.cursor = Cursor()
        self.freshness = Freshness()
        self._variants = session.variants()
        self._seen: object = None
        self._unsettled = 0
        self._looking = False
        self._fetched = not fetching()  # until then no picture is drawn: the page is answered first
        self._address: Address | None = None
        self.board = Board(session, self, self._show, ())
        self.any_epoch = AnyEpoch(session)
        self.choices = Choices(self.cursor)
        self.reports = ReportBar(
            session, lambda: (self.board.blocks(), self.cursor.probe), self._open_report, self._keep_report
        )
        self.board.open([ViewBlock(view=name) for name in views] if views else self._usual_blocks())
        self.saver = Saver(width=0, height=0, margin=0)
        self._make_widgets()
        self._connect()
        if self._variants:
            self.cursor.variant = next(iter(self._variants))

    def _make_widgets(self) -> None:
        self.player = EpochPlayer(sizing_mode="stretch_width", margin=(4, 4))
        self.other_player = EpochPlayer(sizing_mode="stretch_width", margin=(0, 4, 4, 4), title="B", keys=False)
        self._second = pn.Column(sizing_mode="stretch_width", margin=0)
        self._choice = pmui.Select(label="variant", options=[], width=320, size="small", margin=(8, 4))
        self._probe = pmui.Select(
            label="probe", options=[], width=200, size="small", margin=(8, 4),
            description="The inputs that were measured. Others are chosen on the page Analyse.",
        )  # fmt: skip
        self._mode = pmui.RadioButtonGroup(
            options=list(self.cursor.param.mode.objects), value=ONE, size="small", margin=(8, 8),
            sx={"whiteSpace": "nowrap", "& .MuiToggleButton-root": {"textTransform": "none", "padding": "4px 10px"}},
            description="One epoch, two beside each other, or what differs between them",
        )  # fmt: skip
        self._open_chooser = pmui.Button(
            label="Views", icon="dashboard_customize", variant="outlined", size="small", margin=(8, 6)
        )
        self._link = pmui.IconButton(
            icon="link", description="Copy a link to what is shown", size="small", margin=(8, 4)
        )
        self._empty = nothing_yet(self.session)
        self._empty.visible = not self._variants
        first = pmui.Row(
            self._choice, self._probe, self.reports.choice, self.reports.button, self._open_chooser, self._mode,
            self._link, sizing_mode="stretch_width", sx=ONE_LINE,
        )  # fmt: skip
        self._bar = pmui.Paper(
            first, self.player, self._second, self.choices.panel, self.any_epoch.panel, elevation=2,
            sizing_mode="stretch_width", margin=0, sx=BAR, styles=STICKY, visible=bool(self._variants),
        )  # fmt: skip

    def _connect(self) -> None:
        """Lead changes from the widgets to the cursor, and from there to the views."""
        cursor, player, other, views = self.cursor, self.player, self.other_player, self.board.chooser
        # Both ways: the browser owns the position; a clicked curve and another variant move it from here.
        player.param.watch(lambda event: setattr(cursor, "index", event.new), "index")
        cursor.param.watch(lambda event: setattr(player, "index", event.new), "index")
        other.param.watch(lambda event: setattr(cursor, "other", event.new), "index")
        cursor.param.watch(lambda event: setattr(other, "index", event.new), "other")
        player.param.watch(lambda event: self._offer_epoch(event.new), "wanted")
        player.param.watch(lambda _: self._escape(), "escaped")
        self._choice.param.watch(lambda event: setattr(cursor, "variant", event.new or cursor.variant), "value")
        self._probe.param.watch(lambda event: setattr(cursor, "probe", event.new or cursor.probe), "value")
        self._mode.param.watch(lambda event: setattr(cursor, "mode", event.new), "value")
        for box in (self.board.drawer, self.reports.dialog):  # keys are for what is open
            box.param.watch(lambda _: self._give_keys(), "open")
        self._open_chooser.on_click(lambda _: when_locked(self._show_chooser))
        self._link.on_click(lambda _: when_locked(self._copy_link))
        views.param.watch(lambda _: self._lay_out(), "value")
        views.param.watch(lambda event: self._compute_view(event.new["id"]), "compute")
        cursor.param.watch(self._follow, list(FOLLOWED))
        cursor.param.watch(lambda *_: self._write_address(), list(FOLLOWED))
        views.param.watch(lambda _: self._write_address(), "value")

    # What is shown.

    @property
    def variant(self) -> Variant | None:
        """The variant at the cursor."""
        return self._variants.get(self.cursor.variant)

    @property
    def cards(self) -> list[ViewCard]:
        """The cards that are on the page, in order."""
        return self.board.seen

    def _show(self, card: ViewCard) -> None:
        cursor = self.cursor
        if self._fetched and self.variant is not None:
            card.tell(self.freshness)
            card.show(self.variant, cursor.probe, cursor.epoch, cursor.other_epoch, cursor.mode, cursor.chosen)

    def _usual_blocks(self) -> Sequence[Block]:
        """Return what a family begins with: its report, or, where it names none, some views that can be drawn."""
        variant = self.variant or next(iter(self._variants.values()), None)
        if variant is None:
            return ()
        report = self.session.workspace.reports(variant.family.name).usual()
        if report is not None:
            return report.blocks
        artifacts = variant.artifacts_of(self.cursor.probe or variant.family.probe)
        drawable = (
            name for name, one in self.board.entries.items() if not missing_arrays(one.item, variant, artifacts)
        )
        return [ViewBlock(view=name) for name in islice(drawable, SOME)]

    def _lay_out(self) -> None:
        if self.variant is not None:
            self._seen = self._signature(self.variant)
        two = self.cursor.mode == SIDE_BY_SIDE
        self.board.lay_out(wide=lambda card: two and not card.provided.item.series)

    def _open_report(self, report: Report | None) -> None:
        """Show a report, or with None what the family usually shows."""
        self.board.open(report.blocks if report is not None else self._usual_blocks())
        if report is None or self.variant is None:
            self._tell_events()
            return
        probe = report.probe or self.variant.family.probe
        if probe in self._probes(self.variant).values():
            self.cursor.probe = probe
        else:
            self.session.notify(f"The report is of probe {probe}, under which nothing of this variant is there yet.")
        if report.epochs:
            self.cursor.jump(report.epochs[0])
        self._tell_events()

    def _keep_report(self) -> None:
        self._tell_events()
        self._write_address()

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
        cursor = self.cursor
        epochs = [cursor.epoch] if cursor.other_epoch is None else [cursor.epoch, cursor.other_epoch]
        variant = cursor.variant.partition("/")[2]
        name = f"{variant}_{card.provided.id}_{'-'.join(map(str, epochs))}"
        if kind == "csv":
            self.saver.text(f"{name}.csv", card.numbers())
        elif card.drawing is None or not card.drawing.figures:
            self.session.notify("There is no picture to be saved here; its numbers are there as CSV.", "warning")
        else:
            said = " and ".join(f"{epoch:,}" for epoch in epochs)
            models = [drawing.root.ref["id"] for drawing in card.drawings]
            self.saver.picture(kind, name, models, f"{card.provided.item.title} · {variant} · epoch {said}")

    def expand(self, card: ViewCard) -> None:
        """Show a card alone, as large as the window, or all of them again."""
        self.board.show_alone(card, max(self.player.window_height - AROUND, 300))
        self._move_cards()
        self._lay_out()

    def widen(self, card: ViewCard) -> None:
        """Let a card take the whole width of the page, or no longer."""
        self.board.widen(card)

    def remove(self, card: ViewCard) -> None:
        """Take a card from the page."""
        self.board.remove(card)

    def _give_keys(self) -> None:
        self.player.keys = not (self.board.drawer.open or self.reports.dialog.open)

    def _escape(self) -> None:
        if self.board.alone is not None:
            self.expand(self.board.alone)
        elif self.cursor.chosen:
            self.cursor.chosen = {}

    # The page.

    def panel(self) -> Any:
        """Return the page's content."""
        broken = [
            pmui.Alert(f"{row.name}: {row.error}", severity="warning", sizing_mode="stretch_width", margin=(8, 0, 0, 0))
            for row in self.session.workspace.broken_variants()
        ]
        self._lay_out()
        # What changes while a browser is still fetching the page would be lost to it.
        pn.state.onload(self._begin)
        return pn.Column(
            self._empty, self._bar, *broken, self.board.grid, self.board.drawer, self.reports.dialog, self.saver,
            sizing_mode="stretch_width", margin=(14, 14),
        )  # fmt: skip

    def opened(self, state: Mapping[str, Any]) -> None:
        """Look at what is there now, and go where another page leads: a variant, an epoch."""
        self._list_variants()
        self._write_address()
        if state.get("variant") in self._variants:
            self.cursor.variant = state["variant"]
        if state.get("epoch") is not None:
            self.cursor.jump(state["epoch"])

    def _list_variants(self) -> None:
        """Show which variants there are."""
        self._variants = self.session.variants()
        shorts = [name.partition("/")[2] for name in self._variants]
        often = Counter(shorts)
        names = {short if often[short] == 1 else name: name for name, short in zip(self._variants, shorts, strict=True)}
        if self.cursor.variant not in self._variants and self._variants:
            self.cursor.variant = next(iter(self._variants))
            if not self.board.chooser.value:  # the first variant of all
                self._open_report(None)
        self._empty.visible, self._bar.visible = not self._variants, bool(self._variants)
        self._choice.param.update(options=names, value=self.cursor.variant or None)

    def _follow(self, *events: Any) -> None:
        """The one dispatcher: every view is moved in one batch, each guarded by its card."""
        changed = {event.name for event in events}
        if self.variant is None:
            return
        with together(anew=bool(changed & {"variant", "probe", "mode"})):
            if changed & {"variant", "probe"}:
                self._open(self.variant, fresh="variant" in changed)
            elif "mode" in changed:
                self._change_mode()
            elif changed & {"index", "other"}:
                self._move_cards()
            if "chosen" in changed:
                for card in self.cards:
                    card.choose(self.cursor.chosen)
                    card.mark(self.cursor.chosen)
                self.choices.show()

    def _move_cards(self) -> None:
        for card in self.cards:
            card.move(self.cursor.epoch, self.cursor.other_epoch)

    def _open(self, variant: Variant, *, fresh: bool) -> None:
        """Show another variant; at the checkpoint nearest to the epoch that was shown before."""
        cursor = self.cursor
        earlier = (cursor.epoch, cursor.other_epoch) if cursor.epochs else (None, None)
        with param.parameterized.discard_events(cursor):
            cursor.probe = variant.family.probe if fresh or not cursor.probe else cursor.probe
        self.freshness = Freshness()
        self._take_epochs(variant, *earlier)
        self._choice.value = cursor.variant
        self._probe.param.update(options=self._probes(variant), value=cursor.probe)
        self.reports.of_family(variant.family.name)
        self._seen = self._signature(variant)
        for card in self.board.made:
            self._show(card)
        if self._looking:
            self._look_at_freshness()

    def _probes(self, variant: Variant) -> dict[str, str]:
        """Return the probes under which something of a variant is stored, as text, by title; and its usual one."""
        usual = self.session.plugins.choose(variant.family.probe)
        return {usual.title: usual.text} | {one.title: one.text for one in variant.probes(self.session.plugins)}

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
        for player, index in ((self.player, cursor.index), (self.other_player, cursor.other)):
            player.param.update(epochs=epochs, index=index, phases=phases)
        self._tell_events()

    def _tell_events(self) -> None:
        """Mark in the epoch control what happened, and the epochs of interest of the report."""
        if self.variant is None:
            return
        happened = events_of(self.variant, self.variant.artifacts_of(self.cursor.probe))
        events = [(event.epoch, event.said) for event in happened]
        if self.reports.report is not None:
            events += [(epoch, "of interest") for epoch in self.reports.report.epochs]
        for player in (self.player, self.other_player):
            player.events = events

    def _change_mode(self) -> None:
        two = self.cursor.mode != ONE
        if two and self.cursor.other == self.cursor.index:
            last = max(len(self.cursor.epochs) - 1, 0)
            self.cursor.other = 0 if self.cursor.index == last else last
        self.player.title = "A" if two else ""
        self._second[:] = [self.other_player] if two else []
        self._mode.value = self.cursor.mode
        for card in self.board.chosen:
            card.compare(self.cursor.epoch, self.cursor.other_epoch, self.cursor.mode)
        self._lay_out()

    # What changes beside the page.

    def _begin(self) -> None:
        """Draw the pictures, now that the browser has the page, and look from now on what changes."""
        waited = not self._fetched
        self._looking = self._fetched = True
        if waited:
            when_locked(self._draw_first)
        if self.variant is not None:
            self._look_at_freshness()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.look, LOOK_MS)

    def _draw_first(self) -> None:
        with together(anew=True):
            for card in self.board.made:
                self._show(card)

    def look(self) -> None:
        """Look whether something was computed or trained since; what concerns the page is shown."""
        variant = self.variant
        if variant is None:
            self._list_variants()
            return
        seen = self._signature(variant)
        same, self._seen = seen == self._seen, seen
        if same and not self._unsettled:
            return
        # Views over the epochs are drawn anew when nothing has come for a while, or after some looks: not each time.
        self._unsettled = 0 if same or self._unsettled >= LOOKS else self._unsettled + 1
        with together(anew=True):
            if variant.checkpoints != self.cursor.epochs:
                self._take_epochs(variant, self.cursor.epoch, self.cursor.other_epoch)
            self.any_epoch.arrived(self.cursor.epochs, self.cursor.jump)
            for card in self.cards:
                card.refresh(self.cursor.epoch, series=not self._unsettled)
        if not self._unsettled:
            self._look_at_freshness()

    def _signature(self, variant: Variant) -> object:
        """Return what changes when a checkpoint, an artifact of a chosen view or a row of metrics is written."""
        artifacts = variant.artifacts_of(self.cursor.probe).folder
        analyzers = {name for view in self.board.chooser.value for name in analyzers_of(self.board.entries[view].item)}
        paths = [variant.folder / "checkpoints", variant.metrics_file.path, artifacts]
        return [_changed_at(path) for path in (*paths, *(artifacts / name for name in sorted(analyzers)))]

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
                for card in self.board.chosen:
                    card.tell(found)
                if self.board.drawer.open:
                    self.board.say(found)

        self.session.aside(look, tell)

    def _show_chooser(self) -> None:
        self.board.say(self.freshness)
        self.board.drawer.open = True

    def _compute_view(self, name: str) -> None:
        view = self.board.entries[name].item
        self.compute(self.freshness.missing(view) + self.freshness.stale(view))

    def _offer_epoch(self, epoch: int | None) -> None:
        if self.variant is not None:
            self.any_epoch.offer(self.variant, self.cursor.probe, epoch, self.cursor.epoch)

    # The address.

    def _copy_link(self) -> None:
        self._write_address()
        self.saver.link()
        self.session.notify("The link to this page was copied.", "success")

    def _write_address(self) -> None:
        if self._address is not None:
            self._address.write()

    def state(self) -> dict[str, Any]:
        """Return what the address says of the page."""
        cursor, settings = self.cursor, self.board.settings()
        usual = [block.view for block in self._usual_blocks() if isinstance(block, ViewBlock)]
        as_usual = not self.reports.name and list(settings) == self.board.known(usual)
        modes = dict(zip(cursor.param.mode.objects, (None, "both", "difference"), strict=True))
        return {
            "variant": cursor.variant,
            "probe": cursor.probe if self.variant is not None and cursor.probe != self.variant.family.probe else None,
            "epoch": cursor.epoch,
            "b": cursor.other_epoch,
            "show": modes[cursor.mode],
            "chosen": chosen_text(cursor.chosen) or None,
            "report": self.reports.name or None,
            "views": None if as_usual else ",".join(settings),
            "settings": settings_text(settings) or None,
        }

    def follow_address(self, location: Any) -> None:
        """Start at what the address names, and keep it in the address."""
        asked = location.query_params
        if asked.get("page", NAME) != NAME:  # what it says is said of another page
            self._address = Address(location, self.state)
            return
        if asked.get("variant") in self._variants:
            self.cursor.variant = asked["variant"]
        if self.variant is not None:
            self._restore(asked, self.variant)
        self._address = Address(location, self.state)

    def _restore(self, asked: Mapping[str, Any], variant: Variant) -> None:
        cursor = self.cursor
        if asked.get("probe") in self._probes(variant).values():
            cursor.probe = asked["probe"]
        if "report" in asked:
            self.reports.open(str(asked["report"]))
        settings = settings_in(str(asked.get("settings", "")), self.board.entries)
        named = self.board.known(str(asked.get("views", "")).split(","))
        if named or settings:
            self._restore_views(named or self.board.chooser.value, settings)
        if (epoch := whole_number(asked.get("epoch"))) is not None:
            cursor.jump(epoch)
        modes = dict(zip(("both", "difference"), cursor.param.mode.objects[1:], strict=True))
        if asked.get("show") in modes:
            if (other := whole_number(asked.get("b"))) is not None and cursor.epochs:
                cursor.other = nearest(cursor.epochs, other)
            cursor.mode = modes[asked["show"]]
        if chosen := chosen_in(str(asked.get("chosen", ""))):
            cursor.chosen = chosen

    def _restore_views(self, names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Show these views; text stays where the views are those of the report that is open."""
        blocks = self.board.blocks()
        if [block.view for block in blocks if isinstance(block, ViewBlock)] != list(names):
            blocks = tuple(ViewBlock(view=name) for name in names)
        self.board.open(
            [
                block.model_copy(update={"controls": {**block.controls, **settings.get(block.view, {})}})
                if isinstance(block, ViewBlock)
                else block
                for block in blocks
            ]
        )


def _changed_at(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
