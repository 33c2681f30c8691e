"""Every kind of export of the demo: trained until it groks, exported by the command line, and looked at."""

import json
import re
import zipfile

import numpy as np
import pytest
from browser import MARKS
from PIL import Image, ImageSequence

from dynascope import Workspace

pytestmark = [*MARKS, pytest.mark.slow]

FAMILY = "modular_addition_1layer"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The workspace that `make demo` makes."""
    from dynascope import analyze, compare, train

    workspace = Workspace.create(tmp_path_factory.mktemp("demo") / "workspace")
    variant = workspace.new_variant(FAMILY, preset="demo")
    train(variant)
    analyze(variant)
    compare([variant])
    assert variant.metrics["test_accuracy"].iloc[-1] > 0.99
    return workspace


def looks_like_a_report(picture):
    """Six pictures on white: words, curves and maps."""
    pixels = np.asarray(picture.convert("RGB"))
    white = (pixels == 255).all(-1).mean()
    colours = len(np.unique(pixels.reshape(-1, 3)[::97], axis=0))
    halves = [part.std() for half in np.array_split(pixels, 3) for part in np.array_split(half, 2, axis=1)]
    assert 0.3 < white < 0.95 and colours > 60 and min(halves) > 15, (white, colours, halves)


@pytest.mark.parametrize("ending", ["html", "pdf", "md", "png", "svg", "gif", "mp4"])
def test_the_report_of_the_demo(demo, chromium, ending, run, tmp_path):
    variant = demo.variants()[0]
    out = tmp_path / f"report.{ending}"
    few = ["--epochs", ",".join(map(str, variant.checkpoints[::8]))] if ending in ("gif", "mp4") else []
    said = run("report", "export", "grokking", "-v", variant.name, "-o", out, *few, "-w", demo.path)
    assert f"{out} was written" in said
    assert out.stat().st_size < 10_000_000
    if ending == "png":
        with Image.open(out) as picture:
            looks_like_a_report(picture)
    elif ending == "gif":
        with Image.open(out) as film:
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
        assert len(frames) == len(variant.checkpoints[::8])
        looks_like_a_report(frames[-1])
        assert (np.asarray(frames[0]) != np.asarray(frames[-1])).any(-1).mean() > 0.05
    elif ending == "md":
        pictures = re.findall(r"\]\((report_files/.*?)\)", out.read_text())
        assert len(pictures) == 6 and all((tmp_path / one).stat().st_size > 10_000 for one in pictures)
    elif ending == "html":
        page = chromium.new_context(viewport={"width": 1200, "height": 1500}, offline=True).new_page()
        page.goto(f"file://{out}")
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(500)
        page.screenshot(path=tmp_path / "end.png")
        page.keyboard.press("Home")
        page.wait_for_timeout(500)
        page.screenshot(path=tmp_path / "start.png")
        page.context.close()
        with Image.open(tmp_path / "end.png") as end, Image.open(tmp_path / "start.png") as start:
            looks_like_a_report(end)
            assert (np.asarray(end) != np.asarray(start)).any(-1).mean() > 0.05


def test_the_demo_as_a_bundle(demo, run, tmp_path):
    variant = demo.variants()[0]
    run("bundle", variant.name, "--report", "grokking", "-o", tmp_path / "demo.zip", "-w", demo.path)
    with zipfile.ZipFile(tmp_path / "demo.zip") as archive:
        about = json.loads(archive.read("bundle.json"))
    assert about["variants"] == [variant.name] and len(about["files"]) > 1_000
    other = Workspace.create(tmp_path / "other")
    run("import", tmp_path / "demo.zip", "-w", other.path)
    assert "nothing to do" in run("analyze", variant.name, "-w", other.path)
