"""What is asked of tables and series of variants, and reading it from the stacked series files."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynascope.errors import InvalidSetting, UnknownName
from dynascope.store.artifacts import Artifacts
from dynascope.store.metrics import COLUMNS
from dynascope.store.probe_file import probe_folders
from dynascope.store.series import LARGEST

if TYPE_CHECKING:
    import xarray as xr

    from dynascope.contract.chosen_probe import ChosenProbe
    from dynascope.store.variant import Variant

__all__ = ["Columns", "Reading", "metrics_of", "parsed", "settings_of"]

log = logging.getLogger(__name__)

METRICS = COLUMNS[1:]


@dataclass(frozen=True)
class Columns:
    """What was asked for, by kind.

    Attributes:
        metrics, settings: names.
        arrays: those of each analyzer, None for all its scalars; None for all scalars of all analyzers.
    """

    metrics: tuple[str, ...]
    settings: tuple[str, ...]
    arrays: Mapping[str, tuple[str, ...] | None] | None

    def of(self, analyzer: str) -> tuple[str, ...] | None:
        """Return the arrays of an analyzer; None for all its scalars."""
        return None if self.arrays is None else self.arrays.get(analyzer)


def parsed(asked: Sequence[str] | None, variants: Sequence[Variant]) -> Columns:
    """Return what was asked for, by kind: by default the metrics, and all scalars.

    Raises:
        UnknownName: what is no metric, no setting of these variants, and no name of an analyzer or array.
    """
    if asked is None:
        return Columns(METRICS, (), None)
    settings = {name for variant in variants for name in variant.config.settings}
    metrics, chosen = [], []
    arrays: dict[str, tuple[str, ...] | None] = {}
    for name in asked:
        analyzer, slash, array = name.partition("/")
        if name in METRICS:
            metrics.append(name)
        elif name in settings:
            chosen.append(name)
        elif "." not in analyzer:
            raise UnknownName("column", name, {*METRICS, *settings, "<plug-in>.<analyzer>/<array>"})
        elif slash and arrays.get(analyzer, ()) is not None:
            arrays[analyzer] = (*(arrays.get(analyzer) or ()), array)
        else:
            arrays[analyzer] = None
    return Columns(tuple(metrics), tuple(chosen), arrays)


class Reading:
    """Reads series, and remembers what was there, so that a name that nothing has is an error.

    Args:
        probe: under which the arrays were made; the default probe of each family by default.
        axes: how many axes an array may have beside ``epoch``; any number by default.
    """

    def __init__(self, probe: str | ChosenProbe | None, axes: int | None = None) -> None:
        self._probe, self._axes = probe, axes
        self._there, self._folders = False, set[str]()
        self._known: set[str] = set()
        self._small: set[str] = set()
        self._seen: dict[str, Artifacts] = {}
        self._from_units = 0

    def arrays(self, variant: Variant, wanted: Columns) -> Iterator[xr.DataArray]:
        """Yield the arrays of a variant that were asked for, each with ``epoch`` as its first axis.

        Raises:
            InvalidSetting: an array with too many axes, or too large for a series.
        """
        artifacts = variant.artifacts_of(self._probe)
        self._there |= artifacts.folder.is_dir()
        self._folders |= {folder.name for folder in probe_folders(artifacts.folder.parent)}
        for analyzer in artifacts.analyzers():
            self._known.add(analyzer)
            self._seen[analyzer] = artifacts
            if wanted.arrays is not None and analyzer not in wanted.arrays:
                continue
            names = wanted.of(analyzer)
            self._check(artifacts, analyzer, names or ())
            stack, stacked = artifacts.stacks(analyzer, names)
            self._from_units += not stacked
            for name, array in stack.items():
                self._known.add(f"{analyzer}/{name}")
                yield array.assign_attrs(analyzer=analyzer)

    def finish(self, asked: Sequence[str] | None) -> None:
        """Refuse columns, and the folder of a probe, that no variant has; say which series were missing."""
        if self._from_units:
            log.warning(
                "%d series were read from their units, which is slow; `dynascope artifacts repair` rebuilds them.",
                self._from_units,
            )
        if (
            isinstance(self._probe, str) and ":" not in self._probe and "-" in self._probe and not self._there
        ):  # a folder's name, and of none
            raise UnknownName("probe with artifacts", self._probe, self._folders)
        for name in asked or ():
            if "." in name and name not in self._known:
                there = {f"{one}/{array}" for one, artifacts in self._seen.items() for array in artifacts.arrays(one)}
                raise UnknownName("column", name, {*self._known, *there, *METRICS})

    def _check(self, artifacts: Artifacts, analyzer: str, names: Sequence[str]) -> None:
        """Refuse arrays before they are read.

        Arrays of several axes are looked at in each variant, others in the first that has them: an analyzer gives
        them the same axes everywhere.
        """
        if {f"{analyzer}/{name}" for name in names} <= self._small:
            return
        for name, lengths in artifacts.arrays(analyzer).items():
            if name not in names:
                continue
            if self._axes is not None and len(lengths) > self._axes:
                raise InvalidSetting(
                    f"{analyzer}/{name} has the axes {', '.join(lengths)}; a table takes arrays with at most one. "
                    "The `series` of a variant, or of the workspace, has arrays with all their axes."
                )
            if (size := math.prod(lengths.values())) > LARGEST:
                raise InvalidSetting(
                    f"{analyzer}/{name} holds {size:,} numbers at each epoch; series are of arrays with up to "
                    f"{LARGEST:,}. Read it at one epoch with artifacts.read({f'{analyzer}/{name}'!r}, epoch)."
                )
            if len(lengths) <= 1:
                self._small.add(f"{analyzer}/{name}")


def metrics_of(variant: Variant, epochs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Return metrics at some epochs, NaN where there is no value."""
    if not names:
        return {}
    rows = variant.metrics_file.at(epochs)
    return {name: rows[name] for name in names}


def settings_of(variant: Variant, names: Sequence[str]) -> dict[str, Any]:
    """Return settings, None for those that the variant's family does not have."""
    return {name: variant.config.settings.get(name) for name in names}
