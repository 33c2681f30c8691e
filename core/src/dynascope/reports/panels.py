"""A report laid on a variant: what is drawn of it, and what the variant lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dynascope.analysis.freshness import Freshness
from dynascope.contract.report import Control, Report, TextBlock, ViewBlock
from dynascope.drawing import Drawing
from dynascope.errors import ArtifactError, DynascopeError, InvalidSetting, UnknownName
from dynascope.frames import StoredFrame, framed, missing_arrays, what_is_missing
from dynascope.pictures import short_names
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.variant import Variant
from dynascope.style import nearest_epoch

__all__ = ["Panel", "Section", "sections_of"]


@dataclass(frozen=True)
class Panel:
    """One view of one variant.

    Attributes:
        provided: the view, with its plug-in.
        variant: whose.
        frame: what it is drawn from; None where something is missing.
        minus: of another variant, what is taken from it, where the difference of two is shown.
        of: whose it is, in a few words, where there are several.
        lacks: what is missing, and what to do; empty where nothing is.
        notes: which settings of the report could not be taken, and why.
        stale: the analyzers whose arrays are not what would be computed now.
    """

    provided: Provided
    variant: Variant
    frame: StoredFrame | None
    lacks: str = ""
    notes: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    minus: StoredFrame | None = None
    of: str = ""

    def draw(self, epoch: int) -> Drawing:
        """Draw it at an epoch, or, of a view that has nothing there, at the nearest.

        Raises:
            ArtifactError: of a difference: the picture has no values that could be subtracted.
        """
        assert self.frame is not None
        drawing = Drawing(self.provided.item, self.frame.moved_to(self.at(epoch)), minus=self.minus)
        if self.minus is not None:
            if not drawing.differs:
                raise ArtifactError(
                    f"{self.provided.item.title} has no values of which one could be taken from another."
                )
            drawing.move(self.frame.moved_to(self.at(epoch)))
        return drawing

    def at(self, epoch: int) -> int:
        """Return the epoch that it has, or the nearest; a picture over the epochs has each."""
        if self.frame is None or self.provided.item.series:
            return epoch
        return nearest_epoch(self.frame.epochs, epoch)


@dataclass(frozen=True)
class Section:
    """A block of a report, and what is shown there.

    Attributes:
        block: text, or a view.
        panels: one for each variant, in their order; none for a text.
    """

    block: TextBlock | ViewBlock
    panels: Sequence[Panel] = field(default=())


def sections_of(
    report: Report, variants: Sequence[Variant], plugins: Registry, *, difference: bool = False
) -> list[Section]:
    """Lay a report on variants: every view of each of them, at its last checkpoint.

    Args:
        report, variants: what is shown.
        plugins: the registry.
        difference: of two variants, also the second less the first, where a view has values to subtract.

    Raises:
        InvalidSetting: a variant of another family; the difference of other than two.
        UnknownName: a view of the report is of no plug-in that is installed.
        UnknownName, InvalidSetting: its probe is none.
        ArtifactError: there is nothing to show: none of the views can be drawn of any of the variants.
    """
    strangers = [one.full_name for one in variants if report.family not in (one.family.name, one.family.base.name)]
    if strangers:
        raise InvalidSetting(f"The report {report.title!r} is of family {report.family}; {strangers[0]} is of another.")
    if difference and len(variants) != 2:
        raise InvalidSetting(f"A difference is that of two variants; found {len(variants)}.")
    sections: list[Section] = []
    names = short_names([one.name for one in variants])
    fresh = [_freshness(variant, plugins, report.probe) for variant in variants]
    for block in report.blocks:
        if isinstance(block, TextBlock):
            sections.append(Section(block))
            continue
        provided = plugins.all("views").get(block.view)
        if provided is None:
            raise UnknownName("view", block.view, plugins.all("views"))
        panels = [
            replace(_panel(provided, block, report, one, plugins, now), of=name)
            for one, now, name in zip(variants, fresh, names, strict=True)
        ]
        if difference and (less := _difference(*panels)) is not None:
            panels.append(less)
        sections.append(Section(block, panels))
    panels = [panel for section in sections for panel in section.panels]
    if panels and all(panel.frame is None for panel in panels):
        raise ArtifactError(f"Nothing of report {report.name or report.title} can be drawn. {panels[0].lacks}")
    return sections


def _difference(first: Panel, second: Panel) -> Panel | None:
    """Return the second less the first; None where there is nothing to subtract."""
    if first.frame is None or second.frame is None or second.provided.item.series:
        return None
    found = replace(
        second, minus=first.frame, of=f"{second.of} − {first.of}", stale=tuple(sorted({*first.stale, *second.stale}))
    )
    try:
        found.draw(second.frame.epoch)
    except ArtifactError:
        return None
    return found


def _freshness(variant: Variant, plugins: Registry, probe: str | None) -> Freshness:
    try:
        return Freshness.of(variant, plugins, probe or variant.family.probe)
    except (DynascopeError, OSError):  # a variant whose checkpoints are gone can be shown, and not judged
        return Freshness()


def _panel(
    provided: Provided, block: ViewBlock, report: Report, variant: Variant, plugins: Registry, fresh: Freshness
) -> Panel:
    view, artifacts = provided.item, variant.artifacts_of(report.probe)
    missing = missing_arrays(view, variant, artifacts)
    if missing:
        return Panel(provided, variant, None, what_is_missing(missing, variant, plugins, artifacts))
    notes: list[str] = []
    taken: dict[str, Control] = {}
    last = variant.checkpoints[-1] if variant.checkpoints else 0
    frame = framed(view, variant, artifacts, last)
    for name, value in block.controls.items():
        try:  # each by itself: a neuron that this variant does not have leaves the others as they are said
            frame = framed(view, variant, artifacts, last, {**taken, name: value})
            taken[name] = value
        except (UnknownName, InvalidSetting) as error:
            notes.append(str(error))
    if not frame.epochs:
        return Panel(provided, variant, None, f"{view.title}: nothing is computed at any checkpoint.")
    frame = frame.moved_to(frame.epochs[-1])
    return Panel(provided, variant, frame, "", tuple(notes), tuple(fresh.stale(view)))
