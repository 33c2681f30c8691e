"""Choosing the probe of an analysis: which one, and its settings, checked while they are typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import ChosenProbe, DynascopeError, InvalidSetting, Lines, Variant
from dynascope.contract.chosen_probe import write_value
from dynascope_workbench.session import Session
from dynascope_workbench.texts import plain

__all__ = ["ProbeChoice"]

NOT_STORED = "–"
MOST_BYTES = 2_000_000
"""Of a file that is read into a box: the list of all pairs of p = 400 has less."""


class ProbeChoice:
    """A probe of a family, a box for each of its settings, and what they make.

    Args:
        session: the workspace, and what provides the probes.
        family: the name of the family that it is to fit.
        changed: called when another probe is chosen, or none, because what is typed cannot be one.

    Attributes:
        select: the probes that fit the family.
        stored: those under which the variants were analysed before.
        boxes: a box for each setting, by name.
        chosen: the probe that is chosen; None while something is wrong.
        error: what is wrong, in one sentence; empty if nothing is.
    """

    def __init__(self, session: Session, family: str, changed: Callable[[], None] = lambda: None) -> None:
        self.session, self._changed = session, lambda: None
        self._family = session.workspace.family(family)
        self._variants: Sequence[Variant] = ()
        self.chosen: ChosenProbe | None = None
        self.error = ""
        self._filling = False
        self.boxes: dict[str, Any] = {}
        self.select = pmui.Select(label="probe", options=self._fitting(), width=260, size="small", margin=(8, 8))
        self.stored = pmui.Select(
            label="analysed before", options=[NOT_STORED], value=NOT_STORED, width=300, size="small", margin=(8, 8),
            visible=False,
        )  # fmt: skip
        self._stored: dict[str, ChosenProbe] = {}
        self._form = pn.FlexBox(sizing_mode="stretch_width", margin=0)
        self._note = pmui.Typography(
            "", variant="body2", margin=(2, 8), sizing_mode="stretch_width", sx={"minHeight": "1.5em"},
            css_classes=["probe-note"],
        )  # fmt: skip
        self.choose(self.session.plugins.choose(self._family.probe))
        self._changed = changed  # from here on
        self.select.param.watch(lambda _: self._filling or self._fill({}), "value")
        self.stored.param.watch(lambda event: self._choose_stored(event.new), "value")

    @property
    def text(self) -> str | None:
        """The probe as it is written; None while something is wrong."""
        return None if self.chosen is None else self.chosen.text

    def panel(self) -> Any:
        """Return what it is chosen in."""
        return pn.Column(
            pn.FlexBox(self.select, self.stored, sizing_mode="stretch_width", margin=0),
            self._form,
            self._note,
            sizing_mode="stretch_width",
            margin=0,
        )

    def choose(self, chosen: ChosenProbe) -> None:
        """Show a probe at its settings."""
        self._filling = True  # the select must not empty the boxes that are filled here
        self.select.value = chosen.name
        self._filling = False
        self._fill(chosen.given)

    def for_variants(self, variants: Sequence[Variant]) -> None:
        """Check it for these variants from now on, and offer what they were analysed under before."""
        self._variants = variants
        found = {chosen.text: chosen for variant in variants for chosen in variant.probes(self.session.plugins)}
        with_settings = sorted((one for one in found.values() if one.given), key=lambda one: (one.name, one.title))
        self._stored = {_unlike(one, with_settings): one for one in with_settings}
        self.stored.param.update(options=[NOT_STORED, *self._stored], visible=bool(self._stored))
        self.check()

    def check(self) -> ChosenProbe | None:
        """Say how many rows the form makes, or what is wrong with it; return the probe if there is one."""
        before = self.text, self.error
        try:
            given = {name: box.value_input for name, box in self.boxes.items() if box.value_input.strip()}
            provided = self.session.plugins.find("probes", self.select.value)
            chosen = ChosenProbe.of(provided.item, given, provided.plugin)
            counts = self._rows(chosen)
        except DynascopeError as error:
            self.chosen, self.error = None, str(error)
        except Exception as error:  # what makes the rows is a plug-in's code
            self.chosen, self.error = None, f"Probe {self.select.value}: {type(error).__name__}: {error}"
        else:
            self.chosen, self.error = chosen, ""
        said = self.error or f"{self.chosen.title}: {counts}." if self.chosen else self.error
        self._note.param.update(object=plain(said), sx=_note_style(bool(self.error)))
        self._show_stored()
        if (self.text, self.error) != before:
            self._changed()
        return self.chosen

    def _fitting(self) -> dict[str, str]:
        """Return the names of the probes that the family has the facts for, by title."""
        context = self._family.base.context(self._family.configure())
        return {
            entry.item.title: entry.name
            for entry in self.session.plugins.all("probes").values()
            if all(fact in context for fact in entry.item.needs)
        }

    def _fill(self, given: Mapping[str, Any]) -> None:
        """Make a box for each setting of the probe, and put values into them."""
        probe = self.session.plugins.find("probes", self.select.value).item
        self.boxes = {}
        parts = []
        for name, field in probe.Settings.model_fields.items() if probe.Settings is not None else ():
            value = given.get(name, None if field.is_required() else field.get_default(call_default_factory=True))
            text = "" if value is None else value if isinstance(value, str) else write_value(_listed(value))
            lines = next((item for item in field.metadata if isinstance(item, Lines)), None)
            box = self._box(name, field.description or "", text, lines)
            box.param.watch(lambda _: self.check(), "value_input")
            self.boxes[name] = box
            parts += [box] if lines is None else [box, self._file_of(name, box, lines)]
        self._form[:] = parts
        self.check()

    def _box(self, name: str, description: str, text: str, lines: Lines | None) -> Any:
        label = name.replace("_", " ")
        if lines is None:
            box = pmui.TextInput(label=label, helper_text=description, width=300, size="small", margin=(6, 8))
        else:
            box = pmui.TextAreaInput(
                label=label, helper_text=description, width=420, rows=4, max_rows=10, auto_grow=True, size="small",
                margin=(6, 8),
            )  # fmt: skip
        box.param.update(value=text, value_input=text)
        return box

    def _file_of(self, name: str, box: Any, lines: Lines) -> Any:
        """Return a button that reads a file into a box."""
        button = pmui.FileInput(
            label=f"read {name} from a file ({', '.join(lines.files)})", accept=",".join(lines.files), multiple=False,
            variant="outlined", size="small", margin=(14, 8), max_file_size=MOST_BYTES,
        )  # fmt: skip

        def read(event: Any) -> None:
            if event.new is None:
                return
            try:
                text = _decoded(event.new, str(button.filename))
            except InvalidSetting as error:
                self._refuse(str(error))
                return
            box.param.update(value=text, value_input=text)

        button.param.watch(read, "value")
        return button

    def _refuse(self, error: str) -> None:
        self.chosen, self.error = None, error
        self._note.param.update(object=plain(error), sx=_note_style(True))
        self._changed()

    def _rows(self, chosen: ChosenProbe) -> str:
        """Return how many rows a probe makes for the variants, or for the family's defaults where there are none."""
        configs = [(variant.name, variant.config) for variant in self._variants]
        counts = []
        for name, config in configs or [("", self._family.configure())]:
            try:
                counts.append(len(chosen.make(config).inputs))
            except DynascopeError as error:
                if not name:  # the defaults are no variant: what does not fit them may fit one
                    return "choose a variant to see how many rows it makes"
                raise InvalidSetting(f"{error} (variant {name})") from None
        low, high = min(counts), max(counts)
        rows = f"{high:,} row" + ("s" if high != 1 else "")
        return rows if low == high else f"{low:,} to {rows}, by variant"

    def _choose_stored(self, title: str) -> None:
        if title in self._stored and self._stored[title] != self.chosen:
            self.choose(self._stored[title])

    def _show_stored(self) -> None:
        """Let the list of what was analysed before say whether the form holds one of them."""
        here = next((title for title, one in self._stored.items() if one == self.chosen), NOT_STORED)
        if self.stored.value != here:
            self.stored.value = here


def _unlike(chosen: ChosenProbe, others: Sequence[ChosenProbe]) -> str:
    """Return a title, with the name of the folder where two have the same."""
    alike = sum(other.title == chosen.title for other in others) > 1
    return f"{chosen.title} [{chosen.key}]" if alike else chosen.title


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _decoded(content: bytes, name: str) -> str:
    """Return the text of a file that came from the browser.

    Raises:
        InvalidSetting: it is too large, or no text.
    """
    if len(content) > MOST_BYTES:
        raise InvalidSetting(f"{name} has {len(content):,} bytes; at most {MOST_BYTES:,} are read.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidSetting(f"{name} holds no text (UTF-8). Save it as CSV or plain text.") from None


def _note_style(wrong: bool) -> dict[str, Any]:
    return {"minHeight": "1.5em", "color": "error.main" if wrong else "text.secondary"}
