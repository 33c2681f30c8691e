"""The page Compare: up to four variants beside each other."""

from dynascope_workbench.compare.page import Compare

__all__ = ["Compare"]
