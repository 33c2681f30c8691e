"""Pictures that views share: lines and maps over training, variants beside each other, and notes.

Each function returns a HoloViews element; holoviews is imported when one is called. Colours, ticks and limits are in
``dynascope.style``.
"""

from dynascope.pictures.notes import said, sentence
from dynascope.pictures.training import Series, cells_over_training, curve_at_checkpoints, in_turn, lines_over_training
from dynascope.pictures.variants import Column, scatter_of_variants, short_names, table_of_variants

__all__ = [
    "Column",
    "Series",
    "cells_over_training",
    "curve_at_checkpoints",
    "in_turn",
    "lines_over_training",
    "said",
    "scatter_of_variants",
    "sentence",
    "short_names",
    "table_of_variants",
]
