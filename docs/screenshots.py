"""Take the pictures of the documentation from the running workbench (`make screenshots`, after `make demo`)."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
NEURON = 42  # of the demo, one of those with a single frequency in the end
EPOCHS = {"before-grokking": 200, "during-grokking": 1600, "after-grokking": 2500}


def main(workspace: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "dynascope", "serve", workspace, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        address = re.search(r"http://\S+", server.stdout.readline())[0]
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            for theme in ("light", "dark"):
                page = chromium.new_page(viewport={"width": 1440, "height": 1600}, color_scheme=theme)
                page.goto(address)
                page.locator(".player output").wait_for()
                page.wait_for_function("Bokeh.documents[0].is_idle")
                if theme == "dark":
                    page.get_by_label("Toggle theme").click()
                    page.mouse.move(2, 2)
                page.get_by_label(re.compile("^neuron")).first.fill(str(NEURON))
                page.keyboard.press("Enter")
                for name, epoch in EPOCHS.items():
                    show(page, epoch)
                    if theme == "light" or name == "during-grokking":
                        page.screenshot(path=IMAGES / f"{name if theme == 'light' else 'dark'}.png")
                page.close()
    finally:
        server.terminate()


def show(page, epoch: int) -> None:
    """Move the slider to an epoch, and wait until the views have followed."""
    page.get_by_role("slider", name="checkpoint").evaluate(
        """(slider, text) => { for (let i = 0; i <= +slider.max; i++) { slider.value = i;
             slider.dispatchEvent(new Event("input"));
             if (slider.getAttribute("aria-valuetext").startsWith(text)) return; }
           throw new Error("no checkpoint " + text); }""",
        f"epoch {epoch:,} ",
    )
    time.sleep(1.5)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main(sys.argv[1] if len(sys.argv) > 1 else "workspace")
