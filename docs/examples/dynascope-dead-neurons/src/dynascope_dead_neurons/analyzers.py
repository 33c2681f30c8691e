"""The analyzer: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step

__all__ = ["Firing"]


class Firing(Analyzer):
    """How often each neuron is positive on the probe, and how many never are."""

    name = "firing"
    title = "Firing neurons"
    description = "Share of the probe's rows on which each neuron is positive."
    reads = ("neurons",)
    outputs = {
        "fires": Output(("neuron",), "float32", "1", "share of the probe's rows on which the neuron is positive"),
        "dead": Output((), "int32", "neurons", "neurons that are positive on no row"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        fires = (step["neurons"] > 0).mean(axis=0)
        return {"fires": fires, "dead": np.int32(np.count_nonzero(fires == 0))}
