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
        "import sys, importlib, dynascope\n"
        "from pathlib import Path\n"
        "room = Path(dynascope.__path__[0])\n"
        "modules = [path.relative_to(room.parent).with_suffix('').parts for path in sorted(room.rglob('*.py'))]\n"
        "assert len(modules) > 50\n"
        "for module in map('.'.join, modules):\n"
        "    if not module.startswith(('dynascope.instruments', 'dynascope.__main__')):\n"
        "        importlib.import_module(module.removesuffix('.__init__'))\n"
        "assert not [name for name in sys.modules if name.startswith('dynascope.instruments.')]\n"
        "import dynascope.instruments.hooks\n"
        "assert 'dynascope.instruments.geometry' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
