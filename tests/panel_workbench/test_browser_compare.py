"""The page that compares, served, in Chromium."""

import re
import shutil
import sys

import pytest
from browser import FRAMES, MARKS, installed, open_page, served
from playwright.sync_api import expect
from reached import store_milestones

from dynascope import Workspace, registry
from dynascope_workbench.session import Session

pytestmark = MARKS
expect.set_options(timeout=30_000)  # as long as everything else is waited for

FRAGILE = """
from dynascope import View, hookimpl

def draw(frame):
    import holoviews as hv
    if frame.variant_name.startswith("p11_seed1") and frame.epoch == 20:
        raise ZeroDivisionError("broken on purpose")
    return hv.Curve([(0, 1), (1, frame.epoch)], "x", "y")

@hookimpl
def dynascope_views():
    return [View("fragile", "Fragile", draw, reads=("metrics",), columns=lambda frame: draw(frame) and {})]
"""
VIEWS = "training.losses,modular_addition.neuron_map"


@pytest.fixture(scope="module")
def names(analysed):
    return list(Session(Workspace(analysed), registry()).variants())


@pytest.fixture(scope="module")
def address(analysed, tmp_path_factory):
    """The page on two variants that learned the test split at 20 and at 12, with a view that breaks for one."""
    folder = tmp_path_factory.mktemp("server")
    workspace = Workspace(shutil.copytree(analysed, folder / "workspace"))
    for variant, at in zip(workspace.variants(), (20, 12), strict=True):
        store_milestones(variant, test_accuracy=at)
    path = installed(folder, "fragile", FRAGILE)
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "dynascope", "serve", str(workspace.path), "--port", "0"]
        process, url = served(command, log, PYTHONPATH=path)
        yield f"{url}?page=compare"
        process.terminate()
        process.communicate()


@pytest.fixture
def tab(page):
    """Open a tab at an address, and wait for its cards; in the end its console must hold no error."""
    problems = []

    def opened(address):
        problems.extend([open_page(page, address)])
        page.locator(".column-head").first.wait_for(timeout=60_000)
        page.locator(".view-card canvas").first.wait_for(timeout=60_000)
        return page

    yield opened
    assert problems
    assert [problem for found in problems for problem in found] == []


def head(page, place):
    return page.locator(".column-head").nth(place)


def expect_head(page, place, text):
    head(page, place).get_by_text(text, exact=True).wait_for()


def row(page, place):
    return page.locator(".tabulator-row").nth(place)


def sort_down(page, title):
    """Click a title until its column falls; the table must be there with its milestones, or it is made anew."""
    page.locator(".tabulator-col", has_text="test accuracy reached").first.wait_for()
    column = page.locator(f'.tabulator-col[tabulator-field="{title}"]')
    for order in ("ascending", "descending"):
        column.locator(".tabulator-col-title").click()
        expect(column).to_have_attribute("aria-sort", order)


def to(page, key):
    slider = page.get_by_role("slider", name="checkpoint")
    slider.focus()
    slider.press(key)


def lines(page):
    """Where the epoch lines of the columns stand, and that of the overlay."""
    return page.evaluate(
        """() => [...Bokeh.documents[0]._all_models.values()]
                   .filter(m => m.type === "Span" && m.visible && m.line_dash.length).map(m => m.location)"""
    )


def test_the_table_is_sorted_and_filtered(tab, address):
    page = tab(f"{address}&views={VIEWS}")
    assert "p11_seed0" in row(page, 0).inner_text()
    sort_down(page, "seed")
    expect(row(page, 0)).to_contain_text("p11_seed1")
    page.locator(".tabulator-col", has_text="seed").first.locator("input").press_sequentially("< 1")
    expect(page.locator(".tabulator-row")).to_have_count(1)
    assert "p11_seed0" in row(page, 0).inner_text()
    assert page.locator(".column-head").count() == 2  # what was chosen stays


def test_pictures_have_their_width(tab, address):
    page = tab(address)
    page.wait_for_function(
        f"() => {{ const found = ({FRAMES})(); return found.length >= 3 && Math.min(...found) > 150; }}", timeout=30_000
    )


def test_variants_are_chosen_by_their_boxes(tab, address, names):
    page = tab(f"{address}&variants={names[0]}&views={VIEWS}")
    assert page.locator(".column-head").count() == 1
    row(page, 1).locator("input[type=checkbox]").check()
    page.locator(".column-head").nth(1).wait_for()
    page.locator(".view-card").nth(3).wait_for()
    expect_head(page, 0, "● seed 0")
    expect_head(page, 1, "■ seed 1")
    row(page, 0).locator("input[type=checkbox]").uncheck()
    expect(page.locator(".column-head")).to_have_count(1)
    expect(page).not_to_have_url(re.compile(names[0].partition("/")[2]))
    expect(page).to_have_url(re.compile(names[1].partition("/")[2]))


def test_a_box_is_that_of_its_row_after_sorting(tab, address, names):
    page = tab(f"{address}&variants={names[0]}&views={VIEWS}")
    sort_down(page, "seed")
    expect(row(page, 0)).to_contain_text("p11_seed1")
    expect(row(page, 1).locator("input[type=checkbox]")).to_be_checked()
    row(page, 0).locator("input[type=checkbox]").check()
    expect(page.locator(".column-head")).to_have_count(2)
    expect_head(page, 0, "● seed 0")
    expect_head(page, 1, "■ seed 1")
    row(page, 1).locator("input[type=checkbox]").uncheck()
    expect(page.locator(".column-head")).to_have_count(1)
    expect(page).to_have_url(re.compile(f"variants=[^&]*{names[1].partition('/')[2]}"))


def test_the_columns_follow_the_slider(tab, address):
    page = tab(f"{address}&views={VIEWS}")
    expect_head(page, 0, "epoch 40 · 20 after grokking")
    to(page, "Home")
    expect_head(page, 0, "epoch 0 · 20 before grokking")
    expect_head(page, 1, "epoch 0 · 12 before grokking")
    expect(page).to_have_url(re.compile("epoch=0"))
    assert set(lines(page)) == {0}


def test_the_columns_are_aligned_on_their_own_grokking(tab, address):
    page = tab(f"{address}&views={VIEWS}")
    page.get_by_role("combobox", name="align on").click()
    page.get_by_text("each one's own grokking (test accuracy)").last.click()
    expect(page).to_have_url(re.compile("align=grokking"))
    to(page, "Home")
    expect_head(page, 0, "epoch 0 · 20 before grokking")
    expect_head(page, 1, "epoch 0 · 12 before grokking · nearest to -8")
    to(page, "ArrowRight")
    to(page, "ArrowRight")
    expect_head(page, 0, "epoch 20 · at grokking")
    expect_head(page, 1, "epoch 20 · 8 after grokking · nearest to 12")


def test_an_overlay_has_a_line_for_each_variant(tab, address):
    page = tab(f"{address}&views={VIEWS}")
    drawn = page.evaluate(
        """() => { const figure = [...Bokeh.documents[0]._all_models.values()].find(m => m.type === "Figure"
                 && m.visible && m.select({type: "Span"}).length === 2);
            return figure.renderers.filter(r => r.glyph.type === "Line").map(r => r.data_source.data.value.length); }"""
    )
    assert drawn == [41, 41, 0, 0]


def test_the_link_restores_the_page(tab, address, names):
    page = tab(f"{address}&variants={names[1]},{names[0]}&views={VIEWS}&align=grokking&epoch=-12&quantity=train_loss")
    expect_head(page, 0, "● seed 1")
    expect_head(page, 0, "epoch 0 · 12 before grokking")
    expect_head(page, 1, "epoch 0 · 20 before grokking · nearest to 8")
    expect(page).to_have_url(re.compile("epoch=-12"))
    assert page.get_by_label("quantity").input_value() == "train_loss"
    page.reload()
    expect_head(page, 0, "epoch 0 · 12 before grokking")


def test_a_view_that_raises_in_one_column_leaves_the_other(tab, address):
    page = tab(f"{address}&views=fragile.fragile,training.losses")
    to(page, "ArrowLeft")
    page.get_by_text("ZeroDivisionError: broken on purpose").wait_for()
    assert page.get_by_text("ZeroDivisionError: broken on purpose").count() == 1
    expect_head(page, 0, "epoch 20 · at grokking")
    assert set(lines(page)) == {20}
    to(page, "ArrowRight")
    page.get_by_text("ZeroDivisionError: broken on purpose").wait_for(state="detached")


def test_a_button_leads_to_the_variant_on_its_page(tab, address, names):
    page = tab(f"{address}&views={VIEWS}")
    head(page, 1).get_by_role("button", name="Explore").click()
    expect(page).to_have_url(re.compile("page=explore"))
