"""The settings of a family as a form or a list shows them: what each may be, read off the pydantic models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from dynascope.contract.family import Family

__all__ = ["Setting", "settings_of"]

Kind = Literal["choice", "switch", "whole", "number", "text"]
RULES = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
FAR = 2**53
"""A bound beyond which none is said: it is that of a machine's number, and tells nobody anything."""


@dataclass(frozen=True)
class Setting:
    """What can be set.

    Attributes:
        name: as it is written: ``weight_decay``.
        group: ``Parameters``, ``Architecture`` or ``Training``.
        kind: what it is: one of ``choices``, on or off, a whole number, a number, or something written as text.
        default: in JSON types.
        description: in words; empty where nothing is said.
        choices: of a choice, in the order of their declaration.
        rule: its bounds, ``"> 0, < 1"``; empty without.
    """

    name: str
    group: str
    kind: Kind
    default: Any
    description: str = ""
    choices: tuple[Any, ...] = ()
    rule: str = ""


def settings_of(family: Family) -> Sequence[Setting]:
    """Return the settings of a family, in the order of their declaration."""
    found = []
    for group in ("Parameters", "Architecture", "Training"):
        model: type[BaseModel] = getattr(family, group)
        for name, field in model.model_fields.items():
            kind, choices = _kind(field.annotation)
            found.append(
                Setting(
                    name,
                    group,
                    kind,
                    to_jsonable_python(field.get_default()),
                    _description(model, name),
                    choices,
                    _rule(field.metadata),
                )
            )
    return found


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...]]:
    """Return what a value of this type is, and the values there are where they can be counted."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        kind, choices = _kind(parts[0]) if len(parts) == 1 else ("text", ())
        return ("choice", (None, *choices)) if kind == "choice" else ("text", ())
    if annotation is bool:
        return "switch", ()
    if annotation is int:
        return "whole", ()
    return ("number" if annotation is float else "text"), ()


def _description(model: type[BaseModel], name: str) -> str:
    """Return a field's description, or that of the field which it overrides: a family that only changes a default."""
    for one in model.__mro__:
        field = getattr(one, "__pydantic_fields__", {}).get(name)
        if field is not None and field.description:
            return str(field.description)
    return ""


def _rule(metadata: Sequence[Any]) -> str:
    bounds = ((sign, getattr(one, name, None)) for one in metadata for name, sign in RULES)
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None and abs(bound) < FAR)
