"""A form of a family's settings: a widget by the type of each, its help, its error, and the way back to the preset."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import Family
from dynascope.contract.setting import Setting, settings_of
from dynascope_workbench.train.order import written

__all__ = ["Field", "Form"]

GROUPS = {"Parameters": "What is learned", "Architecture": "Architecture", "Training": "Training"}
WIDTH = 176
SHORT = {
    "input should be ": "must be ",
    "greater than or equal to": "≥",
    "less than or equal to": "≤",
    "greater than": ">",
    "less than": "<",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    ", unable to parse string as an integer": "",
    ", unable to parse string as a number": "",
}
"""How a rule is said in the width of a box: a second line would move what is below it."""
NOTHING = "\u00a0"
"""A line that is there and says nothing: what is said later moves nothing."""


class Field:
    """One setting in a form.

    Attributes:
        setting: what it is.
        box: the widget.
        back: a button that puts the preset's value back; seen where it differs.
        panel: both.
    """

    def __init__(self, setting: Setting, changed: Callable[[], None]) -> None:
        self.setting, self._changed = setting, changed
        self._base = written(setting.default)
        label, said = setting.name.replace("_", " "), _help(setting)
        common = {"label": label, "description": said, "margin": 0}
        if setting.kind == "choice":
            options = [written(choice) for choice in setting.choices]
            self.box = pmui.Select(options=options, value=self._base, width=WIDTH, size="small", **common)
            self._value = "value"
        elif setting.kind == "switch":
            self.box = pmui.Switch(value=bool(setting.default), width=WIDTH, **common)
            self._value = "value"
        else:
            self.box = pmui.TextInput(width=WIDTH, size="small", helper_text=NOTHING, **common)
            self._value = "value_input"
        self.box.param.watch(lambda _: self._changed(), self._value)
        self.back = pmui.Button(
            label="↺", description=f"Set {label} back", variant="text", size="small", width=30, margin=(4, 0, 0, 0),
            sx={"minWidth": 0, "padding": "2px", "fontSize": "16px"},
        )  # fmt: skip
        self.back.on_click(lambda _: self.reset())
        self.panel = pmui.Row(self.box, self.back, width=WIDTH + 40, margin=(4, 4), sx={"alignItems": "flex-start"})
        self.show("")

    @property
    def text(self) -> str:
        """The value, as it would be written on the command line."""
        value = getattr(self.box, self._value)
        if self.setting.kind == "switch":
            return json.dumps(bool(value))
        text = str(value or "").strip()
        return "null" if not text and self.setting.default is None else text

    @property
    def differs(self) -> bool:
        """Whether it is not what the preset says."""
        return self.text != self._base

    def start_from(self, base: Any) -> None:
        """Take a value as that of the preset, and put it into the box."""
        self._base = written(base)
        self.reset()

    def reset(self) -> None:
        """Put the preset's value back."""
        shown = "" if self._base == "null" and self.setting.kind == "text" else self._base
        if self.setting.kind == "switch":
            self.box.value = shown == "true"
        elif self.setting.kind == "choice":
            self.box.value = shown
        else:
            self.box.param.update(value=shown, value_input=shown)
        self.show("")

    def show(self, problem: str) -> None:
        """Say what is wrong, or else what the preset says where it differs, or else its rule."""
        differs = self.differs
        base = "none" if self._base == "null" else self._base
        rule = self.setting.rule or ("a list" if isinstance(self.setting.default, list) else "")
        if self.setting.kind != "switch":
            self.box.error_state = bool(problem)
            self.box.helper_text = _short(problem) or (f"instead of {base}" if differs else rule or NOTHING)
            self.box.color = "warning" if differs and not problem else "default"
        self.back.sx = {**self.back.sx, "visibility": "visible" if differs else "hidden"}


class Form:
    """The settings of one family.

    Attributes:
        fields: by name.
        panel: the boxes, in groups.
    """

    def __init__(self, family: Family, changed: Callable[[], None]) -> None:
        self._changed, self._quiet = changed, False
        self.fields = {setting.name: Field(setting, self._told) for setting in settings_of(family)}
        groups = []
        for group, title in GROUPS.items():
            boxes = [field.panel for field in self.fields.values() if field.setting.group == group]
            if boxes:
                groups.append(pmui.Typography(title, variant="subtitle2", margin=(6, 8, 0, 8)))
                groups.append(pn.FlexBox(*boxes, sizing_mode="stretch_width", margin=(0, 4)))
        self.panel = pn.Column(*groups, sizing_mode="stretch_width", margin=0)

    @property
    def pairs(self) -> list[str]:
        """The settings that differ from the preset's, as they are written on the command line."""
        return [f"{name}={field.text}" for name, field in self.fields.items() if field.differs]

    @property
    def empty(self) -> dict[str, str]:
        """What is said of the boxes that must hold something and do not."""
        return {name: "a value is needed" for name, field in self.fields.items() if field.text == ""}

    def start_from(self, settings: Mapping[str, Any]) -> None:
        """Put the settings of a preset into the boxes."""
        self._quiet = True
        try:
            for name, field in self.fields.items():
                field.start_from(settings[name])
        finally:
            self._quiet = False
        self._changed()

    def reset(self) -> None:
        """Put the preset's values back into all boxes."""
        self._quiet = True
        try:
            for field in self.fields.values():
                field.reset()
        finally:
            self._quiet = False
        self._changed()

    def show(self, problems: Mapping[str, str]) -> None:
        """Say at each field what is wrong with it."""
        for name, field in self.fields.items():
            field.show(problems.get(name, ""))

    def _told(self) -> None:
        if not self._quiet:
            self._changed()


def _short(problem: str) -> str:
    for long, short in SHORT.items():
        problem = problem.replace(long, short)
    return problem


def _help(setting: Setting) -> str:
    """Say what a setting is, what it may be, and its default."""
    default = "none" if setting.default is None else written(setting.default)
    parts = (setting.description, setting.rule, f"default {default}")
    return "; ".join(part for part in parts if part)
