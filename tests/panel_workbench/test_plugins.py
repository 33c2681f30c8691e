"""The page of the plug-ins: what is found, what it provides, what failed and what was left out."""

import logging
from importlib import metadata

import pytest
from pages import texts

from dynascope import registry
from dynascope.plugins import discover
from dynascope_workbench.plugins import Plugins
from dynascope_workbench.session import Session


@pytest.fixture
def page(shared):
    page = Plugins(Session(shared, registry()))
    page.panel()
    return page


def test_everything_that_is_provided_is_there_with_its_line(page):
    said = texts(page.cards)
    for kind in ("families", "probes", "analyzers", "views"):
        for entry in registry().all(kind).values():
            assert f">{entry.name}</td>" in said
    assert "Modular addition, 1-layer transformer" in said
    assert "Norm over the model dimension of each Fourier component" in said
    assert f"{len(registry().plugins)} of {len(registry().plugins)} plug-ins;" in page._count.object


def test_a_search_leaves_what_has_all_words(page):
    page.search.value_input = "key frequencies OVER training"
    assert page._count.object.startswith("1 of 4 plug-ins; ")
    assert "frequency_lifetimes" in texts(page.cards)
    assert "class_circles" not in texts(page.cards)
    page.search.value_input = "dynascope-modular-addition"
    assert len(page.cards) == 1
    assert "neuron_map" in texts(page.cards)  # all that it provides
    page.search.value_input = "no such thing"
    assert "Nothing has these words." in texts(page.cards)
    page.search.value_input = ""
    assert len(page.cards) == len(registry().plugins)


def test_what_failed_is_first_with_its_traceback_and_what_was_left_out_says_why(shared, install, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setenv("DYNASCOPE_BLOCK", "fourier")
    code = """
    def first():
        raise RuntimeError('boom <b>')

    first()
    """
    broken = install(code, name="zz_boomer")
    found = discover([*metadata.distributions(), broken])
    page = Plugins(Session(shared, found))
    page.panel()
    first, *others = page.cards
    said = texts(first)
    assert "zz_boomer" in said
    assert "RuntimeError: boom <b> (while loading plug-in 'zz_boomer' from dynascope-zz_boomer 1.0" in said
    assert "Traceback (most recent call last)" in said
    assert "line 3, in first" in said
    (blocked,) = [card for card in others if "DYNASCOPE_BLOCK=fourier" in texts(card)]
    assert "It was left out, and not imported" in texts(blocked)
    assert ", 1 failed;" in page._count.object


def test_it_says_how_one_is_installed(page):
    import sys

    assert f"{sys.executable} -m pip install" in texts(page.panel())
