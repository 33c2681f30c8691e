"""A picture that was moved must be the picture that would have been drawn."""

import gc
import weakref

import numpy as np
import param
import pytest
from bokeh.models import BoxAnnotation, ColorMapper, ColumnDataSource, Div, Range1d, Span
from bokeh.plotting import figure as Figure
from memory import MemoryFrame

from dynascope import ArtifactError, View, Workspace, registry
from dynascope.drawing import Drawing
from dynascope.drawing.dressing import add_phases
from dynascope.drawing.marks import CHOSEN
from dynascope.frames import Phase, StoredFrame, fitted_controls

VIEWS = sorted(registry().all("views"))
SHARE = "fourier.embedding_frequencies/power_share"


@pytest.fixture(scope="module")
def shared(fully_analysed):
    return Workspace(fully_analysed)


def frame_of(view, shared, epoch, **controls):
    variant = shared.variants()[0]
    artifacts = variant.artifacts
    fitted = fitted_controls(view, artifacts)
    if controls:
        fitted.param.update(**controls)
    return StoredFrame(variant, artifacts, view, epoch, fitted)


def choices_of(view):
    """Every value of every control that is a choice, and the bounds of every number, one at a time."""
    for name, parameter in view.controls.param.objects().items() if view.controls else ():
        if isinstance(parameter, param.Selector):
            yield from ({name: value} for value in parameter.objects)
        elif name != "name":
            yield {name: 1}


def data(drawing):
    """What the sources hold, in an order that does not depend on theirs; a NaN is "nan", equal to itself."""
    sources = [
        {name: plain(np.asarray(column).tolist()) for name, column in source.data.items()}
        for source in drawing.root.select({"type": ColumnDataSource})
        if source.name != CHOSEN
    ]
    tables = [{"text": table.text} for table in drawing.root.select({"type": Div})]
    return tables + sorted(sources, key=lambda columns: (sorted(columns), repr(sorted(columns.items()))))


def plain(value):
    if isinstance(value, list):
        return [plain(each) for each in value]
    return "nan" if isinstance(value, float) and value != value else value


@pytest.mark.parametrize("name", VIEWS)
def test_moving_gives_what_drawing_would_give(shared, name):
    view = registry().view(name)
    moved = Drawing(view, frame_of(view, shared, 0))
    for epoch in (40, 20, 0, 20):
        moved.move(frame_of(view, shared, epoch))
        assert data(moved) == data(Drawing(view, frame_of(view, shared, epoch)))


@pytest.mark.parametrize("name", VIEWS)
def test_moving_creates_no_model(shared, name):
    view = registry().view(name)
    drawing = Drawing(view, frame_of(view, shared, 0))
    before = {id(model) for model in drawing.root.references()}
    drawing.move(frame_of(view, shared, 40))
    assert {id(model) for model in drawing.root.references()} == before


def limits(drawing):
    """The ranges of axes and colours that are set, and not left to the data."""
    axes = sorted((axis.start, axis.end) for axis in drawing.root.select({"type": Range1d}))
    colours = sorted((mapper.low, mapper.high) for mapper in drawing.root.select({"type": ColorMapper}))
    return axes, colours


@pytest.mark.parametrize("name", VIEWS)
def test_axes_and_colours_are_the_same_at_every_epoch(shared, name):
    view = registry().view(name)
    first = Drawing(view, frame_of(view, shared, 0))
    axes, colours = limits(first)
    assert len(axes) == (0 if isinstance(first.root, Div) else 2)
    assert None not in np.ravel([*axes, *colours])
    for epoch in (20, 40):
        assert limits(Drawing(view, frame_of(view, shared, epoch))) == (axes, colours)


@pytest.mark.parametrize("name", VIEWS)
def test_every_choice_of_every_control_is_drawn_and_moves(shared, name):
    view = registry().view(name)
    for choice in choices_of(view):
        moved = Drawing(view, frame_of(view, shared, 0, **choice))
        moved.move(frame_of(view, shared, 40, **choice))
        assert data(moved) == data(Drawing(view, frame_of(view, shared, 40, **choice))), choice


def test_every_view_follows_the_epoch(shared):
    for name in VIEWS:
        view = registry().view(name)
        drawing = Drawing(view, frame_of(view, shared, 0))
        before = data(drawing)
        last = frame_of(view, shared, 40)
        drawing.move(last)
        still = view.series or (view.columns is not None and not view.columns(last))
        assert (data(drawing) != before) is not still, name


def test_a_series_carries_the_epoch_line_and_a_click_jumps(shared):
    from bokeh.events import Tap

    view, clicked = registry().view("losses"), []
    drawing = Drawing(view, frame_of(view, shared, 20), clicked.append)
    (line,) = [line for line in drawing.root.select({"type": Span}) if line.visible]
    assert (line.location, line.dimension) == (20, "height")
    drawing.move(frame_of(view, shared, 40))
    assert line.location == 40
    drawing.root._trigger_event(Tap(drawing.root, x=33.3, y=1.0))
    assert clicked == [{"epoch": 33.3}]


def bars(frame):
    import holoviews as hv

    share = frame.read(SHARE)
    return hv.Curve((share["frequency"].values, share.values), "frequency", "share")


def test_a_view_without_columns_is_drawn_again(shared):
    view = View("plain", "Plain", bars, reads=(SHARE,))
    drawing = Drawing(view, frame_of(view, shared, 0))
    drawing.move(frame_of(view, shared, 40))
    np.testing.assert_allclose(data(drawing)[0]["share"], frame_of(view, shared, 40).read(SHARE).values)


def test_a_column_that_is_not_there_or_twice_is_one_clear_error(shared):
    view = View("wrong", "Wrong", bars, reads=(SHARE,), columns=lambda frame: {"shore": [1]})
    drawing = Drawing(view, frame_of(view, shared, 0))
    with pytest.raises(ArtifactError, match="the column 'shore', which 0 elements .* has /frequency, /share"):
        drawing.move(frame_of(view, shared, 0))

    def twice(frame):
        return bars(frame).relabel("left") * bars(frame).relabel("right")

    for key, fine in (("share", False), ("right/share", True)):
        view = View("two", "Two", twice, reads=(SHARE,), columns=lambda frame, key=key: {key: np.ones(5)})
        drawing = Drawing(view, frame_of(view, shared, 0))
        if fine:
            drawing.move(frame_of(view, shared, 0))
            assert sum(source["share"] == [1.0] * 5 for source in data(drawing)) == 1
        else:
            with pytest.raises(ArtifactError, match="which 2 elements"):
                drawing.move(frame_of(view, shared, 0))


def test_columns_of_unequal_length_are_one_clear_error(shared):
    view = View("short", "Short", bars, reads=(SHARE,), columns=lambda frame: {"share": [1.0]})
    with pytest.raises(ArtifactError, match="must be equally long"):
        Drawing(view, frame_of(view, shared, 0)).move(frame_of(view, shared, 0))


def test_a_click_beside_the_axis_jumps_nowhere(shared):
    from bokeh.events import Tap

    view, clicked = registry().view("losses"), []
    drawing = Drawing(view, frame_of(view, shared, 20), clicked.append)
    drawing.root._trigger_event(Tap(drawing.root, x=-500.0, y=1.0))
    assert clicked == []


def test_phases_are_shaded_in_turn_and_named_above_the_frame_where_there_is_room():
    figure = Figure(x_range=(0, 100), y_range=(0, 1))
    phases = [Phase("one", 0, 30), Phase("two", 30, 70), Phase("a long name", 70, 75), Phase("last", 75, None)]
    add_phases(figure, phases)
    shades = [(part.left, part.right) for part in figure.center if isinstance(part, BoxAnnotation)]
    assert shades == [(30, 70), (75, 100)]
    (names,) = figure.above
    assert names.major_label_overrides == {15: "one", 50: "two", 87.5: "last"}
    assert list(names.ticker.ticks) == [15, 50, 87.5]


def test_without_phases_there_is_no_band():
    figure = Figure(x_range=(0, 100), y_range=(0, 1))
    add_phases(figure, [])
    assert not figure.above
    assert not any(isinstance(part, BoxAnnotation) for part in figure.center)


def test_a_picture_with_a_frame_of_fixed_size_keeps_its_proportions(shared):
    view = registry().view("class_circle")
    figure = Drawing(view, frame_of(view, shared, 40)).root
    assert figure.frame_width == figure.frame_height
    assert (figure.sizing_mode, figure.width, figure.height) == ("fixed", None, None)
    assert (figure.x_range.start, figure.x_range.end) == (figure.y_range.start, figure.y_range.end)


def test_a_table_is_text_in_the_colours_of_the_page(shared):
    import holoviews as hv

    def table(frame):
        return hv.Table((["<b>", "two"], [1000, frame.epoch], [0.5, np.nan]), [], ["name", "count", "share"])

    for columns in (None, lambda frame: {"count": np.array([1000, frame.epoch])}):
        view = View("table", "Table", table, reads=(SHARE,), columns=columns)
        drawing = Drawing(view, frame_of(view, shared, 0))
        drawing.move(frame_of(view, shared, 40))
        assert isinstance(drawing.root, Div)
        assert '<td>&lt;b&gt;</td><td class="number">1,000</td><td class="number">0.5</td>' in drawing.root.text
        assert '<td>two</td><td class="number">40</td><td class="number">–</td>' in drawing.root.text
        assert "color: inherit" in drawing.root.stylesheets[0].css


def test_a_drawing_that_is_dropped_is_forgotten(shared):
    view = registry().view("losses")
    frame = frame_of(view, shared, 0)
    pictures = [weakref.ref(Drawing(view, frame).root) for _ in range(5)]
    gc.collect()
    assert [picture() for picture in pictures] == [None] * 5


@pytest.mark.parametrize("shape", [{"p": 2}, {"p": 3}, {"p": 12}, {"d_mlp": 1}, {"n_heads": 1}])
def test_views_draw_the_smallest_models(tmp_path, shape):
    from tiny import FAMILY, TINY, analyze_all

    from dynascope import Workspace, compare, train

    variant = Workspace.create(tmp_path).new_variant(FAMILY, {**TINY, **shape, "epochs": 2})
    train(variant)
    analyze_all(variant)
    compare([variant])
    for entry in registry().all("views").values():
        artifacts = variant.artifacts
        frame = StoredFrame(variant, artifacts, entry.item, 2, fitted_controls(entry.item, artifacts))
        Drawing(entry.item, frame).move(frame.moved_to(0))


class Alone(MemoryFrame):
    """The arrays of one checkpoint, as if there were no other."""

    def phases(self):
        return []

    def events(self):
        return []

    def moved_to(self, epoch):
        return self


def alone(view, shared, change=lambda array: array):
    stored = frame_of(view, shared, 40)
    arrays = {}
    for name in view.reads:
        array = stored.read(name)
        arrays[name] = {40: change(array.sel(epoch=[40]) if "epoch" in array.dims else array)}
    return Alone(arrays, 40, stored.controls)


def without_numbers(array):
    return array.astype(float) * np.nan if array.dtype.kind == "f" else array


FOURIER_VIEWS = [name for name in VIEWS if name.startswith(("fourier.", "modular_addition."))]


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize("change", [lambda array: array, without_numbers], ids=["as it is", "nothing but NaN"])
@pytest.mark.parametrize("name", FOURIER_VIEWS)
def test_one_checkpoint_is_drawn_and_clicked_whatever_it_holds(shared, name, change):
    view = registry().view(name)
    frame = alone(view, shared, change)
    drawing = Drawing(view, frame)
    drawing.move(frame)
    axes, colours = limits(drawing)
    assert np.isfinite(np.asarray([*axes, *colours], dtype=float)).all()
    for x in (-1e9, -0.3, 0, 0.5, 2, 40, 1e9):
        for y in (-1e9, -0.3, 0, 0.5, 2, 40, 1e9):
            if view.pick is not None and (chosen := view.pick(frame, x, y)):
                assert abs(y) < 1e9
                assert abs(x) < 1e9 or view.series
                assert set(chosen) <= {"epoch", "frequency", "neuron", "head", "site", "a", "b"}
