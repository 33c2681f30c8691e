"""Finding plug-ins and looking up what they provide."""

from dynascope.plugins.discovery import PluginRow, discover
from dynascope.plugins.registry import Provided, Registry, registry

__all__ = ["PluginRow", "Provided", "Registry", "discover", "registry"]
