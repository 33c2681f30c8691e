"""A view: draws stored arrays at one epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import param
    import xarray as xr

__all__ = ["Frame", "View"]


class Frame(Protocol):
    """What a view draws from. An array is named ``"<plug-in>.<analyzer>/<array>"``.

    Attributes:
        epoch: the epoch to draw.
        epochs: the epochs that have every array the view reads.
        controls: an instance of the view's controls, or None.
        variant_name: of the variant that is looked at: its coordinate on the axis ``variant``.
    """

    @property
    def variant_name(self) -> str: ...

    @property
    def epoch(self) -> int: ...

    @property
    def epochs(self) -> Sequence[int]: ...

    @property
    def controls(self) -> Any: ...

    def read(self, array: str, epoch: int | None = None, **at: int | str) -> xr.DataArray:
        """Return an array at the frame's epoch (or another), at the given coordinates: ``neuron=5``.

        What is measured over the series is one array for all epochs; what is measured over variants is that of the
        newest comparison.
        """

    def series(self, array: str, **at: int | str) -> xr.DataArray:
        """Return an array at every epoch, with ``epoch`` as its first axis."""

    def range(self, array: str) -> tuple[float, float]:
        """Return the smallest and largest value over all epochs: axes and colours that do not jump."""

    @property
    def metrics(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """The training metrics by column: ``epoch``, ``train_loss``, ``test_loss``, ..."""


@dataclass(frozen=True)
class View:
    """Declares a view.

    Attributes:
        name: ``[a-z][a-z0-9_]*``, unique within the plug-in.
        title: what stands above the picture.
        draw: returns a HoloViews element, which may be an ``hv.Table``; imports holoviews itself. Called once, and
            again when a control or the variant changes.
        columns: what changes with the epoch, ``{column: array}``: the names of the element's dimensions
            (``image`` for the values of an ``hv.Image``). In an overlay, ``"<label>/<column>"`` says whose. The
            host then moves the drawn picture by replacing these columns alone. A view without it is drawn again;
            one that returns none stays.
        reads: the arrays it needs, and ``"metrics"`` for the training metrics: what decides whether it is offered.
        controls: a ``param.Parameterized`` class. A parameter named like an axis of an array that the view
            reads ranges over that axis: a number (``neuron``) gets its bounds, one with ``allow_None`` leaves the
            choice to the view until a number is given; a ``Selector`` (``site``) gets its names.
        pick: returns what a click at a point of the picture chooses, ``{axis: coordinate}``, given the frame and the
            point on the picture's axes: the host sets the controls of that name in all views (``neuron``), and goes
            to the checkpoint nearest to an ``epoch``. Empty where there is nothing.
        mark: the inverse of ``pick``: returns where on the picture's axes, ``{"x": ..., "y": ...}`` or one of them, a
            chosen coordinate lies, given the frame and ``{axis: coordinate}``. It is needed only where the picture does
            not say so itself: a coordinate is found on an axis of the picture that has the name of the axis
            (``frequency``), and at every point, line or cell with a column of that name.
        series: the horizontal axis is the epoch: the host adds the epoch line and the phases, and jumps where it is
            clicked.
        description: what one is looking at.
    """

    name: str
    title: str
    draw: Callable[[Frame], Any]
    reads: tuple[str, ...]
    columns: Callable[[Frame], Mapping[str, Any]] | None = None
    controls: type[param.Parameterized] | None = None
    pick: Callable[[Frame, float, float], Mapping[str, int | str]] | None = None
    mark: Callable[[Frame, Mapping[str, int | str]], Mapping[str, float]] | None = None
    series: bool = False
    description: str = ""
