"""A probe: the inputs of the analysis forward pass, the same bytes for every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from dynascope.contract.config import Settings
from dynascope.digest import digest_of
from dynascope.errors import InvalidSetting

__all__ = ["Batch", "Lines", "Probe", "ProbeSettings"]


@dataclass(frozen=True)
class Batch:
    """The inputs a probe made for one variant.

    Attributes:
        inputs: what the family's model takes, ``"row ..."``.
        axes: name and coordinates of each axis that the rows unfold to, slowest first. The full grid
            of pairs has ``{"a": 0..p-1, "b": 0..p-1}``: row ``a * p + b``.
    """

    inputs: np.ndarray[Any, Any]
    axes: Mapping[str, np.ndarray[Any, Any]]

    def __post_init__(self) -> None:
        if prod(self.shape) != len(self.inputs):
            raise InvalidSetting(
                f"A probe's rows must unfold to its axes: {len(self.inputs)} rows do not fill "
                + " x ".join(f"{name} ({len(values)})" for name, values in self.axes.items())
                + "."
            )

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the axes."""
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return tuple(len(values) for values in self.axes.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of inputs and axes: what makes two analyses comparable."""
        return digest_of([self.inputs, {name: np.asarray(values) for name, values in self.axes.items()}])


class ProbeSettings(Settings):
    """Base of a probe's settings. Each field has a description; one without a default must be given.

    Equal settings must be equal values: a validator that writes text in one form lets two spellings of it be one probe.
    """


@dataclass(frozen=True)
class Lines:
    """Marks a setting that is a text of many lines, such as a table: forms have an area for it, and read it from files.

    ``Annotated[str, Lines((".csv", ".txt")), Field(description="...")]``

    Attributes:
        files: the endings of such files.
    """

    files: tuple[str, ...] = (".txt",)


@dataclass(frozen=True)
class Probe:
    """Declares a probe.

    Attributes:
        name: ``[a-z][a-z0-9_]*``, unique among all plug-ins; names a folder.
        title: one line for lists.
        make: pure function of a config, and of settings where there are some, that returns the batch: the same bytes
            in every process.
        needs: facts of the family's context without which the probe cannot be made.
        Settings: what can be chosen, a subclass of ``dynascope.ProbeSettings``; None if there is nothing.
        titled: returns one line for a choice of settings; without it, the title and the settings.
        description: one sentence for forms.
    """

    name: str
    title: str
    make: Callable[..., Batch]
    needs: tuple[str, ...] = ()
    Settings: type[ProbeSettings] | None = None
    titled: Callable[[Any], str] | None = None
    description: str = ""
