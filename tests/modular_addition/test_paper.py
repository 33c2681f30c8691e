"""The paper's run, its first 300 epochs: Nanda et al. 2023 (arXiv 2301.05217). `make paper` goes on to 40,000.

Published values are read off the paper's figures: about 0.3 % of the logarithm of a loss, and 10 epochs.
"""

import numpy as np
import pytest

from dynascope import Workspace, analyze, train

MEASURES = ("fourier.progress_measures", "fourier.neuron_frequencies", "general.weight_spectra")


@pytest.fixture(scope="module")
def beginning(tmp_path_factory):
    variant = Workspace.create(tmp_path_factory.mktemp("paper") / "w").new_variant(
        "modular_addition_1layer", preset="nanda"
    )
    train(variant, epochs=300, schedule="0:301:100")
    analyze(variant, analyzers=MEASURES)
    return variant


def test_losses_follow_the_paper(beginning):
    loss = beginning.metrics
    assert loss.train_loss[0] == pytest.approx(4.764052, abs=1e-6)
    assert loss.test_loss[0] == pytest.approx(4.768347, abs=1e-6)
    for epoch, published in ((200, 16.07), (300, 16.48)):
        assert np.log(loss.test_loss[epoch]) == pytest.approx(np.log(published), rel=0.01)
    # While it falls a thousandfold in a hundred epochs, the order of float32 sums moves the train loss by a tenth.
    assert np.log(loss.train_loss[200]) == pytest.approx(np.log(0.0198), rel=0.04)
    assert loss.test_accuracy[200] == pytest.approx(0.0403, rel=0.03)


def test_measures_follow_the_paper(beginning):
    squares = beginning.artifacts.series("general.weight_spectra/total_sum_of_squares")
    for epoch, published in ((0, 1783.4), (200, 3653.0), (300, 3598.9)):
        assert float(squares.sel(epoch=epoch)) == pytest.approx(published, rel=0.005)
    excluded = beginning.artifacts.series("fourier.progress_measures/excluded_loss_all", split="train")
    assert float(excluded.sel(epoch=200)) == pytest.approx(1.25, rel=0.03)
    in_3d = beginning.artifacts.series("fourier.progress_measures/excluded_loss_all_3d", split="train")
    assert float(in_3d.sel(epoch=200)) == pytest.approx(1.241, rel=0.03)


def test_there_is_no_key_frequency_yet(beginning):
    assert not beginning.artifacts.read("fourier.neuron_frequencies/is_key", 300).values.any()
