"""The page of the plug-ins, in Chromium, with a foreign plug-in that fails."""

import sys

import pytest
from browser import MARKS, installed, open_page, served

pytestmark = MARKS

BROKEN = """
def loading():
    raise RuntimeError("broken on purpose")

loading()
"""


@pytest.fixture(scope="module")
def address(analysed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    path = installed(folder, "broken", BROKEN, "2.5")
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "dynascope", "serve", str(analysed), "--port", "0"]
        process, url = served(command, log, PYTHONPATH=path)
        yield url
        process.terminate()
        process.communicate()


def test_a_foreign_plug_in_that_failed_is_shown_with_its_traceback_on_demand(page, address):
    problems = open_page(page, f"{address}?page=plugins")
    card = page.locator(".plugin").first
    card.get_by_text("RuntimeError: broken on purpose (while loading plug-in 'broken' from broken 2.5").wait_for()
    opening = card.get_by_role("button", name="Traceback")
    assert opening.get_attribute("aria-expanded") == "false"
    opening.click()
    card.locator("[aria-expanded=true]").wait_for()
    card.get_by_text("in loading").wait_for()
    page.get_by_text("failed: broken (see: Plug-ins)").wait_for()
    assert problems == []


def test_what_they_provide_is_searched(page, address):
    problems = open_page(page, f"{address}?page=plugins")
    page.locator(".plugin").nth(4).wait_for()
    page.get_by_role("textbox", name="search").fill("neuron map")
    page.locator(".plugin").nth(4).wait_for(state="detached")
    page.get_by_role("textbox", name="search").fill("full_grid")
    page.get_by_text("1 of 5 plug-ins, 1 failed;").wait_for()
    assert page.locator(".plugin").count() == 1
    page.get_by_text("How to install one").click()
    page.get_by_text("-m pip install --editable FOLDER").wait_for()
    assert problems == []
