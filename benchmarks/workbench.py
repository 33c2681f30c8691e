"""The workbench in a browser: scrubbing, memory, the first paint, and how it grows with what there is to show.

The page measures itself (``page_driver.js``), in a Chromium that nobody debugs, from a server in a process of its
own. Beside it stands a plain page: the same six views as DynamicMaps that one of Panel's own sliders moves.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
from itertools import count
from pathlib import Path

import holoviews as hv
from browser_run import serving
from timing import medians, report
from workspaces import KINDS

from dynascope import Workspace, registry
from dynascope.drawing import Drawing
from dynascope.frames import StoredFrame, fitted_controls
from dynascope_workbench.explore import Explore
from dynascope_workbench.session import Session

MIB = 2**20
ROUNDS = 2
"""How often the pages that are compared are opened in turn: a machine's drift meets both."""


def ticks(places):
    """From the hand to the last picture that was painted: epochs that are seen first, and seen again."""
    found = {"workbench": [], "DynamicMaps": []}
    with serving(places("usual")) as served:
        for _ in range(ROUNDS):
            found["workbench"].append(served.drive("ticks", count=60))
            found["DynamicMaps"].append(served.drive("ticks", "plain", count=12, quiet=600))
    medians_of = {}
    for page, runs in found.items():
        for which in ("cold", "again"):
            all_ticks = [tick for run in runs for tick in run[which]]
            times = [tick["ms"] for tick in all_ticks]
            medians_of[page, which] = statistics.median(times)
            figures = statistics.median(tick["figures"] for tick in all_ticks)
            wrong = sum(not tick["right"] for tick in all_ticks)
            say(f"{page}, epochs {which}: {spread(times)}; {figures:g} figures a tick, {wrong} of {len(times)} wrong")
    say_moves("workbench", [move for run in found["workbench"] for move in run["moves"]])
    for which in ("cold", "again"):
        ratio = medians_of["workbench", which] / medians_of["DynamicMaps", which]
        say(f"epochs {which}: {ratio:.2f} x DynamicMaps")


def drag(places):
    """A hand that drags the slider over all checkpoints in a second, to and fro."""
    with serving(places("usual")) as served:
        for page, options in (("panel_workbench", {}), ("plain", {"quiet": 600})):
            found = served.drive("drag", page, count=4, **options)
            for turn, one in enumerate(found["drags"]):
                place = "the last position" if one["right"] else f"the WRONG epoch {one['shown']}"
                say(
                    f"{page}, drag {turn + 1}: {one['events']} events in {one['seconds']:.2f} s, {one['frames']} "
                    f"frames, painted {one['lag']:.0f} ms after the release, at {place}"
                )


def soak(places):
    """Memory of the browser and of the server over 2,000 ticks, after 200 to warm up."""
    with serving(places("usual")) as served:
        found = served.drive("soak", count=2_000, warm=200)
    for mark in found["marks"]:
        server = mark["server"]
        say(
            f"after {mark['turn']:5} ticks: browser {mark['heap'] / MIB:6.1f} MiB and {mark['models']} models, "
            f"server {server['rss'] / MIB:6.1f} MiB and {server['objects']:,} objects"
        )


def tabs(places):
    """What is left of 50 tabs that were opened and closed."""
    with serving(places("usual"), session_ms=3_000) as served:
        for turns in (5, 50):
            server = served.drive("tabs", count=turns)["server"]
            say(
                f"after {turns:2} tabs: {server['pages']} pages alive, one of them open; "
                f"server {server['rss'] / MIB:.1f} MiB and {server['objects']:,} objects"
            )


def paint(places):
    """From the navigation to the sixth picture, in a fresh browser; the first one meets a fresh server, too."""
    with serving(places("usual")) as served:
        for visit in range(4):
            say(f"visit {visit + 1}: {arrival(served.drive('paint'))}")


def change(places):
    """From the choice of another variant in the list to its sixth picture."""
    with serving(places("usual")) as served:
        found = served.drive("change", count=6)
    for turn, paints in enumerate(found["all"]):
        first = {}
        for one in paints:
            first.setdefault(one["figure"], one["ended"])
        order = sorted(first.values())
        rest = paints[-1]["ended"]
        say(f"change {turn + 1}: first picture {order[0]:.0f} ms, sixth {order[5]:.0f} ms, at rest {rest:.0f} ms")


def scale(places):
    """A variant with 10,000 checkpoints, and a workspace with 1,000 variants."""
    for kind, what in (("long", "10,000 checkpoints"), ("many", "1,000 variants")):
        with serving(places(kind)) as served:
            figures = 6 if kind == "long" else 0
            for visit in range(2):
                say(f"{what}, visit {visit + 1}: {arrival(served.drive('paint', figures=figures))}")
            if kind == "long":
                found = served.drive("ticks", count=30)
                for which in ("cold", "again"):
                    say(f"{what}, epochs {which}: {spread([tick['ms'] for tick in found[which]])}")
                say_moves(what, found["moves"])


def server(places):
    """A tick in the server alone: data replaced, against DynamicMaps, against drawing again."""
    workspace = Workspace(places("usual"))
    variant = workspace.variants()[0]
    frames = []
    for name in registry().all("reports")[variant.family.base.default_report].item.views:
        view, artifacts = registry().all("views")[name].item, variant.artifacts
        frames.append(StoredFrame(variant, artifacts, view, 0, fitted_controls(view, artifacts)))
    page = Explore(Session(workspace, registry()))
    places_of_page = count()

    def page_moves():
        page.cursor.index = next(places_of_page) % len(variant.checkpoints)

    actions = {**moving(frames, variant.checkpoints), "the page, cards and all": page_moves}
    report(f"a tick of {len(frames)} views in the server", medians(actions, 16), "DynamicMaps")


def moving(frames, epochs):
    """Return the ways to move pictures to the next epoch, by name."""
    drawings = [Drawing(frame.view, frame) for frame in frames]
    Epoch = hv.streams.Stream.define("Epoch", epoch=epochs[0])
    streams, plots = [], []
    for frame in frames:
        stream = Epoch()
        streams.append(stream)
        dynamic = hv.DynamicMap(lambda epoch, frame=frame: frame.view.draw(frame.moved_to(epoch)), streams=[stream])
        plots.append(hv.renderer("bokeh").get_plot(dynamic))
    turns = count()

    def next_epoch():
        return epochs[next(turns) % len(epochs)]

    def replaced():
        epoch = next_epoch()
        for drawing, frame in zip(drawings, frames, strict=True):
            drawing.move(frame.moved_to(epoch))

    def dynamic_maps():
        epoch = next_epoch()
        for stream in streams:
            stream.event(epoch=epoch)

    def drawn_again():
        epoch = next_epoch()
        for frame in frames:
            hv.renderer("bokeh").get_plot(frame.view.draw(frame.moved_to(epoch)))

    return {"data replaced": replaced, "DynamicMaps": dynamic_maps, "drawn again": drawn_again}


def spread(times):
    """Say the median and the 95th percentile of some times."""
    return f"median {statistics.median(times):.0f} ms, p95 {statistics.quantiles(times, n=20)[-1]:.0f} ms"


def say_moves(what, moves):
    """Say how long the server took to move the page, and how long it computed: the rest is other programs'."""
    taken, computed = zip(*moves, strict=True)
    say(f"{what}, in the server: {spread(taken)}; computing: {spread(computed)}")


def arrival(found):
    """Say when a page came."""
    pictures = f"first picture {found['one']:.0f}, all {found['figures']} {found['all']:.0f}; " if found["one"] else ""
    return (
        f"answered after {found['answered']:.0f} ms, {pictures}at rest {found['rest']:.0f} ms; {found['models']} models"
    )


def say(text):
    """Print a figure with the load under which it was taken."""
    print(f"  {text}   [load {os.getloadavg()[0]:.1f}]", flush=True)


MODES = {one.__name__: one for one in (server, ticks, drag, paint, change, soak, tabs, scale)}


def main():
    """Measure what is named, or all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modes", nargs="*", choices=[*MODES, []], help="what is measured; all by default")
    parser.add_argument("--workspace", type=Path, help="one that is there, in place of p = 113 with 300 checkpoints")
    parser.add_argument("--keep", type=Path, help="a folder to keep the trained workspaces in")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that server and browser end, too
    with tempfile.TemporaryDirectory() as temporary:

        def places(kind):
            if kind == "usual" and options.workspace:
                return options.workspace
            folder = (options.keep or Path(temporary)) / kind
            return KINDS[kind](folder).path

        for mode in options.modes or MODES:
            print(f"\n{mode}: {MODES[mode].__doc__}", flush=True)
            MODES[mode](places)


if __name__ == "__main__":
    main()
