"""Real small things: a trained and analysed workspace at p = 11, and plug-ins installed in a folder."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tiny import FAMILY, SCHEDULE, TINY, analyze_all, declare_analyzers

from dynascope import Workspace, analyze, compare, train
from dynascope.cli import main


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DYNASCOPE_WORKSPACE", "DYNASCOPE_BLOCK", "DYNASCOPE_STRICT_PLUGINS", "DYNASCOPE_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Any) -> Iterator[Any]:
    """One browser for all tests: each opens a window of its own in it."""
    from browser import ARGUMENTS, CHROMIUM

    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants (seeds 0 and 1), analysed by three analyzers; shared: do not write to it."""
    workspace = Workspace.create(tmp_path_factory.mktemp("shared") / "workspace")
    declare_analyzers(workspace.path)
    for seed in (0, 1):
        variant = workspace.new_variant(FAMILY, {**TINY, "seed": seed})
        train(variant, schedule=SCHEDULE)
        analyze(variant)
    return workspace.path


@pytest.fixture(scope="session")
def fully_analysed(analysed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose first variant is analysed by every analyzer, for all views, and compared; do not write to it."""
    workspace = Workspace(shutil.copytree(analysed, tmp_path_factory.mktemp("full") / "workspace"))
    declare_analyzers(workspace.path, None)
    analyze_all(workspace.variants()[0])
    compare(workspace.variants())
    return workspace.path


@pytest.fixture
def workspace(analysed: Path, tmp_path: Path) -> Workspace:
    """A copy of the analysed workspace that a test may change."""
    return Workspace(shutil.copytree(analysed, tmp_path / "workspace"))


@pytest.fixture
def shared(analysed: Path) -> Workspace:
    """The analysed workspace itself, for tests that only read."""
    return Workspace(analysed)


@pytest.fixture
def new_workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "workspace")


Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; return what it says, of an error what the error stream says."""

    def run(*arguments: object, code: int = 0, stream: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["dynascope", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
            raise SystemExit(0)
        printed = capsys.readouterr()
        assert (stopped.value.code or 0) == code, printed.err
        return printed.out if (stream or ("out" if code == 0 else "err")) == "out" else printed.err

    return run


Install = Callable[..., metadata.Distribution]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install plug-ins as pip leaves them, with metadata and module, in a folder of their own."""
    modules: list[str] = []

    def installed(
        code: str, *, name: str, distribution: str | None = None, version: str = "1.0", target: str = ""
    ) -> metadata.Distribution:
        distribution = distribution or f"dynascope-{name}"
        folder = tmp_path / "site" / distribution
        module = f"{distribution.replace('-', '_')}_hooks"
        info = folder / f"{distribution}-{version}.dist-info"
        info.mkdir(parents=True)
        modules.append(module)
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[dynascope]\n{name} = {module}{target}\n")
        monkeypatch.syspath_prepend(str(folder))
        return next(iter(metadata.distributions(path=[str(folder)])))

    yield installed
    for module in modules:
        sys.modules.pop(module, None)
