"""Phases and events of planted curves."""

import numpy as np
import pytest
from stand_ins import SeriesStandIn, measured

from dynascope_fourier import phases
from dynascope_fourier.phases import EXCLUDED, KEY, MILESTONE, OF_MILESTONES, SPLIT, Phases, lowest

NAN = np.nan
UNIFORM = np.log(113)


def milestones(train=NAN, below=NAN, test=NAN):
    """What ``general.milestones`` stores where these epochs were reached."""
    epoch = np.array([train, below, test])
    values = {
        "threshold": np.array([0.99, UNIFORM, 0.99]),
        "measured": np.ones(3, dtype=np.int8),
        "reached": np.isfinite(epoch).astype(np.int8),
        "epoch_reached": epoch,
        "value": np.where(np.isfinite(epoch), [0.99, 4.7, 0.99], NAN),
    }
    names = np.array(["train_accuracy", "test_below_uniform", "test_accuracy"])
    return {MILESTONE: names, **{read: values[name] for name, read in OF_MILESTONES.items()}}


def found(epochs, all_, key=None, any_key=True, **reached):
    key = all_ if key is None else key
    both = {"all": all_, "key": key}
    arrays = {read: np.stack([both[name], np.full(len(epochs), 9.0)], axis=1) for name, read in EXCLUDED.items()}
    arrays |= {SPLIT: np.array(["train", "test"]), KEY: np.array([0, int(any_key)]), **milestones(**reached)}
    return measured(Phases(), SeriesStandIn(np.array(epochs), arrays))


def test_the_papers_curve_has_the_phases_that_the_rules_give():
    """Excluded loss over all frequencies, as read off the paper's figure; cleanup from 9,299 to about 11,000."""
    curve = {0: 4.77, 200: 1.25, 700: 0.458, 1100: 0.32, 1300: 0.311, 1400: 0.316, 4700: 1.31, 9100: 10.7,
             10400: 13.4, 11899: 9.2, 39899: 5.99}  # fmt: skip
    key = [4.77, 1, 0.1, 2.2e-4, 1e-4, 8.4e-5, 1.8e-2, 7.3, 13, 9.2, 5.99]
    one = found(list(curve), np.array(list(curve.values())), np.array(key), train=300, below=9299, test=11001)
    assert one["boundary"].tolist() == list(phases.BOUNDARIES)
    assert one["epoch_reached"].tolist() == [1400, 1300, 9299, 11001]
    assert one["value"][:2].tolist() == [8.4e-5, 0.311]
    np.testing.assert_allclose(one["threshold"], [2 * 8.4e-5, 0.622, UNIFORM, 0.99])
    assert one["phase_start"].tolist() == [0, 1300, 9299, 11001]
    assert one["phase_end"][:3].tolist() == [1300, 9299, 11001]
    assert np.isnan(one["phase_end"][3])
    names = {phase: one["phase_at"].tolist().count(phase) for phase in one["phase"].tolist()}
    assert names == {"memorisation": 4, "circuit formation": 4, "cleanup": 1, "after cleanup": 2}
    assert one["in_order"]


def test_a_model_that_never_groks_stays_in_memorisation():
    one = found([0, 100, 200, 300], np.array([4.7, 1.0, 0.1, 0.01]), any_key=False, train=100)
    assert one["reached"].tolist() == [0, 0, 0, 0]
    assert one["measured"].tolist() == [0, 1, 1, 1]
    assert np.isnan(one["epoch_reached"]).all()
    assert set(one["phase_at"]) == {"memorisation"}
    assert np.isnan(one["phase_start"][1:]).all()
    assert one["in_order"]


def test_one_checkpoint_has_no_minimum():
    one = found([0], np.array([4.7]))
    assert not one["reached"].any()
    assert one["phase_at"].tolist() == ["memorisation"]


def test_a_model_that_generalises_before_it_memorises_is_out_of_order():
    one = found([0, 100, 200, 300], np.array([4.7, 1.0, 0.1, 3.0]), below=50, test=150)
    assert one["epoch_reached"].tolist() == [200, 200, 50, 150]
    assert not one["in_order"]
    assert one["phase_at"].tolist() == ["memorisation", "cleanup", "after cleanup", "after cleanup"]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ((4, 1, 3), 1),
        ((4, 1, 1.9), None),  # it does not rise
        ((1, 2, 4), None),  # it rises from the start
        ((4, 2, 1), None),  # it is still falling
        ((4, NAN, 1, NAN, 3), 2),
        ((NAN, NAN), None),
        ((4, 0, 0), 1),  # nothing is left of the loss
    ],
)
def test_the_lowest_is_a_minimum_with_a_rise(values, place):
    assert lowest(np.array(values, dtype=float), 2.0) == place
