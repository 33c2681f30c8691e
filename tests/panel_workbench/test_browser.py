"""The served workbench in Chromium."""

import re
import subprocess
import sys

import pytest
from browser import ARGUMENTS, CHROMIUM, MARKS, ROOT, installed, open_page, served

pytestmark = MARKS

FRAGILE = """
from dynascope import View, hookimpl

def draw(frame):
    import holoviews as hv
    if frame.epoch == 20:
        raise ZeroDivisionError("broken on purpose")
    return hv.Curve([(0, 1), (1, frame.epoch)], "x", "y")

@hookimpl
def dynascope_views():
    return [View("fragile", "Fragile", draw, reads=("metrics",), columns=lambda frame: draw(frame) and {})]
"""


@pytest.fixture(scope="module")
def address(analysed, tmp_path_factory):
    """The workbench on the analysed workspace, with a plug-in whose view breaks at epoch 20."""
    folder = tmp_path_factory.mktemp("server")
    path = installed(folder, "fragile", FRAGILE)
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "dynascope", "serve", str(analysed), "--port", "0"]
        process, url = served(command, log, PYTHONPATH=path)
        yield url
        process.terminate()
        process.communicate()


VIEWS = "training.losses,fourier.embedding_spectrum,fourier.neuron_clusters,modular_addition.neuron_map,fragile.fragile"


@pytest.fixture
def workbench(page, address):
    """A tab with the workbench and these views; in the end its console must hold no error."""
    problems = open_page(page, f"{address}?views={VIEWS}")
    label(page).wait_for()
    expect_line(page, 40)  # pictures come when the page is there
    yield page
    assert problems == []


def label(page):
    return page.locator(".player output").first


def expect_label(page, text):
    """Wait until the slider says so to a screen reader: the browser has moved."""
    page.wait_for_function(
        """text => { const walk = root => [...root.querySelectorAll("*")].some(node =>
              (node.type === "range" && node.getAttribute("aria-valuetext") === text)
              || (node.shadowRoot && walk(node.shadowRoot)));
            return walk(document); }""",
        arg=text,
    )


def expect_line(page, epoch):
    """Wait until the epoch line of the loss curves stands at an epoch: the server has answered."""
    page.wait_for_function(
        """epoch => [...Bokeh.documents[0]._all_models.values()].some(
              m => m.type === "Span" && m.visible && m.location === epoch)""",
        arg=epoch,
    )


def image(page):
    """The sum of the neuron clusters' shares (5 frequencies) that are shown."""
    return page.evaluate(
        """() => { const source = [...Bokeh.documents[0]._all_models.values()].findLast(
              m => m.type === "ColumnDataSource" && m.data.image && m.data.image[0].shape[0] === 5);
            return source.data.image[0].reduce((sum, value) => sum + value, 0); }"""
    )


def test_the_page_shows_views_and_the_versions(workbench):
    for title in ("Loss", "Embedding frequencies", "Neuron clusters by frequency", "Neuron activation", "Fragile"):
        workbench.get_by_text(title, exact=True).first.wait_for()
    workbench.get_by_text("core 0.1.0 · workbench 0.1.0 · fourier 0.1.0").wait_for()
    expect_label(workbench, "epoch 40 · checkpoint 3 of 3")


def test_the_slider_moves_the_views(workbench):
    before = image(workbench)
    slider = workbench.get_by_role("slider", name="checkpoint")
    slider.focus()
    slider.press("Home")
    expect_label(workbench, "epoch 0 · checkpoint 1 of 3")
    expect_line(workbench, 0)
    assert image(workbench) != before
    slider.press("End")
    expect_line(workbench, 40)
    assert image(workbench) == before


def test_buttons_and_keys_move_by_one_checkpoint(workbench):
    workbench.get_by_label("first checkpoint").click()
    expect_label(workbench, "epoch 0 · checkpoint 1 of 3")
    workbench.get_by_label("next checkpoint").click()
    workbench.get_by_label("next checkpoint").click()
    expect_line(workbench, 40)
    workbench.get_by_label("previous checkpoint").click()
    expect_label(workbench, "epoch 20 · checkpoint 2 of 3")
    workbench.locator("body").press("Home")
    expect_line(workbench, 0)
    for _ in range(5):
        workbench.locator("body").press("ArrowRight")
    expect_label(workbench, "epoch 40 · checkpoint 3 of 3")


def test_play_runs_to_the_end_and_stops(workbench):
    workbench.get_by_label("first checkpoint").click()
    workbench.get_by_label("play", exact=True).click()
    expect_label(workbench, "epoch 40 · checkpoint 3 of 3")
    workbench.get_by_label("play", exact=True).wait_for()
    expect_line(workbench, 40)


def point_in(page, model, across, up):
    """Return where a point of a picture is, as shares of its frame; the picture is that of a bokeh model.

    Cards above it may still be growing: it is measured until it stays.
    """
    place = """([model, across, up]) => {
        const wanted = [...Bokeh.documents[0]._all_models.values()].findLast(eval(model));
        for (const view of Object.values(Bokeh.index)) {
          const found = [...view.owner.query(v => v.model === wanted)][0];
          if (!found) continue;
          const plot = found.plot_view ?? found.parent.plot_view ?? found.parent, frame = plot.frame.bbox;
          plot.el.scrollIntoView({block: "center", behavior: "instant"});
          const at = plot.el.getBoundingClientRect();
          return {x: at.x + frame.left + across * frame.width, y: at.y + frame.top + (1 - up) * frame.height};
        } }"""
    box = before = None
    while box is None or box != before:
        before = box
        page.wait_for_timeout(500)
        box = page.evaluate(place, [model, across, up])
    return box


def test_a_click_on_the_loss_curve_jumps_to_the_nearest_checkpoint(workbench):
    box = point_in(workbench, 'm => m.type === "Span"', 0.5, 0.67)  # the middle of the curves' frame is epoch 20
    workbench.mouse.click(box["x"], box["y"])
    expect_label(workbench, "epoch 20 · checkpoint 2 of 3")
    expect_line(workbench, 20)


def test_a_click_on_a_neuron_shows_its_map(workbench):
    clusters = (
        'm => m.type === "GlyphRenderer" && m.data_source.data.image && m.data_source.data.image[0].shape[0] === 5'
    )
    box = point_in(workbench, clusters, 0.5, 0.5)
    shown = workbench.get_by_label(re.compile("^neuron"))
    assert shown.input_value() == "0"
    workbench.mouse.click(box["x"], box["y"])
    for _ in range(40):
        if shown.input_value() != "0":
            return
        workbench.wait_for_timeout(250)
    raise AssertionError("the box still says 0")


def test_the_page_begins_with_the_familys_six_views(page, address):
    page.goto(address)
    page.locator(".view-card").nth(5).wait_for(timeout=60_000)
    assert page.locator(".view-card").count() == 6


def test_another_variant_is_shown_at_the_same_epoch(workbench):
    workbench.get_by_label("previous checkpoint").click()
    expect_line(workbench, 20)
    before = image(workbench)
    workbench.get_by_role("combobox").first.click()
    workbench.get_by_role("menuitem").nth(1).click()
    workbench.wait_for_function(
        """before => { const source = [...Bokeh.documents[0]._all_models.values()].findLast(
              m => m.type === "ColumnDataSource" && m.data.image && m.data.image[0].shape[0] === 5);
            return source && source.data.image[0].reduce((sum, value) => sum + value, 0) !== before; }""",
        arg=before,
    )
    expect_label(workbench, "epoch 20 · checkpoint 2 of 3")


def test_a_broken_view_shows_its_error_and_the_others_go_on(workbench):
    before = image(workbench)
    workbench.get_by_label("previous checkpoint").click()
    workbench.get_by_text("ZeroDivisionError: broken on purpose").wait_for()
    workbench.get_by_text("fragile.fragile (plug-in fragile 1.0) failed at epoch 20").wait_for()
    expect_line(workbench, 20)
    assert image(workbench) != before
    workbench.get_by_label("next checkpoint").click()
    workbench.get_by_text("ZeroDivisionError: broken on purpose").wait_for(state="detached")


DARK = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every(part => part < 60)"


def test_the_theme_can_be_switched_and_is_remembered(workbench):
    assert not workbench.evaluate(DARK)
    workbench.get_by_label("Toggle theme").click()
    workbench.wait_for_function(DARK)
    workbench.wait_for_function("document.cookie.includes('dynascope-theme=dark')")
    workbench.reload()
    label(workbench).wait_for()
    expect_line(workbench, 40)
    assert workbench.evaluate(DARK)


def test_the_theme_begins_with_what_the_system_prefers(chromium, address):
    page = chromium.new_context(color_scheme="dark").new_page()
    problems = open_page(page, address)
    page.wait_for_function(DARK)
    assert problems == []
    page.context.close()


def test_a_page_that_was_rebound_to_this_machine_is_refused(address, playwright):
    """DNS rebinding: another host's name that resolves to this machine."""
    port = re.search(r":(\d+)/", address)[1]
    rebound = [*ARGUMENTS, "--host-resolver-rules=MAP evil.example 127.0.0.1"]
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=rebound)
    page = chromium.new_page()
    page.goto(f"http://evil.example:{port}/panel_workbench")
    page.get_by_text("This workbench serves only its own machine.").wait_for()
    assert page.locator(".player").count() == 0
    chromium.close()


def test_panel_serve_serves_the_same_app(analysed, tmp_path, page):
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "panel", "serve", "apps/panel_workbench", "--address", "127.0.0.1", "--port", "0",
             "--args", str(analysed)],
            cwd=ROOT, stdout=log, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            for line in process.stderr:
                found = re.search(r"http://\S+/panel_workbench", line)
                if found:
                    break
            page.goto(found[0])
            label(page).wait_for(timeout=60_000)
            expect_label(page, "epoch 40 · checkpoint 3 of 3")
        finally:
            process.terminate()
            process.communicate()
