"""The workbench: linked views of one variant, moved by one epoch control.

It reads HDF5, JSON and CSV; neither torch nor transformer_lens is imported.
"""

from dynascope_workbench.page import workbench

__all__ = ["workbench"]
