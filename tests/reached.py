"""Milestones that a test says were reached, stored as the analyzer stores them."""

import numpy as np
from stand_ins import STAMP

from dynascope.instruments.milestones import MILESTONES, Milestones
from dynascope.store.stamps import SERIES
from dynascope.store.units import write_unit

ANALYZER = "general.milestones"


def store_milestones(variant, **epochs):
    """Let a variant have reached these milestones, and no others."""
    reached = np.array([epochs.get(name, np.nan) for name in MILESTONES])
    arrays = {
        "milestone": np.array(list(MILESTONES)),
        "rule": np.array(list(MILESTONES.values())),
        "threshold": np.full(len(MILESTONES), 0.99),
        "measured": np.ones(len(MILESTONES)) > 0,
        "reached": np.isfinite(reached),
        "epoch_reached": reached,
        "value": np.full(len(MILESTONES), 0.99),
    }
    stamp = STAMP._replace(place=SERIES, analyzer=ANALYZER, variant=variant.name)
    write_unit(variant.artifacts.folder / ANALYZER, stamp, Milestones.outputs, arrays)
