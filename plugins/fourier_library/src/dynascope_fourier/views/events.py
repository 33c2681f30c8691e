"""Views of events and of phases, with the rules that found them. holoviews is imported when a view is drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Frame, View
from dynascope.pictures import sentence
from dynascope.style import GREY, LINES, epoch_limits
from dynascope_fourier.views.style import FREQUENCY_LINES, frequency_lines

__all__ = ["EVENTS", "PHASES"]

Array = np.ndarray[Any, Any]

EVENT_ARRAYS = ("event_epoch", "event_end", "kind", "subject", "frequency", "value", "value_unit", "rule")
BOUNDARY_ARRAYS = ("boundary", "rule", "threshold", "measured", "reached", "epoch_reached", "value")
PHASE_AT = "fourier.phases/phase_at"
MOST_ROWS = 16
"""Of more events, those of one kind share a row, and are named where they are hovered."""

NEAR = 0.02
"""How far from an event, as a share of the axis, a click still goes to it."""

CHARACTERS = 62
LINE, TRACK = 1.4, 1.3


def _events(frame: Frame) -> dict[str, Array]:
    return {name: frame.read(f"fourier.events/{name}").values for name in EVENT_ARRAYS}


def _rows(events: dict[str, Array]) -> tuple[Array, list[str]]:
    """Return the height of each event, the first on top, and the rows' names from below; none if each has one."""
    count = len(events["kind"])
    if count <= MOST_ROWS:
        return count - 1 - np.arange(count), []
    names = list(dict.fromkeys(events["kind"].tolist()))[::-1]
    return np.array([names.index(kind) for kind in events["kind"]]), names


def _with_unit(value: float, unit: str) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.4g}" if unit in ("", "1") else f"{value:.4g} {unit}"


def draw_events(frame: Frame) -> Any:
    """Draw what happens in the training on a time line: a row for each event, or for each kind if there are many."""
    import holoviews as hv

    epochs = frame.series(FREQUENCY_LINES[0])["epoch"].values
    events = _events(frame)
    if not len(events["kind"]):
        return sentence("No event: nothing that the rules look for happens in this training.", epochs)
    low, high = epoch_limits(epochs)
    row, names = _rows(events)
    at, named = events["event_epoch"], frequency_lines(frame)
    lines = [named.get(int(k), (GREY, "solid", "circle")) for k in events["frequency"]]
    value = np.array(
        [_with_unit(*pair) for pair in zip(events["value"], events["value_unit"].tolist(), strict=True)], dtype=object
    )
    lasting = np.isfinite(events["event_end"])
    spans = hv.Segments(
        (at[lasting], row[lasting], events["event_end"][lasting], row[lasting]),
        ["epoch", "row", "end", "end_row"],
        label="length",
    )
    said = [events[name].astype(object) for name in ("kind", "subject", "rule")]
    points = hv.Points(
        (at, row, *said, value, [line[0] for line in lines], [line[2] for line in lines]),
        ["epoch", "row"],
        ["kind", "subject", "rule", "value", "colour", "marker"],
        label="event",
    )
    parts = [
        spans.opts(color=GREY, line_width=2),
        points.opts(
            color="colour",
            marker="marker",
            size=9,
            show_legend=False,
            tools=["hover"],
            hover_tooltips=[
                ("epoch", "@epoch{0,0}"),
                ("what", "@kind"),
                ("of", "@subject"),
                ("value", "@value"),
                ("rule", "@rule"),
            ],
        ),
    ]
    if not names:
        parts += _beside(at, row, events, value, low, high)
    return hv.Overlay(parts).opts(
        hv.opts.Overlay(
            xlim=(low, high),
            ylim=(-0.7, max(row) + 0.7),
            xlabel="epoch",
            ylabel="",
            show_legend=False,
            **({"yticks": list(enumerate(names))} if names else {"yaxis": None}),
        )
    )


def _in_words(epoch: float, kind: str, subject: str, k: int, worth: str) -> str:
    """Return an event in a line; a frequency is not called one twice."""
    of = f" {k}" if k and kind.startswith("frequency") else f", {subject}"
    return f"{epoch:,.0f}  {kind}{of}" + (f": {worth}" if worth else "")


def _beside(at: Array, row: Array, events: dict[str, Array], value: Array, low: float, high: float) -> list[Any]:
    """Return what is said of each event: at its right, but at its left in the right half."""
    import holoviews as hv

    gap = (high - low) / 55
    text = np.array(
        [
            _in_words(*row)
            for row in zip(
                at, events["kind"].tolist(), events["subject"].tolist(), events["frequency"], value, strict=True
            )
        ],
        dtype=object,
    )
    parts = []
    for align, side, step in (("left", at <= (low + high) / 2, gap), ("right", at > (low + high) / 2, -gap)):
        label = hv.Labels((at[side] + step, row[side], text[side]), ["epoch", "row"], "said", label=align)
        parts.append(label.opts(text_font_size="8pt", text_color=GREY, text_align=align))
    return parts


def pick_event(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the epoch of the event at a point, and the frequency that it is about."""
    low, high = epoch_limits(frame.series(FREQUENCY_LINES[0])["epoch"].values)
    events = _events(frame)
    if not len(events["kind"]):
        return {}
    row, names = _rows(events)
    away = np.where(row == round(y), np.abs(events["event_epoch"] - x), np.inf)
    # In a row of its own, an event is chosen by its text too.
    if not away.min() <= (NEAR * (high - low) if names else high - low):
        return {}
    chosen = int(away.argmin())
    k = int(events["frequency"][chosen])
    return {"epoch": round(float(events["event_epoch"][chosen]))} | ({"frequency": k} if k else {})


EVENTS = View(
    "events",
    "Events",
    draw_events,
    reads=(*(f"fourier.events/{name}" for name in EVENT_ARRAYS), *FREQUENCY_LINES),
    pick=pick_event,
    series=True,
    description=(
        "What happens in the training, by rule: the rule and the value are shown where an event is hovered. A "
        "frequency has the colour that it has in every view. Click an event to go to its epoch."
    ),
)


def _boundary(name: str, measured: bool, reached: bool, epoch: float, value: float, threshold: float) -> str:
    """Say what is known of a boundary."""
    name = name.replace("_", " ")
    if not measured:
        return f"{name}: not measured"
    if not reached:
        return f"{name}: not reached (threshold {threshold:.4g})"
    return f"{name}: epoch {epoch:,.0f}, at {value:.4g}"


def _heights(rules: list[str]) -> Array:
    """Return, in lines of text, where the row of each boundary begins, from the top, and where the last one ends.

    A row is a line with what is known, its rule, and the track with the mark.
    """
    return np.cumsum([0, *(LINE + rule.count("\n") + 1 + TRACK for rule in rules)])


def _rules(frame: Frame) -> list[str]:
    return [textwrap.fill(str(rule), CHARACTERS) for rule in frame.read("fourier.phases/rule").values]


def draw_phases(frame: Frame) -> Any:
    """Draw where each boundary of the phases is, and the rule that puts it there."""
    import holoviews as hv

    stored = {name: frame.read(f"fourier.phases/{name}").values for name in BOUNDARY_ARRAYS}
    low, high = epoch_limits(frame.read(PHASE_AT)["epoch"].values)
    rules = _rules(frame)
    height = _heights(rules)
    of = ("boundary", "measured", "reached", "epoch_reached", "value", "threshold")
    said = np.array(
        [_boundary(*row) for row in zip(*(stored[name].tolist() for name in of), strict=True)], dtype=object
    )
    left = np.full(len(rules), low + (high - low) / 100)
    track = -height[1:] + TRACK / 2
    reached = stored["reached"] > 0
    points = hv.Points(
        (
            *(stored["epoch_reached"][reached], track[reached], said[reached]),
            *(stored["rule"][reached].astype(object), stored["threshold"][reached]),
        ),
        ["epoch", "row"],
        ["said", "rule", "threshold"],
        label="boundary",
    )
    tracks = hv.Segments(
        (np.full(len(rules), low), track, np.full(len(rules), high), track), ["epoch", "row", "end", "end_row"]
    )
    names = hv.Labels((left, -height[:-1] - 0.2, said), ["epoch", "row"], "said", label="name")
    reasons = hv.Labels(
        (left, -height[:-1] - LINE, np.array(rules, dtype=object)), ["epoch", "row"], "rule", label="rule"
    )
    top = {"text_color": GREY, "text_align": "left", "text_baseline": "top"}
    return hv.Overlay(
        [
            tracks.opts(color=GREY, line_width=0.7, alpha=0.6),
            reasons.opts(text_font_size="7.5pt", **top),
            names.opts(text_font_size="9pt", text_font_style="bold", **top),
            points.opts(
                color=LINES[1][0],
                marker="diamond",
                size=12,
                show_legend=False,
                tools=["hover"],
                hover_tooltips=[("boundary", "@said"), ("threshold", "@threshold{0.000}"), ("rule", "@rule")],
            ),
        ]
    ).opts(
        hv.opts.Overlay(
            xlim=(low, high),
            ylim=(-float(height[-1]) - 0.2, 0),
            yaxis=None,
            xlabel="epoch",
            ylabel="",
            show_legend=False,
        )
    )


def pick_phase(frame: Frame, x: float, y: float) -> Mapping[str, int | str]:
    """Return the epoch of the boundary whose row holds a point; none where it was not reached."""
    at = frame.read("fourier.phases/epoch_reached").values
    row = int(np.searchsorted(_heights(_rules(frame)), -y, side="right")) - 1
    inside = 0 <= row < len(at) and np.isfinite(at[row])
    return {"epoch": round(float(at[row]))} if inside else {}


PHASES = View(
    "phases",
    "Phases and their rules",
    draw_phases,
    reads=(PHASE_AT, *(f"fourier.phases/{name}" for name in BOUNDARY_ARRAYS)),
    pick=pick_phase,
    series=True,
    description=(
        "Where each boundary between the phases is, and the rule that puts it there. A rule that does not fire is "
        "not reached: there is no epoch then. Click a row to go to its epoch."
    ),
)
