"""The notebooks of the documentation run from the first cell to the last."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, fully_analysed, tmp_path, monkeypatch):
    workspace = shutil.copytree(fully_analysed, tmp_path / "workspace")
    monkeypatch.setenv("DYNASCOPE_WORKSPACE", str(workspace))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # what it writes can be imported
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in codes)
    shown = "".join(str(output) for cell in codes for output in cell.outputs)
    if path.stem == "explore-a-run":
        assert (tmp_path / "report.html").stat().st_size > 1_000_000
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
        assert "<table" in shown
    else:
        assert "share of rows on which it fires" in shown and "'fire'" in shown
        assert list((workspace / "results").rglob("firing.share/*.h5"))


def test_notebooks_are_kept_without_what_they_printed():
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs") and not cell.get("execution_count")
