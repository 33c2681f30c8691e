"""What leaves the workspace: the size of a page that works offline, how soon it opens, and how fast it scrubs.

    python benchmarks/reports.py [--workspace FOLDER] [--checkpoints 100]

The report is the six views that the calibration family begins with, at p = 113. The baseline is what HoloViews offers
for one view without a server: a HoloMap, saved with everything it needs.
"""

import argparse
import tempfile
import time
from pathlib import Path

import holoviews as hv
import panel as pn
from bokeh.resources import INLINE
from browser_run import CHROMIUM
from playwright.sync_api import sync_playwright
from workspaces import KINDS

from dynascope import Report, ViewBlock, Workspace, registry
from dynascope.frames import framed
from dynascope.reports.exporting import export_report

OURS = "document.documentElement.dataset.ready === 'yes'"
SCRUB = """async () => {
  const control = dynascope.control, count = control.epochs.length, frame = () => new Promise(requestAnimationFrame);
  const began = performance.now();
  for (let index = 0; index < count; index++) { control.index = index; await frame(); }
  await frame();
  const rate = 1000 * count / (performance.now() - began), took = [];
  for (let index = 0; index < count; index++) {
    const from = performance.now();
    control.index = index;
    await frame();
    await frame();
    await new Promise((done) => setTimeout(done));
    took.push(performance.now() - from);
  }
  took.sort((one, other) => one - other);
  return [rate, took[count >> 1], took[Math.floor(count * 0.95)]];
}"""
"""Steps a second, where one follows the other; and from the hand to the paint, ms, which takes two frames at least."""


def opened(chromium, path, ready):
    """Return a page that is open, and how long that took, ms."""
    page = chromium.new_context(viewport={"width": 1440, "height": 1600}, offline=True).new_page()
    began = time.perf_counter()
    page.goto(f"file://{path}")
    page.wait_for_function(ready, timeout=120_000)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return page, 1000 * (time.perf_counter() - began)


def holomap(variant, view, epochs, path):
    """Save one view as a HoloMap."""
    provided = registry().view(view)
    frame = framed(provided, variant, variant.artifacts, epochs[0])
    frames = hv.HoloMap({epoch: provided.draw(frame.moved_to(epoch)) for epoch in epochs}, kdims="epoch")
    pn.pane.HoloViews(frames).save(
        path, resources=INLINE, embed=True, max_opts=len(epochs), max_states=len(epochs), progress=False
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--checkpoints", type=int, default=100)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        workspace = Workspace(chosen.workspace or KINDS["usual"](Path(folder) / "workspace"))
        variant = workspace.variants()[0]
        every = variant.checkpoints
        epochs = every[:: max(len(every) // chosen.checkpoints, 1)][: chosen.checkpoints]
        usual = workspace.reports(variant.family.name).usual()
        one = "modular_addition.neuron_map"
        single = Report(title="One", family=usual.family, blocks=(ViewBlock(view=one),))
        print(f"{variant.name}: {len(epochs)} checkpoints")
        sizes = {}
        for name, report in (("six views", usual), ("one view", single)):
            path = Path(folder) / f"{name}.html"
            began = time.perf_counter()
            export_report(report, [variant], registry(), path, "benchmark", epochs=epochs)
            wrote = time.perf_counter() - began
            times = [opened(chromium, path, OURS)[1] for _ in range(3)]
            page, _ = opened(chromium, path, OURS)
            rate, middle, late = page.evaluate(SCRUB)
            sizes[name] = path.stat().st_size / 1e6
            print(f"  {name}: {sizes[name]:.1f} MB, written in {wrote:.1f} s, opens in {sorted(times)[1]:.0f} ms; "
                  f"{rate:.0f} steps a second, each painted after {middle:.0f} ms (95 %: {late:.0f} ms)")  # fmt: skip
        path = Path(folder) / "holomap.html"
        began = time.perf_counter()
        holomap(variant, one, epochs, path)
        wrote, size = time.perf_counter() - began, path.stat().st_size / 1e6
        print(f"  one view, HoloMap: {size:.1f} MB, written in {wrote:.1f} s; "
              f"ours is {sizes['one view'] / size:.2f}x of that")  # fmt: skip
        chromium.close()


if __name__ == "__main__":
    main()
