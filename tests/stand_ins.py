"""What the engine hands to analyzers, made by hand; and what it does with what they return."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dynascope import Batch, Step
from dynascope.plugins.declarations import check_declaration
from dynascope.store.stamps import Stamp
from dynascope.store.units import write_unit

STAMP = Stamp(**dict.fromkeys(Stamp._fields, "") | {"place": "00000000", "analyzer": "a.b"})


def step(arrays=None, weights=None, context=None):
    return Step(0, None, context or {}, Batch(np.zeros((1, 1)), {"row": np.arange(1)}), arrays or {}, weights or {})


@dataclass
class SeriesStandIn:
    epochs: np.ndarray = field(default_factory=lambda: np.arange(0))
    arrays: dict = field(default_factory=dict)
    checkpoints: list = field(default_factory=list)
    metrics: dict = field(default_factory=dict)
    reads: int = 0
    config = None
    context = None
    batch = None

    def __getitem__(self, read):
        return self.arrays[read]

    def at(self, read, epoch):
        return self.arrays[read][list(self.epochs).index(epoch)]

    def weights(self, epoch):
        self.reads += 1
        return self.checkpoints[list(self.epochs).index(epoch)]


@dataclass
class ComparisonStandIn:
    arrays: dict
    metrics: dict
    configs = None
    contexts = None
    epochs = None

    @property
    def variants(self):
        return sorted(self.metrics)

    def __getitem__(self, read):
        return self.arrays[read]


def metrics(epoch, **columns):
    names = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    return {
        "epoch": np.asarray(epoch),
        **{name: np.asarray(columns.get(name, np.full(len(epoch), np.nan)), dtype=float) for name in names},
    }


def measured(analyzer, of):
    """Run an analyzer, and let the store check its declaration and what it returns."""
    check_declaration(analyzer)
    arrays = analyzer.analyze(of)
    with tempfile.TemporaryDirectory() as folder:
        write_unit(Path(folder), STAMP, analyzer.outputs, arrays)
    return arrays
