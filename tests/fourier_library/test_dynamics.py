"""Planted switches, commitments and groups."""

import numpy as np
import pytest
from stand_ins import SeriesStandIn, measured

from dynascope_fourier import dynamics
from dynascope_fourier.dynamics import FrequencyGroups, NeuronDynamics, stays_from, switches_of

EPOCHS = np.array([0, 10, 30, 100, 500])
NAN = np.nan
# One neuron a row: best frequency, then cluster, at each checkpoint.
BEST = np.array([
    [3, 3, 3, 3, 3],
    [1, 2, 5, 5, 5],
    [1, 0, 1, 2, 2],
    [4, 4, 0, 0, 0],
    [5, 5, 5, 5, 1],
]).T  # fmt: skip
CLUSTER = np.array([
    [0, 3, 3, 3, 3],
    [0, 2, 0, 5, 5],
    [1, 0, 1, 0, 0],
    [4, 4, 0, 0, 0],
    [0, 5, 0, 5, 1],
]).T  # fmt: skip


def neurons(best=BEST, cluster=CLUSTER, epochs=EPOCHS):
    arrays = {dynamics.BEST: best.astype(np.int32), dynamics.CLUSTER: cluster.astype(np.int32)}
    return measured(NeuronDynamics(), SeriesStandIn(epochs, arrays))


def groups(cluster=CLUSTER, epochs=EPOCHS, count=5, floor=1):
    cluster = cluster.astype(np.int32)
    size = np.array([np.bincount(row, minlength=count + 1)[1:] for row in cluster], dtype=np.int32)
    arrays = {
        dynamics.CLUSTER: cluster,
        dynamics.CLUSTER_SIZE: size,
        dynamics.LIVE: np.full(len(epochs), 4, dtype=np.int32),
        dynamics.KEY: (size >= floor).astype(np.int8),
    }
    return measured(FrequencyGroups(), SeriesStandIn(epochs, arrays))


def test_planted_switches_and_commitments_are_found():
    found = neurons()
    assert found["switches"].tolist() == [0, 2, 1, 0, 1]
    assert found["cluster_switches"].tolist() == [0, 1, 0, 0, 1]
    np.testing.assert_array_equal(found["commitment_epoch"], [10, 100, NAN, NAN, 500])
    np.testing.assert_array_equal(found["settled_epoch"], [0, 30, 100, NAN, 500])
    assert found["committed"].tolist() == [1, 1, 0, 0, 1]
    assert found["committed_frequency"].tolist() == [3, 5, 0, 0, 1]
    np.testing.assert_array_equal(found["switching"], [NAN, 1, 1, 1, 1])
    assert found["committed_neurons"].tolist() == [0, 1, 1, 2, 3]


def test_groups_grow_by_those_who_join_less_those_who_leave():
    found = groups()
    before = np.concatenate([np.zeros((1, 5)), found["size"][:-1]])
    np.testing.assert_array_equal(found["size"], before + found["joined"] - found["left"])
    assert found["joined"].sum(axis=0).tolist() == [3, 1, 1, 1, 3]
    assert found["left"].sum(axis=0).tolist() == [2, 1, 0, 1, 2]
    assert found["left"][4].tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_allclose(found["share"], found["size"] / 4)


def test_a_transient_frequency_was_a_key_and_is_not_at_the_last_checkpoint():
    found = groups()
    assert (np.flatnonzero(found["transient"]) + 1).tolist() == [2, 4]
    np.testing.assert_array_equal(found["first_key_epoch"], [0, 10, 10, 0, 10])
    np.testing.assert_array_equal(found["last_key_epoch"], [500, 10, 500, 10, 500])
    assert found["key_frequencies"].tolist() == [2, 4, 2, 2, 3]
    larger = groups(floor=2)
    assert (np.flatnonzero(larger["transient"]) + 1).tolist() == [5]
    assert larger["peak_size"].tolist() == [1, 1, 1, 1, 2]
    np.testing.assert_array_equal(larger["peak_epoch"], [0, 10, 10, 0, 100])
    np.testing.assert_array_equal(larger["first_key_epoch"], [NAN, NAN, NAN, NAN, 100])


@pytest.mark.parametrize("checkpoints", [1, 3])
def test_neurons_that_never_have_a_frequency(checkpoints):
    nothing = np.zeros((checkpoints, 4))
    found = neurons(nothing, nothing, EPOCHS[:checkpoints])
    assert not found["switches"].any()
    assert np.isnan(found["commitment_epoch"]).all()
    assert np.isnan(found["settled_epoch"]).all()
    assert found["committed_neurons"].tolist() == [0] * checkpoints
    found = groups(nothing, EPOCHS[:checkpoints], floor=1)
    assert not found["transient"].any()
    assert np.isnan(found["peak_epoch"]).all()


def test_one_checkpoint_commits_what_is_in_a_cluster():
    found = neurons(BEST[:1], CLUSTER[:1], EPOCHS[:1])
    np.testing.assert_array_equal(found["commitment_epoch"], [NAN, NAN, 0, 0, NAN])
    assert found["switching"].shape == (1,)


def test_runs_and_switches_of_random_columns_are_those_of_a_loop():
    values = np.random.default_rng(0).integers(0, 3, size=(9, 200))
    for column, start, count in zip(values.T, stays_from(values), switches_of(values)):
        assert (column[start:] == column[-1]).all()
        assert start == 0 or column[start - 1] != column[-1]
        kept = column[column > 0]
        assert count == (np.diff(kept) != 0).sum()
