"""Events that were planted, and no others."""

import numpy as np
import pytest
from stand_ins import SeriesStandIn, measured, metrics

from dynascope_fourier import events
from dynascope_fourier.events import Events, group_changes, rebounds

NAN = np.nan


def found(epochs, size, live=100, *, train=NAN, below=NAN, test=NAN, minimum=NAN, trained=1, columns=None):
    bounds = np.array([NAN, minimum, below, test])
    arrays = {
        events.CLUSTER_SIZE: np.array(size, dtype=np.int32),
        events.LIVE: np.full(len(epochs), live, dtype=np.int32),
        events.BOUNDARY: np.array(
            ["memorisation_ends_key", "memorisation_ends_all", "cleanup_starts", "cleanup_ends"], dtype=object
        ),
        events.BOUNDARY_EPOCH: bounds,
        events.BOUNDARY_VALUE: np.where(np.isfinite(bounds), [1e-4, 0.3, 4.7, 0.99], NAN),
        events.MILESTONE: np.array(["train_accuracy", "test_below_uniform", "test_accuracy"]),
        events.MEASURED: np.array([trained, 1, 1]),
        events.MILESTONE_EPOCH: np.array([train, below, test]),
    }
    one = measured(Events(), SeriesStandIn(np.array(epochs), arrays, metrics=columns or metrics([])))
    names = ("event_epoch", "kind", "subject", "value", "value_unit", "frequency")
    return list(zip(*(one[name].tolist() for name in names))), one


def test_each_planted_event_is_one_row_in_order():
    size = np.zeros((6, 5))
    size[:, 1] = [0, 1, 2, 30, 40, 40]  # commits at its second neuron
    size[:, 3] = [0, 9, 1, 0, 0, 0]  # commits and, with 1 of 100, still stays; then dissolves
    size[:, 4] = [0, 1, 1, 1, 0, 0]  # never
    columns = metrics([0, 100, 200, 300, 400, 500], test_loss=[4, 20, 4, 1e-2, 4e-2, 1.1e-2], train_loss=[4] * 6)
    rows, one = found(
        [0, 100, 200, 300, 400, 500], size, train=100, below=200, test=300, minimum=100, columns=columns
    )  # fmt: skip
    assert rows == [
        (100, "frequency commit", "frequency 4", 9, "neurons", 4),
        (100, "memorisation end", "excluded loss (all)", 0.3, "nats", 0),
        (200, "frequency commit", "frequency 2", 2, "neurons", 2),
        (200, "grokking onset", "test loss", 4.7, "nats", 0),
        (300, "cleanup end", "test accuracy", 0.99, "1", 0),
        (300, "group dissolve", "frequency 4", 0, "neurons", 4),
        (400, "rebound", "test loss", pytest.approx(np.log10(4)), "decades", 0),
    ]
    assert one["event_end"][-1] == 500
    assert np.isnan(one["event_end"][:-1]).all()
    assert one["rule"][0] == "its cluster reaches 0.02 of the live neurons"


def test_a_training_without_events_has_no_rows():
    rows, one = found([0, 100], np.zeros((2, 5)), columns=metrics([0, 1], train_loss=[4, 9], test_loss=[4, 99]))
    assert rows == []
    assert one["kind"].shape == (0,)


def test_one_checkpoint_without_live_neurons():
    assert found([0], np.zeros((1, 5)), live=0)[0] == []


def test_a_test_loss_that_falls_before_the_train_split_is_learned_is_no_grokking():
    assert [row[1] for row in found([0], np.zeros((1, 2)), train=300, below=200)[0]] == []
    assert [row[1] for row in found([0], np.zeros((1, 2)), train=NAN, below=200)[0]] == []
    assert [row[1] for row in found([0], np.zeros((1, 2)), train=NAN, trained=0, below=200)[0]] == ["grokking onset"]


def test_the_rise_of_the_test_loss_while_pairs_are_memorised_is_no_rebound():
    columns = metrics([0, 1, 2, 3], test_loss=[4.7, 26, 100, 4])
    assert found([0], np.zeros((1, 2)), train=1, below=3, columns=columns)[0] == [
        (3, "grokking onset", "test loss", 4.7, "nats", 0)
    ]


def test_a_group_that_hovers_about_one_threshold_commits_once():
    share = np.array([0.0, 0.03, 0.015, 0.03, 0.012, 0.02, 0.005, 0.019, 0.02])[:, None]
    commits, dissolves = group_changes(share, 0.02, 0.01)
    assert np.flatnonzero(commits).tolist() == [1, 8]
    assert np.flatnonzero(dissolves).tolist() == [6]
    assert group_changes(share[1:2], 0.02, 0.01)[0].tolist() == [[True]]  # there from the start


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_a_rebound_is_the_same_at_every_scale(scale):
    """The climb from 0.0154 to 0.0555, which an absolute threshold of 0.2 misses."""
    ((first, last, height),) = rebounds(scale * np.array([0.9, 0.0154, 0.03, NAN, 0.0555, 0.0, 0.0493]), 0.5)
    assert (first, last) == (4, None)
    assert height == pytest.approx(np.log10(0.0555 / 0.0154))


def test_rebounds_are_told_apart_by_what_lies_between():
    loss = np.array([1, 0.1, 1, 0.09, 0.5, 0.3, 0.9, 0.15])
    assert [(first, last) for first, last, _ in rebounds(loss, 0.5)] == [(2, 3), (4, 7)]
    assert rebounds(np.array([]), 0.5) == []
    assert rebounds(np.full(3, NAN), 0.5) == []
