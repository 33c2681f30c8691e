"""The page Explore: the views of one variant, under one epoch control."""

from dynascope_workbench.explore.page import Explore

__all__ = ["Explore"]
