"""A workspace whose first variant has everything a report can show."""

import pytest

from dynascope import Report, TextBlock, ViewBlock, Workspace, registry
from dynascope.reports.panels import sections_of

FAMILY = "modular_addition_1layer"


@pytest.fixture(scope="session")
def full(fully_analysed):
    return Workspace(fully_analysed)


@pytest.fixture
def variants(full):
    return full.variants()


@pytest.fixture
def report():
    """Text, a picture over the epochs, one of cells, one of points, and a table."""
    views = ("training.losses", "modular_addition.neuron_map", "fourier.class_circle", "general.milestone_table")
    blocks = [TextBlock(text="# Look\n\nat *this* #panic() <script>alert(1)</script>")]
    blocks += [ViewBlock(view=view, controls={"neuron": 3} if "neuron" in view else {}) for view in views]
    return Report(name="mine", title="Mine & yours", family=FAMILY, blocks=tuple(blocks))


@pytest.fixture
def panels_of(full):
    """Return the panels of views of a variant."""

    def panels_of(*views, variants=None, **more):
        report = Report(title="T", family=FAMILY, blocks=tuple(ViewBlock(view=view) for view in views))
        found = sections_of(report, variants or full.variants()[:1], registry(), **more)
        return [panel for section in found for panel in section.panels]

    return panels_of
