"""Pictures and films as files: what they hold, and what is written into them."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from bokeh.models import ColumnDataSource
from PIL import Image, ImageSequence

from dynascope import ArtifactError, InvalidSetting, UnknownName, registry
from dynascope.reports.exporting import export_view
from dynascope.reports.figures import Plate, save_plate
from dynascope.reports.motion import save_motion

MAP, LOSSES = "modular_addition.neuron_map", "training.losses"


def drawn(variants, view, path, **more):
    return export_view(view, variants, registry(), path, "dynascope draw it", **more)


def told(path):
    """Return the provenance that a picture carries."""
    if path.suffix == ".png":
        with Image.open(path) as picture:
            return json.loads(picture.text["Description"])
    if path.suffix == ".gif":
        with Image.open(path) as film:
            return json.loads(film.info["comment"])
    root = ElementTree.fromstring(path.read_text())
    (said,) = [one.text for one in root.iter("{http://purl.org/dc/elements/1.1/}description")]
    return json.loads(said)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_carries_where_it_comes_from(variants, tmp_path, ending):
    (path,) = drawn(variants[:1], MAP, tmp_path / f"map.{ending}", controls={"neuron": 3}, epochs=[20])
    found = told(path)
    assert found["command"] == "dynascope draw it"
    (variant,) = found["variants"]
    assert variant["name"] == variants[0].name and variant["sha256"] == variants[0].identity
    assert variant["settings"]["p"] == 11 and variant["probe"] == "full_grid"
    analyzer = variant["analyzers"]["modular_addition.neuron_activations"]
    assert analyzer["version"] == registry().analyzer("modular_addition.neuron_activations").version
    assert not analyzer["stale"] and analyzer["computed"].startswith("20")


def test_a_vector_picture_has_its_words_as_text_and_is_small(variants, tmp_path):
    (path,) = drawn(variants[:1], LOSSES, tmp_path / "losses.svg", epochs=[20])
    text = path.read_text()
    assert ">train</text>" in text and ">loss (nats)</text>" in text and "epoch 20" in text
    assert path.stat().st_size < 100_000
    (path,) = drawn(variants[:1], LOSSES, tmp_path / "losses.pdf")
    assert path.read_bytes().startswith(b"%PDF") and path.stat().st_size < 100_000


def test_a_picture_is_one_file_for_each_epoch_and_plain_without_words(variants, tmp_path):
    files = drawn(variants[:1], MAP, tmp_path / "m.svg", epochs=[0, 40], titled=False)
    assert [file.name for file in files] == ["m_0.svg", "m_40.svg"]
    assert variants[0].name not in files[0].read_text().partition("</metadata>")[2]
    assert files[0].read_text() != files[1].read_text()


def test_several_variants_have_one_scale(full, panels_of):
    panels = panels_of(MAP, variants=full.variants())
    plate = Plate(panels, 40)
    limits = [axes.images[0].norm for axes in plate.figure.axes if axes.images]
    highs = [
        float(panel.frame.series("modular_addition.neuron_activations/activation", neuron=0).max()) for panel in panels
    ]
    assert [norm.vmax for norm in limits] == [pytest.approx(max(highs), rel=0.01)] * 2 and len(set(highs)) == 2


def test_a_difference_is_the_second_less_the_first(full, panels_of):
    panels = panels_of(MAP, variants=full.variants(), difference=True)
    assert [panel.of for panel in panels] == ["seed0", "seed1", "seed1 − seed0"]
    first, second, less = (panel.draw(20) for panel in panels)
    arrays = [_image(one) for one in (first, second, less)]
    np.testing.assert_allclose(arrays[2], arrays[1] - arrays[0], atol=1e-6)
    less.move(panels[2].frame.moved_to(40))
    first.move(panels[0].frame.moved_to(40))
    second.move(panels[1].frame.moved_to(40))
    np.testing.assert_allclose(_image(less), _image(second) - _image(first), atol=1e-6)


def _image(drawing):
    (found,) = [one.data["image"][0] for one in drawing.root.select({"type": ColumnDataSource}) if "image" in one.data]
    return np.asarray(found, dtype=float)


def test_a_gif_has_a_frame_for_each_epoch_and_axes_that_stay(variants, tmp_path):
    (path,) = drawn(variants[:1], MAP, tmp_path / "map.gif", per_second=5)
    with Image.open(path) as film:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
        assert film.info["duration"] == 200 and film.info["loop"] == 0
    assert len(frames) == len(variants[0].checkpoints) == 3
    assert not np.array_equal(frames[0], frames[-1])
    left = frames[0].shape[1] // 16  # the ticks and the name of the axis
    np.testing.assert_array_equal(frames[0][:-40, :left], frames[-1][:-40, :left])
    assert told(path)["command"] == "dynascope draw it"


def test_an_mp4_has_a_frame_for_each_epoch_and_its_comment(variants, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    seen = []
    (path,) = drawn(
        variants[:1], LOSSES, tmp_path / "losses.mp4", epochs=[0, 20, 40, 20],
        told=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    frames, _ = ffmpeg.count_frames_and_secs(str(path))
    assert frames == 4 and seen[-1] == (4, 4)
    assert b"dynascope draw it" in path.read_bytes()


@pytest.mark.parametrize(
    ("view", "path", "more", "error", "said"),
    [
        (MAP, "map.tiff", {}, InvalidSetting, "map.tiff ends in '.tiff'; what is written ends in .html"),
        (MAP, "map.png", {"controls": {"neuron": 4242}}, InvalidSetting, "must be at most 31, not 4242"),
        (MAP, "map.png", {"controls": {"nueron": 1}}, InvalidSetting, "Did you mean 'neuron'"),
        ("neuron_mop", "map.png", {}, UnknownName, "Did you mean 'neuron_map'"),
        (MAP, "map.gif", {"per_second": 0}, InvalidSetting, "0.1 to 60 of them a second"),
        (MAP, "map.png", {"probe": "random_pairs:count=5"}, ArtifactError, "Nothing of report|Not computed yet"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_leaves_no_file(variants, tmp_path, view, path, more, error, said):
    with pytest.raises(error, match=said):
        drawn(variants[:1], view, tmp_path / path, **more)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_interrupted_leaves_the_one_before(variants, panels_of, tmp_path, monkeypatch):
    (path,) = drawn(variants[:1], MAP, tmp_path / "map.png")
    before = path.read_bytes()
    plate = Plate(panels_of(MAP), 0)
    monkeypatch.setattr(plate.figure, "savefig", _fails)
    with pytest.raises(KeyboardInterrupt):
        save_plate(plate, path, {"made": {"dynascope": "0", "at": ""}})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(InvalidSetting, match=r"What moves is saved as gif or mp4; map.avi has the ending '.avi'"):
        save_motion(plate, [0], tmp_path / "map.avi", {})


def _fails(*_, **__):
    raise KeyboardInterrupt
