"""The page Analyse in Chromium: choose a probe, analyse, follow, and see that it is fresh."""

import re
import shutil
import sys

import pytest
from browser import MARKS, open_page, served

from dynascope import Workspace, registry

pytestmark = MARKS

TRACE = "general.input_trace"


@pytest.fixture
def server(workspace, tmp_path):
    """Return a function that serves the copied workspace, and gives the address of the page."""
    running = []

    def start(**environment):
        log = (tmp_path / "log").open("w")
        command = [sys.executable, "-m", "dynascope", "serve", str(workspace.path), "--port", "0"]
        process, url = served(command, log, **environment)
        running.append((process, log))
        return f"{url}?page=analyze"

    yield start
    for process, log in running:
        process.terminate()
        process.communicate()
        log.close()


def grid(page):
    return page.get_by_role("grid")


def cell(page, row, analyzer):
    name = re.compile(f"^{re.escape(analyzer)} of .*seed{row}_")
    return page.get_by_role("gridcell", name=name)


def choose_probe(page, title, **settings):
    page.get_by_role("combobox", name="probe").click()
    page.get_by_role("menuitem", name=title, exact=True).or_(page.get_by_role("option", name=title, exact=True)).click()
    for name, text in settings.items():
        page.get_by_label(name, exact=True).fill(text)


def test_a_probe_is_chosen_analysed_followed_to_the_end_and_fresh(page, server, workspace):
    problems = open_page(page, server())
    page.get_by_text("Computed under the probe: All pairs (a, b)").wait_for(timeout=60_000)
    cell(page, 0, TRACE).wait_for()
    choose_probe(page, "Random pairs", count="5")
    page.get_by_text("5 random pairs (seed 0): 5 rows.").wait_for()
    page.get_by_text("Computed under the probe: 5 random pairs (seed 0)").wait_for()
    cell(page, 0, "modular_addition.neuron_activations").and_(page.locator(".none")).wait_for()
    target = cell(page, 0, TRACE)
    assert "3 missing" in target.get_attribute("aria-label")
    target.click()
    page.wait_for_function("cell => cell.getAttribute('aria-selected') === 'true'", arg=target.element_handle())
    page.get_by_text("Chosen: 1 cell, 1 variant by 1 analyzer.").wait_for()
    page.get_by_role("button", name="Analyse", exact=True).click()
    page.get_by_text("done", exact=True).wait_for(timeout=90_000)
    bar = page.get_by_role("progressbar").first
    assert bar.get_attribute("aria-valuenow") == "100"
    page.locator('td.fresh[aria-label*="general.input_trace"]').wait_for()
    assert "3 fresh" in cell(page, 0, TRACE).get_attribute("aria-label")
    variant = workspace.variants()[0]
    assert [one.text for one in variant.probes()] == ["full_grid", "random_pairs:count=5"]
    assert TRACE not in variant.artifacts.analyzers()
    page.get_by_role("combobox", name="analysed before").wait_for()
    assert problems == []


def test_a_job_is_followed_after_a_reload_in_the_middle(page, server, workspace):
    words = ["modular_addition_1layer", "p=7", "d_model=8", "n_heads=1", "d_head=4", "d_mlp=8"]
    address = server()
    problems = open_page(page, address)
    grid(page).wait_for(timeout=60_000)
    job = workspace.jobs.start("train", [*words, "--epochs", "1000000", "--schedule", "0"])
    try:
        page.get_by_text("running", exact=True).wait_for(timeout=60_000)
        page.reload()
        page.get_by_text("running", exact=True).wait_for(timeout=60_000)
        page.get_by_role("button", name="pause").click()
        page.get_by_text("paused", exact=True).wait_for(timeout=60_000)
    finally:
        if job.state == "running":
            job.cancel(patience=10)
    assert job.state == "cancelled"
    assert problems == []


def test_a_wrong_pair_is_one_clear_sentence_and_a_file_is_read(page, server, tmp_path):
    problems = open_page(page, server())
    grid(page).wait_for(timeout=60_000)
    choose_probe(page, "Chosen pairs", pairs="1 2\n3 x")
    note = "line 2: a pair is written 'a b', 'a,b' or 'a+b', with lines or ';' between pairs; found '3 x'"
    page.get_by_text(note).wait_for()
    page.get_by_text("The table is still under the probe before").wait_for()
    assert page.get_by_role("button", name="Analyse", exact=True).is_disabled()
    page.get_by_label("pairs", exact=True).fill("1 2\n3 99")
    page.get_by_text("the numbers of p = 11 are 0 to 10; the pair 3+99 is out of range").wait_for()
    file = tmp_path / "hard.csv"
    file.write_text("a,b\n1,2\n3,4\n")
    page.locator('input[type="file"]').set_input_files(str(file))
    page.get_by_text("2 chosen pairs (1+2, 3+4): 2 rows.").wait_for()
    page.get_by_text("Computed under the probe: 2 chosen pairs (1+2, 3+4)").wait_for()
    assert problems == []


def test_keys_move_through_the_table_and_choose(page, server):
    problems = open_page(page, server())
    cell(page, 0, TRACE).wait_for(timeout=60_000)
    page.locator("[data-row='0'][data-column='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.get_by_text("Chosen: 1 cell").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.get_by_text("Chosen: 2 cells, 2 variants by 1 analyzer.").wait_for()
    page.keyboard.press("End")
    page.wait_for_function(
        """() => { let at = document.activeElement;
                   while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
                   return at?.dataset?.row === "-1" && Number(at.dataset.column) > 20; }"""
    )
    page.get_by_role("button", name="Choose nothing").click()
    page.get_by_text("Nothing is clicked: 2 variants by all analyzers would be computed.").wait_for()
    assert problems == []


def test_what_is_stale_says_why_under_the_pointer(page, server, workspace):
    folder = workspace.variants()[0].checkpoint_folder
    weights = folder.read(0)
    folder.file(40).unlink()
    folder.write(40, weights)
    problems = open_page(page, server())
    target = cell(page, 0, "fourier.embedding_frequencies")
    target.wait_for(timeout=60_000)
    target.hover()
    page.get_by_text("1 stale, 2 fresh. Stale because of: checkpoint_sha256 (1).").wait_for()
    assert problems == []


def test_a_server_that_only_shows_shows_another_probe_and_starts_nothing(page, server, workspace):
    problems = open_page(page, server(DYNASCOPE_READ_ONLY="1"))
    grid(page).wait_for(timeout=60_000)
    choose_probe(page, "Random pairs", count="5")
    page.get_by_text("Computed under the probe: 5 random pairs (seed 0)").wait_for()
    assert page.get_by_role("button", name="Analyse", exact=True).is_disabled()
    assert not workspace.jobs.list()
    assert problems == []


def test_a_variant_that_vanishes_while_the_page_is_open_is_told(page, server, workspace):
    problems = open_page(page, server())
    cell(page, 0, TRACE).wait_for(timeout=60_000)
    cell(page, 0, TRACE).click()
    page.get_by_text("Chosen: 1 cell").wait_for()
    shutil.rmtree(workspace.variants()[0].folder)
    page.get_by_role("button", name="Analyse", exact=True).click()
    page.get_by_text("is not there any more. Look at what is chosen now.").wait_for()
    assert len(Workspace(workspace.path, registry()).variants()) == 1
    assert problems == []
