"""Each instrument of the Fourier and the modular-addition plug-in at one checkpoint, without reading and writing.

Run with OMP_NUM_THREADS=1 for one thread. Weights are those that solve the task by hand, with noise.
"""

import sys
from pathlib import Path

import numpy as np
from timing import medians, report

from dynascope import Analyzer, Gradient, Stored, registry
from dynascope_fourier.progress_measures import RULES
from dynascope_modular_addition.known_models import relu_transformer

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from steps import FAMILY, key_set, step_of


def main() -> None:
    ours = ("fourier.", "modular_addition.")
    known = {read.array for read in RULES.values()}
    analyzers = {
        name: entry.item
        for name, entry in registry().all("analyzers").items()
        if name.startswith(ours)
        and isinstance(entry.item, Analyzer)
        and not any(isinstance(read, Gradient) for read in entry.item.reads)
        and {read.array for read in entry.item.reads if isinstance(read, Stored)} <= known
    }
    for p, rounds in ((59, 20), (113, 10)):
        measure(analyzers, p, rounds)


def measure(analyzers, p, rounds) -> None:
    planted, rng = (5, 14, 22), np.random.default_rng(0)
    weights = {
        name: (array + 0.05 * rng.normal(size=array.shape)).astype(np.float32)
        for name, array in relu_transformer(p, planted, neurons_each=100).items()
    }
    config = FAMILY.configure({"p": p})
    steps = {name: step_of(one, config, weights, key_set(p, *planted)) for name, one in analyzers.items()}
    actions = {name: lambda name=name: analyzers[name].analyze(steps[name]) for name in analyzers}
    actions["all of them"] = lambda: [analyzers[name].analyze(steps[name]) for name in analyzers]
    report(f"one checkpoint, p = {p}", medians(actions, rounds), "all of them")


if __name__ == "__main__":
    main()
