"""What matplotlib paints is what Bokeh has: the same numbers, colours, limits and words."""

import numpy as np
import pytest
from bokeh.models import LinearColorMapper
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from dynascope import ArtifactError, View, registry
from dynascope.drawing import Drawing
from dynascope.drawing.painting import Painting
from dynascope.frames import missing_arrays

ALL = list(registry().all("views"))


def painted(panel, epoch):
    axes = Figure().subplots()
    painting = Painting(panel.draw(epoch), axes)
    axes.figure.canvas.draw()
    return painting, axes


@pytest.mark.parametrize("view", ALL)
def test_every_view_that_is_installed_can_be_painted_and_moved(panels_of, full, view):
    (variant, *_) = full.variants()
    if missing_arrays(registry().view(view), variant, variant.artifacts):
        pytest.skip("needs another variant")
    (panel,) = panels_of(view)
    painting, axes = painted(panel, 0)
    painting.drawing.move(panel.frame.moved_to(40))
    painting.update()
    axes.figure.canvas.draw()
    assert axes.has_data() or painting.drawing.table is not None or axes.texts


def test_cells_have_the_values_the_colours_and_the_place_of_bokehs(panels_of):
    (panel,) = panels_of("modular_addition.neuron_map")
    painting, axes = painted(panel, 20)
    (image,) = [one for one in axes.images if isinstance(one, AxesImage)]
    stored = panel.frame.moved_to(20).read("modular_addition.neuron_activations/activation", neuron=0)
    np.testing.assert_array_equal(np.sort(image.get_array(), axis=None), np.sort(stored.values, axis=None))
    mapper = painting.drawing.root.select_one({"type": LinearColorMapper})
    assert (image.norm.vmin, image.norm.vmax) == (mapper.low, mapper.high)
    assert to_hex(image.cmap(1.0)) == mapper.palette[-1]
    figure = painting.drawing.figures[0]
    assert axes.get_xlim() == (figure.x_range.start, figure.x_range.end)
    painting.drawing.move(panel.frame.moved_to(40))
    painting.update()
    later = panel.frame.moved_to(40).read("modular_addition.neuron_activations/activation", neuron=0)
    np.testing.assert_array_equal(np.sort(image.get_array(), axis=None), np.sort(later.values, axis=None))


def test_lines_have_their_numbers_on_a_logarithmic_axis_and_the_epoch_line_moves(panels_of):
    (panel,) = panels_of("training.losses")
    painting, axes = painted(panel, 20)
    assert axes.get_yscale() == "log"
    losses = panel.frame.metrics["train_loss"]
    lines = [line for line in axes.lines if len(line.get_xdata()) == len(losses)]
    assert any(np.allclose(line.get_ydata(), losses) for line in lines)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "test"]
    (upright,) = [line for line in axes.lines if list(line.get_xdata()) == [20, 20] and line.get_visible()]
    painting.drawing.move(panel.frame.moved_to(40))
    painting.update()
    assert list(upright.get_xdata()) == [40, 40]


def test_points_have_the_colours_that_bokehs_mapper_gives_them():
    hv = pytest.importorskip("holoviews")
    values = [0.0, 5.0, 10.0]

    def draw(frame):
        points = hv.Points(([1, 2, 3], [1, 2, 3], values), ["x", "y"], "v")
        return points.opts(color="v", cmap=["#000000", "#0072b2", "#ffffff"], clim=(0, 10), size=8, xlim=(0, 4))

    drawing = Drawing(View("p", "P", draw, reads=("metrics",)), _Still())
    axes = Figure().subplots()
    Painting(drawing, axes)
    (points,) = [one for one in axes.collections if isinstance(one, PathCollection) and len(one.get_offsets()) == 3]
    assert [to_hex(colour) for colour in points.get_facecolors()] == ["#000000", "#0072b2", "#ffffff"]
    np.testing.assert_allclose(np.sqrt(points.get_sizes()), 6)  # 8 CSS pixels are 6 points


def test_cells_over_training_are_one_image_where_there_are_many(panels_of, monkeypatch):
    monkeypatch.setattr("dynascope.drawing.painting.MOST_CELLS", 3)
    (panel,) = panels_of("fourier.embedding_spectrum_over_training")
    _, axes = painted(panel, 0)
    cells = max(
        (one for one in axes.collections if isinstance(one, PolyCollection)), key=lambda one: len(one.get_paths())
    )
    assert cells.get_rasterized() and len(cells.get_paths()) == 3 * 5


def test_words_of_a_view_are_written_as_they_are():
    hv = pytest.importorskip("holoviews")
    view = View("said", "S", lambda frame: hv.Labels([(0, 0, "$x$ costs $1")]), reads=("metrics",))
    axes = Figure().subplots()
    Painting(Drawing(view, _Still()), axes)
    (text,) = axes.texts
    assert text.get_text() == "$x$ costs $1" and not text.get_parse_math()


def test_a_glyph_that_is_not_painted_is_told_by_name():
    hv = pytest.importorskip("holoviews")
    view = View(
        "hexes", "H", lambda frame: hv.HexTiles(np.random.default_rng(0).normal(size=(50, 2))), reads=("metrics",)
    )
    with pytest.raises(ArtifactError, match=r"View hexes has a glyph HexTile, .* Those that are: Image, Line"):
        Painting(Drawing(view, _Still()), Figure().subplots())


def test_a_layout_is_told(panels_of):
    hv = pytest.importorskip("holoviews")
    view = View("two", "T", lambda frame: hv.Curve([1, 2]) + hv.Curve([2, 1]), reads=("metrics",))
    with pytest.raises(ArtifactError, match="View two is a layout of 2 pictures"):
        Painting(Drawing(view, _Still()), Figure().subplots())


class _Still:
    """A frame of nothing."""

    epoch = 0
    epochs = (0,)
    controls = None

    def moved_to(self, epoch):
        return self
