"""One checkpoint: the bare forward pass, the pass with declared hooks, all analyzers; then reading what was stored."""

import tempfile

import torch
from timing import medians, report

from dynascope import Workspace, analyze, registry, train
from dynascope.analysis.plan import plan
from dynascope.analysis.run import _Model

MAPS = "modular_addition.neuron_activations/activation"


def main() -> None:
    for p, rounds in ((53, 10), (113, 5)):
        with tempfile.TemporaryDirectory() as folder:
            variant = Workspace.create(folder).new_variant("modular_addition_1layer", {"p": p, "epochs": 4})
            train(variant, schedule="0:4:1")
            measure(variant, p, rounds)


def measure(variant, p, rounds) -> None:
    work = plan(variant, registry(), epochs=[4], force=True)
    model = _Model(work)
    model.read(4, work.analyzers)
    module, inputs = model._module, model._inputs

    def bare():
        with torch.no_grad():
            return module(inputs)

    analyzers = {bound.provided.id: bound for bound in work.analyzers}
    actions = {"bare forward pass": bare, "weights, pass and declared hooks": lambda: model.read(4, work.analyzers)}
    actions["all analyzers, stored"] = lambda: analyze(variant, epochs=[4], force=True)
    for name in analyzers:
        actions[f"{name} alone, stored"] = lambda name=name: analyze(variant, analyzers=[name], epochs=[4], force=True)
    report(f"one checkpoint, p = {p}", medians(actions, rounds, warmup=1), "bare forward pass")

    analyze(variant)
    neuron = iter(range(10**6))

    def one_map():
        variant.artifacts.read(MAPS, 4, neuron=next(neuron) % 512)

    times = medians(
        {
            "one neuron's map": one_map,
            "all maps of a checkpoint": lambda: variant.artifacts.read(MAPS, 4),
            "a series": lambda: variant.artifacts.series("fourier.neuron_frequencies/cluster_size"),
        },
        30,
    )
    report(f"reading, p = {p}", times, "all maps of a checkpoint")
    unit = variant.artifacts.units("modular_addition.neuron_activations")[4].path
    size = unit.stat().st_size
    print(f"  stored maps: {size / 1e6:.1f} MB, {size / (4 * 512 * p * p):.2f} of float32")


if __name__ == "__main__":
    main()
