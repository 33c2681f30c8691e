"""Listing, help and the served app must not wait for torch."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = "[name for name in ('torch', 'transformer_lens', 'transformers') if name in sys.modules]"
COMMAND = """
sys.argv = ["dynascope", *sys.argv[1:]]
from dynascope.cli import main
try: main()
except SystemExit: pass
"""


def modules_after(code: str, *arguments: str) -> str:
    script = f"import sys\n{code}\nprint('HEAVY', {HEAVY})"
    result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", [["--help"], ["plugins"], ["plugins", "--json"], ["train", "--help"]])
def test_commands_that_list_import_nothing_heavy(command: list[str]) -> None:
    assert modules_after(COMMAND, *command) == "HEAVY []"


def test_commands_that_list_a_workspace_import_nothing_heavy(analysed: Path) -> None:
    for command in ("variants", "views", "families", "status", "jobs", "table", "artifacts verify"):
        assert modules_after(COMMAND, *command.split(), "--workspace", str(analysed)) == "HEAVY []"


def test_help_imports_neither_numpy_nor_pydantic() -> None:
    code = (
        "sys.argv = ['dynascope', '--help']\nfrom dynascope.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'pydantic', 'h5py', 'xarray'} & set(sys.modules)"
    )
    assert modules_after(code) == "HEAVY []"


def test_reading_jobs_and_starting_one_import_nothing_heavy(analysed: Path) -> None:
    code = (
        "import dynascope.jobs.run\n"
        "assert not {'numpy', 'pydantic', 'h5py', 'rich', 'typer'} & set(sys.modules)\n"
        "from dynascope import Workspace\n"
        "assert Workspace(sys.argv[1]).jobs.list() == []"
    )
    assert modules_after(code, str(analysed)) == "HEAVY []"


def test_the_app_draws_every_view_without_torch(fully_analysed: Path) -> None:
    code = (
        "from dynascope import Workspace, registry\n"
        "from dynascope_workbench.explore import Explore\n"
        "from dynascope_workbench.session import Session\n"
        "plugins = registry()\n"
        "page = Explore(Session(Workspace(sys.argv[1]), plugins), list(plugins.all('views')))\n"
        "page.panel()\n"
        "page.cursor.index = 0\n"
        "assert not any(card.error for card in page.cards), [card.error for card in page.cards]\n"
        "assert all(card.drawing for card in page.cards)"
    )
    assert modules_after(code, str(fully_analysed)) == "HEAVY []"
