"""Pictures of arrays that were made by hand."""

import holoviews as hv
import numpy as np
import pytest
from memory import MemoryFrame, labelled

from dynascope.style import GREY, LINES, epoch_edges, whole_ticks
from dynascope_fourier import component_names
from dynascope_fourier.views import VIEWS
from dynascope_fourier.views.circles import frequency_plane
from dynascope_fourier.views.dynamics import runs
from dynascope_fourier.views.style import frequency_lines, frequency_ticks

EPOCHS = (0, 10, 20, 300)
VIEW = {view.name: view for view in VIEWS}

hv.extension("bokeh")


def frame(name, epoch=0, *, epochs=EPOCHS, choices=None, **arrays):
    """Return a frame for a view of arrays by short name: one value for all epochs, or a function of the epoch."""
    view = VIEW[name]
    controls = view.controls() if view.controls else None
    for control, value in (choices or {}).items():
        if getattr(controls.param[control], "objects", None) and value not in controls.param[control].objects:
            controls.param[control].objects = [value]
        setattr(controls, control, value)
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
    row = table[(table.epoch == 20) & (table.frequency == 1)].iloc[0]
    assert (row.left, row.right, row.bottom, row.top, row.share) == (15, 160, 0.5, 1.5, 20)
    assert table[table.frequency == 3].share.tolist() == [2, 2, 2, 2]
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


@pytest.mark.parametrize(
    ("form", "array", "label"),
    [
        ("as published", "restricted_loss", "restricted (all pairs)"),
        ("without the mean", "restricted_loss_no_mean", "restricted, without the mean (all pairs)"),
        ("2×2 blocks", "restricted_loss_2x2", "restricted, 2×2 blocks (all pairs)"),
        ("3×3 blocks", "restricted_loss_3x3", "restricted, 3×3 blocks (all pairs)"),
        ("trigonometric fit", "trig_fit_loss", "trigonometric fit (all pairs)"),
    ],
)
def test_every_form_of_restricted_loss_is_drawn_under_its_name(form, array, label):
    made = progress_frame(restricted=form)
    made.arrays[f"fourier.progress_measures/{array}"] = {
        epoch: labelled([1.0, 2.0, 30.0], "split", split=["train", "test", "all"]) for epoch in EPOCHS
    }
    drawn = VIEW["progress_losses"].draw(made)
    curves = {part.label: part.dimension_values(1)[0] for part in drawn if isinstance(part, hv.Curve)}
    assert curves == {"train": 1, "test": 2, label: 30, "excluded (train)": 1}


def test_the_lines_of_a_picture_differ_in_dash_or_marker_too():
    assert len({(dash, marker) for _, dash, marker in LINES}) == len(LINES)


def neurons(size, best=None, key=()):
    """The arrays by which frequencies have their lines; sizes may depend on the epoch."""
    size = np.asarray(size)
    is_key = np.isin(np.arange(len(size)) + 1, key).astype(int)
    return {
        "cluster_size": labelled(size, "frequency"),
        "best_size": labelled(size if best is None else np.asarray(best), "frequency"),
        "is_key": labelled(is_key, "frequency"),
    }


def named(drawn):
    """The labels of the lines that are not grey, and what the pointer calls those that are."""
    grey = [
        name
        for part in drawn
        if isinstance(part, hv.Contours)
        for name in part.dimension_values("which", expanded=False)
    ]
    return [part.label for part in drawn if isinstance(part, hv.Curve)], grey


def test_the_largest_clusters_are_named_and_the_others_grey():
    sizes = np.array([0, 9, 1, 8, 7, 6, 5, 4])
    for count, others in (("clusters", ["k = 3"]), ("best frequency", ["k = 1", "k = 3"])):
        made = frame("cluster_sizes", choices={"count": count}, **neurons(sizes, sizes[::-1]))
        # The same have a name whatever counts: a frequency keeps its colour.
        labels, grey = named(VIEW["cluster_sizes"].draw(made))
        assert labels == [f"k = {k}" for k in (2, 4, 5, 6, 7, 8)]
        assert grey == others


def test_key_frequencies_of_the_last_checkpoint_choose_their_lines_first():
    made = frame("cluster_sizes", **neurons([9, 0, 8, 2, 7, 0, 1, 3], key=[4, 7]))
    found = frequency_lines(made)
    assert list(found) == [4, 7, 1, 3, 5, 8]
    # 4 and 7 have their own; 1 would have that of 7 (both 1 modulo 6), and takes the next that is free.
    assert [LINES.index(line) for line in found.values()] == [4, 1, 2, 3, 5, 0]


def test_a_frequency_of_two_variants_keeps_its_colour():
    of_one, of_other = (
        frequency_lines(frame("cluster_sizes", **neurons([9] * 8, key=key))) for key in ([2, 5, 6], [1, 2, 6])
    )
    assert of_one[2] == of_other[2] and of_one[6] == of_other[6]


def test_a_frequency_has_the_same_colour_in_every_view():
    arrays = neurons([9, 0, 8], key=[3])
    similarity = labelled([0.1, 0.2, 0.3], "frequency")
    shares = VIEW["logit_explained"].draw(
        frame("logit_explained", similarity=similarity, explained=labelled(0.14), **arrays)
    )
    sizes = VIEW["cluster_sizes"].draw(frame("cluster_sizes", **arrays))
    for drawn in (shares, sizes):
        colours = {part.label: part.opts.get("style").kwargs["color"] for part in drawn if isinstance(part, hv.Curve)}
        assert (colours["k = 3"], colours["k = 1"]) == (LINES[3][0], LINES[1][0])
    assert named(shares)[0][0] == "together"


def test_without_clusters_there_is_a_sentence():
    drawn = VIEW["cluster_sizes"].draw(frame("cluster_sizes", **neurons(np.zeros(5, dtype=int))))
    assert "No neuron" in drawn["said"][0]
    assert drawn.opts.get("plot").kwargs["ylim"] == (0, 1)


def test_a_click_near_a_line_chooses_its_frequency():
    pick = VIEW["cluster_sizes"].pick
    made = frame("cluster_sizes", **neurons([0, 100, 50]))
    assert pick(made, 11, 98) == {"frequency": 2}
    assert pick(made, 11, 52) == {"frequency": 3}
    assert pick(made, 11, 75) == {}
    assert pick(frame("cluster_sizes", **neurons([0, 0, 0])), 11, 0) == {}


@pytest.mark.parametrize(
    ("place", "chosen"),
    [
        ((16, 2.4), {"epoch": 20, "frequency": 2}),
        ((-4, 0.6), {"epoch": 0, "frequency": 1}),
        ((439, 3.4), {"epoch": 300, "frequency": 3}),
        ((16, 3.6), {}),
        ((-6, 2), {}),
        ((441, 2), {}),
    ],
)
def test_a_click_in_a_map_chooses_checkpoint_and_frequency(place, chosen):
    made = frame("embedding_spectrum_over_training", power_share=labelled([1, 2, 3], "frequency"))
    assert VIEW["embedding_spectrum_over_training"].pick(made, *place) == chosen


def test_a_click_on_a_bar_chooses_its_frequency():
    made = frame("embedding_spectrum", power_share=labelled([0.5, 0.2, 0.3], "frequency"))
    pick = VIEW["embedding_spectrum"].pick
    assert pick(made, 1.6, 0.1) == {"frequency": 2}
    assert pick(made, 3.6, 0.1) == pick(made, 0.4, 0.1) == pick(made, 2, -0.1) == {}


@pytest.mark.parametrize(
    ("place", "chosen"),
    [
        ((2.75, 2.75), {"frequency": 3}),  # cos 3 lies at 2.75, sin 3 at 3.25
        ((2.75, 3.25), {"frequency": 3}),
        ((0.25, 3.25), {"frequency": 3}),
        ((5.25, 0.25), {"frequency": 5}),
        ((2.75, 4.75), {}),
        ((0.25, 0.25), {}),
        ((5.75, 1), {}),
        ((1, -0.1), {}),
    ],
)
def test_a_click_on_a_component_chooses_its_frequency_if_there_is_one(place, chosen):
    made = frame("logit_components", component_norm=labelled(np.zeros((11, 11)), "component_a", "component_b"),
                 component_a=labelled(component_names(11), "component_a"))  # fmt: skip
    assert VIEW["logit_components"].pick(made, *place) == chosen


def test_shares_of_the_logits_over_training_are_squares_of_the_similarity():
    similarity = labelled([0.0, -0.6, 0.5], "frequency")
    cells = VIEW["logit_shares_over_training"].draw(frame("logit_shares_over_training", similarity=similarity))
    np.testing.assert_allclose(cells.dframe().share[:3], [0, 0.36, 0.25])
    assert cells.opts.get("plot").kwargs["clim"] == (0, pytest.approx(0.36))


def test_a_map_of_nothing_but_nan_is_drawn():
    site = ["stream_after_embedding"]
    nothing = labelled(np.full((1, 3), np.nan), "site", "frequency", site=site)
    made = frame("class_circles_over_training", choices={"site": site[0]}, plane_share=nothing)
    cells = VIEW["class_circles_over_training"].draw(made)
    assert cells.opts.get("plot").kwargs["clim"] == (0, 1)
    hv.renderer("bokeh").get_plot(cells)


def test_loss_without_one_frequency_is_that_of_the_chosen_split_and_form():
    split = ["train", "test", "all"]
    single = np.arange(1.0, 10).reshape(3, 3)
    arrays = {
        "loss": labelled([0.1, 0.2, 0.3], "split", split=split),
        "excluded_loss_single": labelled(single, "split", "frequency", split=split),
        "excluded_loss_single_3d": labelled(10 * single, "split", "frequency", split=split),
    }
    view = VIEW["excluded_by_frequency"]

    # Both analyzers say which frequencies are key: a frame in memory needs both by their full names.
    def drawn(**choices):
        made = frame("excluded_by_frequency", choices=choices, **arrays, **neurons([0, 5, 0], key=[2]))
        made.arrays["fourier.progress_measures/is_key"] = made.arrays["fourier.neuron_frequencies/is_key"]
        picture = view.draw(made)
        curves = {part.label: part.dimension_values(1)[0] for part in picture if isinstance(part, hv.Curve)}
        return picture, curves

    picture, curves = drawn(split="test")
    assert (curves["nothing left out"], curves["k = 2"]) == (0.2, 5)
    assert picture.opts.get("plot").kwargs["legend_opts"] == {"title": "key frequencies: 2"}
    assert drawn(split="all", without="its direction, 3D")[1]["k = 2"] == 80


def test_runs_are_the_stretches_of_equal_values():
    column, start, stop, value = runs(np.array([[1, 7], [1, 8], [2, 7]]))
    assert list(zip(column, start, stop, value, strict=True)) == [
        (0, 0, 2, 1), (0, 2, 3, 2), (1, 0, 1, 7), (1, 1, 2, 8), (1, 2, 3, 7)
    ]  # fmt: skip


def dynamics_frame(**choices):
    """Four neurons at epochs 0, 10, 20 and 300: the first never settles in a cluster, the others are of 2, 3 and 2."""
    best = {0: [1, 3, 3, 2], 10: [1, 2, 3, 2], 20: [3, 2, 3, 2], 300: [1, 2, 3, 2]}
    cluster = {0: [0, 0, 3, 0], 10: [0, 0, 3, 0], 20: [0, 2, 3, 0], 300: [0, 2, 3, 2]}
    return frame(
        "neuron_frequencies",
        choices=choices,
        best_frequency=lambda at: labelled(best[at], "neuron"),
        cluster=lambda at: labelled(cluster[at], "neuron"),
        committed_frequency=labelled([0, 2, 3, 2], "neuron"),
        commitment_epoch=labelled([np.nan, 20, 0, 300], "neuron"),
        settled_epoch=labelled([300.0, 10, 0, 0], "neuron"),
        **neurons([0, 2, 1], [1, 2, 1], key=[2, 3]),
    )


def test_neurons_are_stacked_by_cluster_and_commitment():
    # From below: neurons 1 and 3 of frequency 2, 2 of frequency 3, 0 of none.
    view, made = VIEW["neuron_frequencies"], dynamics_frame()
    assert [view.pick(made, 300, rank)["neuron"] for rank in range(4)] == [1, 3, 2, 0]
    table = {part.label: part.dframe() for part in view.draw(made) if isinstance(part, hv.Rectangles)}
    assert set(table) == {"k = 1", "k = 2", "k = 3"}
    of_two = table["k = 2"]
    assert of_two[["start", "stop", "neuron", "since", "until"]].values.tolist() == [
        [5, 440, 1, 10, 300],
        [-5, 440, 3, 0, 300],
    ]


def test_a_click_on_a_stretch_chooses_neuron_checkpoint_and_frequency():
    pick = VIEW["neuron_frequencies"].pick
    assert pick(dynamics_frame(), 16, 3) == {"neuron": 0, "epoch": 20, "frequency": 3}
    assert pick(dynamics_frame(frequency_of="cluster"), 16, 3) == {"neuron": 0, "epoch": 20}
    assert pick(dynamics_frame(), 16, 3.6) == pick(dynamics_frame(), -6, 1) == pick(dynamics_frame(), 500, 1) == {}


def groups_frame(first, last, transient, name="frequency_lifetimes"):
    at = {"epoch": np.array(EPOCHS)}
    size = labelled(np.array([[0, 0, 0], [0, 4, 0], [0, 3, 5], [0, 0, 6]]), "epoch", "frequency", **at)
    if name == "group_changes":
        joined = labelled(np.array([[0, 0, 0], [0, 4, 0], [0, 1, 5], [0, 0, 1]]), "epoch", "frequency", **at)
        left = labelled(np.array([[0, 0, 0], [0, 0, 0], [0, 2, 0], [0, 3, 0]]), "epoch", "frequency", **at)
        return frame(name, size=size, joined=joined, left=left)
    return frame(
        name,
        size=size,
        first_key_epoch=labelled(first, "frequency"),
        last_key_epoch=labelled(last, "frequency"),
        peak_size=labelled([0, 4, 6], "frequency"),
        peak_epoch=labelled([np.nan, 10, 300], "frequency"),
        transient=labelled(transient, "frequency"),
        **neurons([0, 4, 6], key=[3]),
    )


def test_a_key_frequency_that_passes_is_told_from_one_that_stays():
    nan = np.nan
    made = groups_frame([nan, 10, 20], [nan, 20, 300], [0, 1, 0])
    view = VIEW["frequency_lifetimes"]
    bars = next(part for part in view.draw(made) if isinstance(part, hv.Rectangles)).dframe()
    assert bars[["frequency", "said", "alpha", "size"]].values.tolist() == [
        [2, "transient", 0.45, 4],
        [3, "key at the last checkpoint", 0.9, 6],
    ]
    np.testing.assert_allclose(bars[["start", "stop"]], [[10, 20], [20, 300]], atol=1)
    assert view.pick(made, 50, 0.3) == {"frequency": 2}
    assert view.pick(made, 50, 2) == view.pick(made, 50, -1) == {}


def test_without_key_frequencies_their_lifetimes_are_a_sentence():
    made = groups_frame([np.nan] * 3, [np.nan] * 3, [0] * 3)
    assert "No frequency is a key frequency" in VIEW["frequency_lifetimes"].draw(made)["said"][0]
    assert VIEW["frequency_lifetimes"].pick(made, 10, 0) == {}


def test_neurons_that_join_and_leave_are_those_of_the_largest_group_unless_another_is_chosen():
    made = groups_frame(None, None, None, "group_changes")
    view = VIEW["group_changes"]
    table = {part.label: part.dframe() for part in view.draw(made) if isinstance(part, hv.Rectangles)}
    assert table["joined"].neurons.tolist() == [0, 0, 5, 1]
    made.controls.frequency = 2
    table = {part.label: part.dframe() for part in view.draw(made) if isinstance(part, hv.Rectangles)}
    assert table["left"].bottom.tolist() == [0, 0, -2, -3]
    made.controls.frequency = 1
    assert "No neuron is ever in the cluster of k = 1." in view.draw(made)["said"]


def test_committed_and_switching_neurons_are_drawn_as_stored():
    count = {"epoch": np.array(EPOCHS)}
    made = frame(
        "neuron_commitment",
        committed_neurons=labelled([0, 1, 2, 3], "epoch", **count),
        switching=labelled([np.nan, 5, 4, 0], "epoch", **count),
    )
    drawn = VIEW["neuron_commitment"].draw(made)
    committed, switching = (part.dimension_values(1) for part in drawn if isinstance(part, hv.Curve))
    assert committed.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(switching, [np.nan, 5, 4, 0])


def events_frame(count=3):
    rows = [
        (20.0, "frequency commit", "frequency 2", 2, 16.0, "neurons", "its cluster is large", np.nan),
        (150.0, "rebound", "test loss", 0, 4.0, "nats", "it rises", 250.0),
        (290.0, "cleanup end", "test accuracy", 0, 0.99, "1", "it is learned", np.nan),
    ]
    rows = (rows * 20)[:count]
    names = ("event_epoch", "kind", "subject", "frequency", "value", "value_unit", "rule", "event_end")
    arrays = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    made = frame("events", **{n: labelled(np.array(v), "event") for n, v in arrays.items() if n != "frequency"},
                 **neurons([0, 5, 0], key=[2]))  # fmt: skip
    stored = labelled(np.array(arrays["frequency"], dtype=int), "event")
    made.arrays["fourier.events/frequency"] = dict.fromkeys(EPOCHS, stored)
    return made


def test_events_are_told_in_order_from_above():
    drawn = VIEW["events"].draw(events_frame())
    points = next(part for part in drawn if isinstance(part, hv.Points)).dframe()
    assert points[["epoch", "row", "kind", "value"]].values.tolist() == [
        [20, 2, "frequency commit", "16 neurons"],
        [150, 1, "rebound", "4 nats"],
        [290, 0, "cleanup end", "0.99"],
    ]
    assert points.colour.tolist() == [LINES[2][0], GREY, GREY]
    said = {text for part in drawn if isinstance(part, hv.Labels) for text in part["said"]}
    assert said == {
        "20  frequency commit 2: 16 neurons",
        "150  rebound, test loss: 4 nats",
        "290  cleanup end, test accuracy: 0.99",
    }
    lasting = next(part for part in drawn if isinstance(part, hv.Segments)).dframe()
    assert lasting[["epoch", "end"]].values.tolist() == [[150, 250]]


def test_a_click_goes_to_an_event():
    view, made = VIEW["events"], events_frame()
    assert view.pick(made, 100, 2.2) == {"epoch": 20, "frequency": 2}
    assert view.pick(made, 100, 0) == {"epoch": 290}
    assert view.pick(made, 100, 4) == {}


def test_many_events_share_a_row_for_each_kind():
    view, made = VIEW["events"], events_frame(count=40)
    drawn = view.draw(made)
    assert sorted(set(next(part for part in drawn if isinstance(part, hv.Points))["row"])) == [0, 1, 2]
    assert not [part for part in drawn if isinstance(part, hv.Labels)]
    assert view.pick(made, 22, 2) == {"epoch": 20, "frequency": 2}
    assert view.pick(made, 100, 2) == {}
    hv.renderer("bokeh").get_plot(drawn)


def test_no_events_is_said_in_words():
    made = events_frame(count=0)
    assert VIEW["events"].draw(made)["said"][0].startswith("No event")
    assert VIEW["events"].pick(made, 10, 0) == {}


def phases_frame():
    names = ["memorisation_ends_key", "memorisation_ends_all", "cleanup_starts"]
    made = frame(
        "phases",
        boundary=labelled(names, "boundary"),
        rule=labelled(["a rule that is " + "long " * 40, "short", "short"], "boundary"),
        threshold=labelled([3.0, 4.0, 2.4], "boundary"),
        measured=labelled([0, 1, 1], "boundary"),
        reached=labelled([0, 0, 1], "boundary"),
        epoch_reached=labelled([np.nan, np.nan, 123.0], "boundary"),
        value=labelled([np.nan, np.nan, 2.3], "boundary"),
    )
    phase_at = labelled(["cleanup"] * len(EPOCHS), "epoch").assign_coords(epoch=list(EPOCHS))
    made.arrays["fourier.phases/phase_at"] = dict.fromkeys(EPOCHS, phase_at)
    return made


def test_a_boundary_that_was_not_reached_has_no_epoch():
    view, made = VIEW["phases"], phases_frame()
    drawn = view.draw(made)
    points = next(part for part in drawn if isinstance(part, hv.Points)).dframe()
    assert points.epoch.tolist() == [123]
    names = next(part for part in drawn if isinstance(part, hv.Labels) and part.label == "name")
    assert names["said"].tolist() == [
        "memorisation ends key: not measured",
        "memorisation ends all: not reached (threshold 4)",
        "cleanup starts: epoch 123, at 2.3",
    ]
    assert view.pick(made, 50, points.row[0]) == {"epoch": 123}
    assert view.pick(made, 50, -0.5) == view.pick(made, 50, 0.5) == view.pick(made, 50, -100) == {}


def test_distance_irrelevance_is_drawn_in_both_forms():
    drawn = VIEW["distance_irrelevance"].draw(
        frame("distance_irrelevance", correct=labelled(0.8), largest_wrong=labelled(np.nan))
    )
    curves = {part.label: part.dimension_values(1)[0] for part in drawn if isinstance(part, hv.Curve)}
    assert curves == {"of the right logit": 0.8}
    assert drawn.opts.get("plot").kwargs["legend_opts"] == {"title": "no value: of the largest other logit"}


def test_the_right_logit_by_distance_has_its_deviation_to_either_side():
    made = frame(
        "logits_by_distance",
        10,
        correct_mean=lambda at: labelled(at + np.array([1.0, 5.0, 3.0]), "distance"),
        correct_deviation=labelled([0.5, 1.0, 2.0], "distance"),
    )
    view = VIEW["logits_by_distance"]
    columns = view.columns(made)
    assert columns["spread/low"].tolist() == [10.5, 14, 11]
    assert columns["spread/high"].tolist() == [11.5, 16, 15]
    low, high = option(view.draw(made), "ylim")
    assert low < 1 - 2
    assert high > 305 + 2


def test_gini_coefficients_are_between_0_and_1():
    drawn = VIEW["embedding_gini"].draw(
        frame("embedding_gini", gini=labelled(0.5), gini_without_constant=labelled(0.4))
    )
    curves = {part.label: part.dimension_values(1)[0] for part in drawn if isinstance(part, hv.Curve)}
    assert curves == {"without the constant": 0.4, "with the constant": 0.5}
    assert drawn.opts.get("plot").kwargs["ylim"] == (0, 1)


def test_clock_and_pizza_say_which_frequency_the_circle_has():
    share = {"clock": 0.9, "pizza": 0.2, "clock_of_pairs": 0.95, "pizza_of_pairs": 0.1}
    arrays = {name: labelled([value], "circle", circle=[1]) for name, value in share.items()}
    view = VIEW["clock_and_pizza"]
    made = frame(
        "clock_and_pizza", circle_frequency=lambda at: labelled([7 if at else 3], "circle", circle=[1]), **arrays
    )
    drawn = view.draw(made)
    curves = {part.label: part.dimension_values(1)[0] for part in drawn if isinstance(part, hv.Curve)}
    assert curves == {"clock": 0.95, "pizza": 0.1}
    points = next(part for part in drawn if isinstance(part, hv.Scatter))
    assert points.dimension_values(2).tolist() == [3, 7, 7, 7]
    assert drawn.opts.get("plot").kwargs["legend_opts"] == {"title": "circle 1: k = 7 in the end"}


def solutions_frame(name, key, variant="p7_seed1_wd2", numbers=None, **choices):
    """Variants with these key frequencies, ``"variant frequency"``; a cluster has ten neurons times its k."""
    key = np.asarray(key, dtype=float)
    names = [f"p7_seed{index}_wd2" for index in range(len(key))]
    arrays = {}
    for short in (read.partition("/")[2] for read in VIEW[name].reads):
        arrays[short] = labelled(np.arange(1.0, len(key) + 1), "variant", variant=names)
    arrays["is_key"] = labelled(key, "variant", "frequency", variant=names)
    arrays["cluster_size"] = labelled(key * 10 * np.arange(1, key.shape[1] + 1), "variant", "frequency", variant=names)
    arrays["key_frequencies"] = labelled(["2, 3"] * len(key), "variant", variant=names)
    arrays["classification"] = labelled(["grokked"] * len(key), "variant", variant=names)
    arrays["degraded"] = labelled([0] * (len(key) - 1) + [1], "variant", variant=names)
    arrays |= {short: labelled(values, "variant", variant=names) for short, values in (numbers or {}).items()}
    wanted = {read.partition("/")[2] for read in VIEW[name].reads}
    made = frame(name, choices=choices, **{short: array for short, array in arrays.items() if short in wanted})
    made.variant_name = variant
    return made


KEYS = [[0, 1, 1], [1, 0, 0], [1, 1, np.nan]]


def test_the_table_of_solutions_has_words_for_what_was_not_reached_and_marks_the_variant_that_is_shown():
    numbers = {"grokking_delay": [1500.0, np.nan, 20.0], "train_loss": [1e-7, np.nan, 0.5]}
    table = VIEW["variant_solutions"].draw(solutions_frame("variant_solutions", KEYS, numbers=numbers))
    columns = {dimension.label: table[dimension.name].tolist() for dimension in table.vdims}
    assert columns[" "] == ["", "●", ""]
    assert columns["variant"] == ["seed0", "seed1", "seed2"]
    assert columns["key frequencies"] == ["2, 3"] * 3
    assert columns["kind"] == ["grokked", "grokked", "grokked, then lost"]
    assert columns["delay"] == ["1,500", "not reached", "20"]
    assert columns["train loss"] == ["1e−07", "not measured", "0.5"]
    made = solutions_frame("variant_solutions", KEYS, numbers=numbers, sorted_by="delay")
    assert VIEW["variant_solutions"].draw(made)["variant"].tolist() == ["seed2", "seed0", "seed1"]
    made = solutions_frame("variant_solutions", KEYS, sorted_by="distance irrelevance")
    assert "distance irrelevance" in [dimension.label for dimension in VIEW["variant_solutions"].draw(made).vdims]


def test_solutions_are_drawn_against_each_other_with_what_has_no_place_counted():
    name = "variant_solutions_against_each_other"
    numbers = {"grokking_delay": [1500.0, np.nan, 20.0], "train_loss": [1e-7, 1e-3, 0.5]}
    drawn = VIEW[name].draw(solutions_frame(name, KEYS, numbers=numbers, x="train loss", y="delay"))
    points, _, note = drawn
    np.testing.assert_allclose(np.stack([points["x"], points["y"]]), [[1e-7, 0.5], [1500, 20]])
    assert note["said"][0] == "1 of 3 variants not here: without one of these"
    look = drawn.opts.get("plot").kwargs
    assert (look["logx"], look["logy"], look["ylabel"]) == (True, False, "delay (epochs)")
    none = solutions_frame(name, KEYS, numbers={"grokking_delay": [np.nan] * 3}, y="delay")
    assert VIEW[name].draw(none)["said"][0] == "None of the variants has both of these."


def test_the_map_of_frequencies_has_the_first_variant_on_top_and_marks_the_one_that_is_shown():
    view = VIEW["variant_frequencies"]
    drawn = view.draw(solutions_frame("variant_frequencies", KEYS))
    look = drawn.opts.get("plot").kwargs
    assert look["yticks"] == [(0, "seed2"), (1, "● seed1"), (2, "seed0")]
    assert look["clim"] == (0, 30)
    cells = {(row.variant, row.frequency): row.shown for row in drawn.dframe().itertuples()}
    assert cells["p7_seed0_wd2", 3] == 30
    assert cells["p7_seed1_wd2", 1] == 10
    assert np.isnan(cells["p7_seed2_wd2", 3])
    keys = view.draw(solutions_frame("variant_frequencies", KEYS, show="key frequencies"))
    assert {row.shown for row in keys.dframe().dropna().itertuples()} == {0, 1}
    by_key = view.draw(
        solutions_frame("variant_frequencies", KEYS, sorted_by="key frequencies, the smallest first")
    ).opts.get("plot").kwargs["yticks"]  # fmt: skip
    assert [name for _, name in by_key] == ["seed0", "● seed1", "seed2"]  # 2 and 3; 1; 1 and 2 from the bottom


@pytest.mark.parametrize(
    ("place", "chosen"),
    [((2.4, 2.4), {"frequency": 2}), ((3, 1), {"frequency": 3}), ((3, 0), {}), ((0.4, 1), {}), ((2, 2.6), {})],
)
def test_a_click_on_the_map_of_frequencies_chooses_one_that_the_variant_has(place, chosen):
    assert VIEW["variant_frequencies"].pick(solutions_frame("variant_frequencies", KEYS), *place) == chosen


def test_many_variants_one_and_p_2_are_drawn():
    from dynascope.drawing import Drawing

    for key in (np.zeros((40, 56)), [[0.0]], [[np.nan]]):
        for name in ("variant_frequencies", "variant_solutions", "variant_solutions_against_each_other"):
            Drawing(VIEW[name], solutions_frame(name, key))
    (tick,) = VIEW["variant_frequencies"].draw(
        solutions_frame("variant_frequencies", np.zeros((40, 56)))
    ).opts.get("plot").kwargs["yticks"]  # fmt: skip
    assert tick == (38, "● seed1")  # of many, only the one that is shown is named
    made = solutions_frame("variant_frequencies", [[0.0, 1.0]])
    for array in made.arrays.values():
        array[0] = array[0].assign_coords(variant=["p53_seed999_dseed598_frac0.5"])
    assert VIEW["variant_frequencies"].draw(made).opts.get("plot").kwargs["yticks"] == [(0, "p53_seed999_dseed…")]
    nothing = VIEW["variant_frequencies"].draw(solutions_frame("variant_frequencies", [[np.nan]]))
    assert nothing["said"][0] == "No frequency was measured of any variant."


def test_every_instrument_of_the_plug_in_has_a_view():
    from dynascope import registry

    read = {array.partition("/")[0] for view in VIEWS for array in view.reads}
    assert {entry.id for entry in registry().all("analyzers").values() if entry.plugin == "fourier"} <= read


def test_one_checkpoint_is_enough_for_lines_maps_and_sentences():
    one = (7,)
    for name, arrays in (
        ("cluster_sizes", neurons([0, 5, 1], key=[2])),
        ("cluster_sizes", neurons([0, 0, 0])),
        ("embedding_spectrum_over_training", {"power_share": labelled([0.5, 0.5], "frequency")}),
    ):
        drawn = VIEW[name].draw(frame(name, 7, epochs=one, **arrays))
        assert drawn.opts.get("plot").kwargs["xlim"] == (6.5, 7.5)
        hv.renderer("bokeh").get_plot(drawn)
