"""The variant that tests train: the calibration family, small, and analysed by few."""

import json

from dynascope import registry

FAMILY = "modular_addition_1layer"
TINY = {"p": 11, "train_fraction": 0.5, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32, "epochs": 40}
SCHEDULE = "0:40:20"
ANALYZERS = ["fourier.embedding_frequencies", "fourier.neuron_frequencies", "modular_addition.neuron_activations"]


def declare_analyzers(workspace, analyzers=ANALYZERS):
    """Let a workspace analyse by these alone, unless others are named; by all if None. For tests that count units."""
    file = workspace / "model_families" / FAMILY / "family.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"analyzers": analyzers}))


def drawn_on_demand():
    """The analyzers that run only where they are named, and that some view draws."""
    plugins = registry()
    read = {array.partition("/")[0] for entry in plugins.all("views").values() for array in entry.item.reads}
    return [name for name, entry in plugins.all("analyzers").items() if entry.item.on_demand and name in read]
