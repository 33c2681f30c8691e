"""The plug-in is found by its entry point like any other, and the rest of the core does without it."""

import subprocess
import sys
from importlib import metadata

from dynascope import registry
from dynascope.plugins.discovery import discover


def test_the_core_provides_it_as_a_plug_in():
    names = {entry.name for entry in registry().all("analyzers").values() if entry.plugin == "general"}
    assert names == {
        *("flatness", "input_trace", "representation_geometry", "weight_spectra"),
        *("centroid_trajectory", "graduation", "hessian", "linear_cka"),
        *("milestones", "parameter_trajectory", "variant_table"),
    }
    assert not {entry.plugin for entry in discover(block=["general"]).all("analyzers").values()} & {"general"}
    assert metadata.entry_points(group="dynascope", name="general")


def test_no_other_room_of_the_core_imports_it():
    code = (
        "import pkgutil, sys, importlib, dynascope\n"
        "for module in pkgutil.walk_packages(dynascope.__path__, 'dynascope.'):\n"
        "    if not module.name.startswith(('dynascope.instruments', 'dynascope.__main__')):\n"
        "        importlib.import_module(module.name)\n"
        "assert not [name for name in sys.modules if name.startswith('dynascope.instruments.')]\n"
        "import dynascope.instruments.hooks\n"
        "assert 'dynascope.instruments.geometry' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
