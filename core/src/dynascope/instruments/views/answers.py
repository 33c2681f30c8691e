"""Views of what is answered to each row of the probe, and from when on. holoviews is imported when a view is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import param

from dynascope.contract.view import Frame, View
from dynascope.pictures import in_turn, lines_over_training, said, sentence
from dynascope.style import colour_bar, epoch_pixels, finite_limits, whole_ticks

__all__ = ["ANSWERS", "CLASS_ACCURACY", "GRADUATED_ROWS", "GRADUATION_MAP", "ProbeGrid", "probe_grid"]

Array = np.ndarray[Any, Any]

TRACE = "general.input_trace"
AXIS, LENGTH, COORDINATE, TRAIN, LABEL, PREDICTION, CORRECT, MARGIN, CONFIDENCE = (
    f"{TRACE}/{name}"
    for name in (
        *("probe_axis", "probe_axis_length", "probe_coordinate"),
        *("train", "label", "prediction", "correct", "margin", "confidence"),
    )
)
GRADUATION = "general.graduation"
EPOCH, GRADUATED, GRADUATED_COUNT, ROWS = (
    f"{GRADUATION}/{name}" for name in ("graduation_epoch", "graduated", "graduated_rows", "rows")
)
ANSWER_COLOURS = {
    "right, train": "#004c7a",
    "right, test": "#56b4e9",
    "wrong, train": "#d55e00",
    "wrong, test": "#f0e442",
}
"""Blues for right, warm for wrong; their lightness rises from the first to the last as 31, 69, 53 and 89 of 100."""
CATEGORIES = "right or wrong"
LATER, NEVER = "#c8c8c8", "#d55e00"


@dataclass(frozen=True)
class ProbeGrid:
    """How rows of a probe lie in a picture.

    Attributes:
        names: of the horizontal and the vertical axis; the latter is empty, where the rows lie beside each other.
        places: the coordinates along each.
    """

    names: tuple[str, str]
    places: tuple[Array, Array]

    def picture(self, values: Array) -> Array:
        """Return values of rows as a picture, ``"vertical horizontal"``."""
        return np.ascontiguousarray(np.reshape(values, tuple(map(len, self.places))).T)

    def image(self, columns: Mapping[str, Array], label: str = "") -> Any:
        """Return rows as an image of the first of these columns; the pointer can name all of them.

        Args:
            columns: by name, ``"row"``.
            label: of the element.
        """
        import holoviews as hv

        across, up = map(len, self.places)
        at = dict(zip(("at_x", "at_y"), np.meshgrid(*self.places, indexing="ij")))
        pictures = {name: self.picture(values) for name, values in {**columns, **at}.items()}
        image = hv.Image(
            (np.arange(across), np.arange(up), *pictures.values()),
            ["x", "y"],
            list(pictures),
            label=label,
            bounds=(-0.5, -0.5, across - 0.5, up - 0.5),
        )
        return image.opts(tools=["hover"])

    @property
    def tooltips(self) -> list[tuple[str, str]]:
        """Name the coordinates."""
        return [(name, f"@at_{axis}") for name, axis in zip(self.names, "xy") if name]

    def axes(self) -> dict[str, Any]:
        """Return options of the axes."""
        x, y = (
            [(int(at), f"{places[at]:g}") for at in whole_ticks(0, len(places) - 1)] if len(places) else []
            for places in self.places
        )
        vertical = {"yticks": y, "ylabel": self.names[1]} if self.names[1] else {"yaxis": None}
        return {"xticks": x, "xlabel": self.names[0], **vertical}

    def place(self, chosen: Mapping[str, int | str]) -> Mapping[str, float]:
        """Return where chosen coordinates are on the picture's axes."""
        found = {}
        for axis, name, places in zip("xy", self.names, self.places):
            (rank,) = np.nonzero(places == chosen.get(name, np.nan))
            if name and len(rank):
                found[axis] = float(rank[0])
        return found

    def at(self, x: float, y: float) -> Mapping[str, int]:
        """Return the coordinates at a point of the picture, by axis; empty beside it."""
        found = {}
        for name, places, value in zip(self.names, self.places, (x, y)):
            if not -0.5 < value < len(places) - 0.5:
                return {}
            if name and places[round(value)] == round(places[round(value)]):
                found[name] = int(places[round(value)])
        return found


def probe_grid(frame: Frame) -> ProbeGrid:
    """Return how the probe's rows lie: over its two axes, or beside each other, where it has not just two."""
    length = [int(count) for count in frame.read(LENGTH).values]
    if len(length) != 2:
        return ProbeGrid(("row", ""), (np.arange(int(np.prod(length))), np.arange(1)))
    first, second = (
        np.where(np.isfinite(along[:count]), along[:count], np.arange(count))
        for along, count in zip(frame.read(COORDINATE).values, length)
    )
    names = [str(name) for name in frame.read(AXIS).values]
    return ProbeGrid((names[0], names[1]), (first, second))


def pick_row(frame: Frame, x: float, y: float) -> Mapping[str, int]:
    """Return the coordinates at a point."""
    return probe_grid(frame).at(x, y)


def mark_row(frame: Frame, chosen: Mapping[str, int | str]) -> Mapping[str, float]:
    """Return where chosen coordinates are."""
    return probe_grid(frame).place(chosen)


class AnswerChoice(param.Parameterized):
    """What is shown of each answer."""

    show: Any = param.Selector(
        default=CATEGORIES,
        objects=[CATEGORIES, "margin", "confidence"],
        doc="margin: logit of the right class less the largest other one; confidence: probability of the right class",
    )


def _limits(frame: Frame) -> tuple[float, float]:
    """Return the ends of the colours of what is not a category: a confidence is a probability."""
    return finite_limits(*frame.range(MARGIN)) if frame.controls.show == "margin" else (0, 1)


def _answers(frame: Frame) -> dict[str, Array]:
    """Return what is shown of each row, and what the pointer says of it."""
    show = frame.controls.show
    train, correct = frame.read(TRAIN).values > 0, frame.read(CORRECT).values > 0
    if show == CATEGORIES:
        shown = 2 * ~correct + ~train
    else:
        low, high = _limits(frame)
        shown = frame.read(MARGIN if show == "margin" else CONFIDENCE).values
        shown = np.where(np.isnan(shown), 2 * low - high - 1, np.clip(shown, low, high))
    return {
        "shown": np.asarray(shown, dtype=np.float32),
        "answer": frame.read(PREDICTION).values,
        "right": frame.read(LABEL).values,
        "trained": train.astype(np.int8),
    }


def draw_answers(frame: Frame) -> Any:
    """Draw what is answered to each row, over the axes of the probe."""
    from bokeh.models import FixedTicker

    grid, columns, show = probe_grid(frame), _answers(frame), frame.controls.show
    if not len(columns["shown"]):
        return sentence("The probe has no rows.")
    tooltips = [*grid.tooltips, ("right class", "@right"), ("answer", "@answer"), ("trained on (1: yes)", "@trained")]
    if show == CATEGORIES:
        bar = colour_bar("")
        keys = dict(enumerate(ANSWER_COLOURS))
        legend = {"ticker": FixedTicker(ticks=list(keys)), "major_label_overrides": keys, "title": None}
        look = {**bar, "colorbar_opts": {**bar["colorbar_opts"], **legend, "major_tick_line_color": None}}
        look |= {"cmap": list(ANSWER_COLOURS.values()), "clim": (-0.5, 3.5)}
    else:
        look = {"cmap": "viridis", "clim": _limits(frame), "clipping_colors": {"min": LATER}, **colour_bar(show)}
        tooltips.append((show, "@image{0.000}"))
    return grid.image(columns).opts(hover_tooltips=tooltips, **grid.axes(), **look)


def move_answers(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    grid, columns = probe_grid(frame), _answers(frame)
    if not len(columns["shown"]):
        return {}
    return {"image": [grid.picture(columns["shown"])], "answer": [grid.picture(columns["answer"])]}


ANSWERS = View(
    "answers",
    "Answers",
    draw_answers,
    reads=(AXIS, LENGTH, COORDINATE, TRAIN, LABEL, PREDICTION, CORRECT, MARGIN, CONFIDENCE),
    columns=move_answers,
    controls=AnswerChoice,
    pick=pick_row,
    mark=mark_row,
    description=(
        "What the model answers to each row of the probe: right or wrong, on rows that are trained on and on others; "
        "or how sure it is, in colours that are fixed over training. Grey: not a number."
    ),
)


class GraduationColours(param.Parameterized):
    """How colours follow the epoch."""

    colours: Any = param.Selector(default="linear", objects=["linear", "logarithmic"], doc="in the epoch")


def _colour_limits(frame: Frame) -> tuple[float, float]:
    """Return the first and the last epoch at which a row graduated; the first above 0 on a logarithmic scale."""
    epoch = frame.read(EPOCH).values
    if frame.controls.colours == "logarithmic":
        epoch = epoch[epoch > 0]
    known = epoch[np.isfinite(epoch)]
    return finite_limits(known.min(initial=np.inf), known.max(initial=-np.inf))


def _graduation(frame: Frame) -> dict[str, Array]:
    """Return the colour of each row: beyond the scale for those that graduate later, NaN for those that never do."""
    epoch = frame.read(EPOCH).values
    low, high = _colour_limits(frame)
    shown = np.where(epoch > frame.epoch, 2 * high + 1, np.clip(epoch, low, high))
    return {"shown": np.where(np.isfinite(epoch), shown, np.nan), "graduated": epoch}


def _counted(frame: Frame) -> str:
    epoch = frame.read(EPOCH).values
    never = int(np.isnan(epoch).sum())
    return f"graduated by now: {int((epoch <= frame.epoch).sum()):,} of {len(epoch):,}; never (orange): {never:,}"


def draw_graduation_map(frame: Frame) -> Any:
    """Draw the epoch from which on each row is right; grey, while that is yet to come."""
    grid, columns = probe_grid(frame), _graduation(frame)
    across, up = map(len, grid.places)
    if not across * up:
        return sentence("The probe has no rows.")
    if np.isnan(columns["graduated"]).all():
        return sentence("No row is right at the last checkpoint: none has graduated.")
    top = up - 0.5 + 0.09 * up
    image = grid.image(columns, label="rows").opts(
        cmap="viridis",
        clim=_colour_limits(frame),
        cnorm="log" if frame.controls.colours == "logarithmic" and _colour_limits(frame)[0] > 0 else "linear",
        clipping_colors={"max": LATER, "NaN": NEVER},
        hover_tooltips=[*grid.tooltips, ("right from epoch", "@graduated{0,0}")],
        **colour_bar("epoch"),
    )
    note = said(_counted(frame), -0.5, up - 0.5 + 0.045 * up)
    return image * note.opts(xlim=(-0.5, across - 0.5), ylim=(-0.5, top), **grid.axes())


def move_graduation_map(frame: Frame) -> Mapping[str, Any]:
    """Return what changes with the epoch."""
    grid, columns = probe_grid(frame), _graduation(frame)
    if np.isnan(columns["graduated"]).all():  # or there is none
        return {}
    return {"rows/image": [grid.picture(columns["shown"])], "note/said": np.array([_counted(frame)])}


GRADUATION_MAP = View(
    "graduation_map",
    "Graduation",
    draw_graduation_map,
    reads=(EPOCH, AXIS, LENGTH, COORDINATE),
    columns=move_graduation_map,
    controls=GraduationColours,
    pick=pick_row,
    mark=mark_row,
    description=(
        "The checkpoint from which on each row of the probe stays right. Grey: not yet at this epoch. Orange: wrong "
        "at the last checkpoint, so never."
    ),
)


def draw_graduated_rows(frame: Frame) -> Any:
    """Draw the share of rows that have graduated, by split."""
    count, rows = frame.read(GRADUATED_COUNT), frame.read(ROWS).values
    with np.errstate(invalid="ignore", divide="ignore"):
        share = count.values / rows[:, None]
    lines = {f"{split} ({total:,} rows)": one for split, total, one in zip(count["split"].values, rows, share)}
    return lines_over_training(in_turn(count["epoch"].values, lines), "share graduated", ylim=(-0.02, 1.05))


GRADUATED_ROWS = View(
    "graduated_rows",
    "Graduated rows over training",
    draw_graduated_rows,
    reads=(GRADUATED_COUNT, ROWS),
    series=True,
    description=(
        "Share of the rows of each split that are right from a checkpoint on until the last one. Click to go to the "
        "nearest checkpoint."
    ),
)


QUANTITIES = {
    "accuracy": "class_accuracy",
    "mean loss": "class_loss",
    "mean margin": "class_margin",
    "mean confidence": "class_confidence",
}
BETWEEN_0_AND_1 = ("accuracy", "mean confidence")


class ClassChoice(param.Parameterized):
    """Whose rows, and what of them."""

    split: Any = param.Selector(default="test", objects=["test"], doc="train, test (not trained on), or all rows")
    show: Any = param.Selector(default="accuracy", objects=list(QUANTITIES), doc="over the rows of each right class")


def draw_class_accuracy(frame: Frame) -> Any:
    """Draw a mean over the rows of each right class at every checkpoint."""
    import holoviews as hv

    show, split = frame.controls.show, frame.controls.split
    found = frame.series(f"{TRACE}/{QUANTITIES[show]}", split=split)
    values, epochs, classes = found.values, found["epoch"].values, found.sizes["class"]
    if not np.isfinite(values).any():
        return sentence(f"There is no {show} of the split {split}: it has no rows.", epochs)
    finite = values[np.isfinite(values)]
    at, nearest, ends = epoch_pixels(epochs)
    row = np.arange(classes)
    whose = np.broadcast_to(epochs[nearest], (classes, len(at)))
    image = hv.Image(
        (at, row, np.ascontiguousarray(values[nearest].T), whose),
        ["epoch", "class"],
        ["shown", "checkpoint"],
        bounds=(ends[0], -0.5, ends[1], classes - 0.5),
    )
    return image.opts(
        cmap="viridis",
        clim=(0, 1) if show in BETWEEN_0_AND_1 else finite_limits(finite.min(), finite.max()),
        tools=["hover"],
        hover_tooltips=[("epoch", "@checkpoint{0,0}"), ("right class", "$y{0}"), (show, "@image{0.000}")],
        xlim=ends,
        ylim=(-0.5, classes - 0.5),
        yticks=whole_ticks(0, classes - 1),
        xlabel="epoch",
        ylabel="right class",
        **colour_bar(f"{show} (nats)" if show == "mean loss" else show),
    )


CLASS_ACCURACY = View(
    "class_accuracy_over_training",
    "Classes over training",
    draw_class_accuracy,
    reads=tuple(f"{TRACE}/{name}" for name in QUANTITIES.values()),
    controls=ClassChoice,
    series=True,
    description=(
        "Mean over the rows of each right class, at every checkpoint; a class without a row in the split is blank. "
        "Click to go to the nearest checkpoint."
    ),
)
