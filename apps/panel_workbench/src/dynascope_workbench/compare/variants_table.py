"""The table in which variants are chosen: sorted by a click, filtered by column, a page at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import NumberFormatter, ScientificFormatter
from panel.io.model import JSCode

from dynascope import Variant
from dynascope_workbench.compare.completion import Completion
from dynascope_workbench.compare.variant_rows import Row, compared, milestones, rows_of
from dynascope_workbench.session import Session

__all__ = ["MOST", "VariantsTable", "keeps"]

MOST = 4
"""Variants that are compared: more columns than that cannot be read."""
PAGE_SIZE = 8
AT_ONCE_S = 0.2
"""How long milestones are read before the table is shown; of a hundred variants that is all of them."""
SLICE_S = 0.05
"""How long they are read at a time afterwards: in between the page answers."""
EVERY_MS = 150
NAME, ERROR = "name", "error"
FACTS = ("state", "epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy")
SHARES = ("train_accuracy", "test_accuracy")
NUMBER = re.compile(r"\s*(<=|>=|!=|<|>|=|)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
COMPARE: Mapping[str, Callable[[Any, float], Any]] = {
    "": np.equal,
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}

STYLE = """
.tabulator, .tabulator .tabulator-header, .tabulator .tabulator-header .tabulator-col,
.tabulator .tabulator-header .tabulator-col .tabulator-col-content, .tabulator .tabulator-tableholder,
.tabulator .tabulator-tableholder .tabulator-table, .tabulator .tabulator-footer,
.tabulator .tabulator-footer .tabulator-footer-contents {
  background: transparent; border-color: color-mix(in srgb, currentColor 22%, transparent);
  color: var(--mui-palette-text-primary, inherit); font-family: inherit; font-size: 13px;
}
.tabulator { --paper: var(--mui-palette-background-paper, Canvas); --accent: var(--mui-palette-primary-main, #0072b2); }
.tabulator .tabulator-tableholder .tabulator-table .tabulator-row {
  background: var(--paper) !important; color: inherit !important;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent);
}
.tabulator .tabulator-tableholder .tabulator-table .tabulator-row:hover {
  background: color-mix(in srgb, currentColor 7%, var(--paper)) !important;
}
.tabulator .tabulator-tableholder .tabulator-table .tabulator-row.tabulator-selected {
  background: color-mix(in srgb, var(--accent) 20%, var(--paper)) !important;
}
.tabulator .tabulator-row .tabulator-cell { border-color: transparent; }
.tabulator .tabulator-row .tabulator-frozen { background: inherit !important; }
.tabulator .tabulator-header .tabulator-frozen { background: var(--paper) !important; }
.tabulator .tabulator-cell:has(input[type="checkbox"]) { text-overflow: clip; }
.tabulator .tabulator-header .tabulator-col.tabulator-sortable.tabulator-col-sorter-element:hover {
  background: color-mix(in srgb, currentColor 8%, transparent);
}
.tabulator .tabulator-header-filter input {
  padding: 3px 6px !important; border: 1px solid color-mix(in srgb, currentColor 30%, transparent);
  border-radius: 4px; background: transparent; color: inherit; font: inherit; font-weight: 400;
}
.tabulator .tabulator-header-filter input::placeholder { color: inherit; opacity: 0.45; }
.tabulator .tabulator-footer .tabulator-page {
  background: transparent; color: inherit; border-color: color-mix(in srgb, currentColor 30%, transparent);
}
.tabulator .tabulator-footer .tabulator-page.active { color: var(--accent); font-weight: 700; }
"""
"""The table takes the colours of the page, light or dark."""
ONE_PAGE = ".tabulator .tabulator-footer { display: none; }"


class VariantsTable:
    """Variants with what distinguishes them, a row each.

    Args:
        session: whose workspace's variants these are.
        chose: called with the names of those that are chosen, when the user chooses.

    Attributes:
        chosen: names, in the order in which they were chosen.
        columns: which are shown.
        completion: what is not computed yet of the variants, and computes it.
        grid: the table itself.
    """

    def __init__(self, session: Session, chose: Callable[[Sequence[str]], None] = lambda names: None) -> None:
        self.session, self._chose = session, chose
        self.chosen: list[str] = []
        self._rows: list[Row] = []
        self._about: dict[str, str] = {}
        self._reading: Iterator[None] = iter(())
        self._extra: dict[str, dict[str, Any]] = {}
        self._told = True
        self._marking = False
        self._slices: Any = None
        self.columns = pmui.MultiChoice(
            label="columns", options=[], value=[], sizing_mode="stretch_width", margin=(4, 4), searchable=True,
            chip=False,
        )  # fmt: skip
        self.note = pmui.Typography("", variant="body2", sx={"color": "text.secondary"}, margin=(4, 8))
        self.completion = Completion(session, lambda: self.look(self._variants))
        self._variants: Mapping[str, Variant] = {}
        self._broken = pn.Column(sizing_mode="stretch_width", margin=0)
        self._place = pn.Column(sizing_mode="stretch_width", margin=0)
        self._show(_frame([], []))
        self.columns.param.watch(lambda _: self._hide(), "value")

    def panel(self) -> Any:
        """Return the table, with the choice of its columns below it."""
        return pn.Column(
            self._broken, self._place, self.note, self.completion.panel, self.columns, sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip

    def look(self, variants: Mapping[str, Variant]) -> None:
        """Read the rows anew: first what is cheap, and in a browser the milestones a little later, in slices."""
        self._variants = variants
        self._rows = rows_of(self.session.workspace, variants)
        self._extra = compared(self.session.workspace, variants)
        self.completion.look(variants, {name for column in self._extra.values() for name in column})
        self._reading = self._read_milestones(variants)
        if not self._read(AT_ONCE_S if pn.state.curdoc is not None else np.inf) and self._slices is None:
            self._slices = pn.state.add_periodic_callback(self._read_on, EVERY_MS)
        self._fill()

    def choose(self, names: Sequence[str]) -> None:
        """Mark these as chosen, without telling."""
        self.chosen = list(names)
        self._mark()

    def _read_milestones(self, variants: Mapping[str, Variant]) -> Iterator[None]:
        found: dict[str, dict[str, float]] = {}
        for name, variant in variants.items():
            for title, epoch in milestones(variant).items():
                found.setdefault(title, {})[name] = epoch
            yield
        self._extra = {**found, **self._extra}
        if found:
            self._told = False

    def _read(self, seconds: float) -> bool:
        """Read milestones for a while; say whether all have been read."""
        end = time.monotonic() + seconds
        return all(time.monotonic() <= end for _ in self._reading)

    def _read_on(self) -> None:
        """Read milestones for a moment; show them when all are there."""
        if not self._read(SLICE_S):
            return
        if self._slices is not None:
            self._slices.stop()
            self._slices = None
        if not self._told:
            self._fill()

    def _fill(self) -> None:
        """Show the rows, with the columns that differ among them first."""
        self._told = True
        settings = dict.fromkeys(name for row in self._rows for name in row.settings)
        values = {name: [row.settings.get(name, "–") for row in self._rows] for name in settings}
        differ = [name for name, column in values.items() if len(set(column)) > 1]
        families = len({row.name.partition("/")[0] for row in self._rows}) > 1
        texts = [name for name, column in self._extra.items() if all(isinstance(one, str) for one in column.values())]
        reached = [name for name in self._extra if name.endswith(" reached")]
        first = [*(["family"] if families else []), "variant", *differ]
        every = [*dict.fromkeys([*first, *texts, *FACTS, *reached, *self._extra, *settings, "family", ERROR])]
        titles = _titles(every)
        broken = any(row.error for row in self._rows)
        shown = [*first, *texts, *FACTS, *reached, *([ERROR] if broken else [])]
        self._about = {titles[name]: name for name in every}
        before = set(self.columns.options)
        kept = [title for title in self.columns.value if title in titles.values()]
        fresh = [titles[name] for name in shown if titles[name] not in before]
        self.columns.param.update(
            options=list(titles.values()), value=[title for title in titles.values() if title in {*kept, *fresh}]
        )
        self._marking = True  # another table begins with nothing ticked
        self._show(_frame(self._rows, [(titles[name], self._column(name, values)) for name in every]))
        self._mark()
        readable = sum(not row.error for row in self._rows)
        self.note.object = f"{readable:,} variants" + (
            f", and {len(self._rows) - readable:,} that cannot be read" if broken else ""
        )

    def _column(self, name: str, settings: Mapping[str, Sequence[Any]]) -> list[Any]:
        if name == "family":
            return [row.name.partition("/")[0] for row in self._rows]
        if name == "variant":
            return [row.name.partition("/")[2] for row in self._rows]
        if name == ERROR:
            return [row.error for row in self._rows]
        if name in settings:
            return list(settings[name])
        if name in self._extra:
            return [self._extra[name].get(row.name) for row in self._rows]
        return [row.facts.get(name) for row in self._rows]

    def _show(self, frame: Any) -> None:
        """Show a table; one with other columns is made anew: Panel's would change while it is still being built.

        One in which something is filtered has long been built, and would forget the filters.
        """
        looks = self._looks(frame)
        before = list(self.grid.value.columns) if self._place.objects else None
        if before == list(frame.columns) or (before is not None and self.grid.filters):
            self.grid.param.update(value=frame, **looks)
            return
        kept = {} if before is None else {"sorters": self.grid.sorters}
        self.grid = _Grid(
            frame, show_index=False, pagination="remote", page_size=PAGE_SIZE, selectable="checkbox-single",
            layout="fit_data_fill", disabled=True, theme="simple", sizing_mode="stretch_width",
            margin=(4, 4), css_classes=["variants"], **looks, **kept,
        )  # fmt: skip
        self.grid.param.watch(lambda event: self._selected(event.new), "selection")
        self._place[:] = [self.grid]

    def _looks(self, frame: Any) -> dict[str, Any]:
        """Return how the columns of a table look, each with its filter."""
        numbers = [title for title in frame.columns if frame[title].dtype.kind in "if"]
        hint = {title: "> 0.5" if title in numbers else "contains" for title in frame.columns if title != NAME}
        formatters: dict[str, Any] = {}
        for title in numbers:
            whole = not np.any(np.mod(frame[title].dropna(), 1))
            formatters[title] = (
                NumberFormatter(format="0,0", nan_format="–")
                if whole and self._about.get(title) not in SHARES
                else ScientificFormatter(precision=3, power_limit_low=-3, power_limit_high=6, nan_format="–")
            )
        return {
            "stylesheets": [STYLE, *([ONE_PAGE] if len(frame) <= PAGE_SIZE else [])],
            "formatters": formatters,
            "text_align": dict.fromkeys(numbers, "right"),
            "header_filters": {
                title: {"type": "input", "placeholder": placeholder} for title, placeholder in hint.items()
            },
            "header_tooltips": {title: self._about.get(title, title) for title in hint},
            "hidden_columns": self._hidden(frame),
            "frozen_columns": ["variant"] if "variant" in frame.columns else [],
        }

    def _hidden(self, frame: Any) -> list[str]:
        return [NAME, *(title for title in frame.columns if title != NAME and title not in self.columns.value)]

    def _hide(self) -> None:
        """Show the columns that are chosen, of the table that is there."""
        self.grid.hidden_columns = self._hidden(self.grid.value)

    def _mark(self) -> None:
        names = list(self.grid.value[NAME])
        self._marking = True
        self.grid.selection = [names.index(name) for name in self.chosen if name in names]
        self._marking = False

    def _selected(self, places: Sequence[int]) -> None:
        """Follow what was ticked: rows that cannot be read are none, and of more than four the first goes."""
        if self._marking:
            return
        names = list(self.grid.value[NAME])
        readable = {row.name for row in self._rows if not row.error}
        ticked = [names[place] for place in places if names[place] in readable]
        wanted = [name for name in self.chosen if name in ticked] + [name for name in ticked if name not in self.chosen]
        if wanted == self.chosen and len(ticked) == len(places):
            return
        self.chosen = wanted[-MOST:]
        self._mark()
        self._chose(self.chosen)


class _Grid(pn.widgets.Tabulator):
    """A table whose filters understand ``> 0.5``: Panel's own compare with one operator for each column."""

    def _get_filter_spec(self, column: Any) -> Any:
        """Let the browser keep every row that it is sent: it filters too, and cannot be told not to.

        Of its filters, the one for keywords keeps what contains all of them; split at itself, a text has none.
        """
        params = JSCode("(text) => ({separator: text.toLowerCase(), matchAll: true})")
        return {**super()._get_filter_spec(column), "headerFilterFunc": "keywords", "headerFilterFuncParams": params}

    def _get_header_filters(self, df: Any) -> list[Any]:
        return [
            keeps(df[one["field"]], str(one["value"]))
            for one in self.filters
            if one["field"] in df.columns and str(one["value"]).strip()
        ]


def keeps(column: Any, text: str) -> Any:
    """Say of each value of a column whether a filter keeps it.

    Args:
        column: numbers, or anything that is then looked at as text.
        text: ``"> 0.5"``, ``"53"``, for numbers; what a text must contain. What is no comparison yet keeps all numbers.
    """
    if column.dtype.kind in "if":
        found = NUMBER.fullmatch(text)
        if found is None:
            return np.ones(len(column), dtype=bool)
        return COMPARE[found[1]](column.to_numpy(), float(found[2])) & np.isfinite(column.to_numpy(dtype=float))
    return column.astype(str).str.contains(text.strip(), case=False, regex=False).to_numpy()


def _frame(rows: Sequence[Row], columns: Sequence[tuple[str, list[Any]]]) -> Any:
    """Return the rows as pandas has them, which is imported when a table is first made."""
    import pandas as pd

    return pd.DataFrame({NAME: [row.name for row in rows], **{title: _typed(values) for title, values in columns}})


def _typed(values: list[Any]) -> Any:
    """Return a column of numbers where all are; as text otherwise, empty where there is nothing."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        if len(known) == len(values) and all(isinstance(value, int) for value in known):
            return np.array(values)
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array(["" if value is None else str(value) for value in values], dtype=object)


def _titles(names: Sequence[str]) -> dict[str, str]:
    """Return what stands above each column: the end of its name, or all of it where two have the same."""
    short = {name: name.rpartition("/")[2].replace("_", " ") for name in names}
    alike = {title for title in short.values() if list(short.values()).count(title) > 1}
    return {name: name if short[name] in alike and "/" in name else short[name] for name in names}
