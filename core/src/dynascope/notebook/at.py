"""A variant at one epoch: the same views as in the app, without a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dynascope.errors import ArtifactError, UnknownName
from dynascope.frames import framed, missing_arrays, what_is_missing
from dynascope.plugins.discovery import registry

if TYPE_CHECKING:
    from dynascope.contract.chosen_probe import ChosenProbe
    from dynascope.store.variant import Variant

__all__ = ["At", "Views"]


class At:
    """A variant at one epoch; made by ``variant.at(epoch)``.

    Attributes:
        views: every view that can be drawn of it, by name: ``variant.at(9100).views.neuron_map(neuron=5)``.
    """

    def __init__(self, variant: Variant, epoch: int) -> None:
        self.variant, self.epoch = variant, epoch
        self.views = Views(self)

    def view(self, name: str, probe: str | ChosenProbe | None = None, **controls: Any) -> Any:
        """Draw a view and return the HoloViews element.

        Args:
            name: the view, by id or unambiguous name.
            probe: whose artifacts to draw, as for ``Variant.artifacts_of``; the family's default probe by default.
            controls: values of the view's controls.

        Raises:
            UnknownName: an unknown view or control.
            InvalidSetting: a control's value that breaks its rule.
            ArtifactError: the variant lacks what the view reads.
        """
        import holoviews as hv

        view = registry().view(name)
        artifacts = self.variant.artifacts_of(probe)
        missing = missing_arrays(view, self.variant, artifacts)
        if missing:
            raise ArtifactError(f"View {name}: {what_is_missing(missing, self.variant, registry(), artifacts)}")
        frame = framed(view, self.variant, artifacts, self.epoch, controls)
        if not hv.Store.renderers:
            hv.extension("bokeh")
        element = view.draw(frame)
        if view.series:
            element = element * hv.VLine(self.epoch).opts(color="grey", line_width=1)
        if isinstance(element, (hv.Element, hv.Overlay)) and hv.Store.current_backend == "bokeh":
            element = element.opts(width=640, height=380, title=f"{self.variant.name}, epoch {self.epoch:,}")
        return element

    def __repr__(self) -> str:
        return f"<{self.variant.name} at epoch {self.epoch}>"


class Views:
    """The views of a variant at one epoch, for completion: each is a function of the view's controls."""

    def __init__(self, at: At) -> None:
        self._at = at

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            view = registry().view(name)
        except UnknownName as error:
            raise AttributeError(str(error)) from None
        return partial(self._at.view, view.name if view.name == name else name)

    def __dir__(self) -> list[str]:
        variant = self._at.variant
        entries = registry().all("views").values()
        return sorted(one.name for one in entries if not missing_arrays(one.item, variant, variant.artifacts))

    def __repr__(self) -> str:
        return f"<views: {', '.join(dir(self))}>"
