"""Take the pictures of the documentation from the running workbench (`make screenshots`, after `make demo`).

Compare is photographed where the workspace has several variants.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from dynascope import Workspace

IMAGES = Path(__file__).parent / "images"
NEURON = 42  # of the demo, one of those with a single frequency in the end
EPOCHS = {"before-grokking": 200, "during-grokking": 1600, "after-grokking": 2500}
SIZE = {"width": 1440, "height": 1560}


def main(workspace: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "dynascope", "serve", workspace, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    variants = [f"{one.family.name}/{one.name}" for one in Workspace(workspace).variants()]
    demo = next(name for name in variants if "seed999" in name)
    try:
        address = re.search(r"http://\S+", server.stdout.readline())[0]
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            for theme in ("light", "dark"):
                for name, epoch in EPOCHS.items():
                    if theme == "light" or name == "during-grokking":
                        page = opened(chromium, f"{address}?variant={demo}&epoch={epoch}&chosen=neuron:{NEURON}", theme)
                        page.locator(".view-card").nth(5).wait_for()
                        photograph(page, name if theme == "light" else "dark")
            photograph(opened(chromium, f"{address}?page=train", "light"), "train")
            if len(variants) > 1:
                others = ",".join([demo, *(name for name in variants if name != demo)][:2])
                photograph(opened(chromium, f"{address}?page=compare&variants={others}", "light"), "compare")
    finally:
        server.terminate()


def opened(chromium, address: str, theme: str):
    page = chromium.new_page(viewport=SIZE, color_scheme=theme)
    page.goto(address)
    page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle", timeout=60_000)
    return page


def photograph(page, name: str) -> None:
    page.wait_for_timeout(6_000)  # pictures are painted after the page says that it is idle
    page.screenshot(path=IMAGES / f"{name}.png")
    page.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main(sys.argv[1] if len(sys.argv) > 1 else "workspace")
