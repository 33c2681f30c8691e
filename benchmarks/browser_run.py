"""One server and one Chromium, each a process of its own, and what the page finds out about itself.

No debugging protocol: what Playwright mirrors of the network costs a millisecond for each message.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from urllib.parse import urlencode

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--enable-precise-memory-info",
    "--js-flags=--expose-gc",
    "--window-size=1440,1700",
)
PATIENCE = 900
"""Seconds until a page that says nothing is given up."""


class Served:
    """A workspace that is served, for pages that measure themselves."""

    def __init__(self, process):
        self._process = process
        self._lines = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self._next("listening")["address"]

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put({"kind": "error", "error": "the server ended"})

    def _next(self, kind):
        while True:
            try:
                found = self._lines.get(timeout=PATIENCE)
            except Empty:
                raise SystemExit("The page has not answered.") from None
            if found["kind"] == "error":
                raise SystemExit(f"The page failed: {found['error']}")
            if found["kind"] == kind:
                return found

    def drive(self, drive, page="panel_workbench", figures=6, **order):
        """Open a page in a fresh Chromium, let it measure itself, and return what it found."""
        query = urlencode({"drive": drive, "figures": figures, **order})
        with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
            browser = subprocess.Popen(
                [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"{self.address}/{page}?{query}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                return self._next("found")
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()


@contextmanager
def serving(workspace, session_ms=15_000):
    """Serve a workspace in a process of its own; the session of a closed tab lives so long."""
    server = Path(__file__).with_name("page_server.py")
    command = [sys.executable, str(server), str(workspace), "--session-ms", str(session_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Served(process)
        finally:
            process.terminate()
