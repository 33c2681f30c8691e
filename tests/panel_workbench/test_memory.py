"""What is left of a tab that was closed, and what a tick leaves behind."""

import gc
import logging
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import panel as pn
import pytest
from bokeh.client import pull_session
from bokeh.document import Document
from bokeh.document.events import ColumnDataChangedEvent, ModelChangedEvent
from bokeh.models import Span

from dynascope import registry
from dynascope_workbench import page, workbench
from dynascope_workbench.explore import Explore
from dynascope_workbench.session import Session

VIEWS = ("training.losses", "fourier.neuron_clusters", "modular_addition.neuron_map")
PATIENCE = 60


@pytest.fixture
def alive(monkeypatch):
    """The Explore pages that are alive."""
    found = weakref.WeakSet()

    class Counted(Explore):
        def __init__(self, session):
            found.add(self)
            super().__init__(session, VIEWS)

    monkeypatch.setitem(page.PAGES, "explore", Counted)
    return found


@pytest.fixture
def unlogged():
    """Pytest keeps what is logged, and with it the pages that Panel's log names."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def address(analysed, unlogged):
    """The workbench in this process, where a closed tab's session ends after a fifth of a second."""
    opened = pn.serve(
        {"w": lambda: workbench(str(analysed))},
        port=0, address="127.0.0.1", show=False, threaded=True, verbose=False,
        check_unused_sessions_milliseconds=200, unused_session_lifetime_milliseconds=200,
    )  # fmt: skip
    try:
        yield _address()
    finally:
        pn.state.kill_all_servers()
        opened.join(PATIENCE)


def _address():
    """Wait until the server listens."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for server, *_ in pn.state._servers.values():
            return f"http://127.0.0.1:{server.port}/w"
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def test_nothing_is_left_of_closed_tabs(address, alive):
    followers, views = len(page._busy_watchers()), len(pn.state._views)
    with ThreadPoolExecutor(1) as visitor:  # Playwright's loop may be running in this thread
        for _ in range(3):
            visitor.submit(lambda: pull_session(url=address).close()).result()
    assert len(page._busy_watchers()) == followers
    until = time.monotonic() + PATIENCE
    while alive and time.monotonic() < until:
        time.sleep(0.2)
        gc.collect()
    assert len(alive) == 0
    assert len(pn.state._views) == views


def test_a_tick_makes_no_models(shared):
    explore = Explore(Session(shared, registry()), VIEWS)
    roots = [card.drawing.root for card in explore.cards]
    before = [set(root.references()) for root in roots]
    for index in (0, 1, 2) * 20:
        explore.cursor.index = index
    assert [card.drawing.root for card in explore.cards] == roots
    assert [set(root.references()) for root in roots] == before


def test_a_tick_sends_only_what_changes_and_looks_through_no_document(shared, monkeypatch):
    document = Document()
    explore = Explore(Session(shared, registry()), VIEWS)
    for card in explore.cards:
        document.add_root(card.drawing.root)
    sent, recomputed = [], []
    document.on_change(sent.append)
    monkeypatch.setattr(type(document.models), "recompute", recomputed.append)
    explore.cursor.index = 0
    columns = [sorted(event.cols) for event in sent if isinstance(event, ColumnDataChangedEvent)]
    assert sorted(columns) == [["image"], ["image"], ["size"]]
    assert [event.attr for event in sent if isinstance(event, ModelChangedEvent)] == ["location"]
    assert recomputed == []


def test_the_epoch_line_is_on_a_layer_of_its_own(shared):
    explore = Explore(Session(shared, registry()), VIEWS)
    lines = explore.cards[0].drawing.root.select({"type": Span})
    assert lines and all(line.level == "overlay" for line in lines)
