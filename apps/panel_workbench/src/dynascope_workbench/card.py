"""One view on the page: its picture, its controls, and, if it fails, its own error, while the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dynascope import Variant
from dynascope.frames import StoredFrame, fitted_controls, missing_arrays, what_is_missing
from dynascope.plugins import Provided, Registry
from dynascope_workbench.drawing import Drawing

__all__ = ["ViewCard"]

log = logging.getLogger(__name__)

AUTOMATIC = "automatic"
BESIDE_TITLE = {"flex": "1 1 240px", "width": "auto"}  # below it, where the card is narrow


class ViewCard:
    """A guarded view.

    Args:
        provided: the view, with its plug-in.
        plugins: the registry, for what it says of arrays that are missing.
        choose: called with what a click in the picture chooses, by the name of an axis.

    Attributes:
        error: what went wrong; empty while the view is fine.
        drawing: the picture; None before the first and after an error.
    """

    def __init__(self, provided: Provided, plugins: Registry, choose: Callable[[Mapping[str, Any]], None]) -> None:
        self.provided, self._plugins, self._choose = provided, plugins, choose
        self.error = ""
        self.drawing: Drawing | None = None
        self.controls: Any = None
        self._frame: StoredFrame | None = None
        self._shown: tuple[Variant, str] | None = None
        self._picture = pn.Column(sizing_mode="stretch_width", margin=0)
        self._widgets = pn.FlexBox(margin=0, align="center", justify_content="end", styles=BESIDE_TITLE)
        title = pmui.Typography(provided.item.title, variant="subtitle1", sx={"fontWeight": 600}, margin=(0, 8))
        header = pmui.Row(
            title,
            self._widgets,
            sizing_mode="stretch_width",
            sx={"minHeight": "44px", "alignItems": "center", "flexWrap": "wrap"},
            margin=0,
        )
        note = pmui.Typography(
            provided.item.description,
            variant="caption",
            sx={"color": "text.secondary", "display": "block"},
            margin=(0, 8, 6, 8),
        )
        self.panel = pmui.Paper(
            header, self._picture, note, elevation=0, variant="outlined", sizing_mode="stretch_width",
            sx={"padding": "6px 10px", "borderRadius": "10px"}, margin=0, css_classes=["view-card"],
        )  # fmt: skip

    def show(self, variant: Variant, probe: str, epoch: int) -> None:
        """Draw the view for a variant; say what it lacks if it cannot be drawn."""
        self._shown = (variant, probe)
        self._guarded(lambda: self._show(variant, probe, epoch))

    def move(self, epoch: int) -> None:
        """Show another epoch. A view that failed is drawn anew, and may recover."""
        if self._frame is None:
            if self._shown is not None:  # what was missing may have been computed meanwhile
                self.show(*self._shown, epoch)
            return
        self._frame = self._frame.moved_to(epoch)
        self._guarded(self._move)

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Set the controls that are named like an axis of which a coordinate was chosen."""
        for name, value in chosen.items():
            if self.controls is None or name not in self.controls.param:
                continue
            try:
                setattr(self.controls, name, value)
            except ValueError:  # this view has no such coordinate
                continue

    def _show(self, variant: Variant, probe: str, epoch: int) -> None:
        self.drawing, self._frame = None, None
        view, artifacts = self.provided.item, variant.artifacts_of(probe)
        missing = missing_arrays(view, variant, artifacts)
        if missing:
            self._widgets[:] = []
            self._say(what_is_missing(missing, variant, self._plugins))
            return
        self.controls = fitted_controls(view, artifacts, self.controls)
        self._frame = StoredFrame(variant, artifacts, view, epoch, self.controls)
        self._widgets[:] = _widgets(self.controls)
        if self.controls is not None:
            self.controls.param.watch(lambda *_: self._guarded(self._draw), _names(self.controls))
        self._draw()

    def _move(self) -> None:
        if self.drawing is None or self._is_missing_here():
            self._draw()
        else:
            self.drawing.move(self._frame)

    def _is_missing_here(self) -> bool:
        return self._frame is not None and self._frame.epoch not in self._frame.epochs

    def _draw(self) -> None:
        self.drawing = None
        if self._frame is None:
            return
        if self._is_missing_here():
            self._say(
                f"Not computed at epoch {self._frame.epoch} yet. Run: dynascope analyze {self._frame.variant.name}"
            )
            return
        drawing = Drawing(self.provided.item, self._frame, self._choose)
        drawing.move(self._frame)  # a view that cannot be moved says so now, not at the next epoch
        self._picture[:] = [pn.pane.Bokeh(drawing.root, sizing_mode="stretch_width", margin=0)]
        self.drawing, self.error = drawing, ""

    def _say(self, text: str) -> None:
        """Show why there is no picture; this is no error."""
        self.error = ""
        self._picture[:] = [pmui.Alert(text, severity="info", sizing_mode="stretch_width")]

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # a view is a plug-in's code: whatever it raises belongs in its card
            where = f"{self.provided.id} (plug-in {self.provided.distribution} {self.provided.plugin_version})"
            log.warning("View %s failed.", where, exc_info=True)
            self.drawing = None
            self.error = f"{type(error).__name__}: {error}"
            at = f" at epoch {self._frame.epoch}" if self._frame is not None else ""
            message = pmui.Alert(
                title=f"{where} failed{at}", object=self.error, severity="error", sizing_mode="stretch_width"
            )
            self._picture[:] = [message]


def _names(controls: Any) -> list[str]:
    return [name for name in controls.param if name != "name"]


def _widgets(controls: Any) -> list[Any]:
    """Return one widget for each control."""
    if controls is None:
        return []
    widgets = []
    for name in _names(controls):
        parameter = controls.param[name]
        label = name.replace("_", " ")
        if getattr(parameter, "bounds", None) and None not in parameter.bounds:
            widgets.append((_optional if parameter.allow_None else _number)(controls, name, label))
        elif isinstance(parameter, param.Selector):
            widgets.append(
                pmui.Select.from_param(parameter, label=label, width=190, size="small", margin=(4, 0, 4, 10))
            )
        else:
            widgets.append(pn.Param(controls.param, parameters=[name], show_name=False, margin=0)[0])
    return widgets


def _optional(controls: Any, name: str, label: str) -> Any:
    """Return a list of the whole numbers within the bounds, after an entry that leaves the choice to the view."""
    low, high = controls.param[name].bounds
    numbers = {AUTOMATIC: None, **{str(number): number for number in range(low, high + 1)}}
    words = {number: word for word, number in numbers.items()}
    chosen = pmui.Select(
        label=label, options=list(numbers), value=words[getattr(controls, name)], width=140, size="small",
        margin=(4, 0, 4, 10),
    )  # fmt: skip
    chosen.param.watch(lambda event: setattr(controls, name, numbers[event.new]), "value")
    controls.param.watch(lambda event: setattr(chosen, "value", words[event.new]), name)
    return chosen


def _number(controls: Any, name: str, label: str) -> Any:
    """Return a box for a bounded whole number: what lies outside becomes the nearest bound, what is none is dropped."""
    low, high = controls.param[name].bounds
    box = pmui.IntInput(
        label=f"{label} ({low}-{high})", value=getattr(controls, name), step=controls.param[name].step or 1,
        width=140, size="small", margin=(4, 0, 4, 10),
    )  # fmt: skip

    def typed(event: Any) -> None:
        value = getattr(controls, name) if event.new is None else min(max(int(event.new), low), high)
        setattr(controls, name, value)
        box.value = value

    box.param.watch(typed, "value")
    controls.param.watch(lambda event: setattr(box, "value", event.new), name)
    return box
