"""Pictures of arrays that were made by hand."""

import holoviews as hv
import numpy as np
import pytest
from memory import MemoryFrame, labelled

from dynascope.style import LINES, epoch_edges, whole_ticks
from dynascope_fourier import component_names
from dynascope_fourier.views import VIEWS
from dynascope_fourier.views.circles import frequency_plane
from dynascope_fourier.views.style import frequency_ticks

EPOCHS = (0, 10, 20, 300)
VIEW = {view.name: view for view in VIEWS}

hv.extension("bokeh")


def frame(name, epoch=0, *, epochs=EPOCHS, choices=None, **arrays):
    """Return a frame for a view of arrays by short name: one value for all epochs, or a function of the epoch."""
    view = VIEW[name]
    controls = view.controls(**(choices or {})) if view.controls else None
    full = {read.partition("/")[2]: read for read in view.reads}
    stored = {
        full[short]: {at: value(at) if callable(value) else value for at in epochs} for short, value in arrays.items()
    }
    return MemoryFrame(stored, epoch, controls)


def option(drawn, name):
    """Return an option of a picture of two elements, which its second one carries."""
    return drawn.get(1).opts.get("plot").kwargs[name]


def test_cells_end_halfway_between_checkpoints():
    assert epoch_edges(EPOCHS).tolist() == [-5, 5, 15, 160, 440]
    assert epoch_edges([7]).tolist() == [6.5, 7.5]


def test_ticks_are_whole_and_few():
    assert frequency_ticks(1) == [1]
    assert frequency_ticks(5) == [1, 2, 3, 4, 5]
    assert frequency_ticks(26) == [5, 10, 15, 20, 25]
    assert frequency_ticks(56) == [10, 20, 30, 40, 50]
    assert whole_ticks(0, 0) == [0]
    assert whole_ticks(0, 112) == [0, 20, 40, 60, 80, 100]


def test_a_map_over_training_shows_each_checkpoint_as_wide_as_it_is_the_nearest():
    cells = VIEW["embedding_spectrum_over_training"].draw(
        frame("embedding_spectrum_over_training", power_share=lambda epoch: labelled([epoch, 1, 2.0], "frequency"))
    )
    table = cells.dframe()
    assert len(table) == 12
    row = table[(table.epoch == 20) & (table.k == 1)].iloc[0]
    assert (row.left, row.right, row.bottom, row.top, row.share) == (15, 160, 0.5, 1.5, 20)
    assert table[table.k == 3].share.tolist() == [2, 2, 2, 2]
    assert cells.opts.get("plot").kwargs["clim"] == (0, 300)


@pytest.mark.parametrize("p", [53, 12, 3])
def test_the_plane_of_a_planted_circle_shows_class_c_at_the_angle_of_kc(p):
    k = {53: 7, 12: 5, 3: 1}[p]
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))
    angle = 2 * np.pi * k * np.arange(p) / p
    other = 2 * np.pi * np.arange(p) / p if k != 1 else np.zeros(p)
    flat = np.stack([3 * np.cos(angle), 3 * np.sin(angle), np.cos(other), np.sin(other), *np.zeros((4, p))], axis=1)
    x, y = frequency_plane(flat @ rotation, k) @ (flat @ rotation).T
    np.testing.assert_allclose(x, 3 * np.cos(angle), atol=1e-9)
    np.testing.assert_allclose(y, 3 * np.sin(angle), atol=1e-9)


@pytest.mark.parametrize("p", [2, 12])
def test_the_plane_of_p_over_2_is_a_line(p):
    centroid = np.outer((-1.0) ** np.arange(p), [0, 3, 4])
    x, y = frequency_plane(centroid, p // 2) @ centroid.T
    np.testing.assert_allclose(x, 5 * (-1.0) ** np.arange(p))
    assert not y.any()


def circle_frame(epoch, **choices):
    """A circle of frequency 3 in Z_11 that grows with the epoch, beside a constant; the sites are all the same."""
    angle = 2 * np.pi * 3 * np.arange(11) / 11
    circle = np.stack([np.cos(angle), np.sin(angle), np.ones(11)], axis=1)
    sites = ["stream_after_embedding", "stream_after_attention", "stream_after_mlp"]
    return frame(
        "class_circle",
        epoch,
        choices=choices,
        centroid=lambda at: labelled([(1 + at) * circle] * 3, "site", "class", "feature", site=sites),
        constant=labelled([1, 0, 0], "site", site=sites),
        plane_share=labelled([[0, 0, 1, 0, 0]] * 3, "site", "frequency", site=sites),
    )


def test_the_strongest_circle_is_shown_unless_another_is_chosen():
    view = VIEW["class_circle"]
    drawn = view.draw(circle_frame(20))
    assert option(drawn, "xlabel") == "direction of cos 3"
    points = drawn.get(0)
    np.testing.assert_allclose(np.hypot(points["x"], points["y"]), 21, rtol=1e-6)
    assert points["turn"].tolist() == [3 * c % 11 for c in range(11)]
    assert view.columns(circle_frame(0))["note/said"] == ["100.0% of the variance in this plane"]
    for epoch in EPOCHS:  # the farthest point is that of epoch 300, at class 0
        assert option(view.draw(circle_frame(epoch)), "xlim") == pytest.approx((-1.25 * 301, 1.25 * 301))
    assert option(view.draw(circle_frame(0, frequency=2)), "ylabel") == "direction of sin 2"


def test_the_scale_of_this_epoch_shows_a_small_circle_as_large():
    for epoch in (0, 300):
        columns = VIEW["class_circle"].columns(circle_frame(epoch, scale="of this epoch"))
        np.testing.assert_allclose(np.hypot(columns["class/x"], columns["class/y"]), 1)


def test_a_constant_site_is_told_and_not_drawn_from_rounding():
    columns = VIEW["class_circle"].columns(circle_frame(0, site="stream_after_embedding"))
    assert not columns["class/x"].any()
    assert columns["note/said"] == ["constant: every input is the same here"]


def test_a_component_of_the_logits_is_shown_at_its_two_frequencies():
    p = 11
    names = component_names(p)
    norm = np.zeros((p, p), dtype=np.float32)
    norm[names.tolist().index("cos 3"), names.tolist().index("sin 5")] = 7
    image = VIEW["logit_components"].draw(
        frame("logit_components", component_norm=labelled(norm, "a", "b"), component_a=labelled(names, "component_a"))
    )
    table = image.dframe()
    found = table[table.share == 1]
    assert found[["k_a", "k_b", "norm", "over_a", "over_b"]].values.tolist() == [[2.75, 5.25, 7, "cos 3", "sin 5"]]
    assert table[table.share < 1].share.unique().tolist() == [1e-6]


def test_the_share_of_a_frequency_in_the_logits_is_the_square_of_its_similarity():
    view = VIEW["logit_shares"]
    made = frame("logit_shares", similarity=labelled([0.0, -0.6, 0.5], "frequency"), explained=labelled(0.61))
    columns = view.columns(made)
    np.testing.assert_allclose(columns["share/share"], [0, 0.36, 0.25])
    assert columns["sum/together"] == ["together 0.610"]
    assert option(view.draw(made), "ylim") == (0, pytest.approx(1.15 * 0.36))


def progress_frame(**choices):
    arrays = {read.partition("/")[2]: labelled([1.0, 2.0, 3.0], "split", split=["train", "test", "all"])
              for read in VIEW["progress_losses"].reads}  # fmt: skip
    arrays["is_key"] = labelled([0, 1, 0, 1, 0], "frequency")
    arrays["excluded_loss_all"] = labelled([50.0, 60.0, 70.0], "split", split=["train", "test", "all"])
    return frame("progress_losses", choices=choices, **arrays)


def test_progress_losses_are_those_of_the_papers_splits_and_name_the_key_frequencies():
    drawn = VIEW["progress_losses"].draw(progress_frame(excluded="all frequencies"))
    curves = {part.label: part.dimension_values(1)[0] for part in drawn if isinstance(part, hv.Curve)}
    assert curves == {"train": 1, "test": 2, "restricted (all pairs)": 3, "excluded (train)": 50}
    assert drawn.opts.get("plot").kwargs["legend_opts"] == {"title": "key frequencies: 2, 4"}


def test_the_lines_of_a_picture_differ_in_dash_or_marker_too():
    assert len({(dash, marker) for _, dash, marker in LINES}) == len(LINES)


def test_the_largest_clusters_are_named_and_the_others_grey():
    sizes = np.array([0, 9, 1, 8, 7, 6, 5, 4])
    view = VIEW["cluster_sizes"]
    both = {"cluster_size": labelled(sizes, "frequency"), "best_size": labelled(sizes[::-1], "frequency")}
    for count, named in (("clusters", [2, 4, 5, 6, 7, 8]), ("best frequency", [1, 2, 3, 4, 5, 7])):
        drawn = view.draw(frame("cluster_sizes", choices={"count": count}, **both))
        curves = [part for part in drawn if isinstance(part, hv.Curve)]
        assert [part.label for part in curves if part.label] == [f"k = {k}" for k in named]
        assert len(curves) == 7


def test_without_clusters_there_is_still_a_picture():
    none = labelled(np.zeros(5, dtype=int), "frequency")
    drawn = VIEW["cluster_sizes"].draw(frame("cluster_sizes", cluster_size=none, best_size=none))
    assert drawn.opts.get("plot").kwargs["ylim"] == (0, 1)
