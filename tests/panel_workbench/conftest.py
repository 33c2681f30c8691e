"""A fresh tab for each test of the served workbench."""

import pytest


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1440, "height": 1500})
    yield context.new_page()
    context.close()
