"""What a notebook shows: views at an epoch, reports, small tables of what there is, and bars of what is under way."""

from dynascope.notebook.at import At
from dynascope.notebook.report import ShownReport

__all__ = ["At", "ShownReport"]
