"""Reading what was measured over several variants of a family beside each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.digest import digest_of
from dynascope.errors import ArtifactError
from dynascope.store.artifacts import Artifacts
from dynascope.store.units import Unit, list_wholes, stamp_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BETWEEN", "Comparisons", "place_of_variants"]

BETWEEN = ", "
"""What stands between the names of variants in a stamp."""


def place_of_variants(names: Iterable[str]) -> str:
    """Return the place of what is measured over these variants: ``variants-`` and a digest of their names."""
    return f"variants-{digest_of(sorted(names))[:8]}"


class Comparisons:
    """What was measured over variants of one family under one probe.

    Args:
        folder: ``results/<family>/comparisons/<probe>``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._artifacts = Artifacts(folder)

    def analyzers(self) -> list[str]:
        """Return the ids of the analyzers that have measured variants here, sorted."""
        return self._artifacts.analyzers()

    def variants(self, analyzer: str) -> list[tuple[str, ...]]:
        """Return the sets of variants that an analyzer has measured, by name."""
        return sorted(tuple(str(self.stamp(unit)["variant"]).split(BETWEEN)) for unit in self.units(analyzer))

    def units(self, analyzer: str) -> list[Unit]:
        """Return the units of an analyzer, the newest last."""
        found = [unit for group in list_wholes(self.folder / analyzer).values() for unit in group]
        return sorted(found, key=lambda unit: unit.path.stat().st_mtime_ns)

    def stamp(self, unit: Unit) -> dict[str, Any]:
        """Return what is stamped on a unit; ``variant`` holds the names."""
        return stamp_of(unit)

    def arrays(self, analyzer: str) -> dict[str, dict[str, int]]:
        """Return the arrays of an analyzer with the length of each axis, as of the newest unit."""
        units = self.units(analyzer)
        return self._artifacts.arrays_of(units[-1], analyzer) if units else {}

    def read(self, array: str, variants: Iterable[str] | None = None, **at: int | str) -> xr.DataArray:
        """Return ``"<plug-in>.<analyzer>/<array>"``, at the given coordinates.

        Args:
            variants: names; by default those that were measured last.

        Raises:
            ArtifactError: these variants were not measured together.
            UnknownName: the analyzer has no such array or axis.
        """
        analyzer, _, name = array.partition("/")
        units = self.units(analyzer)
        if variants is not None:
            place = place_of_variants(variants)
            units = [unit for unit in units if unit.place == place]
        if not units:
            these = "" if variants is None else f" over {BETWEEN.join(sorted(variants))}"
            raise ArtifactError(f"{analyzer} has not been computed{these} (in {self.folder}); run `dynascope analyze`.")
        return self._artifacts.read_unit(units[-1], analyzer, name, **at)

    def __repr__(self) -> str:
        return f"<comparisons by {', '.join(self.analyzers()) or 'no analyzer'}>"
