"""The widgets of a view's controls."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

__all__ = ["alike", "names_of", "settings_of", "widgets_of", "with_settings"]

AUTOMATIC = "automatic"


def names_of(controls: Any) -> list[str]:
    """Return the names of a view's controls."""
    return [] if controls is None else [name for name in controls.param if name != "name"]


def settings_of(controls: Any) -> dict[str, Any]:
    """Return the settings that are not the view's own defaults."""
    names = names_of(controls)
    fresh = type(controls)() if names else None
    return {name: getattr(controls, name) for name in names if getattr(controls, name) != getattr(fresh, name)}


def alike(one: Any, other: Any) -> bool:
    """Tell whether two controls of a view offer the same, so that widgets of one do for the other."""
    return type(one) is type(other) and all(
        _offered(one.param[name]) == _offered(other.param[name]) for name in names_of(one)
    )


def _offered(parameter: param.Parameter) -> Any:
    return list(parameter.objects) if isinstance(parameter, param.Selector) else getattr(parameter, "bounds", None)


def with_settings(controls: Any, settings: Mapping[str, Any]) -> None:
    """Set controls from text or from what a report says; what does not fit is left as it is."""
    for name in set(settings) & set(names_of(controls)):
        with suppress(ValueError, TypeError):
            setattr(controls, name, _fitting(controls.param[name], settings[name]))


def _fitting(parameter: param.Parameter, value: Any) -> Any:
    """Return a value that came as text as what the parameter holds."""
    if isinstance(parameter, param.Selector):
        return next((one for one in parameter.objects if str(one) == str(value)), value)
    if isinstance(parameter, param.Boolean):
        return str(value) in ("True", "true", "1")
    if isinstance(parameter, param.Number):
        if value is None or value == "None":
            return None
        number = type(parameter).__name__
        whole = int(value) if number == "Integer" else float(value)
        low, high = parameter.get_soft_bounds() if parameter.bounds is None else parameter.bounds
        return min(max(whole, whole if low is None else low), whole if high is None else high)
    return value


def widgets_of(controls: Any) -> list[Any]:
    """Return one widget for each control."""
    widgets = []
    for name in names_of(controls):
        parameter = controls.param[name]
        label = name.replace("_", " ")
        if getattr(parameter, "bounds", None) and None not in parameter.bounds:
            widgets.append((_optional if parameter.allow_None else _number)(controls, name, label))
        elif isinstance(parameter, param.Selector):
            widgets.append(
                pmui.Select.from_param(parameter, label=label, width=150, size="small", margin=(4, 0, 4, 10))
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
        label=label, options=list(numbers), value=words[getattr(controls, name)], width=126, size="small",
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
        width=126, size="small", margin=(4, 0, 4, 10),
    )  # fmt: skip

    def typed(event: Any) -> None:
        value = getattr(controls, name) if event.new is None else min(max(int(event.new), low), high)
        setattr(controls, name, value)
        box.value = value

    box.param.watch(typed, "value")
    controls.param.watch(lambda event: setattr(box, "value", event.new), name)
    return box
