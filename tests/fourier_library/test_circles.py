"""Class circles of planted circles, ellipses and lines."""

import numpy as np
import pytest
from stand_ins import measured, step

from dynascope import NotOffered
from dynascope_fourier import CyclicGroup
from dynascope_fourier.circles import CENTROID, CLASS, CONSTANT, SITE, ClassCircles


def planted(p, ellipses, features=16, seed=0):
    """Centroids on ellipses, one per frequency with its semi-axes, in planes that are orthogonal."""
    directions = np.linalg.qr(np.random.default_rng(seed).normal(size=(features, features)))[0]
    c = np.arange(p)
    centroid = np.full((p, features), 2.0)
    for index, (k, (long, short)) in enumerate(ellipses.items()):
        angle = 2 * np.pi * k * c / p + 0.3
        centroid += long * np.outer(np.cos(angle), directions[2 * index])
        centroid += short * np.outer(np.sin(angle), directions[2 * index + 1])
    return centroid


def circles(centroid, constant=0, classes=None):
    p = len(centroid)
    arrays = {
        SITE: np.array(["here"]),
        CLASS: np.arange(p) if classes is None else classes,
        CENTROID: centroid[None].astype(np.float32),
        CONSTANT: np.array([constant], dtype=np.int8),
    }
    return measured(ClassCircles(), step(arrays, context={"cyclic_group": CyclicGroup(p)}))


@pytest.mark.parametrize("p", [59, 58])
def test_the_plane_of_each_planted_frequency_has_its_share_and_shape(p):
    found = circles(planted(p, {5: (3.0, 3.0), 17: (2.0, 1.0), 22: (1.0, 0.0)}))
    share = dict(enumerate(found["plane_share"][0], start=1))
    shape = dict(enumerate(found["plane_circularity"][0], start=1))
    for k in range(1, p // 2 + 1):
        assert share[k] == pytest.approx({5: 18 / 24, 17: 5 / 24, 22: 1 / 24}.get(k, 0), abs=1e-6)
    assert shape[5] == pytest.approx(1, abs=1e-6)
    assert shape[17] == pytest.approx(2 * 2 * 1 / (4 + 1), abs=1e-6)
    assert shape[22] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("k", [1, 14, 29])
def test_one_circle_is_circular_in_the_peers_form_too_and_aligned_with_its_frequency(k):
    found = circles(planted(59, {k: (2.0, 2.0)}))
    assert found["principal_circularity"][0] == pytest.approx(1, abs=1e-5)
    assert found["alignment"][0] == pytest.approx(1, abs=1e-5)
    assert found["alignment_frequency"].tolist() == [k]
    np.testing.assert_allclose(found["principal_share"][0], [0.5, 0.5, 0], atol=1e-5)


def test_two_circles_are_circular_in_their_planes_and_less_so_in_the_peers_form():
    found = circles(planted(59, {5: (3.0, 3.0), 17: (2.0, 2.0)}))
    np.testing.assert_allclose(found["plane_circularity"][0, [4, 16]], 1, atol=1e-5)
    assert found["principal_circularity"][0] == pytest.approx(18 / 26, abs=1e-5)
    assert found["alignment_frequency"].tolist() == [5]


def test_a_line_is_no_circle():
    found = circles(planted(59, {3: (1.0, 0.0)}))
    assert found["principal_circularity"][0] == pytest.approx(0, abs=1e-5)
    assert found["plane_circularity"][0, 2] == pytest.approx(0, abs=1e-3)


def test_the_frequency_p_over_2_is_a_line():
    found = circles((-1.0) ** np.arange(8)[:, None] * np.ones(3))
    assert found["plane_share"][0, 3] == pytest.approx(1)
    assert found["plane_circularity"][0, 3] == 0


@pytest.mark.parametrize(
    ("centroid", "constant"),
    [(np.random.default_rng(0).normal(size=(7, 4)), 1), (np.ones((7, 4)), 0), (np.full((7, 4), np.nan), 0)],
)
def test_where_centroids_coincide_there_is_no_circle(centroid, constant):
    found = circles(centroid, constant)
    for name in ("plane_share", "plane_circularity", "principal_share", "principal_circularity", "alignment"):
        assert np.isnan(found[name]).all()
    assert found["alignment_frequency"].tolist() == [0]


@pytest.mark.parametrize(("p", "features"), [(2, 3), (3, 1), (5, 1)])
def test_small_groups_and_one_feature_are_measured(p, features):
    found = circles(np.random.default_rng(0).normal(size=(p, features)))
    assert found["plane_share"].sum() == pytest.approx(1)
    assert 0 <= found["principal_circularity"][0] <= 1


def test_the_circles_do_not_apply_to_a_probe_without_some_classes():
    with pytest.raises(NotOffered, match="every class 0 to 6"):
        circles(np.ones((7, 4)), classes=np.array([0, 1, 2, 3, 4, 5, 8]))
