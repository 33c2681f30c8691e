"""Pictures that move along the epochs, as GIF and MP4: the axes stay, as in the app."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dynascope.errors import ExchangeError, InvalidSetting
from dynascope.reports.figures import STYLE, Plate
from dynascope.store.atomic import publish

__all__ = ["MOTIONS", "save_motion"]

Array = np.ndarray[Any, Any]
Told = Callable[[int, int], None]

MOTIONS = ("gif", "mp4")
DPI = 110
COLOURS, SAMPLED = 256, 6
"""Of a GIF, and the frames from which they are taken."""


def save_motion(
    plate: Plate,
    epochs: Sequence[int],
    path: Path,
    provenance: Mapping[str, Any],
    *,
    per_second: float = 8,
    dpi: int = DPI,
    told: Told = lambda done, total: None,
) -> None:
    """Write a plate at some epochs, one after the other, to a file, whose ending says how.

    Args:
        plate: what moves.
        epochs: at which it is shown.
        path: ends in one of ``MOTIONS``.
        provenance: written into the file, as its comment.
        per_second: epochs that are shown in a second.
        dpi: of the frames.
        told: called with the frames that are done, and those in all.

    Raises:
        InvalidSetting: another ending, no epoch, or a speed that is none.
        ExchangeError: MP4, without the encoder.
        WorkspaceError: it cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in MOTIONS:
        raise InvalidSetting(
            f"What moves is saved as {' or '.join(MOTIONS)}; {path.name} has the ending {path.suffix!r}."
        )
    if not epochs or not 0.1 <= per_second <= 60:
        raise InvalidSetting(
            f"It takes an epoch, and 0.1 to 60 of them a second; found {len(epochs)} and {per_second}."
        )
    comment = json.dumps(provenance, separators=(",", ":"))
    with publish(path) as temporary, rc_context(STYLE):
        write = _write_gif if kind == "gif" else _write_mp4
        write(temporary, _frames(plate, epochs, dpi, told), per_second, comment)


def _frames(plate: Plate, epochs: Sequence[int], dpi: int, told: Told) -> Iterator[Array]:
    """Yield the plate at each epoch, ``"row column rgb"``; rows and columns are even in number, as encoders need."""
    plate.figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(plate.figure)
    for done, epoch in enumerate(epochs):
        plate.move(epoch)
        canvas.draw()
        if done == 0:
            plate.figure.set_layout_engine("none")  # what stands where is settled: it must not jump
        picture = np.asarray(canvas.buffer_rgba())[:, :, :3]
        yield np.ascontiguousarray(picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2])
        told(done + 1, len(epochs))


def _write_gif(path: Path, frames: Iterator[Array], per_second: float, comment: str) -> None:
    from PIL import Image

    found = [Image.fromarray(frame) for frame in frames]
    # One palette, of frames from the beginning to the end: with one of its own for each, what stays would flicker.
    some = [np.asarray(found[place]) for place in np.linspace(0, len(found) - 1, SAMPLED).round().astype(int)]
    strip = Image.fromarray(np.concatenate(some))
    # This method keeps rare colours, and white as white.
    palette = strip.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    pictures = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in found]
    pictures[0].save(
        path, format="GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / per_second), loop=0,
        comment=comment.encode(), optimize=False,
    )  # fmt: skip


def _write_mp4(path: Path, frames: Iterator[Array], per_second: float, comment: str) -> None:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ExchangeError(
            "MP4 needs an encoder that is not installed. Run: pip install 'dynascope[export]', or save a GIF."
        ) from None
    first = next(frames)
    height, width = first.shape[:2]
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=per_second, codec="libx264", macro_block_size=2, quality=8,
        output_params=["-f", "mp4", "-movflags", "+faststart", "-metadata", f"comment={comment}"],
    )  # fmt: skip
    writer.send(None)
    try:
        writer.send(first)
        for frame in frames:
            writer.send(frame)
    finally:
        writer.close()
