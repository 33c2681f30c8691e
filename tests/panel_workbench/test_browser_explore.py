"""What Explore promises, in Chromium: any epoch, two epochs, what is chosen, reports, links, files, full screen."""

import re
import sys

import pytest
from browser import FRAMES, MARKS, open_page, served
from playwright.sync_api import TimeoutError

from dynascope import Workspace, analyze, train

pytestmark = MARKS

FAMILY = "modular_addition_1layer"
SMALL = {"p": 11, "d_model": 16, "n_heads": 2, "d_head": 8, "epochs": 40}
VIEWS = "training.losses,fourier.embedding_spectrum,fourier.neuron_clusters,modular_addition.neuron_map"
BANDS = """() => [...Bokeh.documents[0]._all_models.values()].filter(m => m.type === "BoxAnnotation" && m.visible
    && (m.line_color?.value ?? m.line_color) === "#e6007e").map(m => [m.left, m.right, m.bottom, m.top].map(
    side => typeof side === "number" ? side : null))"""
NEURON_MAP = """() => { const found = [...Bokeh.documents[0]._all_models.values()].findLast(
    m => m.type === "ColumnDataSource" && m.data.image && m.data.image[0].shape.every(length => length === 11));
    return found ? found.data.image[0].reduce((sum, value) => sum + value, 0) : null; }"""


@pytest.fixture(scope="module")
def wide_and_narrow(analysed, tmp_path_factory):
    """The analysed workspace, with a variant of fewer neurons beside those of 32."""
    import shutil

    workspace = Workspace(shutil.copytree(analysed, tmp_path_factory.mktemp("explore") / "workspace"))
    narrow = workspace.new_variant(FAMILY, {**SMALL, "d_mlp": 8})
    train(narrow, schedule="0:41:20")
    analyze(narrow)
    return workspace


@pytest.fixture(scope="module")
def address(wide_and_narrow, tmp_path_factory):
    with (tmp_path_factory.mktemp("server") / "log").open("w") as log:
        command = [sys.executable, "-m", "dynascope", "serve", str(wide_and_narrow.path), "--port", "0"]
        process, url = served(command, log)
        yield url
        process.terminate()
        process.communicate()


@pytest.fixture
def tab(page, address):
    """A tab with four views; in the end its console must hold no error."""
    variant = "p11_seed0_dseed598_frac0.5_d_model16_n_heads2_d_head8_d_mlp32"
    problems = open_page(page, f"{address}?variant={FAMILY}/{variant}&views={VIEWS}")
    page.locator(".view-card").nth(3).wait_for()
    until(page, f"() => ({FRAMES})().length >= 4", "the pictures did not come")
    yield page
    assert problems == []


def until(page, expression, message, argument=None):
    """Wait until an expression is true in the page."""
    try:
        page.wait_for_function(expression, arg=argument, timeout=30_000)
    except TimeoutError:
        raise AssertionError(message) from None


def seen(page, text):
    page.get_by_text(text).first.wait_for()


def typed(page, epoch):
    box = page.locator(".typed").first
    box.fill(str(epoch))
    box.press("Enter")


def test_an_epoch_that_is_typed_goes_to_the_nearest_and_says_so(tab):
    typed(tab, 17)
    seen(tab, "Epoch 17 was not saved; the nearest that was, 20, is shown.")
    assert tab.locator(".typed").first.input_value() == "20"
    typed(tab, 40)
    tab.get_by_text("Epoch 17 was not saved").wait_for(state="detached")


def test_an_epoch_that_was_not_saved_is_made_and_shown(tab, wide_and_narrow):
    typed(tab, 33)
    tab.get_by_role("button", name="Make epoch 33 by replay").click()
    seen(tab, "makes epoch 33 and analyses it")
    until(
        tab,
        """() => { const walk = root => [...root.querySelectorAll("*")].some(node =>
            (node.type === "range" && node.getAttribute("aria-valuetext")?.startsWith("epoch 33 "))
            || (node.shadowRoot && walk(node.shadowRoot))); return walk(document); }""",
        "the slider never came to epoch 33",
    )
    tab.get_by_text("makes epoch 33 and analyses it").wait_for(state="detached")


def test_a_number_that_is_set_is_marked_and_let_go_of(tab):
    box = tab.get_by_label(re.compile("^neuron")).first
    box.fill("9")
    box.press("Enter")
    tab.get_by_role("button", name="Let go of neuron 9").wait_for()
    until(tab, f"() => ({BANDS})().length === 1", "nothing was marked")
    left, right, bottom, top = tab.evaluate(BANDS)[0]
    assert right - left == 1 and (bottom, top) == (None, None)
    tab.get_by_role("button", name="Let go of neuron 9").click()
    until(tab, f"() => ({BANDS})().length === 0", "the mark stayed")


def test_pictures_have_their_width_in_one_column_and_in_two(tab):
    for mode, count in (("A | B", 5), ("one epoch", 4)):
        tab.get_by_role("button", name=mode, exact=True).click()
        until(
            tab, f"() => {{ const found = ({FRAMES})(); return found.length >= {count} && Math.min(...found) > 150; }}",
            f"{mode}: {tab.evaluate(FRAMES)}",
        )  # fmt: skip


def test_the_epoch_control_stays_while_one_scrolls(tab):
    tab.set_viewport_size({"width": 1280, "height": 600})
    tab.locator(".view-card").last.scroll_into_view_if_needed()
    box = tab.locator(".player").first.bounding_box()
    assert 0 <= box["y"] < 300


def test_bounds_follow_the_variant(tab):
    box = tab.get_by_label(re.compile("^neuron")).first
    assert tab.get_by_label("neuron (0-31)").count()
    box.fill("31")
    box.press("Enter")
    tab.get_by_role("combobox").first.click()
    tab.get_by_role("menuitem").filter(has_text="d_mlp8").first.click()
    tab.get_by_label("neuron (0-7)").first.wait_for()
    assert tab.get_by_label("neuron (0-7)").first.input_value() == "7"
    assert tab.get_by_text("failed at epoch").count() == 0


def test_pictures_of_another_variant_are_painted_once_or_twice(tab):
    """Each part that comes would have all pictures laid out and painted, were that not done once for a frame."""
    tab.evaluate("""() => { const view = Bokeh.Models.get("Plot").prototype.default_view.prototype;
        const paint = view._actual_paint; window.painted = {};
        view._actual_paint = function () {
            painted[this.model.id] = (painted[this.model.id] ?? 0) + 1;
            paint.call(this); }; }""")
    tab.get_by_role("combobox").first.click()
    tab.get_by_role("menuitem").filter(has_text="seed1").first.click()
    until(tab, "() => Object.keys(painted).length >= 4", "the pictures were not painted")
    tab.wait_for_timeout(1_500)
    counts = list(tab.evaluate("painted").values())
    assert max(counts) <= 3 and sum(counts) <= 10, counts


def test_two_epochs_and_their_difference(tab):
    typed(tab, 0)
    tab.get_by_text("A | B", exact=True).click()
    seen(tab, "A · epoch 0")
    seen(tab, "B · epoch 40")
    tab.get_by_label("B epoch control").get_by_label("previous checkpoint").click()
    seen(tab, re.compile("B · epoch (20|33)"))
    tab.get_by_text("B − A", exact=True).click()
    seen(tab, "The value at B less the value at A")
    until(tab, f"() => ({NEURON_MAP})() !== null", "there is no difference of the neuron's map")
    tab.get_by_text("one epoch", exact=True).click()
    tab.get_by_label("B epoch control").wait_for(state="detached")


def test_views_are_searched_chosen_and_removed(tab):
    tab.get_by_role("button", name="Views", exact=True).click()
    search = tab.get_by_label("search views")
    search.fill("answers")
    tab.get_by_text("not computed: general.input_trace").first.wait_for()
    search.fill("logits explained by freq")
    assert tab.get_by_label(re.compile("^Logits explained by frequency")).count() == 2
    search.fill("embedding frequencies share")
    tab.locator("[data-id='fourier.embedding_spectrum']").uncheck()
    tab.keyboard.press("Escape")
    tab.locator(".view-card").nth(3).wait_for(state="detached")
    assert tab.locator(".view-card").count() == 3
    tab.get_by_role("button", name="Remove").first.click()
    tab.locator(".view-card").nth(2).wait_for(state="detached")


def test_a_report_is_saved_and_a_link_restores_the_page(tab, chromium, wide_and_narrow):
    box = tab.get_by_label(re.compile("^neuron")).first
    box.fill("3")
    box.press("Enter")
    typed(tab, 20)
    tab.get_by_role("button", name="Save these views and their settings as a report").click()
    tab.get_by_label("name of the report").fill("Neurons")
    tab.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    seen(tab, "Report 'Neurons' was saved.")
    assert wide_and_narrow.reports(FAMILY).names() == ["Neurons"]
    until(
        tab, "() => location.href.includes('report=Neurons') && location.href.includes('epoch=20')", "no such address"
    )
    other = chromium.new_context(viewport={"width": 1440, "height": 1500}).new_page()
    problems = open_page(other, tab.url)
    other.locator(".view-card").nth(3).wait_for()
    assert other.locator(".typed").first.input_value() == "20"
    other.get_by_role("button", name="Let go of neuron 3").wait_for()
    assert other.get_by_label(re.compile("^neuron")).first.input_value() == "3"
    assert problems == []
    other.context.close()


def test_a_picture_is_saved_as_it_is_shown_and_its_numbers(tab, tmp_path):
    for label, ending, begins in (
        ("Picture (PNG)", ".png", b"\x89PNG"),
        ("Picture (SVG)", ".svg", b"<svg"),
        ("Numbers (CSV)", ".csv", b"element,"),
    ):
        tab.get_by_role("button", name="Save", exact=True).nth(1).click()
        with tab.expect_download() as saved:
            tab.get_by_text(label, exact=True).first.click()
        assert saved.value.suggested_filename.endswith(f"fourier.embedding_spectrum_40{ending}")
        saved.value.save_as(tmp_path / "saved")
        assert (tmp_path / "saved").read_bytes().startswith(begins)


def test_a_card_fills_the_window_and_escape_brings_the_others_back(tab):
    tab.get_by_role("button", name="Full screen").nth(1).click()
    until(
        tab,
        "() => [...Bokeh.documents[0]._all_models.values()].some(m => m.type === 'Figure' && m.height > 900)",
        "no picture grew",
    )
    assert tab.locator(".view-card:visible").count() == 1
    tab.locator("body").press("ArrowLeft")
    tab.locator("body").press("Escape")
    tab.locator(".view-card:visible").nth(3).wait_for()


def test_what_one_is_looking_at_is_told(tab):
    tab.get_by_role("button", name="What am I looking at?").nth(1).click()
    seen(tab, "fourier.embedding_frequencies/power_share")
    seen(tab, "The view fourier.embedding_spectrum of dynascope-fourier")


def test_speed_is_chosen_and_play_follows_it(tab):
    tab.get_by_label("first checkpoint").click()
    tab.get_by_label("speed").select_option("30")
    tab.get_by_label("play", exact=True).click()
    until(
        tab,
        """() => [...Bokeh.documents[0]._all_models.values()].some(
              m => m.type === "Span" && m.visible && m.location === 40)""",
        "it did not play to the end",
    )


def test_two_tabs_do_not_disturb_each_other(tab, chromium):
    other = chromium.new_context().new_page()
    open_page(other, tab.url.split("&epoch")[0])
    typed(other, 0)
    other.get_by_text("checkpoint 1 of").first.wait_for()
    assert tab.locator(".typed").first.input_value() == "40"
    other.context.close()
