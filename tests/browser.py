"""Driving the served workbench in Chromium: a server, a tab, and what is to be seen in it."""

import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
ROOT = Path(__file__).parents[1]

MARKS = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
"""``pytestmark`` of a module of such tests: they run one after the other, and not at all without Chromium."""
if CHROMIUM is None and not os.environ.get("DYNASCOPE_REQUIRE_BROWSER"):
    MARKS.append(pytest.mark.skip(reason="Chromium is not installed (apt-get install chromium)"))


def served(command, log, **environment):
    """Start a server and return it with its address, once it says that it listens."""
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=log, text=True
    )
    for line in process.stdout:
        found = re.search(r"http://\S+/panel_workbench", line)
        if found:
            return process, found[0]
    raise AssertionError(f"the server ended: {Path(log.name).read_text()}")


FRAMES = """() => { const found = [], walk = (view) => {
    if (view.frame && view.is_displayed) found.push(Math.round(view.frame.bbox.width));
    for (const child of view.child_views ?? []) walk(child); };
  for (const root of Bokeh.index.roots) walk(root);
  return found; }"""
"""The widths of all pictures that are seen, without their axes, px: one that was laid out too early has none."""


def installed(folder, name, code, version="1.0"):
    """Install a plug-in as pip leaves it, in a folder of its own; return the PYTHONPATH that lets a server find it."""
    site = folder / "site"
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[dynascope]\n{name} = {name}_hooks\n")
    (site / f"{name}_hooks.py").write_text(textwrap.dedent(code))
    return ":".join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))


def _at_home(url):
    return url.startswith(("data:", "blob:")) or urlsplit(url).hostname in ("127.0.0.1", "localhost")


def open_page(page, address):
    """Open an address; return a list that fills with errors of the browser's console, and what it fetches elsewhere."""
    problems = []
    page.on("request", lambda request: None if _at_home(request.url) else problems.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle", timeout=60_000)
    return problems
