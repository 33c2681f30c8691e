import doctest

import pytest

import dynascope.contract.hookspecs as hookspecs
import dynascope.schedule as schedule
from dynascope.plugins.discovery import KINDS


@pytest.mark.parametrize("module", [hookspecs, schedule])
def test_examples_in_docstrings_run(module) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_hook_has_an_example() -> None:
    for kind in KINDS:
        assert ">>>" in getattr(hookspecs.Specs, f"dynascope_{kind}").__doc__
