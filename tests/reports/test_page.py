"""A report as one HTML file, opened from the disk in a browser that is offline."""

import json

import numpy as np
import pytest
from browser import MARKS

from dynascope import registry
from dynascope.reports.exporting import export_report

pytestmark = MARKS

CELLS = """() => { const found = [];
  for (const page of Bokeh.documents) for (const model of page._all_models.values())
    if (model.type === "ColumnDataSource" && model.data.image) found.push(Array.from(model.data.image[0]));
  return found; }"""
LINES = """() => Bokeh.documents.flatMap((page) => [...page._all_models.values()])
  .filter((model) => model.type === "Span" && model.visible).map((model) => model.location)"""
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def opened(chromium, tmp_path):
    """Open a page offline; in the end its console must hold no error, and nothing was fetched."""
    problems, contexts = [], []

    def opened(report, variants, scheme="light", **more):
        (path,) = export_report(report, variants, registry(), tmp_path / "r.html", "dynascope it", **more)
        context = chromium.new_context(viewport={"width": 1200, "height": 1100}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda one: problems.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith(("file:", "blob:")) else problems.append(one.url))
        page.on("dialog", lambda dialog: problems.append("a dialog"))
        page.goto(f"file://{path}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def cells_of(variant, epoch):
    stored = variant.artifacts.read("modular_addition.neuron_activations/activation", epoch, neuron=3)
    return np.sort(stored.values, axis=None)


def shown(page):
    page.evaluate(PAINTED)
    (cells,) = page.evaluate(CELLS)
    return np.sort(np.array(cells, dtype=float))


def test_the_page_moves_offline_by_hand_by_keys_and_by_clicks(opened, report, variants):
    page = opened(report, variants[:1])
    (variant, *_) = variants
    step = variant.artifacts.range("modular_addition.neuron_activations/activation")[1] / 2**16
    np.testing.assert_allclose(shown(page), cells_of(variant, 40), atol=step)
    page.keyboard.press("ArrowLeft")
    np.testing.assert_allclose(shown(page), cells_of(variant, 20), atol=step)
    assert page.evaluate(LINES) == [20]
    page.keyboard.press("Home")
    np.testing.assert_allclose(shown(page), cells_of(variant, 0), atol=step)
    slider = page.locator("input[type=range]")
    slider.fill("1")
    np.testing.assert_allclose(shown(page), cells_of(variant, 20), atol=step)
    page.locator(".picture").first.locator(".bk-Figure, .bk-events").first.click(position={"x": 500, "y": 150})
    page.evaluate(PAINTED)
    assert page.evaluate(LINES) == [40]
    page.keyboard.press(" ")  # plays from the beginning, as it is at the end
    page.wait_for_function("dynascope.control.index === 1")
    page.wait_for_function("dynascope.control.index === 2")
    assert page.get_by_text("test accuracy").count()


def test_tables_move_and_text_is_text(opened, report, variants):
    page = opened(report, variants[:1])
    at_the_end = page.locator(".picture table").inner_text()
    page.keyboard.press("Home")
    page.evaluate(PAINTED)
    assert page.locator(".picture table").inner_text() != at_the_end
    assert "<script>alert(1)</script>" in page.locator("section.text").inner_text()
    assert page.title().startswith("Mine & yours")


def test_where_it_comes_from_can_be_seen_and_read(opened, report, variants):
    page = opened(report, variants[:1])
    page.locator("summary").click()
    assert page.locator("footer pre").inner_text() == "dynascope it"
    assert variants[0].name in page.locator("footer table").inner_text()
    found = json.loads(page.locator("#provenance").text_content())
    assert found["report"]["name"] == "mine" and found["variants"][0]["sha256"] == variants[0].identity


def test_epochs_of_interest_and_chosen_epochs(opened, report, variants):
    page = opened(report.model_copy(update={"epochs": (20, 40)}), variants[:1])
    assert page.evaluate("dynascope.control.epochs[dynascope.control.index]") == 20
    page = opened(report, variants[:1], epochs=[0, 40])
    assert page.evaluate("dynascope.control.epochs") == [0, 40]


def test_variants_stand_beside_each_other_with_their_difference(opened, report, full):
    page = opened(report, full.variants(), difference=True)
    page.keyboard.press("Home")
    page.evaluate(PAINTED)
    first, second, less = (np.array(cells, dtype=float) for cells in page.evaluate(CELLS))
    np.testing.assert_allclose(less, second - first, atol=1e-3)
    assert page.locator(".card h2 small").all_inner_texts()[:2] == ["seed0", "seed1"]


def test_in_the_dark_words_are_light(opened, report, variants):
    page = opened(report, variants[:1], scheme="dark")
    ink = page.evaluate("""() => Bokeh.documents.flatMap((page) => [...page._all_models.values()])
      .filter((model) => model.type.endsWith("Axis") && !model.name).map((model) => model.axis_label_text_color)""")
    assert set(ink) == {"rgb(240, 240, 240)"}
