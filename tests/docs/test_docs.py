"""What the documentation says is held to the code, and its example is a package that works."""

import ast
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dynascope import Stored, Workspace, registry
from dynascope.plugins.discovery import KINDS
from dynascope.store.metrics import COLUMNS
from dynascope.store.stamps import Stamp

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "instruments").glob("*.md")),
]


def script(name):
    """A script of the documentation, as a module."""
    specification = importlib.util.spec_from_file_location(Path(name).stem + "_of_docs", DOCS / name)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


HOOK = script("hooks/instruments.py")
GENERATED = {DOCS / name: text for name, text in HOOK.pages(HOOK.ours()).items()}


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            place = (path.parent / target).resolve()
            assert place.exists() or place in GENERATED, target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = re.findall(r"^(?: {4}|`)?make ([a-z]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(named) <= targets


def test_every_hook_is_described():
    for kind in KINDS:
        assert f"dynascope_{kind}" in page("reference.md")


def test_every_instrument_has_a_page_with_its_source_needs_thresholds_and_arrays():
    for entry in HOOK.ours().all("analyzers").values():
        text = GENERATED[DOCS / HOOK.place(entry)]
        assert entry.id in text
        assert HOOK.prose(entry.item.description, HOOK.ours()) in text
        for source in filter(None, (entry.item.citation, *(out.citation for out in entry.item.outputs.values()))):
            assert HOOK.prose(source, HOOK.ours()) in text, f"{entry.id}: {source}"
        for name in (*entry.item.outputs, *entry.item.parameters):
            assert f"| `{name}` |" in text, f"{entry.id}/{name}"
        for need in (
            *entry.item.needs,
            *(read for read in entry.item.reads if isinstance(read, str) if read != "metrics"),
        ):
            assert f"`{need}`" in text, f"{entry.id}: {need}"
        for read in entry.item.reads:
            if isinstance(read, Stored):
                assert f"({read.analyzer}.md)" in text
                assert f"`{read.name}`" in text


def test_a_page_says_of_what_is_described_only_what_is_declared():
    for entry in HOOK.ours().all("analyzers").values():
        described = HOOK.Docstring.parse(inspect.getdoc(type(entry.item))).entries("Parameters")
        assert set(described) <= set(entry.item.parameters), entry.id


def test_every_parameter_has_words_on_its_page():
    for entry in HOOK.ours().all("analyzers").values():
        text = GENERATED[DOCS / HOOK.place(entry)]
        for name, value in entry.item.parameters.items():
            (words,) = re.findall(
                rf"^\| `{name}` \| `{re.escape(HOOK._number(value))}` \| (.*) \|$", text, re.MULTILINE
            )
            assert len(words.split()) >= 2, f"{entry.id}: {name}"


def test_what_an_instrument_needs_is_said_in_words():
    for entry in HOOK.ours().all("analyzers").values():
        _, _, needs = GENERATED[DOCS / HOOK.place(entry)].partition("## What it needs")
        assert not re.search(r"\w\(", needs.partition("\n## ")[0].replace("](", "")), entry.id


def test_every_view_is_described_with_its_controls():
    text = HOOK.all_views(HOOK.ours())
    for entry in HOOK.ours().all("views").values():
        _, found, section = text.partition(f"{{ #{entry.id.replace('.', '-')} }}")
        section = section.partition("\n### ")[0]
        assert found
        assert f"`{entry.id}`" in section
        for name in entry.item.controls.param if entry.item.controls else ():
            assert name == "name" or f"| `{name}` |" in section, f"{entry.id}: {name}"


def test_links_of_the_pages_that_are_made_lead_somewhere():
    anchors = set(re.findall(r"\{ #(\S+) \}", HOOK.all_views(HOOK.ours())))
    overview = {DOCS / HOOK.OVERVIEW: HOOK.overview(HOOK.ours()), DOCS / HOOK.VIEWS: HOOK.all_views(HOOK.ours())}
    for path, text in {**GENERATED, **overview}.items():
        for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", text)):
            place = path.parent / target
            assert place in GENERATED or place.exists(), f"{path.name}: {target}"
            assert not anchor or anchor in anchors, f"{path.name}: {anchor}"


def test_only_what_this_repository_provides_is_documented():
    assert {entry.distribution for entry in HOOK.ours().all("analyzers").values()} == {
        *("dynascope", "dynascope-fourier", "dynascope-modular-addition"),
    }


def test_docstrings_become_markdown_that_says_the_same():
    registry = HOOK.ours()
    assert HOOK.prose("``x * y`` and a * b_c [d] <e>", registry) == "`x * y` and a \\* b\\_c \\[d\\] &lt;e&gt;"
    assert HOOK.prose("``fourier.phases/rule``", registry) == "[`fourier.phases/rule`](fourier.phases.md)"
    assert HOOK.prose("``fourier.cluster_sizes``", registry) == (
        "[`fourier.cluster_sizes`](views.md#fourier-cluster_sizes)"
    )
    parsed = HOOK.Docstring.parse("One.\n\nParameters:\n    a: first\n        and more.\n    b: second.\n\nTwo.")
    assert parsed.entries("Parameters") == {"a": "first and more.", "b": "second."}
    assert parsed.markdown(registry) == "One.\n\nTwo."


def quoted(text):
    """The Python of a page: each call as its function's last name, its text arguments and its keywords."""
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = [one.value for one in node.args if isinstance(one, ast.Constant)]
                yield node.func.attr, given, {one.arg: ast.literal_eval(one.value) for one in node.keywords}


@pytest.mark.parametrize("path", [DOCS / "tour.md", *sorted((DOCS / "instruments").glob("*.md"))], ids=lambda p: p.name)
def test_views_controls_and_arrays_that_are_quoted_exist(path):
    plugins, calls = registry(), list(quoted(path.read_text(encoding="utf-8")))
    for function, given, keywords in calls:
        if function == "view":
            view = plugins.view(given[0])
            if keywords:
                view.controls(**keywords)
        elif function in ("read", "series"):
            analyzer, _, array = given[0].partition("/")
            output = plugins.all("analyzers")[analyzer].item.outputs[array]
            assert set(keywords) <= set(output.dims), given[0]
    assert calls


def test_the_tour_names_views_commands_and_pictures_that_exist():
    text = page("tour.md")
    ids = {*registry().all("views"), *registry().all("analyzers")}
    for name in re.findall(r"`((?:fourier|general|modular_addition|training)\.[a-z_]+)[`/]", text):
        assert name in ids, name
    for command in re.findall(r"`dynascope ([a-z]+)", text):
        assert run(os.environ, "-m", "dynascope", command, "--help")
    figures = script("figures.py").tour("any")
    assert set(re.findall(r"images/tour/(\S+)\.png", text)) == {figure.file for figure in figures}
    for figure in figures:
        view = registry().view(figure.view)
        if figure.controls:
            view.controls(**figure.controls)
        assert (DOCS / "images" / "tour" / f"{figure.file}.png").stat().st_size < 60_000


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
        "import sys; from dynascope import Workspace, registry; from dynascope_workbench.explore import Explore;"
        "from dynascope_workbench.session import Session;"
        "page = Explore(Session(Workspace(sys.argv[1]), registry()), sys.argv[2:]); page.cursor.index = 0;"
        "print([(card.provided.id, card.error, card.drawing is not None) for card in page.cards])",
        str(workspace.path),
        *(f"dead_neurons.{view}" for view in row["provides"]["views"]),
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
