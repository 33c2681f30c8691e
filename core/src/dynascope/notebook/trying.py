"""An analyzer that is being written, tried on a variant before it is a plug-in: nothing of it is stored."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.analysis.run import analyze
from dynascope.contract.analyzer import Instrument
from dynascope.errors import InvalidSetting
from dynascope.plugins.declarations import check_declaration
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Provided, Registry
from dynascope.store.artifacts import Artifacts
from dynascope.store.variant import Variant

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["tried"]

PLUGIN = "notebook"
"""What prefixes the name of an analyzer that is tried."""


def tried(
    variant: Variant,
    analyzer: Instrument,
    epochs: Sequence[int] | None = None,
    probe: str | None = None,
    **options: Any,
) -> xr.Dataset:
    """Measure checkpoints of a variant by an analyzer, and return its arrays.

    Args:
        variant: of which.
        analyzer: an object, as a plug-in would provide it.
        epochs: at which; the last checkpoint by default.
        probe: under which; the family's default by default.
        options: further ones of ``dynascope.analyze``.

    Returns:
        The arrays, labelled, with ``epoch`` as the first axis of what is measured at each checkpoint.

    Raises:
        InvalidSetting: no analyzer.
        PluginError: its declaration breaks a rule.
        AnalysisError: it failed; the message names the epoch.
    """
    import xarray as xr

    if not isinstance(analyzer, Instrument):
        raise InvalidSetting(
            f"An analyzer is an object of a class that derives from dynascope.Analyzer; found {analyzer!r}."
        )
    check_declaration(analyzer)
    known = registry()
    provided = [
        one for kind in ("analyzers", "families", "probes", "reports", "views") for one in known.all(kind).values()
    ]
    mine = Provided("analyzers", analyzer.name, PLUGIN, PLUGIN, "0", analyzer)
    chosen = variant.artifacts_of(probe)
    with tempfile.TemporaryDirectory() as folder:
        apart = Variant(variant.family, variant.config, variant.folder)
        apart._artifacts[chosen.folder.name] = Artifacts(Path(folder) / chosen.folder.name)
        analyze(
            apart, probe=probe, analyzers=[mine.id], epochs=list(epochs or variant.checkpoints[-1:]),
            plugins=Registry(known.plugins, [*provided, mine]), **options,
        )  # fmt: skip
        found = apart.artifacts_of(probe)
        at_each = bool(found.epochs(mine.id))
        arrays = {
            name: (found.series(f"{mine.id}/{name}") if at_each else found.read(f"{mine.id}/{name}")).load()
            for name in found.arrays(mine.id)
        }
    return xr.Dataset(arrays)
