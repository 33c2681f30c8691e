"""One tick of every view in the server: data replaced, against DynamicMaps, against drawing again."""

import tempfile

import holoviews as hv
from timing import medians, report

from dynascope import Workspace, analyze, registry, train
from dynascope.frames import StoredFrame, fitted_controls
from dynascope_workbench.drawing import Drawing
from dynascope_workbench.explore import Explore
from dynascope_workbench.session import Session


def main() -> None:
    for p in (53, 113):
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace.create(folder)
            variant = workspace.new_variant("modular_addition_1layer", {"p": p, "epochs": 8})
            train(variant, schedule="0:8:1")
            analyze(variant)
            frames = []
            for entry in registry().all("views").values():
                artifacts = variant.artifacts
                frames.append(StoredFrame(variant, artifacts, entry.item, 0, fitted_controls(entry.item, artifacts)))
            report(
                f"a tick of {len(frames)} views, p = {p}",
                medians({**ticks(frames), "the page, cards and all": page_tick(workspace)}, 16),
                "DynamicMaps",
            )


def page_tick(workspace):
    page = Explore(Session(workspace, registry()))
    count = iter(range(10**6))

    def tick():
        page.cursor.index = next(count) % 9

    return tick


def ticks(frames):
    drawings = [Drawing(frame.view, frame) for frame in frames]
    Epoch = hv.streams.Stream.define("Epoch", epoch=0)
    streams, plots = [], []
    for frame in frames:
        stream = Epoch()
        streams.append(stream)
        dynamic = hv.DynamicMap(lambda epoch, frame=frame: frame.view.draw(frame.moved_to(epoch)), streams=[stream])
        plots.append(hv.renderer("bokeh").get_plot(dynamic))
    count = iter(range(10**6))

    def next_epoch():
        return next(count) % 9

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


if __name__ == "__main__":
    main()
