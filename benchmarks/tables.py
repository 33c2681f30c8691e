"""Series and tables: 400 checkpoints of one variant, then 100 variants of 400 checkpoints; times and files opened."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from timing import medians, report

from dynascope import Output, Workspace, train
from dynascope.store import units
from dynascope.store.metrics import COLUMNS
from dynascope.store.pack import pack
from dynascope.store.stamps import Stamp, place_of
from dynascope.store.units import write_unit
from dynascope.store.verify import verify_folder

VARIANTS, EPOCHS = 100, 400
FAMILY = "modular_addition_1layer"
OUTPUTS = {
    "gini": Output((), "float64", "1", "a scalar"),
    "loss": Output((), "float64", "nat", "another"),
    "count": Output((), "int32", "1", "a third"),
    "share": Output(("frequency",), "float32", "1", "with an axis", {"frequency": 1}),
}
ANALYZERS = ("plug.one", "plug.two", "plug.three")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(folder)
        variants = made(workspace)
        first = variants[0]
        actions = {
            "a scalar series, 400 epochs": lambda: first.artifacts.series("plug.one/gini"),
            "the table of one variant": first.table,
            "one column of one variant": lambda: first.table(["plug.one/gini"]),
        }
        report(f"one variant, {EPOCHS} checkpoints", medians(actions, 20), "a scalar series, 400 epochs")
        files = []
        opened = units.h5py.File

        class Counted(opened):
            def __init__(self, path, *arguments, **options):
                files.append(path)
                super().__init__(path, *arguments, **options)

        actions = {
            "the whole table": workspace.table,
            "one column": lambda: workspace.table(columns=["plug.one/gini"]),
            "one array with 56 coordinates": lambda: workspace.table(columns=["plug.one/share"]),
            "the whole as xarray": workspace.series,
            "that array as xarray": lambda: workspace.series(columns=["plug.one/share"]),
        }
        report(f"{VARIANTS} variants x {EPOCHS} checkpoints", medians(actions, 3, warmup=1), "the whole table")
        units.h5py.File = Counted
        frame = workspace.table()
        print(f"  {len(frame):,} rows, {len(frame.columns)} columns, {len(files)} HDF5 files opened")
        units.h5py.File = opened
        out = Path(folder) / "packed.h5"
        turn = iter(range(100))
        actions = {
            "verify 1,200 units": lambda: verify_folder(first.artifacts),
            "pack 1,200 units": lambda: pack(first.artifacts, out.with_name(f"{next(turn)}.h5")),
        }
        report("one variant", medians(actions, 1, warmup=0), "verify 1,200 units")


def made(workspace):
    """Variants with metrics of 400 x 25 epochs, and units and series as an analysis leaves them."""
    first = workspace.new_variant(FAMILY, {"p": 113, "epochs": 25, "seed": 0})
    train(first, schedule="0,25")
    epochs = range(0, EPOCHS * 25, 25)
    rng = np.random.default_rng(0)
    rows = [",".join(COLUMNS), *(f"{epoch},{','.join(map(repr, rng.random(4).tolist()))}" for epoch in range(10_001))]
    first.metrics_file.path.write_text("\n".join(rows) + "\n")
    for epoch in epochs:
        if epoch not in first.checkpoints:
            shutil.copy(first.checkpoint_folder.file(0), first.checkpoint_folder.file(epoch))
    for analyzer in ANALYZERS:
        for epoch in epochs:
            stamp = Stamp(FAMILY, "1", first.name, place_of(epoch), analyzer, 1, "1", "{}", "full_grid", "p", "c", "x")
            arrays = {"gini": rng.random(), "loss": rng.random(), "count": epoch, "share": rng.random(56)}
            write_unit(first.artifacts.folder / analyzer, stamp, OUTPUTS, arrays)
        first.artifacts.refresh_series(analyzer)
    for seed in range(1, VARIANTS):
        other = workspace.new_variant(FAMILY, {"p": 113, "epochs": 25, "seed": seed})
        other.save_config(**{key: first.recipe[key] for key in ("epochs", "schedule")})
        for part in ("checkpoints", "artifacts"):
            shutil.copytree(first.folder / part, other.folder / part, copy_function=os.link)
        shutil.copy(first.metrics_file.path, other.metrics_file.path)
    return workspace.variants()


if __name__ == "__main__":
    main()
