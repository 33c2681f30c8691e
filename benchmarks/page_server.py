"""Serve the workbench, and the same views as a plain page of DynamicMaps, to a browser that measures itself.

Prints one JSON object a line: where it listens, and then whatever the driver in the page finds, with the state of
this process.
"""

import argparse
import gc
import json
import logging
import os
import sys
import time
import weakref
from pathlib import Path

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
from tornado.web import RequestHandler

import dynascope_workbench.page
from dynascope import Workspace, registry
from dynascope.frames import StoredFrame, fitted_controls
from dynascope_workbench import workbench
from dynascope_workbench.explore import Explore

HERE = Path(__file__).parent

living: weakref.WeakSet[Explore] = weakref.WeakSet()
moves: list[float] = []


class Measured(Explore):
    """The page itself, that notes how long it takes to move, and that it is there."""

    def __init__(self, *arguments, **options):
        living.add(self)
        super().__init__(*arguments, **options)

    def _follow(self, *events):
        begun, computed = time.perf_counter(), time.thread_time()
        super()._follow(*events)
        if {event.name for event in events} <= {"index"}:
            moves.append((1e3 * (time.perf_counter() - begun), 1e3 * (time.thread_time() - computed)))


class Found(RequestHandler):
    """Tells the driver the checkpoints; takes what it found, and answers with the state of this process."""

    def initialize(self, epochs):
        self.epochs = epochs

    def get(self):
        self.finish({"epochs": self.epochs})

    def post(self):
        state = {"server": state_of_this_process(), "moves": moves.copy()}
        moves.clear()
        tell({**json.loads(self.request.body), **state})
        self.finish(state["server"])


def state_of_this_process():
    for _ in range(2):
        gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"rss": pages * os.sysconf("SC_PAGE_SIZE"), "objects": len(gc.get_objects()), "pages": len(living)}


def plain_page(folder):
    """The six views as DynamicMaps that a slider moves, as one would write it in an afternoon."""
    pn.extension()
    variant = next(iter(Workspace(folder).variants()))
    artifacts, epochs = variant.artifacts, variant.checkpoints
    slider = pn.widgets.DiscreteSlider(name="epoch", options=epochs, value=epochs[-1], sizing_mode="stretch_width")
    panes = []
    for name in registry().all("reports")[variant.family.base.default_report].item.views:
        view = registry().all("views")[name].item
        frame = StoredFrame(variant, artifacts, view, epochs[-1], fitted_controls(view, artifacts))

        def drawn(epoch, view=view, frame=frame):
            picture = view.draw(frame.moved_to(epoch))
            return picture * hv.VLine(epoch) if view.series else picture

        picture = hv.DynamicMap(drawn, streams={"epoch": slider.param.value})
        panes.append(pn.pane.HoloViews(picture, sizing_mode="stretch_width", height=330))
    return pmui.Page(title="DynamicMaps", main=[pn.Column(slider, pn.GridBox(*panes, ncols=2))])


def tell(found):
    print(json.dumps(found), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace")
    parser.add_argument("--session-ms", type=int, default=15_000, help="how long the session of a closed tab lives")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    dynascope_workbench.page.PAGES["explore"] = Measured
    epochs = next(iter(Workspace(options.workspace).variants())).checkpoints
    pn.config.js_files = {"driver": "/bench/page_driver.js"}
    server = pn.serve(
        {"panel_workbench": lambda: workbench(options.workspace), "plain": lambda: plain_page(options.workspace)},
        address="127.0.0.1",
        port=0,
        show=False,
        start=False,
        verbose=False,
        static_dirs={"bench": str(HERE)},
        extra_patterns=[("/found", Found, {"epochs": epochs})],
        check_unused_sessions_milliseconds=options.session_ms,
        unused_session_lifetime_milliseconds=options.session_ms,
    )
    tell({"kind": "listening", "address": f"http://127.0.0.1:{server.port}"})
    server.start()
    server.io_loop.start()  # and not run_until_shutdown, which prints that it ends


if __name__ == "__main__":
    main()
