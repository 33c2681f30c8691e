"""The page Train: a form of the family's settings, what it will cost, and the runs that go on."""

from dynascope_workbench.train.page import Train

__all__ = ["Train"]
