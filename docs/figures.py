"""Draw single views as pictures, as the workbench draws them (`make figures`, after `make demo`).

``draw_views`` is for other scripts too: a list of figures, each with its variant, view, epoch and controls.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.resources import INLINE
from PIL import Image
from playwright.sync_api import sync_playwright

from dynascope import ArtifactError, Workspace, registry
from dynascope.drawing import Drawing
from dynascope.frames import framed, missing_arrays, what_is_missing

IMAGES = Path(__file__).parent / "images" / "tour"
DEMO = "p53_seed999_dseed598_frac0.5_wd2"
NEURON = {"neuron": 80, "colours": "of this epoch"}
"""One that gathers at k = 12 while the demo trains."""
COLOURS = 128
"""Of a picture's palette: enough for a colour map, at a third of the bytes."""


@dataclass(frozen=True)
class Figure:
    """One picture.

    Attributes:
        file: its name, without the ending.
        variant: the variant's name.
        view: the view, by id or unambiguous name.
        epoch: the checkpoint that is shown; that of the epoch line, for a view over the series.
        controls: values of the view's controls; the view's own for others.
        width: in CSS pixels, of views that fill their card; those with a frame of their own keep it.
    """

    file: str
    variant: str
    view: str
    epoch: int
    controls: Mapping[str, Any] = field(default_factory=dict)
    width: int = 760


def draw_views(workspace: Workspace | str | Path, jobs: Iterable[Figure], folder: Path) -> list[Path]:
    """Draw figures into a folder, as PNG files at two pixels for each CSS pixel, on white.

    Returns:
        The files, in the order of the figures.

    Raises:
        UnknownName: there is no such variant, view or control.
        ArtifactError: a variant lacks what a view reads, or has no such checkpoint.
    """
    opened = workspace if isinstance(workspace, Workspace) else Workspace(Path(workspace))
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page(device_scale_factor=2)
        for job in jobs:
            page.set_viewport_size({"width": job.width, "height": 800})
            page.set_content(file_html(drawing_of(opened, job).root, INLINE, job.file))
            page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
            page.wait_for_timeout(100)  # the canvas is painted in the next frame
            picture = page.locator("[data-root-id] > *").first.screenshot(animations="disabled")
            files.append(folder / f"{job.file}.png")
            files[-1].write_bytes(compact(picture))
        chromium.close()
    return files


def drawing_of(workspace: Workspace, job: Figure) -> Drawing:
    """Return the workbench's drawing of a figure."""
    variant, view = workspace.variant(job.variant), registry().view(job.view)
    artifacts = variant.artifacts_of(None)
    missing = missing_arrays(view, variant, artifacts)
    if missing:
        raise ArtifactError(f"Figure {job.file}: {what_is_missing(missing, variant, registry())}")
    frame = framed(view, variant, artifacts, job.epoch, job.controls)
    if job.epoch not in frame.epochs:
        raise ArtifactError(f"Figure {job.file}: {job.view} has nothing at epoch {job.epoch}.")
    return Drawing(view, frame)


def compact(picture: bytes) -> bytes:
    """Return a PNG with a palette of its own."""
    small = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def tour(variant: str) -> list[Figure]:
    """Return the figures of the tour of the demo."""
    return [
        Figure("losses", variant, "training.losses", 200),
        Figure("progress", variant, "fourier.progress_losses", 1350, {"excluded": "all frequencies"}),
        Figure("spectrum-over-training", variant, "fourier.embedding_spectrum_over_training", 1350),
        Figure("clusters-1000", variant, "fourier.neuron_clusters", 1000),
        Figure("clusters-2500", variant, "fourier.neuron_clusters", 2500),
        Figure("cluster-sizes", variant, "fourier.cluster_sizes", 1600),
        *(
            Figure(f"neuron-{epoch}", variant, "modular_addition.neuron_map", epoch, NEURON, width=390)
            for epoch in (200, 1000, 2500)
        ),
        *(
            Figure(f"circle-{epoch}", variant, "fourier.class_circle", epoch, {"frequency": 12})
            for epoch in (200, 1600, 2500)
        ),
        Figure("heads", variant, "modular_addition.head_frequencies", 2500),
        *(Figure(f"logits-{epoch}", variant, "fourier.logit_components", epoch, width=500) for epoch in (200, 2500)),
    ]


def main(path: str) -> None:
    """Draw the tour's figures from the demo's workspace."""
    for file in draw_views(path, tour(DEMO), IMAGES):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "workspace")
