"""The page of one browser tab: its pages as tabs, and what leads from one to the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module, metadata
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dynascope import DynascopeError, Registry, Workspace, registry
from dynascope.store.workspace import find_workspace
from dynascope_workbench.access import refusal
from dynascope_workbench.analyze import Analyze
from dynascope_workbench.compare import Compare
from dynascope_workbench.explore import Explore
from dynascope_workbench.jobs.running import RunningJobs
from dynascope_workbench.mends import Mends
from dynascope_workbench.plugins import Plugins
from dynascope_workbench.session import Session
from dynascope_workbench.theme import Theme
from dynascope_workbench.train import Train

__all__ = ["PAGES", "Workbench", "workbench"]

log = logging.getLogger(__name__)

for late in ("xarray", "matplotlib.figure", "colorcet"):
    with suppress(ImportError):  # Panel and HoloViews import these for the first picture: no visitor need wait for it
        import_module(late)

TITLE = "Dynascope"
SCROLLED = ".MuiTabsPanel > .MuiBox-root { overflow: visible !important; }"
"""The page scrolls, and not what is in a tab: the bar with the epoch control stays in sight."""
BOTH = {
    "typography": {"fontFamily": "Roboto, Helvetica, Arial, sans-serif"},
    "components": {"MuiAppBar": {"styleOverrides": {"colorPrimary": {"backgroundColor": "#00507d", "color": "#fff"}}}},
}
THEME = {
    "light": {"palette": {"primary": {"main": "#0072b2"}}, **BOTH},
    "dark": {"palette": {"primary": {"main": "#56b4e9"}}, **BOTH},
}
PAGES: Mapping[str, type] = {
    "explore": Explore, "compare": Compare, "train": Train, "analyze": Analyze, "plugins": Plugins,
}  # fmt: skip
"""The pages by the name that the address gives them, in the order of their tabs.

Each is made when it is first opened, from the session; ``title`` is on its tab, ``panel()`` its content. One with
``opened(state)`` is told whenever it is shown, with what the page before wanted to be shown; one with
``follow_address(location)`` keeps its state in the address.
"""


class Workbench:
    """The pages of one tab.

    Args:
        session: what they share; from here on its ``go`` leads to another page.
        location: the tab's address; None without a browser.

    Attributes:
        pages: those that have been opened, by name.
    """

    def __init__(self, session: Session, location: Any = None) -> None:
        self.session, self._location = session, location
        self.pages: dict[str, Any] = {}
        session.go = self.go
        self._holders = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in PAGES}
        self.tabs = pmui.Tabs(
            *((page.title, self._holders[name]) for name, page in PAGES.items()),
            dynamic=True,
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[SCROLLED],
        )
        asked = location.query_params.get("page") if location is not None else None
        self.tabs.active = list(PAGES).index(asked) if asked in PAGES else 0
        self._open(self._name)
        self.tabs.param.watch(lambda _: self._shown(), "active")

    @property
    def _name(self) -> str:
        return list(PAGES)[self.tabs.active]

    def go(self, page: str, **state: Any) -> None:
        """Show a page, and tell it what is to be shown there."""
        self.tabs.active = list(PAGES).index(page)
        self._open(page, state)

    def _shown(self) -> None:
        self._open(self._name)
        if self._location is not None:
            self._location.update_query(page=self._name)

    def _open(self, name: str, state: Mapping[str, Any] | None = None) -> None:
        """Make a page when it is first opened; one that fails is an error in its tab, and the others go on."""
        try:
            if name not in self.pages:
                page = PAGES[name](self.session)
                if self._location is not None and hasattr(page, "follow_address"):
                    page.follow_address(self._location)
                self._holders[name][:] = [page.panel()]
                self.pages[name] = page
            if hasattr(self.pages[name], "opened"):
                self.pages[name].opened(state or {})
        except DynascopeError as error:
            self._holders[name][:] = [pmui.Alert(str(error), severity="error", sizing_mode="stretch_width", margin=16)]


def workbench(workspace: str | None = None) -> Any:
    """Return the page for one browser tab.

    Args:
        workspace: its folder; ``DYNASCOPE_WORKSPACE``, the one here, or ``./workspace`` by default.
    """
    pn.extension("tabulator", notifications=True)
    if pn.state.curdoc is not None:
        pn.state.curdoc.on_session_destroyed(_forget)
    refused = refusal(pn.state.headers)
    if refused is not None:
        return pmui.Alert(refused, severity="error")
    plugins = registry()
    theme = Theme(width=0, height=0, margin=0)
    header = [Mends(width=0, height=0, margin=0), theme, _versions(plugins)]
    try:
        session = Session(Workspace(find_workspace(workspace), plugins), plugins)
        content = Workbench(session, pn.state.location).tabs
        header.append(RunningJobs(session).panel())
    except DynascopeError as error:
        content = pmui.Alert(str(error), severity="error", sizing_mode="stretch_width", margin=16)
    page = _unbound(
        lambda: pmui.Page(title=TITLE, header=header, main=[content], theme_config=THEME, busy_indicator=None)
    )
    return theme.follow(page)


def _unbound(make: Callable[[], Any]) -> Any:
    """Return a page that does not follow whether the server is busy.

    Panel's state would keep every page that follows it, with all that hangs on it, for as long as the server runs; and
    each tick of one tab would be told to all others, twice.
    """
    before = list(_busy_watchers())
    page = make()
    for watcher in [one for one in _busy_watchers() if one not in before]:
        pn.state.param.unwatch(watcher)
    return page


def _forget(context: Any) -> None:
    """Drop what Panel keeps of a closed tab: the view of its notifications, and the document with it."""
    views = pn.state._views
    for ref in [ref for ref, (_, _, document, _) in views.items() if document is context._document]:
        del views[ref]


def _busy_watchers() -> Sequence[Any]:
    return pn.state.param.watchers.get("busy", {}).get("value", [])


def _versions(plugins: Registry) -> Any:
    """Return the versions of the core and of each plug-in, and a note of those that failed."""
    active = [
        f"{row.name} {row.version}"
        for row in plugins.plugins
        if row.status == "active" and row.distribution != "dynascope"
    ]
    text = " · ".join(
        [f"core {metadata.version('dynascope')}", f"workbench {metadata.version('dynascope-workbench')}", *active]
    )
    parts: list[Any] = [
        pmui.Typography(text, variant="caption", sx={"opacity": 0.85}, css_classes=["versions"], margin=(0, 12))
    ]
    failed = ", ".join(row.name for row in plugins.failed)
    if failed:
        note = f"⚠ failed: {failed} (see: Plug-ins)"
        parts.append(
            pmui.Typography(note, variant="caption", sx={"fontWeight": 700, "color": "#ffd54f"}, margin=(0, 4))
        )
    return pmui.Row(*parts, sx={"alignItems": "center", "marginLeft": "auto"}, margin=0)
