"""Pictures of arrays that were made by hand, and of what there is nothing to draw of."""

from functools import partial

import holoviews as hv
import numpy as np
import pytest
from memory import MemoryFrame, labelled
from stand_ins import step

from dynascope import Batch
from dynascope.instruments.input_trace import LABEL, LOGITS, TRAIN, InputTrace
from dynascope.instruments.milestones import MILESTONES
from dynascope.instruments.views import VIEWS
from dynascope.instruments.views.answers import ANSWER_COLOURS
from dynascope.instruments.views.milestones import METRIC
from dynascope.instruments.views.trajectory import orthographic
from dynascope.pictures import Column, Series, cells_over_training, in_turn, lines_over_training, short_names
from dynascope.pictures.training import MOST_MARKERS
from dynascope.style import LINES, MOST_PIXELS, epoch_pixels, finite_limits, padded

EPOCHS = (0, 10, 20, 300)
VIEW = {view.name: view for view in VIEWS}
NAN = np.nan

hv.extension("bokeh")


def frame(name, epoch=0, *, epochs=EPOCHS, choices=None, metrics=None, variant="", **arrays):
    """Return a frame for a view of arrays by short name: one value for all epochs, or a function of the epoch."""
    view = VIEW[name]
    controls = view.controls() if view.controls else None
    for control, value in (choices or {}).items():
        if value not in getattr(controls.param[control], "objects", [value]):
            controls.param[control].objects = [value]
        setattr(controls, control, value)
    full = {read.partition("/")[2]: read for read in view.reads}
    stored = {
        full[short]: {at: value(at) if callable(value) else value for at in epochs} for short, value in arrays.items()
    }
    return MemoryFrame(stored, epoch, controls, variant, metrics or {})


def option(drawn, name):
    """Return an option of a picture, or of an overlay or one of its parts, the last that has it."""
    found = [
        part.opts.get("plot").kwargs.get(name) for part in [*(drawn if isinstance(drawn, hv.Overlay) else ()), drawn]
    ]
    return [value for value in found if value is not None][-1]


def words(drawn):
    """Return what a picture says where there is nothing to draw."""
    assert isinstance(drawn, hv.Labels)
    return drawn["said"][0]


def curves(drawn):
    return {part.label: part.dimension_values(1) for part in drawn if isinstance(part, hv.Curve)}


# ------------------------------------------------------------------------------------------------ what is shared


@pytest.mark.parametrize(
    ("measured", "limits"),
    [((0, 0), (0, 1)), ((NAN, NAN), (0, 1)), ((-np.inf, np.inf), (0, 1)), ((2, 3), (2, 3)), ((5, 5), (5, 6))],
)
def test_limits_are_finite_and_apart(measured, limits):
    assert finite_limits(*measured) == limits


def test_limits_leave_room_and_leave_out_what_an_axis_cannot_show():
    assert padded(np.array([0.0, 100.0, NAN])) == (-6, 106)
    low, high = padded(np.array([-1, 0, 1, 1e4]), log=True)
    assert 0 < low < 1 < 1e4 < high
    assert padded(np.array([NAN])) == (0, 1)
    assert padded(np.array([3.0])) == pytest.approx((2.7, 3.3))


def test_a_pixel_shows_the_checkpoint_that_its_epoch_is_nearest_to():
    at, nearest, ends = epoch_pixels(EPOCHS)
    assert ends == (-5, 440)
    for epoch, index in zip(at, nearest):
        assert abs(EPOCHS[index] - epoch) == min(abs(np.array(EPOCHS) - epoch))
    assert set(nearest) == {0, 1, 2, 3}
    assert len(epoch_pixels([0, 10, 20])[0]) == 3
    assert len(epoch_pixels([0, 1, 10**6])[0]) == 400
    assert epoch_pixels([7])[1].tolist() == [0]


def test_lines_beyond_those_that_can_be_told_apart_are_grey_and_one_without_a_value_is_named():
    lines = in_turn(np.array(EPOCHS), {str(index): np.full(4, NAN if index == 1 else index) for index in range(8)})
    assert [each.line is None for each in lines] == [False] * 6 + [True] * 2
    drawn = lines_over_training(lines, "height", "m", kind="which")
    assert list(curves(drawn)) == ["0", "2", "3", "4", "5"]
    (grey,) = (part for part in drawn if isinstance(part, hv.Contours))
    assert grey.dimension_values("which", expanded=False).tolist() == ["6", "7"]
    assert option(drawn, "legend_opts") == {"title": "no value: 1"}
    assert option(drawn, "ylabel") == "height (m)"
    nothing = lines_over_training(lines[1:2], "height")
    assert words(nothing) == "No height at any checkpoint."
    assert option(nothing, "xlim") == (0, 300)  # so that a click still goes to a checkpoint


def test_markers_at_many_checkpoints_do_not_hide_the_line_and_a_lonely_point_has_one():
    epochs = np.arange(MOST_MARKERS + 1)
    height = Series("height", epochs, epochs * 1.0, LINES[0], of={"neuron": 3})
    gaps = height._replace(values=np.where(epochs % 9 == 4, 1.0, NAN))
    for line, count, kinds in ((height, MOST_MARKERS, ["Curve", "Scatter"]), (height, MOST_MARKERS + 1, ["Curve"]),
                               (gaps, MOST_MARKERS + 1, ["Curve", "Scatter"])):  # fmt: skip
        shorter = line._replace(epochs=epochs[:count], values=line.values[:count])
        parts = list(lines_over_training([shorter], "height"))
        assert [type(part).__name__ for part in parts] == kinds
        assert option(parts[-1], "tools") == ["hover"]  # what is hovered, and what is marked where it is chosen
        assert parts[-1].dimension_values("neuron", expanded=False).tolist() == [3]


def test_a_map_of_more_checkpoints_than_pixels_shows_one_for_each_pixel():
    epochs, rows = np.arange(10_000) * 10, np.arange(1, 4)
    values = np.outer(epochs, rows) * 1.0
    drawn = cells_over_training(epochs, rows, values, "share", row="k", ticks=[1, 2, 3])
    assert len(drawn) == 3 * MOST_PIXELS
    at = drawn.dimension_values("epoch")
    assert set(at) <= set(epochs) and set(np.diff(np.unique(at))) == {250}
    assert drawn.dimension_values("share").tolist() == np.outer(np.unique(at), rows).ravel().tolist()
    assert option(drawn, "clim") == (0, 3 * 99_990) and option(drawn, "xlim") == (-5, 99_995)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["p11_seed0_wd1", "p11_seed1_wd1"], ["seed0", "seed1"]),
        (["p11_seed0_wd1", "p7_seed1_wd1"], ["p11_seed0", "p7_seed1"]),
        (["p11_seed0", "p11_seed0_wd1"], ["p11_seed0", "p11_seed0_wd1"]),
        (["p11_seed0"], ["p11_seed0"]),
        ([], []),
    ],
)
def test_names_of_variants_are_shortened_to_what_differs(names, short):
    assert short_names(names) == short


def test_what_is_measured_of_variants_is_written_or_said_to_be_missing():
    assert Column(np.array([-1234.5, NAN]), number=",.0f", missing="not reached").written == ["−1,234", "not reached"]
    assert Column(np.array(["2, 3", "none"])).written == ["2, 3", "none"]


def test_every_instrument_of_the_plug_in_has_a_view():
    from dynascope import registry

    read = {array.partition("/")[0] for view in VIEWS for array in view.reads}
    assert {entry.id for entry in registry().all("analyzers").values() if entry.plugin == "general"} <= read


# ------------------------------------------------------------------------------------------------------- answers


def test_the_input_trace_says_where_rows_lie():
    from dataclasses import replace

    batch = Batch(np.zeros((6, 1)), {"a": np.array([3, 5]), "b": np.arange(3)})
    given = replace(step({LOGITS: np.zeros((6, 2)), LABEL: np.zeros(6, int), TRAIN: np.ones(6)}), batch=batch)
    found = InputTrace().analyze(given)
    assert found["probe_axis"].tolist() == ["a", "b"]
    assert found["probe_axis_length"].tolist() == [2, 3]
    np.testing.assert_equal(found["probe_coordinate"], [[3, 5, NAN], [0, 1, 2]])


def trace_arrays(shape=(2, 3), names=("a", "b")):
    count = int(np.prod(shape))
    coordinate = np.full((len(shape), max(shape, default=0)), NAN)
    for row, length in zip(coordinate, shape):
        row[:length] = 10 * np.arange(length)
    rows = np.arange(count)
    return {
        "probe_axis": labelled(np.array(names, dtype=str), "probe_axis"),
        "probe_axis_length": labelled(np.array(shape, dtype=int), "probe_axis"),
        "probe_coordinate": labelled(coordinate, "probe_axis", "place"),
        "label": labelled(rows, "row"),
        "train": labelled(rows % 2, "row"),
        "prediction": lambda epoch: labelled(rows + (rows > 2) * (epoch == 0), "row"),
        "correct": lambda epoch: labelled((rows <= 2) | (epoch > 0), "row"),
        "margin": lambda epoch: labelled(rows + epoch, "row"),
        "confidence": labelled(rows / 10, "row"),
    }


def test_answers_lie_at_their_coordinates_in_four_categories():
    view = VIEW["answers"]
    drawn = view.draw(frame("answers", **trace_arrays()))
    table = drawn.dframe()
    place = {(row.at_x, row.at_y): (row.shown, row.right, row.answer) for row in table.itertuples()}
    # Rows 0 to 5 are (0, 0), (0, 10), (0, 20), (10, 0), ...; odd ones are trained on; those above 2 are wrong at first.
    assert place == {
        (0, 0): (1, 0, 0), (0, 10): (0, 1, 1), (0, 20): (1, 2, 2), (10, 0): (2, 3, 4), (10, 10): (3, 4, 5),
        (10, 20): (2, 5, 6),
    }  # fmt: skip
    assert option(drawn, "clim") == (-0.5, 3.5)
    moved = view.columns(frame("answers", 10, **trace_arrays()))
    assert moved["image"][0].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert moved["answer"][0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_margins_have_colours_that_are_fixed_over_training_and_confidence_those_of_a_probability():
    for epoch in EPOCHS:
        drawn = VIEW["answers"].draw(frame("answers", epoch, choices={"show": "margin"}, **trace_arrays()))
        assert option(drawn, "clim") == (0, 305)
    drawn = VIEW["answers"].draw(frame("answers", choices={"show": "confidence"}, **trace_arrays()))
    assert option(drawn, "clim") == (0, 1)


@pytest.mark.parametrize("show", ["right or wrong", "margin", "confidence"])
def test_a_checkpoint_of_nan_is_drawn_beyond_the_colours(show):
    from dynascope.drawing import Drawing

    nan = labelled(np.full(6, NAN), "row")
    arrays = {**trace_arrays(), "margin": nan, "confidence": nan, "prediction": labelled(np.full(6, -1), "row")}
    made = frame("answers", choices={"show": show}, **arrays)
    drawing = Drawing(VIEW["answers"], made)
    drawing.move(made)
    shown = VIEW["answers"].columns(made)["image"][0]
    assert np.isfinite(shown).all()
    if show != "right or wrong":
        assert (shown < option(VIEW["answers"].draw(made), "clim")[0]).all()


def test_the_four_categories_differ_in_lightness():
    light = []
    for colour in ANSWER_COLOURS.values():
        rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        light.append(116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16)
    assert np.diff(sorted(light)).min() > 15


@pytest.mark.parametrize(("shape", "names"), [((6,), ("row",)), ((1, 2, 3), ("a", "b", "c"))])
def test_rows_of_a_probe_that_is_no_grid_lie_beside_each_other(shape, names):
    view, made = VIEW["answers"], frame("answers", **trace_arrays(shape, names))
    drawn = view.draw(made)
    assert option(drawn, "xlabel") == "row"
    assert np.ravel(view.columns(made)["image"][0]).tolist() == [1, 0, 1, 2, 3, 2]
    assert view.pick(made, 4.2, 0) == {"row": 4}


def test_a_probe_without_rows_is_told():
    made = frame("answers", **trace_arrays((0,), ("row",)))
    assert words(VIEW["answers"].draw(made)) == "The probe has no rows."
    assert VIEW["answers"].columns(made) == {}


def test_a_click_on_a_row_chooses_its_coordinates():
    made = frame("answers", **trace_arrays())
    assert VIEW["answers"].pick(made, 1.2, 1.9) == {"a": 10, "b": 20}
    assert VIEW["answers"].pick(made, 2.0, 0) == {}


# ---------------------------------------------------------------------------------------------------- graduation


def graduation_frame(epoch, graduated=(0, 10, 10, 300, NAN, 20), **choices):
    arrays = {name: values for name, values in trace_arrays().items() if name.startswith("probe")}
    values = labelled(np.array(graduated, dtype=float), "row")
    return frame("graduation_map", epoch, choices=choices, graduation_epoch=values, **arrays)


def test_a_row_is_bright_from_its_graduation_on_and_never_where_it_does_not():
    view = VIEW["graduation_map"]
    for epoch, count in ((0, 1), (10, 3), (20, 4), (300, 5)):
        moved = view.columns(graduation_frame(epoch))
        shown = moved["rows/image"][0].T.ravel()
        assert np.flatnonzero(np.isnan(shown)).tolist() == [4]
        assert (shown <= 300).sum() == count
        assert moved["note/said"] == [f"graduated by now: {count} of 6; never (orange): 1"]
        assert option(view.draw(graduation_frame(epoch)), "clim") == (0, 300)
    assert option(view.draw(graduation_frame(0, colours="logarithmic")), "clim") == (10, 300)


@pytest.mark.parametrize("colours", ["linear", "logarithmic"])
@pytest.mark.parametrize("graduated", [[0.0] * 6, [20.0] * 6])
def test_a_map_of_one_epoch_is_drawn(graduated, colours):
    from dynascope.drawing import Drawing

    made = graduation_frame(0, graduated, colours=colours)
    low, high = option(VIEW["graduation_map"].draw(made), "clim")
    assert low < high
    Drawing(VIEW["graduation_map"], made).move(graduation_frame(20, graduated, colours=colours))


def test_a_map_of_no_epoch_is_told():
    made = graduation_frame(0, [NAN] * 6)
    assert words(VIEW["graduation_map"].draw(made)).startswith("No row is right at the last checkpoint")
    assert VIEW["graduation_map"].columns(made) == {}


def test_the_share_of_graduated_rows_is_of_its_split_and_an_empty_split_is_named():
    splits = ["train", "test", "all"]
    count = labelled([[0, 2, 4, 4], [0] * 4, [0, 2, 4, 4]], "split", "epoch", split=splits, epoch=list(EPOCHS))
    made = frame("graduated_rows", graduated_rows=count, rows=labelled([4, 0, 4], "split", split=splits))
    drawn = VIEW["graduated_rows"].draw(made)
    assert curves(drawn)["train (4 rows)"].tolist() == [0, 0.5, 1, 1]
    assert option(drawn, "legend_opts") == {"title": "no value: test (0 rows)"}


def class_frame(values, **choices):
    arrays = {read.partition("/")[2]: values for read in VIEW["class_accuracy_over_training"].reads}
    return frame("class_accuracy_over_training", choices=choices, **arrays)


def test_classes_over_training_show_each_class_at_the_nearest_checkpoint():
    splits = ["train", "test"]
    made = class_frame(lambda epoch: labelled([[0, 0, 0], [epoch, 1, NAN]], "split", "class", split=splits))
    table = VIEW["class_accuracy_over_training"].draw(made).dframe()
    first = table[table["class"] == 0]
    assert (first.shown == first.checkpoint).all()
    assert (table[table["class"] == 1].shown == 1).all()
    assert table[table["class"] == 2].shown.isna().all()


def test_classes_of_an_empty_split_are_told():
    made = class_frame(labelled([[NAN, NAN]], "split", "class", split=["test"]), show="mean loss")
    assert words(VIEW["class_accuracy_over_training"].draw(made)).startswith("There is no mean loss of the split test")


# ------------------------------------------------------------------------------------------------------- spectra


def spectra_frame(name, epoch=0, **choices):
    matrices = ["first", "second"]
    arrays = {
        "singular_values": lambda at: labelled(
            [[4, 2, 1], [3 + at, 0, NAN]], "matrix", "singular_value", matrix=matrices, singular_value=[1, 2, 3]
        ),
        "total_sum_of_squares": lambda at: labelled(np.float64(25 + at)),
    }
    for number, rank in enumerate(
        ("participation_ratio", "power_participation_ratio", "effective_rank", "stable_rank")
    ):
        arrays[rank] = lambda at, number=number: labelled([number + at, NAN], "matrix", matrix=matrices)
    for size in ("sum_of_squares", "norm", "largest"):
        arrays[size] = lambda at: labelled([1 + at, 0], "weight", weight=matrices)
    full = {read.partition("/")[2] for read in VIEW[name].reads}
    return frame(name, epoch, choices=choices, **{short: value for short, value in arrays.items() if short in full})


def test_singular_values_are_those_of_the_matrix_that_it_has_and_that_a_logarithm_has():
    view = VIEW["singular_values"]
    drawn = view.draw(spectra_frame("singular_values", 20, matrix="second"))
    parts = {part.label: part.dimension_values(1).tolist() for part in drawn}
    np.testing.assert_equal(parts, {"epoch 0": [3, NAN], "epoch 300": [303, NAN], "this epoch": [23, NAN]})
    moved = view.columns(spectra_frame("singular_values", 10, matrix="second"))
    np.testing.assert_equal(moved["this epoch/value"], [13, NAN])
    low, high = option(drawn, "ylim")
    assert low < 3 < 303 < high


def test_ranks_are_four_of_one_matrix_or_one_of_all():
    name = "weight_ranks_over_training"
    drawn = VIEW[name].draw(spectra_frame(name, matrix="first"))
    assert {label: values[1] for label, values in curves(drawn).items()} == {
        "participation ratio": 10, "participation ratio of squares": 11, "effective rank": 12, "stable rank": 13,
    }  # fmt: skip
    drawn = VIEW[name].draw(spectra_frame(name, matrix="first", measure="stable rank"))
    assert list(curves(drawn)) == ["first"]
    nothing = VIEW[name].draw(spectra_frame(name, matrix="second"))
    assert words(nothing) == "No rank at any checkpoint."


def test_sizes_of_weights_are_beside_those_of_all_together():
    name = "weight_sizes_over_training"
    for measure, total in (("sum of squares", 25), ("norm", 5)):
        found = curves(VIEW[name].draw(spectra_frame(name, weight="first", measure=measure)))
        assert {label: values[0] for label, values in found.items()} == {"first": 1, "all weights": total}
    drawn = VIEW[name].draw(spectra_frame(name, weight="second", measure="largest element"))
    assert option(drawn, "legend_opts") == {"title": "no value: second"}


@pytest.mark.parametrize("measure", ["all four", "stable rank"])
def test_a_model_without_a_matrix_is_told(measure):
    none = labelled(np.empty(0), "matrix", matrix=np.empty(0, dtype=str))
    ranks = {read.partition("/")[2]: none for read in VIEW["weight_ranks_over_training"].reads}
    choices = {"measure": measure}
    drawn = VIEW["weight_ranks_over_training"].draw(frame("weight_ranks_over_training", choices=choices, **ranks))
    assert words(drawn) == "The model has no weight matrix."
    values = labelled(np.empty((0, 0)), "matrix", "singular_value", matrix=np.empty(0, dtype=str))
    made = frame("singular_values", singular_values=values)
    assert words(VIEW["singular_values"].draw(made)) == "The model has no weight matrix."
    assert VIEW["singular_values"].columns(made) == {}


# ---------------------------------------------------------------------------------------------------- trajectory


def path_frame(name, epoch=0, path=((1, 2, 3, 4), (0, 5, 0, 7), (9, 8, 7, 6)), epochs=EPOCHS, **choices):
    values = np.array([path], dtype=float)
    axes = {"group": ["all"], "component": 1 + np.arange(values.shape[1])}
    return frame(
        name, epoch, epochs=epochs, choices=choices,
        projection=labelled(values, "group", "component", "epoch", epoch=list(epochs), **axes),
        explained_variance=labelled([[0.5, 0.25, 0.125][: values.shape[1]]], "group", "component", **axes),
    )  # fmt: skip


def test_the_path_goes_along_the_chosen_components_and_the_ring_is_at_the_epoch():
    view = VIEW["parameter_path"]
    for components, at in (("PC1, PC2", (3, 0)), ("PC1, PC3", (3, 7)), ("PC2, PC3", (0, 7))):
        moved = view.columns(path_frame("parameter_path", 20, components=components))
        assert (moved["now/x"].tolist(), moved["now/y"].tolist()) == ([at[0]], [at[1]])
    drawn = view.draw(path_frame("parameter_path", components="PC2, PC3"))
    assert option(drawn, "xlabel") == "PC2 (25.0% of the variance)"
    assert option(drawn, "ylabel") == "PC3 (12.5% of the variance)"


def test_the_eye_sees_the_axis_it_looks_along_as_a_point():
    square = np.eye(3)
    for azimuth, elevation, along in ((0, 0, 0), (90, 0, 1), (0, 90, 2), (37, 90, 2)):
        seen = orthographic(square, azimuth, elevation)
        np.testing.assert_allclose(seen[:, along], [0, 0, 1], atol=1e-12)
        np.testing.assert_allclose(seen @ seen.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(orthographic(square, 0, 0)[:2], [[0, 1, 0], [0, 0, 1]], atol=1e-12)


def test_nearer_points_are_larger_and_the_axes_do_not_turn_with_the_eye():
    view = VIEW["parameter_path_3d"]
    limits = set()
    for azimuth in (0, 30, 180):
        drawn = view.draw(path_frame("parameter_path_3d", azimuth=azimuth, elevation=0))
        limits.add(option(drawn, "xlim"))
        points = next(part for part in drawn if part.label == "checkpoints")
        order = np.argsort(points["size"])
        depth = orthographic(np.array([(1, 2, 3, 4), (0, 5, 0, 7), (9, 8, 7, 6)]), azimuth, 0)[2]
        assert (np.diff(depth[order]) >= 0).all()
    assert len(limits) == 1


@pytest.mark.parametrize("name", ["parameter_path", "parameter_path_3d"])
def test_weights_that_stay_are_told_and_a_missing_checkpoint_is_left_out(name):
    for path, epochs in ((np.zeros((3, 4)), EPOCHS), (np.full((3, 4), NAN), EPOCHS), (np.zeros((1, 1)), (0,))):
        made = path_frame(name, 0, path, epochs)
        assert words(VIEW[name].draw(made)) == "These weights are the same at every checkpoint."
        assert VIEW[name].columns(made) == {}
    gap = np.array([[1.0, NAN, 3, 4], [1, NAN, 2, 2]])
    limits = option(VIEW[name].draw(path_frame(name, 10, gap)), "xlim")
    assert np.isfinite(limits).all()
    assert np.isnan(VIEW[name].columns(path_frame(name, 10, gap))["now/x"]).all()


@pytest.mark.parametrize("show", ["distance", "velocity", "update cosine"])
def test_motion_names_the_largest_groups_and_draws_one_checkpoint(show):
    groups = ["all", *(f"group {index}" for index in range(7))]
    for epochs, scale in ((EPOCHS, 1), ((0,), NAN)):
        values = scale * np.outer(np.arange(8, 0, -1), np.ones(len(epochs)))
        array = labelled(values, "group", "epoch", group=groups, epoch=list(epochs))
        arrays = {read.partition("/")[2]: array for read in VIEW["parameter_motion"].reads}
        drawn = VIEW["parameter_motion"].draw(
            frame("parameter_motion", epochs=epochs, choices={"show": show}, **arrays)
        )
        if len(epochs) == 1:
            assert words(drawn) == f"No {show} at any checkpoint."
        else:
            assert list(curves(drawn)) == groups[:6]
            assert sum(isinstance(part, hv.Contours) for part in drawn) == 1


# ---------------------------------------------------------------------- similarity, flatness, geometry, by epoch


def similarity_frame(epoch, values, **choices):
    epochs = {"epoch": list(EPOCHS), "other_epoch": list(EPOCHS)}
    return frame("checkpoint_similarity", epoch, choices={"site": "here", **choices},
                 cka=labelled([values], "site", "epoch", "other_epoch", site=["here"], **epochs))  # fmt: skip


def test_the_similarity_of_two_epochs_is_that_of_their_nearest_checkpoints():
    values = np.minimum.outer(np.arange(1.0, 5), np.arange(1.0, 5)) / 4
    view = VIEW["checkpoint_similarity"]
    drawn = view.draw(similarity_frame(20, values))
    table = drawn.get(0).dframe()
    number = {epoch: index for index, epoch in enumerate(EPOCHS)}
    expected = [values[number[one], number[two]] for one, two in zip(table.one_epoch, table.other_epoch)]
    np.testing.assert_allclose(table.cka, expected)
    assert view.columns(similarity_frame(20, values))["now/x0"].tolist() == [20, -5]
    assert view.pick(similarity_frame(0, values), 133.4, 0) == {"epoch": 133}
    assert view.pick(similarity_frame(0, values), 500, 0) == {}
    drawn = view.draw(similarity_frame(0, values, colours="from the smallest to 1"))
    assert drawn.get(0).opts.get("plot").kwargs["clim"] == (0.25, 1)


def test_a_constant_site_has_nothing_to_compare():
    made = similarity_frame(0, np.full((4, 4), NAN))
    assert words(VIEW["checkpoint_similarity"].draw(made)).startswith("Nothing to compare")
    assert VIEW["checkpoint_similarity"].columns(made) == {}


def loss_frame(epoch, factor=1.0, **choices):
    def change(at):
        return factor * (1 + at) * np.array([[4.0, 1, 1, 4], [2, 1, 1, 2]])

    return frame(
        "loss_around", epoch, choices=choices, radius=labelled([-0.2, -0.1, 0.1, 0.2], "radius"),
        change=lambda at: labelled(change(at), "direction", "radius"),
        mean_change=lambda at: labelled(change(at).mean(axis=0), "radius"),
    )  # fmt: skip


def test_the_loss_around_has_the_checkpoint_itself_in_the_middle():
    moved = VIEW["loss_around"].columns(loss_frame(10))
    np.testing.assert_allclose(moved["mean/mean"], [33, 11, 0, 11, 33])
    np.testing.assert_allclose(moved["directions/ys"], [[44, 11, 0, 11, 44], [22, 11, 0, 11, 22]])
    limits = {option(VIEW["loss_around"].draw(loss_frame(epoch)), "ylim") for epoch in EPOCHS}
    assert len(limits) == 1
    ((low, high),) = limits
    assert low < 0 < 4 * 301 < high
    shares = VIEW["loss_around"].columns(loss_frame(10, scale="of this epoch"))
    np.testing.assert_allclose(shares["mean/mean"], [0.75, 0.25, 0, 0.25, 0.75])


@pytest.mark.parametrize("scale", ["fixed over training", "of this epoch"])
@pytest.mark.parametrize("factor", [0.0, NAN])
def test_a_loss_that_stays_or_is_none_is_drawn(scale, factor):
    low, high = option(VIEW["loss_around"].draw(loss_frame(0, factor, scale=scale)), "ylim")
    assert np.isfinite([low, high]).all()
    assert low < high


@pytest.mark.parametrize(("scale", "kept"), [("logarithmic", [NAN, 10, 20, 300]), ("linear", [0, 10, 20, 300])])
def test_curvature_has_one_line_for_each_step(scale, kept):
    sizes = [0.1, 0.3]
    made = frame("curvature_over_training", choices={"scale": scale},
                 mean_curvature=lambda at: labelled([at, 2 * at], "size", size=sizes))  # fmt: skip
    found = curves(VIEW["curvature_over_training"].draw(made))
    np.testing.assert_equal(found, {"step 0.1": kept, "step 0.3": [2 * value for value in kept]})


def test_a_site_without_a_value_is_named_and_not_drawn():
    array = labelled([NAN, 2.0], "site", site=["stream_after_embedding", "stream_after_mlp"])
    arrays = {read.partition("/")[2]: array for read in VIEW["geometry_over_training"].reads}
    drawn = VIEW["geometry_over_training"].draw(frame("geometry_over_training", **arrays))
    assert list(curves(drawn)) == ["stream after mlp"]
    assert option(drawn, "legend_opts") == {"title": "no value: stream after embedding"}


# ----------------------------------------------------------------------------------------------------- centroids


def centroid_frame(epoch=20, *, projection=None, epochs=EPOCHS, view="centroids", **choices):
    """Two sites; in the second, class c is at (c - 1) (1, 2, 3) times the number of the checkpoint."""
    count, site = len(epochs), ["first", "second"]
    if projection is None:
        steps = np.arange(count)[:, None, None] * np.arange(-1, 2)[:, None] * np.array([1.0, 2, 3])
        projection = np.stack([np.full_like(steps, NAN), steps])
    projection = np.asarray(projection)
    axes = {"site": site, "epoch": list(epochs), "principal_component": np.arange(projection.shape[3]) + 1}
    over, along = ("site", "epoch"), ("principal_component",)
    measured = np.isfinite(projection).all(axis=2)
    share = np.where(measured, np.array([0.1, 0.2, 0.4])[: projection.shape[3]], NAN)
    share[:, 0] = NAN
    arrays = {
        "projection": labelled(projection, *over, "class", *along, **axes, **{"class": [5, 6, 7]}),
        "center": labelled(np.where(measured, 100.0, NAN), *over, *along, **axes),
        "share": labelled(share, *over, *along, **axes),
        "captured": labelled(share.sum(axis=2), *over, **{name: axes[name] for name in over}),
        "class": labelled([5, 6, 7], "class", **{"class": [5, 6, 7]}),
    }
    wanted = {read.partition("/")[2] for read in VIEW[view].reads}
    choices = {"site": "second", **choices}
    return frame(view, epoch, epochs=sorted({*epochs, epoch}), choices=choices,
                 **{name: array for name, array in arrays.items() if name in wanted})  # fmt: skip


def test_centroids_lie_where_they_are_at_the_epoch_with_their_share_and_move_on_fixed_axes():
    view = VIEW["centroids"]
    drawn = view.draw(centroid_frame(20))
    ways, points, note = drawn
    assert points["x"].tolist() == [-2, 0, 2]
    assert points["y"].tolist() == [-4, 0, 4]
    assert points["class"].tolist() == [5, 6, 7]
    assert note["said"][0] == "30.0% of the variance in this plane"
    paths = [(one["of"], one["way_x"].tolist()) for one in ways.split(datatype="dictionary")]
    assert paths == [(5, [0, -1, -2, -3]), (6, [0, 0, 0, 0]), (7, [0, 1, 2, 3])]
    for epoch in EPOCHS:
        assert option(view.draw(centroid_frame(epoch)), "xlim") == pytest.approx((-6.6, 6.6))
    moved = view.columns(centroid_frame(300))
    assert moved["classes/y"].tolist() == [-6, 0, 6]
    assert view.columns(centroid_frame(0))["note/said"].tolist() == ["every input is the same here"]
    assert view.columns(centroid_frame(7))["note/said"].tolist() == ["not measured at this epoch"]
    assert np.isnan(view.columns(centroid_frame(7))["classes/x"]).all()


def test_components_origin_and_trails_of_centroids_can_be_chosen():
    view = VIEW["centroids"]
    drawn = view.draw(centroid_frame(20, components="PC2, PC3", trails="none"))
    assert [part.label for part in drawn] == ["classes", "note"]
    assert drawn.get(0)["y"].tolist() == [-6, 0, 6]
    assert option(drawn, "ylabel") == "PC3"
    assert drawn.get(1)["said"][0] == "60.0% of the variance in this plane"
    moved = view.columns(centroid_frame(20, origin="the last epoch's mean"))
    assert moved["classes/x"].tolist() == [98, 100, 102]


def test_centroids_of_a_constant_site_one_checkpoint_one_component_and_zeros_are_drawn_or_told():
    view = VIEW["centroids"]
    assert words(view.draw(centroid_frame(site="first"))) == "Every input is the same here at the last checkpoint."
    assert view.columns(centroid_frame(site="first")) == {}
    one = np.arange(6.0).reshape(2, 1, 3, 1)
    assert view.columns(centroid_frame(7, projection=one, epochs=[7]))["classes/y"].tolist() == [0, 0, 0]
    for projection in (one, np.zeros((2, 1, 3, 3)), np.full((2, 1, 3, 3), NAN)):
        for name in ("centroids", "centroid_shares"):
            drawn = VIEW[name].draw(centroid_frame(7, projection=projection, epochs=[7], view=name))
            hv.renderer("bokeh").get_plot(drawn)


def test_shares_of_the_centroids_are_drawn_along_each_axis_and_together():
    found = curves(VIEW["centroid_shares"].draw(centroid_frame(view="centroid_shares")))
    assert list(found) == ["together", "PC1", "PC2", "PC3"]
    np.testing.assert_allclose([values[1] for values in found.values()], [0.7, 0.1, 0.2, 0.4])
    nothing = VIEW["centroid_shares"].draw(centroid_frame(view="centroid_shares", site="first"))
    assert words(nothing) == "No share of variance at any checkpoint."


# ------------------------------------------------------------------------------------------------------- Hessian


def hessian_frame(largest, smallest, trace=(1.0,) * 4, error=0.5, epochs=EPOCHS, **choices):
    by_name = {"largest_eigenvalue": largest, "smallest_eigenvalue": smallest, "trace": trace}

    def of_epoch(values, at):
        return labelled(values[epochs.index(at)])

    arrays = {name: partial(of_epoch, values) for name, values in by_name.items()}
    arrays |= dict.fromkeys(("largest_residual", "smallest_residual", "trace_error"), labelled(error))
    return frame("hessian_over_training", epochs[0], epochs=epochs, choices=choices, **arrays)


def test_eigenvalues_are_drawn_on_both_sides_of_0_by_their_decade_with_their_residuals():
    view = VIEW["hessian_over_training"]
    drawn = view.draw(hessian_frame([0.1, 10, 100, 0.0], [-1, -0.1, 0.1, NAN], error=0.0))
    # The least of them, 0.1, is at 1; each decade beyond is one more.
    np.testing.assert_allclose(curves(drawn)["largest"], [1, 3, 4, 0])
    np.testing.assert_allclose(curves(drawn)["smallest"], [-2, -1, 1, NAN])
    assert dict(option(drawn, "yticks")) == {0: "0", 1: "10⁻¹", 2: "10⁰", 3: "10¹", 4: "10²", -1: "−10⁻¹", -2: "−10⁰"}
    linear = view.draw(hessian_frame([0.1, 10, 100, 0], [-1, -0.1, 0.1, NAN], scale="linear"))
    assert curves(linear)["largest"].tolist() == [0.1, 10, 100, 0]
    bars = [part for part in linear if isinstance(part, hv.Segments)]
    np.testing.assert_allclose(bars[0].dimension_values(1), [-0.4, 9.5, 99.5, -0.5])
    np.testing.assert_allclose(bars[0].dimension_values(3), [0.6, 10.5, 100.5, 0.5])
    point = next(part for part in linear if isinstance(part, hv.Scatter) and part.label == "smallest")
    assert point.dimension_values(2).tolist()[:2] == ["−1 ± 0.5 nats", "−0.1 ± 0.5 nats"]


def test_the_trace_is_drawn_and_an_error_that_is_not_known_has_no_bar():
    view = VIEW["hessian_over_training"]
    drawn = view.draw(hessian_frame([1] * 4, [0] * 4, [-5, 5, 10, 20], NAN, quantity="trace", scale="linear"))
    assert {name: values.tolist() for name, values in curves(drawn).items()} == {"trace": [-5, 5, 10, 20]}
    (bar,) = (part for part in drawn if isinstance(part, hv.Segments))
    assert bar.dimension_values(1).tolist() == bar.dimension_values(3).tolist() == [-5, 5, 10, 20]


@pytest.mark.parametrize("value", [0.0, 1e-300, -1e300, NAN])
@pytest.mark.parametrize("scale", ["linear", "logarithmic on both sides of 0"])
def test_one_checkpoint_of_the_hessian_is_drawn_or_told_whatever_it_holds(value, scale):
    made = hessian_frame([value], [value], [value], value, epochs=(7,), scale=scale)
    drawn = VIEW["hessian_over_training"].draw(made)
    assert np.isnan(value) == isinstance(drawn, hv.Labels)
    assert np.isfinite(option(drawn, "ylim")).all()
    hv.renderer("bokeh").get_plot(drawn)


# -------------------------------------------------------------------------------------------------------- tables


def test_milestones_that_were_not_reached_or_not_measured_say_so():
    names = list(MILESTONES)
    assert set(names) == set(METRIC)
    made = frame(
        "milestone_table", 10,
        metrics={"epoch": np.array([0, 10]), "train_accuracy": np.array([0.1, 0.5]), "test_loss": np.array([4, 3.5]),
                 "test_accuracy": np.array([NAN, NAN])},
        milestone=labelled(names, "milestone"), rule=labelled(["r"] * 3, "milestone"),
        threshold=labelled([0.99, 3.97, 0.99], "milestone"), measured=labelled([1, 1, 0], "milestone"),
        reached=labelled([0, 1, 0], "milestone"), epoch_reached=labelled([NAN, 1234, NAN], "milestone"),
        value=labelled([NAN, 3.9, NAN], "milestone"),
    )  # fmt: skip
    table = VIEW["milestone_table"].draw(made)
    assert table["epoch"].tolist() == ["not reached", "1,234", "not measured"]
    assert table["now"].tolist() == ["0.5", "3.5", "not measured"]
    assert table["metric"].tolist() == ["train accuracy ≥ 0.99", "test loss < 3.97", "test accuracy ≥ 0.99"]
    assert VIEW["milestone_table"].columns(made)["now"].tolist() == table["now"].tolist()


def variants_frame(name, epochs_reached, variant="v1", **choices):
    count = len(epochs_reached)
    axes = {"variant": [f"v{index}" for index in range(count)]}
    reached = np.array([[value] * 3 for value in epochs_reached], dtype=float)
    losses = np.array([[10.0 ** -(index + 1), index] for index in range(count)])
    return frame(
        name, choices=choices, variant=variant,
        epoch_reached=labelled(reached, "variant", "milestone", milestone=list(MILESTONES), **axes),
        last_epoch=labelled(np.full(count, 100.0), "variant", **axes),
        last_loss=labelled(losses, "variant", "split", split=["train", "test"], **axes),
        last_accuracy=labelled(np.ones((count, 2)), "variant", "split", split=["train", "test"], **axes),
    )  # fmt: skip


def test_the_table_of_variants_marks_the_one_that_is_shown_and_has_words_for_what_was_not_reached():
    table = VIEW["variant_table"].draw(variants_frame("variant_table", [1000, NAN, 30]))
    assert table["variant"].tolist() == ["v0", "v1", "v2"]
    assert table["shown"].tolist() == ["", "●", ""]
    assert table["column_0"].tolist() == ["1,000", "not reached", "30"]
    assert table.get_dimension("column_3").label == "last train loss"
    assert table["column_3"].tolist() == ["0.1", "0.01", "0.001"]
    made = variants_frame("variant_table", [1000, NAN, 30], sorted_by="epoch of train accuracy")
    assert VIEW["variant_table"].draw(made)["variant"].tolist() == ["v2", "v0", "v1"]


def test_the_scatter_plot_leaves_out_and_counts_what_has_no_place():
    drawn = VIEW["variants"].draw(variants_frame("variants", [10, NAN, 30], y="last train loss"))
    points, shown, note = drawn
    np.testing.assert_allclose(np.stack([points["x"], points["y"]]), [[10, 30], [0.1, 0.001]])
    assert points["variant"].tolist() == ["v0", "v2"]
    assert not len(shown)
    assert note["said"][0] == "1 of 3 variants not here: without one of these"
    assert option(drawn, "logy") is True
    assert option(drawn, "ylabel") == "last train loss (nats)"
    drawn = VIEW["variants"].draw(variants_frame("variants", [10, 20, 30]))
    assert list(drawn)[1]["variant"].tolist() == ["v1"]


def test_one_variant_and_none_are_drawn_or_told():
    from dynascope.drawing import Drawing

    Drawing(VIEW["variants"], variants_frame("variants", [10]))
    Drawing(VIEW["variant_table"], variants_frame("variant_table", [NAN]))
    assert words(VIEW["variants"].draw(variants_frame("variants", [NAN]))) == "None of the variants has both of these."
