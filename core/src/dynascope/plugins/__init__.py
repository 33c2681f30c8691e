"""Finding plug-ins and looking up what they provide."""

from dynascope.plugins.discovery import discover, registry
from dynascope.plugins.registry import PluginRow, Provided, Registry

__all__ = ["PluginRow", "Provided", "Registry", "discover", "registry"]
