"""The settings of one variant, validated: domain parameters, architecture, training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dynascope.errors import InvalidSetting, UnknownName

__all__ = ["NOT_IDENTITY", "Architecture", "Config", "Label", "Parameters", "Settings", "Training", "identity_digest"]

NOT_IDENTITY = frozenset({"epochs"})
"""Settings that do not change the weights after n updates, and so are not part of the identity."""


def identity_digest(family: str, settings: Mapping[str, Any], origin: str | None = None) -> str:
    """Return the SHA-256 of a family's name and of the settings that change what is trained.

    Args:
        family, settings: of the variant.
        origin: of an imported variant, the digest of its first weights: they are not what the settings would give.
    """
    identity = {name: value for name, value in settings.items() if name not in NOT_IDENTITY}
    whole = [family, identity] if origin is None else [family, identity, origin]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


LONGEST_LIST = 8
"""A longer one is in a name by the first digits of its hash."""


@dataclass(frozen=True)
class Label:
    """How a field appears in a variant's name (``Annotated[int, Label("dseed", always=True)]``).

    A field without a label is written with its own name. A field is written when its value differs
    from its default, or ``always``.
    """

    text: str
    always: bool = False


class Settings(BaseModel):
    """Base of the three groups of settings: frozen, strict, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Parameters(Settings):
    """Domain parameters: what distinguishes the variants of a family (p, seeds, train fraction)."""


class Architecture(Settings):
    """Widths, depths and the like."""


Rate = Annotated[float, Field(ge=0, lt=1)]


class Training(Settings):
    """The training recipe. A family subclasses it to give its own defaults.

    ``epochs`` is the length, not the identity: training a variant for longer continues the same variant.
    """

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, description="step size of the optimizer")
    weight_decay: float = Field(0.0, ge=0, description="decoupled for AdamW, added to the gradient otherwise")
    betas: tuple[Rate, Rate] = Field((0.9, 0.999), description="decay rates of Adam's two moments")
    warmup: int = Field(0, ge=0, description="epochs over which the learning rate rises from 0: min(n / warmup, 1)")
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["cpu", "cuda"] = Field("cpu", description="where it is trained; another one gives other roundings")
    epochs: int = Field(10_000, ge=1, description="optimizer updates; epoch n is the weights after n of them")


@dataclass(frozen=True)
class Config:
    """All settings of one variant.

    Attributes:
        family: the family's name.
        parameters, architecture, training: its validated settings.
    """

    family: str
    parameters: Any
    architecture: Any
    training: Any

    @classmethod
    def build(
        cls,
        family: str,
        models: tuple[type[Parameters], type[Architecture], type[Training]],
        settings: Mapping[str, Any],
    ) -> Config:
        """Sort flat ``settings`` into the three groups and validate them.

        Raises:
            UnknownName: a setting that no group has.
            InvalidSetting: a value that breaks its field's rule.
        """
        known = {name for model in models for name in model.model_fields}
        for name in settings:
            if name not in known:
                raise UnknownName(f"parameter of family {family}", name, known)
        groups: list[Any] = []
        problems: list[str] = []
        of_each: dict[str, str] = {}
        for model in models:
            chosen = {name: value for name, value in settings.items() if name in model.model_fields}
            try:
                groups.append(model.model_validate_json(json.dumps(chosen)))
            except ValidationError as error:
                for problem in error.errors():
                    said = problem["msg"].removeprefix("Value error, ")
                    said = said[:1].lower() + said[1:]
                    if problem["loc"]:
                        problems.append(f"{'.'.join(map(str, problem['loc']))}: {said}, got {problem['input']!r}")
                        of_each.setdefault(str(problem["loc"][0]), said)
                    else:  # a rule of several settings
                        problems.append(said)
            except TypeError as error:  # a value that JSON cannot hold
                problems.append(str(error))
        if problems:
            raise InvalidSetting(f"Invalid settings for family {family}: " + "; ".join(problems) + ".", of_each)
        return cls(family, *groups)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting, flat, in JSON types."""
        return {
            name: value
            for group in (self.parameters, self.architecture, self.training)
            for name, value in group.model_dump(mode="json").items()
        }

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that change what is trained, flat, in JSON types."""
        return {name: value for name, value in self.settings.items() if name not in NOT_IDENTITY}

    @property
    def digest(self) -> str:
        """SHA-256 of family and identity: equal if and only if the same weights would be trained."""
        return identity_digest(self.family, self.settings)

    @property
    def name(self) -> str:
        """The variant's name: its labelled parameters, then every other setting that is not the default."""
        return self.name_without(())

    def name_without(self, left_out: Collection[str]) -> str:
        """Return the variant's name as it is without some settings (those that nobody knows)."""
        parts = []
        for group in (self.parameters, self.architecture, self.training):
            for name, field in type(group).model_fields.items():
                if name in NOT_IDENTITY or name in left_out:
                    continue
                label = next((item for item in field.metadata if isinstance(item, Label)), Label(name))
                value = getattr(group, name)
                if label.always or value != field.default:
                    parts.append(label.text + _in_a_name(value))
        return "_".join(parts) or "default"


def _in_a_name(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, (tuple, list)) and len(value) > LONGEST_LIST:
        return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]
    if isinstance(value, (tuple, list)):
        return "-".join(_in_a_name(item) for item in value)
    return str(value)
