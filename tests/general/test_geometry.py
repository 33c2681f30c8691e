"""Representation geometry of planted classes."""

import numpy as np
import pytest
from stand_ins import measured, step

from dynascope import InvalidSetting
from dynascope.instruments.geometry import LABEL, SITES, RepresentationGeometry


def geometry(activation, label, last=None):
    """Measure the same activation at every site, or another one at the last."""
    sites = dict.fromkeys(SITES, activation) | ({} if last is None else {SITES[-1]: last})
    return measured(RepresentationGeometry(), step({**sites, LABEL: np.asarray(label)}))


def planted(centres, radii, dimensions, features, seed=0):
    """Classes whose rows are their centre, plus and minus their radius along each of some orthogonal directions."""
    rng = np.random.default_rng(seed)
    rows, label = [], []
    for c, (centre, radius, count) in enumerate(zip(centres, radii, dimensions)):
        directions = np.linalg.qr(rng.normal(size=(features, features)))[0][:count]
        rows += [centre + radius * sign * direction for direction in directions for sign in (1, -1)]
        label += [c] * (2 * count)
    order = rng.permutation(len(rows))
    return np.array(rows, dtype=np.float32)[order], np.array(label)[order]


@pytest.mark.parametrize("features", [6, 40])  # more and fewer features than rows of a class
def test_planted_centres_radii_and_dimensions_are_found(features):
    centres = np.zeros((3, features))
    centres[1, 0], centres[2, 1] = 3.0, 4.0
    radii, dimensions = np.array([1.0, 2.0, 0.5]), [6, 3, 2]
    found = geometry(*planted(centres, radii, dimensions, features))
    assert found["class"].tolist() == [0, 1, 2]
    assert found["class_rows"].tolist() == [12, 6, 4]
    for site in range(3):
        np.testing.assert_allclose(found["centroid"][site], centres, atol=1e-6)
        np.testing.assert_allclose(found["radius"][site], radii, rtol=1e-5)
        np.testing.assert_allclose(found["dimensionality"][site], dimensions, rtol=1e-5)
        spread = np.sqrt(np.sum((centres - centres.mean(axis=0)) ** 2) / 3)
        assert found["center_spread"][site] == pytest.approx(spread, rel=1e-6)
        assert found["snr"][site] == pytest.approx(spread**2 / radii.mean() ** 2, rel=1e-5)
        fisher = [9 / (1 + 4), 16 / (1 + 0.25), 25 / (4 + 0.25)]
        assert found["fisher_mean"][site] == pytest.approx(np.mean(fisher), rel=1e-5)
        assert found["fisher_min"][site] == pytest.approx(9 / 5, rel=1e-5)
    assert found["mean_dimensionality"].tolist() == pytest.approx([11 / 3] * 3)


def test_a_constant_site_says_so_and_has_no_noise():
    rng = np.random.default_rng(0)
    same = np.tile(rng.normal(size=8), (30, 1)).astype(np.float32)
    rounded = same * (1 + 1e-7 * rng.integers(-1, 2, size=same.shape)).astype(np.float32)
    varied = rng.normal(size=(30, 8)).astype(np.float32)
    for constant in (same, rounded, np.zeros_like(same)):
        found = geometry(constant, np.arange(30) % 3, last=varied)
        assert found["constant"].tolist() == [True, True, False]
        np.testing.assert_allclose(found["centroid"][0], constant[:3], rtol=1e-6)
        for name in ("radius", "dimensionality", "mean_radius", "center_spread", "snr", "fisher_mean", "fisher_min"):
            assert np.isnan(found[name][:2]).all(), name
            assert np.isfinite(found[name][2]).all(), name


def test_labels_need_be_neither_sorted_nor_without_gaps():
    rng = np.random.default_rng(0)
    activation, label = rng.normal(size=(40, 5)), rng.choice([2, 7, 11], size=40)
    found = geometry(activation, label)
    assert found["class"].tolist() == [2, 7, 11]
    for index, c in enumerate((2, 7, 11)):
        rows = activation[label == c]
        np.testing.assert_allclose(found["centroid"][0, index], rows.mean(axis=0))
        eigenvalues = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
        assert found["dimensionality"][0, index] == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
        assert found["radius"][0, index] == pytest.approx(np.sqrt(eigenvalues.sum()))


def test_one_row_per_class_has_no_radius_and_parts_classes_without_end():
    found = geometry(np.eye(4, dtype=np.float32), np.arange(4))
    assert (found["radius"] == 0).all()
    assert np.isnan(found["dimensionality"]).all()
    assert np.isnan(found["mean_dimensionality"]).all()
    assert np.isposinf(found["snr"]).all()
    assert np.isposinf(found["fisher_min"]).all()


def test_one_class_has_a_radius_and_nothing_to_compare():
    found = geometry(np.array([[1.0, 0], [-1, 0]]), [0, 0])
    assert found["radius"].tolist() == [[1]] * 3
    assert found["dimensionality"].tolist() == [[1]] * 3
    assert found["snr"].tolist() == [0] * 3
    assert np.isnan(found["fisher_mean"]).all()


def test_one_feature_and_a_checkpoint_of_nan():
    assert geometry(np.array([[1.0], [3.0], [5.0], [9.0]]), [0, 0, 1, 1])["radius"].tolist() == [[1, 2]] * 3
    found = geometry(np.full((4, 2), np.nan, dtype=np.float32), [0, 0, 1, 1])
    assert not found["constant"].any()
    assert np.isnan(found["radius"]).all()
    assert np.isnan(found["fisher_mean"]).all()


def test_sites_of_different_widths_are_an_error():
    with pytest.raises(InvalidSetting, match="must have one width"):
        geometry(np.eye(4), np.arange(4), last=np.ones((4, 2)))
