"""Analysis: one checkpoint against its bare forward pass, each analyzer, two processes; what is stored and read; plans.

    python benchmarks/analysis.py [checkpoint | processes | reading | planning]

All on one thread, but for ``processes``; a figure in milliseconds is a median of interleaved rounds.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from timing import medians, report

from dynascope import Workspace, analyze, registry, train
from dynascope.analysis.binding import Activation, Gradient, Logits
from dynascope.analysis.desk import Desk
from dynascope.analysis.plan import plan
from dynascope.executors import Where
from dynascope.store.stamps import place_of

FAMILY = "modular_addition_1layer"
MAPS = "modular_addition.neuron_activations/activation"
PRIMES = ((59, 10), (113, 5))


def main() -> None:
    asked = sys.argv[1:]
    for name, part in (
        ("checkpoint", checkpoint),
        ("processes", processes),
        ("reading", reading),
        ("planning", planning),
    ):
        if not asked or name in asked:
            part()


INSTRUMENTS = [
    *(f"fourier.{name}" for name in ("class_circles", "embedding_frequencies", "logit_structure")),
    *(f"fourier.{name}" for name in ("neuron_frequencies", "progress_measures")),
    *(f"general.{name}" for name in ("input_trace", "representation_geometry", "weight_spectra")),
    *(
        f"modular_addition.{name}"
        for name in ("attention_frequencies", "attention_patterns", "effective_neuron_weights")
    ),
    *(f"modular_addition.{name}" for name in ("neuron_activations", "neuron_logit_frequencies")),
]
"""The eleven instruments whose time is compared over versions, in thirteen analyzers. Others are measured alone."""


def made(folder, p, checkpoints):
    """Return a variant with so many checkpoints, written without training but for the first epochs."""
    variant = Workspace.create(folder).new_variant(FAMILY, {"p": p, "epochs": 4})
    train(variant, schedule="0:4:1")
    weights = variant.checkpoint_folder.read(4)
    for epoch in range(5, checkpoints):
        variant.checkpoint_folder.write(epoch, {name: array * (1 + epoch / 1e4) for name, array in weights.items()})
    return variant


def checkpoint() -> None:
    """Measure one checkpoint: the bare pass, the pass with what is declared, every analyzer alone, all of them."""
    torch.set_num_threads(1)
    for p, rounds in PRIMES:
        with tempfile.TemporaryDirectory() as folder:
            variant = made(folder, p, 5)
            analyze(variant)  # what is read of the last checkpoint is there
            work = plan(variant, registry(), epochs=[3], force=True)
            (task,) = work.tasks
            desk = Desk.of(work)
            stamps = [stamp for _, stamp in task.units]
            desk.checkpoint(3, stamps)
            model, bound = desk.model, [one for one, _ in task.units]
            weights = model.weights(3)
            places = list(dict.fromkeys(place for one in bound for place in one.places.values()))
            passing = [place for place in places if isinstance(place, (Activation, Logits, Gradient))]
            module, inputs = variant.model(3), torch.from_numpy(work.batch.inputs)

            def bare(module=module, inputs=inputs):
                with torch.no_grad():
                    return module(inputs)

            def hooked(model=model, weights=weights, passing=passing):
                return [found for _, found, _ in model.passes(3, weights, passing, passing)]

            compared = [stamp for stamp in stamps if stamp.analyzer in INSTRUMENTS]
            actions = {
                "bare forward pass": bare,
                "weights, pass and everything declared": hooked,
                f"the {len(compared)} analyzers compared, stored": lambda desk=desk, stamps=compared: desk.checkpoint(
                    3, stamps
                ),
                f"all {len(stamps)} analyzers, stored": lambda desk=desk, stamps=stamps: desk.checkpoint(3, stamps),
            }
            for stamp in stamps:
                actions[f"{stamp.analyzer} alone"] = lambda desk=desk, stamp=stamp: desk.checkpoint(3, [stamp])
            report(f"one checkpoint on one thread, p = {p}", medians(actions, rounds, warmup=1), "bare forward pass")
            size = sum(file.stat().st_size for file in desk.artifacts.folder.rglob(f"{place_of(3)}-*.h5"))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"  written for it: {size / 1e6:.2f} MB; peak memory of this process so far: {peak:.0f} MiB")


def processes() -> None:
    """Measure a whole analysis inline on one thread, and by two processes of one thread."""
    checkpoints = 60
    for p, _ in PRIMES:
        times = {}
        for name, where in (("inline", Where()), ("two processes", Where("processes", 2))):
            with tempfile.TemporaryDirectory() as folder:
                variant = made(folder, p, checkpoints)
                begun = time.perf_counter()
                work = analyze(variant, analyzers=INSTRUMENTS, where=where)
                times[f"{work.units} units, {name}"] = 1e3 * (time.perf_counter() - begun)
        report(f"{checkpoints} checkpoints, p = {p}", times, next(iter(times)))


def reading() -> None:
    """Measure what views read, and what is stored of neuron maps: of the first checkpoint, and of a trained one."""
    for p, _ in PRIMES:
        with tempfile.TemporaryDirectory() as folder:
            variant = made(folder, p, 5)
            analyze(variant, analyzers=["neuron_activations"])
            neuron = iter(range(10**6))

            def sixteen(read=variant.artifacts.read, neuron=neuron):
                return [read(MAPS, 4, neuron=next(neuron) % 512) for _ in range(16)]

            actions = {
                "16 neurons' maps, one after the other": sixteen,
                "all maps of a checkpoint": lambda read=variant.artifacts.read: read(MAPS, 4),
            }
            report(f"reading, p = {p}", medians(actions, 30), "all maps of a checkpoint")
            stored(variant, 0)
    with tempfile.TemporaryDirectory() as folder:
        variant = Workspace.create(folder).new_variant(FAMILY, {"p": 53}, preset="demo")
        train(variant, schedule="0,1250,2500")
        analyze(variant, analyzers=["neuron_activations"])
        for epoch in variant.checkpoints:
            stored(variant, epoch)
    with tempfile.TemporaryDirectory() as folder:
        variant = made(folder, 59, 400)
        analyze(variant, analyzers=["embedding_frequencies"])
        gini = "fourier.embedding_frequencies/gini"
        actions = {
            "a scalar": lambda: variant.artifacts.series(gini),
            "one value": lambda: variant.artifacts.read(gini, 4),
        }
        report("a series over 400 checkpoints", medians(actions, 30), "a scalar")


def stored(variant, epoch) -> None:
    """Compare the bytes of a checkpoint's maps with those of float32, plain and compressed."""
    work = plan(variant, registry(), analyzers=["neuron_activations"], force=True)
    model, place = Desk.of(work).model, Activation("blocks.0.mlp.hook_post")
    ((_, _, found),) = model.passes(epoch, model.weights(epoch), [place], [place])
    maps = np.ascontiguousarray(found[place].T)
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "maps.npz"
        np.savez_compressed(packed, maps)
        compressed = packed.stat().st_size
    size = variant.artifacts.units(MAPS.partition("/")[0])[epoch].path.stat().st_size
    print(
        f"  stored maps of epoch {epoch}: {size / 1e6:.1f} MB: {size / maps.nbytes:.2f} of float32, "
        f"{size / compressed:.2f} of a compressed float32 .npz"
    )


def planning() -> None:
    """Measure the plan of 100 variants of 1,000 checkpoints, all analysed by one analyzer, for one and for all."""
    os.fsync = lambda file: None  # the 100,000 checkpoints need not outlive a power cut
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(folder)
        for number in range(100):
            make_of_names(workspace, number)
        variants = workspace.variants()
        plugins = registry()
        for names in (["embedding_frequencies"], None):
            for turn in ("first", "again"):
                begun = time.perf_counter()
                plans = [plan(variant, plugins, analyzers=names) for variant in variants]
                seconds = time.perf_counter() - begun
                planned = sum(len(one.counts) for one in plans) // len(plans)
                fresh = sum(one.fresh for one in plans)
                missing = sum(one.missing for one in plans)
                what = f"{len(plans)} variants x 1,000 checkpoints x {planned} analyzers"
                print(f"planning {what}, {turn}: {seconds:.2f} s ({fresh} fresh, {missing} missing)")


def make_of_names(workspace, number):
    """Make a variant of 1,000 small checkpoints, with a unit of one analyzer for each that is there in name only."""
    variant = workspace.new_variant(FAMILY, {"p": 11, "seed": number, "epochs": 1})
    variant.save_config()
    folder = variant.checkpoint_folder
    for epoch in range(1000):
        folder.write(epoch, {"embed.weight": np.float32([number, epoch])})
    work = plan(variant, registry(), analyzers=["embedding_frequencies"])
    units = variant.artifacts.folder / "fourier.embedding_frequencies"
    units.mkdir(parents=True)
    for task in work.tasks:
        for _, stamp in task.units:
            (units / f"{stamp.place}-{stamp.digest}.h5").touch()


if __name__ == "__main__":
    main()
