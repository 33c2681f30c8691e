"""A step of logits alone: what the instruments of the logits read, without a model."""

import numpy as np
from steps import key_set, outputs_of

from dynascope import Batch, Logits, Rows, Step
from dynascope_fourier import CyclicGroup
from dynascope_fourier.progress_measures import RULES, ProgressMeasures

PAPER = (14, 35, 41, 42, 52)


def logit_step(logits, p, key=(), trained=None):
    a, b = np.divmod(np.arange(p * p), p)
    trained = np.arange(p * p) % 3 == 0 if trained is None else trained
    arrays = {
        Logits(): logits,
        Rows("label"): (a + b) % p,
        Rows("train"): trained.astype(np.int8),
        Rows("test"): (~trained).astype(np.int8),
        **{read: key_set(p, *key)[read.array] for read in RULES.values()},
    }
    batch = Batch(np.stack([a, b], axis=1), {"a": np.arange(p), "b": np.arange(p)})
    return Step(0, None, {"cyclic_group": CyclicGroup(p)}, batch, arrays)


def progress(logits, p, key, trained=None):
    return outputs_of(ProgressMeasures(), logit_step(logits, p, key, trained))
