"""The page Analyse: which analyzer has measured what, under which probe."""

from dynascope_workbench.analyze.page import Analyze

__all__ = ["Analyze"]
