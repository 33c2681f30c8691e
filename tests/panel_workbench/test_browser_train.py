"""The page that trains, in Chromium."""

import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from browser import MARKS, open_page, served
from tiny import FAMILY, declare_analyzers

from dynascope import Workspace

pytestmark = MARKS

SMALL = {"p": "11", "train fraction": "0.5", "d model": "16", "n heads": "2", "d head": "8", "d mlp": "32"}


class Served:
    """A workbench on a workspace, that can be started again."""

    def __init__(self, workspace, folder):
        self.workspace, self._log = workspace, folder / "log"
        self.process, self.address = None, ""

    def start(self, **environment):
        command = [sys.executable, "-m", "dynascope", "serve", str(self.workspace.path), "--port", "0"]
        with self._log.open("a") as log:
            self.process, self.address = served(command, log, **environment)
        return self

    def stop(self):
        self.process.terminate()
        self.process.communicate()


@pytest.fixture
def empty(tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    declare_analyzers(workspace.path)
    server = Served(workspace, tmp_path).start()
    yield server
    server.stop()
    for job in workspace.jobs.list():
        if job.state == "running":
            job.cancel(force=True, patience=30)


PATIENCE_MS = 180_000
"""A training begins with importing torch: on a machine that others use, too, that takes a while."""


def opened(page, address):
    page.set_default_timeout(PATIENCE_MS)
    problems = open_page(page, f"{address}?page=train")
    page.get_by_role("button", name="Train", exact=True).wait_for()
    return problems


def box(page, label):
    """Return the box of a setting, whose accessible name begins with its label."""
    return page.get_by_role("textbox", name=re.compile(f"^{label}"))


def fill(page, values):
    for label, text in values.items():
        box(page, label).first.fill(text)


def expect_bar(page, row, value):
    for _ in range(900):
        bar = row.get_by_role("progressbar")
        if bar.count() and bar.get_attribute("aria-valuenow") == str(value):
            return
        page.wait_for_timeout(200)
    raise AssertionError(row.inner_text())


def job_row(page, text):
    return page.locator(".job").filter(has_text=text)


def train(page, epochs, keep="0"):
    fill(page, {**SMALL, "epochs optimizer": str(epochs), "epochs to keep": keep})
    page.get_by_text(re.compile(r"^p11_seed999\S* \(new\)$")).first.wait_for()
    page.get_by_role("button", name="Train", exact=True).click()


def test_a_tiny_training_is_started_analysed_and_leads_to_its_views(page, empty):
    problems = opened(page, empty.address)
    train(page, 40, "0:40:20")
    row = job_row(page, "train p11_seed999")
    expect_bar(page, row, 100)
    row.get_by_text("done", exact=True).wait_for()
    expect_bar(page, job_row(page, "analyze p11_seed999"), 100)
    job_row(page, "analyze p11_seed999").get_by_text("done", exact=True).wait_for()
    (variant,) = empty.workspace.variants()
    assert variant.checkpoints == [0, 20, 40]
    assert variant.artifacts.analyzers()
    page.wait_for_function(
        """() => [...Bokeh.documents[0]._all_models.values()].some(
              m => m.type === "ColumnDataSource" && m.data.test_accuracy && m.data.epoch.length === 41)"""
    )
    row.get_by_role("button", name="Explore it").click()
    page.locator(".player output").get_by_text("checkpoint 3 of 3").wait_for()
    assert problems == []


def test_a_wrong_value_is_said_at_its_field_and_starts_nothing(page, empty):
    problems = opened(page, empty.address)
    start = page.get_by_role("button", name="Train", exact=True)
    box(page, "weight decay").fill("-1")
    page.get_by_text("must be ≥ 0").wait_for()
    page.get_by_text("weight decay: input should be greater than or equal to 0.").wait_for()
    assert box(page, "weight decay").get_attribute("aria-invalid") == "true"
    assert start.is_disabled()
    box(page, "weight decay").fill("5e-1")
    page.get_by_text("instead of 1.0").wait_for()
    page.get_by_text("p113_seed999_dseed598_wd0.5 (new)").first.wait_for()
    assert start.is_enabled()
    page.get_by_role("button", name="Set weight decay back").click()
    page.get_by_text("p113_seed999_dseed598 (new)").first.wait_for()
    assert box(page, "weight decay").input_value() == "1.0"
    assert problems == []


def test_nothing_that_is_typed_becomes_an_option(page, empty):
    problems = opened(page, empty.address)
    start = page.get_by_role("button", name="Train", exact=True)
    for label in ("p the modulus", "epochs to keep", "seeds", "settings with several values"):
        before = box(page, label).input_value()
        box(page, label).fill("--overwrite")
        for _ in range(50):
            if start.is_disabled():
                break
            page.wait_for_timeout(100)
        assert start.is_disabled(), label
        box(page, label).fill(before)
        for _ in range(50):
            if start.is_enabled():
                break
            page.wait_for_timeout(100)
        assert start.is_enabled(), label
    assert not empty.workspace.jobs.list()
    fill(page, SMALL)
    box(page, "seeds").fill("0-1")
    page.get_by_text("2 variants, from p11_seed0").wait_for()
    page.get_by_text(f"dynascope train --seeds=0:2 -- {FAMILY} p=11").wait_for()
    assert problems == []


def test_a_job_is_followed_after_a_reload_and_a_restart_of_the_server_paused_and_continued(page, empty):
    problems = opened(page, empty.address)
    train(page, 1_000_000)
    job_row(page, "train p11_seed999").get_by_text(re.compile("left")).wait_for()
    page.reload()
    row = job_row(page, "train p11_seed999")
    row.get_by_text("running", exact=True).wait_for()
    page.get_by_text("2 jobs running").wait_for()
    assert problems == []
    empty.stop()
    page.goto("about:blank")
    problems.clear()  # a server that ends is told in the console
    empty.start()
    problems = opened(page, empty.address)
    row = job_row(page, "train p11_seed999")
    row.get_by_text("running", exact=True).wait_for()
    page.get_by_text(re.compile(r"^epoch [0-9,]+ · train loss")).wait_for()  # its curves, without being asked for
    row.get_by_role("button", name="pause").click()
    row.get_by_text(re.compile(r"paused at epoch [0-9,]+ of 1,000,000")).wait_for()
    (variant,) = empty.workspace.variants()
    paused = variant.metadata["epoch"]
    row.get_by_text(f"paused at epoch {paused:,} of 1,000,000").wait_for()
    row.get_by_role("button", name="continue").click()  # refused, in words, as long as its process is still ending
    while row.get_by_text("Wait for its end").count():
        page.wait_for_timeout(1_000)
        row.get_by_role("button", name="continue").click()
    row.get_by_text("running", exact=True).wait_for()
    end = time.monotonic() + 180
    while variant.metadata.get("from_epoch") != paused:
        assert time.monotonic() < end
        time.sleep(0.2)
    row.get_by_role("button", name="log").click()
    row.get_by_text("$ dynascope train").first.wait_for()
    assert problems == []


def test_a_server_that_only_shows_starts_and_changes_nothing(page, tmp_path, analysed):
    workspace = Workspace(shutil.copytree(analysed, tmp_path / "workspace"))
    job = workspace.jobs.start("analyze", ["no-such-variant"])
    assert job.wait(60) == "failed"
    server = Served(workspace, tmp_path).start(DYNASCOPE_READ_ONLY="1")
    try:
        problems = opened(page, server.address)
        row = page.locator(".job").first
        row.get_by_text("failed", exact=True).wait_for()
        row.get_by_text("There is no variant").wait_for()
        assert page.get_by_role("button", name="Train", exact=True).is_disabled()
        for name in ("continue", "remove", "cancel", "pause"):
            assert row.get_by_role("button", name=name).count() == 0
        assert row.get_by_role("button", name="log").count() == 1
        assert problems == []
    finally:
        server.stop()
    assert len(workspace.jobs.list()) == 1


def test_the_command_is_copied(page, empty):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    problems = opened(page, empty.address)
    box(page, "p the modulus").fill("59")
    page.get_by_text(f"dynascope train -- {FAMILY} p=59", exact=True).wait_for()
    page.get_by_role("button", name="copy command").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"dynascope train -- {FAMILY} p=59"
    assert problems == []


def test_closed_tabs_leave_nothing_behind(chromium, analysed, tmp_path):
    """Counts what is alive in a real server after tabs were opened and closed, of each page."""
    with (tmp_path / "log").open("w") as log:
        server = Path(__file__).parent / "counting_server.py"
        process, address = served([sys.executable, str(server), str(analysed)], log)

        def alive():
            process.send_signal(signal.SIGUSR1)
            return dict(re.findall(r"(\w+)=(\d+)", process.stdout.readline()))

        try:
            for name in ("train", "plugins", "analyze", "explore", "train"):
                tab = chromium.new_page()
                problems = open_page(tab, f"{address}?page={name}")
                tab.wait_for_timeout(1_500)
                assert alive()["Session"] != "0"
                tab.close()
                assert problems == []
            end = time.monotonic() + 180
            while set(alive().values()) != {"0"} and time.monotonic() < end:
                time.sleep(1)
            assert set(alive().values()) == {"0"}, alive()
        finally:
            process.terminate()
            process.communicate()
