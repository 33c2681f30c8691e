"""Registries that tests analyse with."""

from dynascope import registry
from dynascope.plugins import Provided, Registry
from dynascope.plugins.declarations import check_declaration


def plugins(*analyzers, version="1.0"):
    """The installed families and probes, with these analyzers alone, as plug-in ``test``."""
    found = registry()
    kept = [entry for kind in ("families", "probes") for entry in found.all(kind).values()]
    for one in analyzers:
        check_declaration(one)
    return Registry([], [*kept, *(Provided("analyzers", one.name, "test", "dist", version, one) for one in analyzers)])
