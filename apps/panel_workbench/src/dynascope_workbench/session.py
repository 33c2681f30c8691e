"""What the pages of one browser tab share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document
from panel.io import hold

from dynascope import InvalidSetting, Registry, Variant, Workspace
from dynascope.jobs import Job

__all__ = ["Session", "fetching", "nothing_yet", "read_only", "refuse_read_only", "together", "when_locked"]

_ASIDE = ThreadPoolExecutor(1, thread_name_prefix="aside")


def read_only() -> bool:
    """Say whether this server only shows: with ``DYNASCOPE_READ_ONLY=1`` nothing can be started, changed or deleted."""
    return os.environ.get("DYNASCOPE_READ_ONLY", "") not in ("", "0")


def refuse_read_only() -> None:
    """Refuse what starts, changes or deletes something: a hidden button is no lock.

    Raises:
        InvalidSetting: this server only shows.
    """
    if read_only():
        raise InvalidSetting("This server only shows what is there: it was started with DYNASCOPE_READ_ONLY=1.")


@contextmanager
def together(*, anew: bool = False) -> Iterator[None]:
    """Send all changes of the page as one, where a browser has it: while it is being made, nothing is to be sent.

    Args:
        anew: whether pictures are made anew. Bokeh then looks through all models of the page for new ones, once and not
            for each picture; at a tick it need not.
    """
    document = pn.state.curdoc
    if document is None or not pn.state.loaded:
        yield
        return
    with hold(), document.models.freeze() if anew else nullcontext():
        yield


def fetching() -> bool:
    """Say whether the page is being made for a browser that does not have it yet."""
    document = pn.state.curdoc
    return document is not None and document.session_context is not None and not pn.state.loaded


def when_locked(change: Callable[[], None]) -> None:
    """Change the page when its document may be changed: a button's callback does not hold its lock.

    All that the change does is sent together. One part of it that overtook another would name pictures that the
    browser does not have yet, and the browser would then drop both.
    """
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        change()
    else:
        _soon(document, change)


def _soon(document: Document, change: Callable[[], None]) -> None:
    def locked() -> None:
        with hold(document):
            change()

    document.add_next_tick_callback(locked)


@dataclass
class Session:
    """The workspace and plug-ins of a tab, and how its pages lead to each other.

    Attributes:
        workspace: where variants are read.
        plugins: what provides families, analyzers and views.
        go: shows another page by name, with what is to be shown there: ``go("explore", variant="...")``.
    """

    workspace: Workspace
    plugins: Registry
    go: Callable[..., None] = field(default=lambda page, **state: None)

    def variants(self) -> Mapping[str, Variant]:
        """Return the variants that are there now, by ``<family>/<name>``."""
        return {f"{variant.family.name}/{variant.name}": variant for variant in self.workspace.variants()}

    def start(self, command: str, arguments: list[str]) -> Job:
        """Start a job.

        Raises:
            InvalidSetting: this server only shows (``DYNASCOPE_READ_ONLY``).
        """
        refuse_read_only()
        return self.workspace.jobs.start(command, arguments, folder=self.workspace.path)

    def notify(self, text: str, kind: str = "info") -> None:
        """Show a passing message: ``"info"``, ``"success"``, ``"warning"`` or ``"error"``."""
        notifications = pn.state.notifications
        if notifications is not None:
            getattr(notifications, kind)(text, duration=8_000 if kind == "error" else 4_000)

    def aside(self, work: Callable[[], Any], deliver: Callable[[Any], None]) -> None:
        """Do something that takes a while beside the page, and deliver what came of it; at once without a browser."""
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            deliver(work())
            return

        def done(future: Any) -> None:
            if document.session_context is not None and not document.session_context.destroyed:
                _soon(document, lambda: deliver(future.result()))

        _ASIDE.submit(work).add_done_callback(done)


def nothing_yet(session: Session) -> Any:
    """Return what stands on a page while there is no variant, with the way to the first."""
    begin = pmui.Button(label="Train the first variant", variant="contained", size="small", margin=(8, 0))
    begin.on_click(lambda _: when_locked(lambda: session.go("train")))
    text = "There is no variant in this workspace yet. Train one here, or with `dynascope train FAMILY`."
    return pn.Column(
        pmui.Alert(text, severity="info", sizing_mode="stretch_width"), begin,
        sizing_mode="stretch_width", margin=(8, 0),
    )  # fmt: skip
