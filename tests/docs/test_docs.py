"""What the documentation says is held to the code, and its example is a package that works."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dynascope import Workspace, registry
from dynascope.plugins.discovery import KINDS
from dynascope.store.metrics import COLUMNS
from dynascope.store.stamps import Stamp

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = re.findall(r"^(?: {4}|`)?make ([a-z]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(named) <= targets


def test_every_hook_is_described():
    for kind in KINDS:
        assert f"dynascope_{kind}" in page("reference.md")


def test_every_analyzer_with_its_outputs_and_every_view_is_described():
    text = page("analyzers-and-views.md")
    for entry in registry().all("analyzers").values():
        assert entry.id in text
        for output in entry.item.outputs:
            assert f"`{output}`" in text, f"{entry.id}/{output}"
    for name in registry().all("views"):
        assert name in text


def test_the_file_format_names_every_stamp_and_column():
    text = page("file-format.md")
    for name in (*Stamp._fields, *COLUMNS):
        assert f"`{name}`" in text or name in text, name
    assert "MUST" in text
    assert "MAY" in text


def test_the_readme_code_runs(analysed, monkeypatch):
    """Word for word, but for the numbers of the tests' tiny variant."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    monkeypatch.setenv("DYNASCOPE_WORKSPACE", str(analysed))
    code = code.replace("p=53", "p=11").replace("2500", "40")
    exec(compile(code, "README.md", "exec"), {})


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The tutorial's package, installed by pip from its folder into one of its own."""
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--target", str(target), str(DOCS / "examples" / "dynascope-dead-neurons")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {**os.environ, "PYTHONPATH": str(target)}


def run(environment, *command):
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tutorial_package_is_a_plug_in_like_any_other(installed, workspace):
    rows = {row["plugin"]: row for row in json.loads(run(installed, "-m", "dynascope", "plugins", "--json"))}
    row = rows["dead_neurons"]
    assert (row["distribution"], row["status"], row["error"]) == ("dynascope-dead-neurons", "active", "")

    printed = run(installed, "-m", "dynascope", "analyze", "-a", "dead_neurons.firing", "-w", str(workspace.path))
    assert "3 units computed (3 missing)" in printed
    variant = Workspace(workspace.path).variants()[0]
    fires = variant.artifacts.read("dead_neurons.firing/fires", 40)
    assert fires.dims == ("neuron",)
    assert int(variant.artifacts.read("dead_neurons.firing/dead", 40)) == int((fires == 0).sum())

    shown = run(
        installed,
        "-c",
        "import sys; from dynascope import Workspace, registry; from dynascope_workbench.page import Explore;"
        "page = Explore(Workspace(sys.argv[1]), registry()); page.cursor.index = 0;"
        "print([(card.provided.id, card.error, card.drawing is not None) for card in page.cards])",
        str(workspace.path),
    )
    for view in row["provides"]["views"]:
        assert f"('dead_neurons.{view}', '', True)" in shown


def test_the_tutorial_package_passes_its_own_tests(installed):
    folder = DOCS / "examples" / "dynascope-dead-neurons" / "tests"
    run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder))


def test_files_that_pages_include_exist():
    included = re.findall(r'^--8<-- "(.+)"$', page("write-an-analyzer.md"), flags=re.MULTILINE)
    assert len(included) >= 5
    for path in included:
        assert (ROOT / path).exists(), path


def test_the_file_format_names_every_file_of_a_job_and_its_keys(workspace):
    job = workspace.jobs.start("analyze", ["--force"])
    assert job.wait(60) == "done"
    text = page("file-format.md")
    for path in job.folder.iterdir():
        assert path.name in text
        if path.suffix == ".json":
            for key in json.loads(path.read_text()):
                assert f"`{key}`" in text, f"{path.name}: {key}"
