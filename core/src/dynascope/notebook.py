"""A variant at one epoch, for notebooks: the same views as in the app, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynascope.errors import ArtifactError, UnknownName
from dynascope.frames import StoredFrame, fitted_controls, missing_arrays
from dynascope.plugins.registry import registry

if TYPE_CHECKING:
    from dynascope.store.variant import Variant

__all__ = ["At"]


class At:
    """A variant at one epoch; made by ``variant.at(epoch)``."""

    def __init__(self, variant: Variant, epoch: int) -> None:
        self.variant, self.epoch = variant, epoch

    def view(self, name: str, probe: str | None = None, **controls: Any) -> Any:
        """Draw a view and return the HoloViews element.

        Args:
            name: the view, by id or unambiguous name.
            probe: whose artifacts to draw; the family's default probe by default.
            controls: values of the view's controls.

        Raises:
            UnknownName: an unknown view or control.
            ArtifactError: the variant lacks what the view reads.
        """
        view = registry().view(name)
        artifacts = self.variant.artifacts_of(probe)
        missing = missing_arrays(view, self.variant, artifacts)
        if missing:
            raise ArtifactError(
                f"View {name} reads {', '.join(missing)}, which {self.variant.name} does not have; "
                f"run `dynascope analyze {self.variant.name}`."
            )
        fitted = fitted_controls(view, artifacts)
        known = sorted(set(fitted.param) - {"name"}) if fitted is not None else []
        for control in controls:
            if control not in known:
                raise UnknownName(f"control of view {name}", control, known)
        if fitted is not None:
            fitted.param.update(**controls)
        element = view.draw(StoredFrame(self.variant, artifacts, view, self.epoch, fitted))
        if view.series:
            import holoviews as hv

            element = element * hv.VLine(self.epoch).opts(color="grey", line_width=1)
        return element

    def __repr__(self) -> str:
        return f"<{self.variant.name} at epoch {self.epoch}>"
