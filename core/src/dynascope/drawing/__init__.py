"""A view as a picture: drawn once, dressed, and moved along the epochs, in the app and in what leaves it.

It needs holoviews and bokeh, and no server.
"""

from dynascope.drawing.moving import Drawing

__all__ = ["Drawing"]
