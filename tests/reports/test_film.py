"""What is recorded of a moving picture is what it showed, packed as closely as it says."""

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.models import ColumnDataSource, LogColorMapper, Span
from bokeh.plotting import figure

from dynascope.reports.film import Film, packed

EPOCHS = (0, 10, 40)
CELLS = np.linspace(-1, 2, 3 * 4 * 5).reshape(3, 4, 5).astype("float32")
CELLS[1, 2, 3] = np.nan
HEIGHTS = np.array([[1.0, 2.5, np.nan], [1e-9, 1e9, 0.1], [3, 3, 3]])
WORDS = [["a", "b"], ["a", "b"], ["c", ""]]


@pytest.fixture
def moving():
    """A picture of cells, heights, words and a line, and what moves it."""
    picture = figure()
    cells = ColumnDataSource({"image": [CELLS[0]], "x": [0], "y": [0], "dw": [5], "dh": [4]})
    heights = ColumnDataSource({"x": [1, 2, 3], "top": HEIGHTS[0], "same": [1, 1, 1]})
    words = ColumnDataSource({"x": [1, 2], "said": WORDS[0]})
    line = Span(location=0, dimension="height")
    picture.image(source=cells)
    picture.vbar(x="x", top="top", width=0.5, source=heights)
    picture.text(x="x", y="x", text="said", source=words)
    picture.add_layout(line)
    Document().add_root(picture)

    def move(epoch):
        place = EPOCHS.index(epoch)
        cells.data.update(image=[CELLS[place]])
        heights.data.update(top=HEIGHTS[place], same=[1, 1, 1])
        words.data.update(said=WORDS[place])
        line.location = epoch

    return picture, move


def unpacked(track, data):
    """Read a track as the page does."""
    if track["kind"] == "values":
        return [track["values"][which] for which in track["which"]]
    kind = {8: "u1", 16: "<u2", 32: "<f4", 64: "<f8"}[track["bits"]]
    codes = np.frombuffer(data, kind, count=int(np.prod(track["shape"])), offset=track["at"]).reshape(track["shape"])
    if track["kind"] == "numbers":
        return codes
    most = 2 ** track["bits"] - 2
    values = track["low"] + codes / most * (track["high"] - track["low"])
    return np.where(codes > most, np.nan, 10**values if track["log"] else values)


def test_only_what_moves_is_recorded_and_it_is_what_was_shown(moving):
    film = Film(moving[0], EPOCHS, moving[1])
    ((*tracks,),), data = packed([film])
    by_column = {track["column"]: track for track in tracks}
    assert set(by_column) == {"image", "top", "said", ""}
    step = 3 / (2**16 - 2)
    np.testing.assert_allclose(unpacked(by_column["image"], data), CELLS, atol=step / 2 + 1e-6)
    np.testing.assert_array_equal(unpacked(by_column["top"], data), HEIGHTS.astype("float32"))
    assert unpacked(by_column["said"], data) == WORDS
    assert by_column["said"]["which"] == [0, 0, 1]
    assert (by_column[""]["attribute"], unpacked(by_column[""], data)) == ("location", [0, 10, 40])


def test_many_cells_have_eight_bits(moving, monkeypatch):
    monkeypatch.setattr("dynascope.reports.film.FINE_BYTES", 10)
    picture, move = moving
    film = Film(picture, EPOCHS, move)
    ((track,),), data = packed([type("F", (), {"tracks": [one for one in film.tracks if one.column == "image"]})])
    assert track["bits"] == 8
    np.testing.assert_allclose(unpacked(track, data), CELLS, atol=3 / 254 / 2 + 1e-6)


def test_cells_that_are_coloured_by_their_logarithms_are_packed_so():
    shares = np.geomspace(1e-8, 1, 6).reshape(2, 1, 3)
    picture = figure()
    source = ColumnDataSource({"image": [shares[0]], "x": [0], "y": [0], "dw": [3], "dh": [1]})
    picture.image(source=source, color_mapper=LogColorMapper("Viridis256", low=1e-8, high=1))
    Document().add_root(picture)
    film = Film(picture, [0, 1], lambda epoch: source.data.update(image=[shares[epoch]]))
    ((track,),), data = packed([film])
    assert track["log"]
    np.testing.assert_allclose(unpacked(track, data), shares, rtol=1e-3)


def test_what_changes_late_was_before_what_it_was_at_first():
    picture = figure()
    line = Span(location=5, dimension="height", visible=False)
    picture.add_layout(line)
    Document().add_root(picture)
    film = Film(picture, [0, 1, 2], lambda epoch: setattr(line, "visible", epoch == 2))
    assert [(track.attribute, track.values) for track in film.tracks] == [("visible", [False, False, True])]


def test_columns_of_other_lengths_at_each_epoch_are_kept_as_they_are():
    picture = figure()
    source = ColumnDataSource({"x": [1], "y": [1]})
    picture.scatter("x", "y", source=source)
    Document().add_root(picture)
    rows = [[1.0], [1.0, np.nan]]
    film = Film(picture, [0, 1], lambda epoch: source.data.update(x=rows[epoch], y=rows[epoch]))
    (tracks,), _ = packed([film])
    assert [track["values"] for track in tracks] == [[[1.0], [1.0, None]]] * 2
