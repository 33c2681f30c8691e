"""One view on the page: its picture, its controls, and, if it fails, its own error, while the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from html import escape
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui

from dynascope import Variant
from dynascope.analysis.freshness import Freshness, analyzers_of
from dynascope.drawing import Drawing
from dynascope.drawing.dressing import HEIGHT
from dynascope.frames import StoredFrame, fitted_controls, missing_arrays, what_is_missing
from dynascope.plugins import Provided, Registry
from dynascope_workbench.cards.about import about
from dynascope_workbench.cards.controls import alike, names_of, settings_of, widgets_of, with_settings
from dynascope_workbench.cards.heading import CardButtons
from dynascope_workbench.cards.host import Choosing, Host
from dynascope_workbench.epoch.cursor import DIFFERENCE, ONE
from dynascope_workbench.panes import HtmlPane, TextPane
from dynascope_workbench.session import read_only

__all__ = ["ViewCard"]

log = logging.getLogger(__name__)

BESIDE_TITLE = {"justifyContent": "flex-end", "flexWrap": "wrap"}  # below it, where it is narrow
HEADER = ":host { min-height: 44px; }"
TITLE = """
h3 { margin: 4px 0 4px 8px; font-size: 1rem; font-weight: 600; }
span {
  margin-left: 8px; padding: 1px 8px; border: 1px solid #e69f00; border-radius: 10px;
  font-size: 12px; font-weight: 400; vertical-align: 1px;
}
"""
NOTE = ":host { color: var(--mui-palette-text-secondary, inherit); font-size: 12px; line-height: 1.5; }"
NO_DIFFERENCE = "This picture has no values that can be subtracted; both epochs are shown."


class ViewCard:
    """A guarded view.

    Args:
        provided: the view, with its plug-in.
        plugins: the registry, for what it says of arrays that are missing.
        host: the page; a function is what it does with a choice.

    Attributes:
        error: what went wrong; empty while the view is fine.
        drawing: the picture; None before the first and after an error.
        drawings: the pictures: two of them, where two epochs are shown beside each other.
        frame: what is drawn from; None where something is missing.
        controls: the view's settings; None if it has none.
        axes: of the arrays that it reads.
        panel: the card.
    """

    def __init__(self, provided: Provided, plugins: Registry, host: Host | Callable[[Mapping[str, Any]], None]) -> None:
        self.provided, self._plugins = provided, plugins
        self.host = host if isinstance(host, Host) else Choosing(host)
        self.error = ""
        self.drawings: list[Drawing] = []
        self.controls: Any = None
        self.frame: StoredFrame | None = None
        self.axes: frozenset[str] = frozenset()
        self._settings: Mapping[str, Any] = {}
        self._letters: list[Any] = []
        self._told = True
        self._other: int | None = None
        self._mode = ONE
        self._chosen: Mapping[str, Any] = {}
        self._height = HEIGHT
        self._freshness = Freshness()
        self._shown: tuple[Variant, str] | None = None
        self._picture = pn.Column(sizing_mode="stretch_width", margin=0, min_height=HEIGHT)
        self._widgets = pmui.Row(margin=0, styles={"flex": "1 1 auto"}, sx=BESIDE_TITLE)
        self._stale = ""
        self._title = HtmlPane(self._titled(), margin=0, stylesheets=[TITLE], styles={"flex": "0 1 auto"})
        self._about = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self._note = HtmlPane(
            escape(provided.item.description), sizing_mode="stretch_width", margin=(2, 8, 6, 8), stylesheets=[NOTE]
        )
        header = pn.FlexBox(
            self._title, self._widgets, self._buttons(), sizing_mode="stretch_width", margin=0,
            align_items="center", stylesheets=[HEADER],
        )  # fmt: skip
        self.panel = pmui.Paper(
            header, self._picture, self._note, self._about, elevation=0, variant="outlined",
            sizing_mode="stretch_width", sx={"padding": "6px 10px", "borderRadius": "10px"}, margin=0,
            css_classes=["view-card"],
        )  # fmt: skip

    @property
    def drawing(self) -> Drawing | None:
        """The picture, or the first of two."""
        return self.drawings[0] if self.drawings else None

    def _titled(self) -> str:
        """Return the title as HTML, with the mark of what is stale."""
        mark = f' <span title="{escape(self._stale)}" tabindex="0">stale</span>' if self._stale else ""
        return f"<h3>{escape(self.provided.item.title)}{mark}</h3>"

    def _buttons(self) -> CardButtons:
        """Return what can be done with the card, as far as the page does it."""
        host = self.host
        able = {
            "about": lambda _: self._toggle_about(),
            "save": host.save and (lambda kind: host.save(self, kind)),
            "widen": host.widen and (lambda _: host.widen(self)),
            "expand": host.expand and (lambda _: host.expand(self)),
            "remove": host.remove and (lambda _: host.remove(self)),
        }
        buttons = CardButtons(
            offered=[name for name, do in able.items() if do], margin=0, styles={"margin-left": "auto"}
        )
        for name in buttons.offered:
            buttons.on_press(name, able[name])
        return buttons

    def settings(self) -> dict[str, Any]:
        """Return the controls that are not at the view's own defaults."""
        return settings_of(self.controls) if self.controls is not None else dict(self._settings)

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Set controls as a report or an address says; those that do not fit are left."""
        self._settings = settings
        if self.controls is not None:
            with self._untold():
                with_settings(self.controls, settings)

    @contextmanager
    def _untold(self) -> Iterator[None]:
        """Change controls without telling the page: it was not the reader who did."""
        self._told = False
        try:
            yield
        finally:
            self._told = True

    def show(
        self, variant: Variant, probe: str, epoch: int, other: int | None = None, mode: str = ONE,
        chosen: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Draw the view for a variant; say what it lacks if it cannot be drawn.

        Args:
            variant, probe, epoch: of what.
            other: the second epoch, where two are shown.
            mode: one epoch, two beside each other, or what differs.
            chosen: what is chosen on the page, by axis; as before by default.
        """
        self._shown, self._other, self._mode = (variant, probe), other, mode
        self._chosen = self._chosen if chosen is None else chosen
        self._guarded(lambda: self._show(variant, probe, epoch))

    def compare(self, epoch: int, other: int | None, mode: str) -> None:
        """Show one epoch, two beside each other, or what differs."""
        self._other, self._mode = other, mode
        if self.frame is None:
            self.move(epoch, other)
        else:
            self.frame = self.frame.moved_to(epoch)
            self._guarded(self._move if self.provided.item.series else self._draw)

    def move(self, epoch: int, other: int | None = None) -> None:
        """Show another epoch. A view that failed is drawn anew, and may recover."""
        self._other = other
        if self.frame is None:
            if self._shown is not None:  # what was missing may have been computed meanwhile
                self.show(*self._shown, epoch, other, self._mode)
            return
        self.frame = self.frame.moved_to(epoch)
        self._guarded(self._move)

    def refresh(self, epoch: int, *, series: bool = True) -> None:
        """Look at what is stored now: more epochs may have been computed.

        Args:
            epoch: that is shown.
            series: whether a view over the epochs is drawn anew, too.
        """
        if self._shown is None:
            return
        if self.frame is None or not self.drawings:
            self.show(*self._shown, epoch, self._other, self._mode)
            return
        now = replace(self.frame, artifacts=self._artifacts(), epoch=epoch)
        view = self.frame.view
        if list(now.epochs) != list(self.frame.epochs) or "metrics" in view.reads:
            if not view.series or series:
                self.frame = now
            if view.series and series:
                self._guarded(self._draw)

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Set the controls that are named like an axis of which a coordinate was chosen."""
        for name, value in chosen.items():
            if self.controls is None or name not in self.controls.param:
                continue
            with self._untold(), suppress(ValueError):  # this view may have no such coordinate
                setattr(self.controls, name, value)

    def mark(self, chosen: Mapping[str, Any]) -> None:
        """Mark in the picture what is chosen, by axis."""
        self._chosen = chosen
        self._guarded(self._mark)

    def tell(self, freshness: Freshness) -> None:
        """Say what is stale, and what could be computed."""
        self._freshness = freshness
        view = self.provided.item
        stale = freshness.stale(view)
        self._stale = f"Computed by an earlier version, or of other data: {', '.join(stale)}" if stale else ""
        self._title.object = self._titled()
        if self.frame is None and self._shown is not None and not self.error:
            self._say_what_is_missing(self._shown[0], missing_arrays(view, self._shown[0], self._artifacts()))

    def resize(self, height: int | None) -> None:
        """Give the picture another height, px; the usual one with None."""
        self._height = height or HEIGHT
        self._picture.min_height = self._height
        self._guarded(self._draw)

    def numbers(self) -> str:
        """Return what is drawn as a table, in CSV: the elements of the picture one below the other."""
        import pandas as pd

        parts = []
        for letter, frame in zip("AB", self._frames() if self.frame is not None else []):
            for element in frame.view.draw(frame).traverse(lambda part: part, [hv.Element]):
                if element.kdims or element.vdims:
                    table = element.dframe()
                    table.insert(0, "element", element.label)
                    if len(self.drawings) > 1:
                        table.insert(0, "epoch_of", f"{letter} {frame.epoch}")
                    parts.append(table)
        return str(pd.concat(parts, ignore_index=True).to_csv(index=False)) if parts else ""

    def _artifacts(self) -> Any:
        variant, probe = self._shown or (None, "")
        assert variant is not None
        return variant.artifacts_of(probe)

    def _show(self, variant: Variant, probe: str, epoch: int) -> None:
        self.drawings, self.frame = [], None
        view, artifacts = self.provided.item, variant.artifacts_of(probe)
        missing = missing_arrays(view, variant, artifacts)
        if missing:
            self._widgets[:] = []
            self._say_what_is_missing(variant, missing)
            return
        fitted = fitted_controls(view, artifacts, self.controls)
        if not (len(self._widgets) and alike(fitted, self.controls)):
            self.controls = fitted
            self._widgets[:] = widgets_of(fitted)
            if fitted is not None:
                fitted.param.watch(self._controlled, names_of(fitted))
        self.choose(self._chosen)
        with self._untold():
            with_settings(self.controls, self._settings)
        self._settings = {}
        self.frame = StoredFrame(variant, artifacts, view, epoch, self.controls)
        self.axes = frozenset(axis for read in view.reads for axis in _axes(artifacts, read))
        self._draw()

    def _controlled(self, *events: Any) -> None:
        self._guarded(self._draw)
        if self._told:
            self.host.controls_changed(self, {event.name: event.new for event in events})

    def _move(self) -> None:
        if not self.drawings or any(self._lacks(epoch) for epoch in self._epochs()):
            self._draw()
            return
        for drawing, frame in zip(self.drawings, self._frames(), strict=True):
            drawing.move(frame, self._other)
        for said, letter, epoch in zip(self._letters, "AB", self._epochs()):
            said.object = f"{letter} · epoch {epoch:,}"

    def _mark(self) -> None:
        for drawing in self.drawings:
            drawing.mark(self._chosen)

    def _epochs(self) -> list[int]:
        """Return the epochs that are read."""
        assert self.frame is not None
        return [self.frame.epoch, *([self._other] if self._other is not None and not self.frame.view.series else [])]

    def _frames(self) -> list[StoredFrame]:
        """Return what each picture is drawn from."""
        assert self.frame is not None
        beside = len(self.drawings) > 1 and self._other is not None
        return [self.frame, *([self.frame.moved_to(self._other)] if beside and self._other is not None else [])]

    def _lacks(self, epoch: int) -> bool:
        return self.frame is not None and epoch not in self.frame.epochs

    def _draw(self) -> None:
        self.drawings, self._letters = [], []
        if self.frame is None:
            return
        lacking = [epoch for epoch in self._epochs() if self._lacks(epoch)]
        if lacking:
            self._offer(f"Not computed at epoch {lacking[0]:,} yet.", analyzers_of(self.provided.item))
            return
        series, said = self.provided.item.series, ""
        two = self._other is not None and not series
        drawing = self._drawn(self.frame, less=two and self._mode == DIFFERENCE)
        drawings = [drawing]
        if two and not drawing.differs:
            said = NO_DIFFERENCE if self._mode == DIFFERENCE else ""
            drawings.append(self._drawn(self.frame.moved_to(self._other)))
        panes = [pn.pane.Bokeh(one.root, sizing_mode="stretch_width", margin=0) for one in drawings]
        if len(panes) > 1:
            ways = {"flex": "1 1 420px", "min-width": "0"}
            columns = [
                pn.Column(_small(f"{letter} · epoch {epoch:,}"), pane, styles=ways, margin=0)
                for letter, epoch, pane in zip("AB", self._epochs(), panes, strict=True)
            ]
            self._letters = [column[0] for column in columns]
            panes = [pn.FlexBox(*columns, sizing_mode="stretch_width", margin=0)]
        elif drawing.differs:
            said = "The value at B less the value at A; the scale is the whole range of the quantity, each way."
        self._picture[:] = [*([_small(said)] if said else []), *panes]
        self.drawings, self.error = drawings, ""

    def _drawn(self, frame: StoredFrame, *, less: bool = False) -> Drawing:
        drawing = Drawing(self.provided.item, frame, self.host.choose, other=self._other, less=less)
        if self._height != HEIGHT:
            drawing.resize(self._height)
        drawing.mark(self._chosen)
        drawing.move(frame, self._other)  # a view that cannot be moved says so now, not at the next epoch
        return drawing

    def _say_what_is_missing(self, variant: Variant, missing: Sequence[str]) -> None:
        view, known = self.provided.item, self._plugins.all("analyzers")
        impossible = self._freshness.impossible(view)
        names = sorted({read.partition("/")[0] for read in missing})
        if impossible:
            self._say(f"This cannot be shown here: {impossible}.")
        elif all(read != "metrics" and read.partition("/")[2] in _outputs(known, read) for read in missing):
            self._offer(f"Not computed yet: {', '.join(names)}.", names)
        else:
            self._say(what_is_missing(missing, variant, self._plugins, self._artifacts()))

    def _offer(self, text: str, names: Sequence[str]) -> None:
        """Say that something is not computed, with what computes it."""
        if self.host.compute is None:
            assert self._shown is not None
            self._say(f"{text} Run: dynascope analyze {self._shown[0].name}")
            return
        compute = pmui.Button(label="Compute", variant="contained", size="small", margin=(4, 8), disabled=read_only())
        compute.on_click(lambda _: self.host.compute(names))
        self._say(text, compute)

    def _say(self, text: str, *more: Any) -> None:
        """Show why there is no picture; this is no error."""
        self.error = ""
        self._picture[:] = [pmui.Alert(text, severity="info", sizing_mode="stretch_width"), *more]

    def _toggle_about(self) -> None:
        if not len(self._about):
            self._about[:] = [about(self.provided, self._plugins)]
        self._about.visible = not self._about.visible

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # a view is a plug-in's code: whatever it raises belongs in its card
            where = f"{self.provided.id} (plug-in {self.provided.distribution} {self.provided.plugin_version})"
            log.warning("View %s failed.", where, exc_info=True)
            self.drawings = []
            self.error = f"{type(error).__name__}: {error}"
            at = f" at epoch {self.frame.epoch}" if self.frame is not None else ""
            message = pmui.Alert(
                title=f"{where} failed{at}", object=self.error, severity="error", sizing_mode="stretch_width"
            )
            self._picture[:] = [message]


def _outputs(known: Mapping[str, Provided], read: str) -> Collection[str]:
    """Return the names of the arrays of the analyzer of a read; none if it is not installed."""
    provided = known.get(read.partition("/")[0])
    return () if provided is None else provided.item.outputs


def _axes(artifacts: Any, read: str) -> Collection[str]:
    analyzer, _, name = read.partition("/")
    return () if read == "metrics" else artifacts.arrays(analyzer).get(name, {})


def _small(text: str) -> Any:
    return TextPane(text, styles={"font-size": "12px", "opacity": "0.75"}, margin=(0, 8))
