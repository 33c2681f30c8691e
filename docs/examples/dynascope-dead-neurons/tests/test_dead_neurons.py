"""Known answers first; then the package as a user meets it: discovered, run, and drawn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dynascope_dead_neurons.analyzers import Firing

from dynascope import Batch, Step, Workspace, analyze, registry, train

# Four rows, three neurons: one fires on every row, one on a single row, one never (zero is not firing).
NEURONS = np.array([[1, 0, 0], [2, 0, -1], [3, 0.5, 0], [4, 0, -2]], dtype=np.float32)


def step(neurons: np.ndarray[Any, Any]) -> Step:
    batch = Batch(np.arange(len(neurons)), {"row": np.arange(len(neurons))})
    return Step(epoch=0, config=SimpleNamespace(), context={}, batch=batch, arrays={"neurons": neurons})


def test_shares_and_count_of_a_known_table() -> None:
    arrays = Firing().analyze(step(NEURONS))
    np.testing.assert_array_equal(arrays["fires"], [1, 0.25, 0])
    assert arrays["dead"] == 1


def test_no_neuron_is_dead_where_all_fire() -> None:
    assert Firing().analyze(step(np.ones((4, 5), np.float32)))["dead"] == 0


def test_the_plugin_is_found() -> None:
    assert not [row.error for row in registry().failed]
    assert registry().analyzer("dead_neurons.firing").reads == ("neurons",)
    assert registry().view("dead_neurons.dead_over_training").series


def test_stored_and_drawn_over_three_checkpoints(tmp_path: Path) -> None:
    pytest.importorskip("dynascope_modular_addition")
    hv = pytest.importorskip("holoviews")
    hv.extension("bokeh")
    small = {"p": 7, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 24, "epochs": 4}
    variant = Workspace.create(tmp_path).new_variant("modular_addition_1layer", small)
    train(variant, schedule="0:4:2")
    analyze(variant, analyzers=["dead_neurons.firing"])

    dead = variant.artifacts.series("dead_neurons.firing/dead")
    assert dead["epoch"].values.tolist() == [0, 2, 4]
    for epoch in (0, 2, 4):
        fires = variant.artifacts.read("dead_neurons.firing/fires", epoch)
        assert fires.dims == ("neuron",)
        assert np.count_nonzero(fires == 0) == dead.sel(epoch=epoch)
        hv.render(variant.at(epoch).view("dead_neurons.firing_shares"))
        hv.render(variant.at(epoch).view("dead_neurons.dead_over_training"))
