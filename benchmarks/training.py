"""One epoch (train step, test loss and accuracy): the stock loop, ours, and the matrix products alone.

    python benchmarks/training.py [epoch] [ensembles] [checkpoints] [compile] [segments] [shared]

Without arguments, everything. ``compile`` adds the compiled pass to ``epoch`` (compiling takes about a minute).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from timing import medians, report

from dynascope import Workspace, train
from dynascope.cli.app import SPINS
from dynascope.training.memory import keep_freed_memory
from dynascope.training.recipe import resolved
from dynascope.training.segments import SECONDS, order_of, train_segment
from dynascope.training.stack import Stack
from dynascope_modular_addition import ModularAddition1Layer

FAMILY = ModularAddition1Layer()


def stock_epoch(config):
    """The usual loop: a hooked transformer on all positions, loss at the last one, AdamW."""
    dtype = getattr(torch, config.training.dtype)
    model = FAMILY.hooked(config, {name: tensor.to(dtype) for name, tensor in FAMILY.init(config).items()})
    data = FAMILY.data(config)
    trainable = FAMILY.trainable(config)
    parameters = [value for name, value in model.state_dict(keep_vars=True).items() if name in trainable]
    recipe = config.training
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )

    def epoch():
        loss = FAMILY.loss(config, model(data.train_inputs)[:, -1], data.train_labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.inference_mode():
            logits = model(data.test_inputs)[:, -1]
            test_loss = FAMILY.loss(config, logits, data.test_labels)
            return float(loss.detach()), float(test_loss), float((logits.argmax(-1) == data.test_labels).float().mean())

    return epoch


def products(shapes, train_rows, test_rows):
    """Return matrix products of these shapes for every row, thrice for training rows."""
    work = []
    for inner, outer in shapes:
        weight = torch.randn(inner, outer)
        for rows in (train_rows, test_rows):
            work.append((torch.randn(rows, inner), weight))
        gradient, inputs = torch.randn(train_rows, outer), torch.randn(train_rows, inner)
        work += [(gradient, weight.T.contiguous()), (inputs.T.contiguous(), gradient)]
    outputs = [left @ right for left, right in work]

    def run():
        for (left, right), output in zip(work, outputs, strict=True):
            torch.mm(left, right, out=output)

    return run


def epochs(compiled):
    """Compare one epoch with the stock loop and with the products alone."""
    for p, rounds in ((59, 40), (113, 15)):
        config = FAMILY.configure({"p": p})
        size = config.architecture
        stack = Stack(FAMILY, [config])
        rows = len(stack.train_labels), len(stack.test_labels)
        from_neurons = [(size.d_mlp, p)]
        # z to neurons and logits, neurons to logits: what remains if only the last position is computed.
        of_a_row = [(size.d_model, size.d_mlp), (size.d_model, p), *from_neurons]
        actions = {"stock loop": stock_epoch(config), "dynascope": stack.step}
        if compiled:
            actions["dynascope, compiled"] = Stack(FAMILY, [config], compiled=True).step
        actions["dynascope, without the test split"] = partial(stack.step, test=False)
        actions["products of the last position (floor)"] = products(of_a_row, *rows)
        actions["product neurons to logits alone"] = products(from_neurons, *rows)
        times = medians(actions, rounds)
        title = f"one epoch, p = {p}, {rows[0]} training and {rows[1]} test pairs"
        report(title, times, "stock loop")
        floor = times["products of the last position (floor)"]
        for name in actions:
            if name.startswith("dynascope"):
                print(f"  {name}: {times['stock loop'] / times[name]:.1f} x as fast as the stock loop, "
                      f"{times[name] / floor:.2f} x the floor")  # fmt: skip


def agreement():
    """Compare the train losses of 20 epochs with those of the stock loop, in single and in double precision.

    In single precision they agree to 1e-9 until one of the two million values before the ReLU, at its kink, changes
    sign by rounding; from there on they differ as any two orders of summation do.
    """
    print("\ntrain losses of 20 epochs, p = 113: largest relative difference to the stock loop")
    for dtype in ("float32", "float64"):
        config = FAMILY.configure({"dtype": dtype})
        stock, stack = stock_epoch(config), Stack(FAMILY, [config])
        differences = [abs(stack.step().flatten().tolist()[0] / stock()[0] - 1) for _ in range(20)]
        print(f"  {dtype}: {max(differences[:4]):.1e} in the first four, {max(differences):.1e} in all")


def member_epoch(p, members, rounds):
    """Return the median milliseconds of one epoch of a stack, one member's share, on this process' threads."""
    keep_freed_memory()
    stack = Stack(FAMILY, [FAMILY.configure({"p": p, "seed": seed}) for seed in range(members)])
    for _ in range(2):
        stack.step()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        stack.step()
        times.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(times) / members


def _one_thread(p, members, rounds):
    torch.set_num_threads(1)
    return member_epoch(p, members, rounds)


def ensembles():
    """Compare stacks of 1, 4 and 16, and processes of one thread each, by a variant's share of the time."""
    cores = len(os.sched_getaffinity(0))
    for p, rounds in ((11, 40), (59, 15), (113, 5)):
        print(f"\nms per variant and epoch, p = {p}")
        alone = member_epoch(p, 1, rounds)
        print(f"  one process, {cores} threads, stack of 1      {alone:9.2f}   1.000 x")
        for members in (4, 16):
            value = member_epoch(p, members, max(rounds // members, 3))
            print(f"  one process, {cores} threads, stack of {members:<2}     {value:9.2f}   {value / alone:.3f} x")
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            for members in (1, 4, 16):
                work = [pool.submit(_one_thread, p, members, max(rounds // members, 3)) for _ in range(cores)]
                value = statistics.mean(future.result() for future in work) / cores
                print(f"  {cores} processes, 1 thread, stack of {members:<2}      {value:9.2f}   {value / alone:.3f} x")


def segments():
    """Compare what a segment costs beside its epochs with a minute: the first one in a process, and the next ones."""
    print("\nms for the start and the end of a segment, one thread")
    for p in (59, 113):
        with tempfile.TemporaryDirectory() as folder:
            variant = Workspace.create(folder).new_variant(FAMILY.name, {"p": p})
            recipe = resolved(variant, compiled=False, threads=1)
            epoch = _one_thread(p, 1, 10) / 1e3
            order = replace(order_of([variant], recipe, Path(folder) / "stop"), seconds=0)
            costs = {}
            for rows in (0, 24_000):
                if rows:
                    _pretend(variant, rows)
                for which in ("next",) * 3 if rows else ("first", "next", "next", "next"):
                    begun = time.perf_counter()
                    train_segment(order)
                    costs[f"{which}, {rows} epochs before"] = time.perf_counter() - begun - epoch
            for name, cost in costs.items():
                print(f"  p = {p}, {name:<28} {1e3 * cost:7.0f}   {cost / SECONDS:.2%} of a minute")


def _pretend(variant, epochs):
    """Let a variant have the metrics of so many epochs, and go on from there."""
    start = max(variant.resumable)
    row = {name: float(value[0]) for name, value in variant.metrics_file.read().items()}
    state = variant.state_at(start)
    with variant.metrics_file.appending(from_epoch=start) as writer:
        for epoch in range(start, epochs):
            writer.append({**row, "epoch": epoch})
    variant.write_resume(epochs, *state)


def shared():
    """Compare an epoch beside as many busy processes as there are cores, by how long waiting threads spin."""
    busy = "import torch; torch.set_num_threads(1); a = torch.randn(1500, 1500)\nwhile True: a @ a"
    here = str(Path(__file__).parent)
    probe = f"import sys; sys.path.insert(0, {here!r}); import training; print(training.member_epoch(59, 1, 9))"
    print("\none epoch, p = 59, beside busy processes")
    others = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(len(os.sched_getaffinity(0)))]
    ways = {"as libgomp does by default": {}, f"as the command line does ({SPINS})": {"GOMP_SPINCOUNT": SPINS}}
    times = {name: [] for name in ways}
    time.sleep(10)  # until they are all busy
    try:
        for _ in range(3):
            for name, spins in ways.items():
                run = subprocess.run(
                    [sys.executable, "-c", probe], env={**os.environ, **spins}, capture_output=True, text=True
                )
                times[name].append(float(run.stdout))
    finally:
        for process in others:
            process.kill()
    for name, values in times.items():
        print(f"  threads wait {name:<36} {min(values):9.2f} to {max(values):9.2f} ms")


def checkpoints():
    """Compare 1,000 epochs of p = 59 with 95 checkpoints and with 2, in turn."""
    times = {2: [], 95: []}
    for turn in range(3):
        for count, values in times.items():
            with tempfile.TemporaryDirectory() as folder:
                variant = Workspace.create(folder).new_variant(FAMILY.name, {"p": 59, "epochs": 940})
                begun = time.perf_counter()
                train(variant, schedule="0,940" if count == 2 else "every:10")
                values.append(time.perf_counter() - begun)
                if turn == 0 and count == 95:
                    assert len(variant.checkpoints) == 95
    few, many = min(times[2]), min(times[95])
    each = (many - few) / 93
    print(f"\n95 checkpoints with optimizer state: {1e3 * each:.1f} ms each")
    for p in (59, 113):
        config = FAMILY.configure({"p": p})
        epoch = medians({"epoch": Stack(FAMILY, [config]).step}, 10)["epoch"] / 1e3
        print(f"  of a training of {config.training.epochs} epochs, p = {p}: "
              f"{95 * each / (epoch * config.training.epochs):.2%}")  # fmt: skip


def main() -> None:
    keep_freed_memory()
    chosen = set(sys.argv[1:]) or {"epoch", "ensembles", "checkpoints", "compile", "segments", "shared"}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    if chosen & {"epoch", "compile"}:
        epochs("compile" in chosen)
        agreement()
    if "ensembles" in chosen:
        ensembles()
    if "checkpoints" in chosen:
        checkpoints()
    if "segments" in chosen:
        segments()
    if "shared" in chosen:
        shared()


if __name__ == "__main__":
    main()
