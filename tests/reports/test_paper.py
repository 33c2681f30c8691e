"""Reports as PDF and as Markdown."""

import json
import re

import pytest

from dynascope import ArtifactError, InvalidSetting, Report, UnknownName, ViewBlock, registry
from dynascope.reports.exporting import export_report

FAMILY = "modular_addition_1layer"


def exported(report, variants, path, **more):
    return export_report(report, variants, registry(), path, "dynascope report export mine", **more)


def test_markdown_has_its_pictures_beside_it(report, variants, tmp_path):
    path, folder = exported(report, variants[:1], tmp_path / "r.md", epochs=[0, 40])
    text = path.read_text()
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    name = variants[0].name
    assert pictures == [
        f"r_files/{name}_training.losses_40.png",
        *(f"r_files/{name}_{view}_{epoch}.png" for view in ("modular_addition.neuron_map", "fourier.class_circle")
          for epoch in (0, 40)),
    ]  # fmt: skip
    assert all((tmp_path / one).read_bytes().startswith(b"\x89PNG") for one in pictures)
    assert text.startswith("# Mine & yours\n") and "at *this* #panic() <script>alert(1)</script>" in text
    assert "| milestone | metric and threshold |" in text
    found = json.loads((folder / "provenance.json").read_text())
    assert found["command"] == "dynascope report export mine" and found["command"] in text
    assert sorted(one.name for one in folder.iterdir()) == sorted(
        [*(one.split("/")[1] for one in pictures), "provenance.json"]
    )


def test_a_pdf_holds_text_as_it_is_and_its_provenance(report, variants, tmp_path):
    pytest.importorskip("typst")
    (path,) = exported(report, variants[:1], tmp_path / "r.pdf", epochs=[0, 20, 40])
    content = path.read_bytes()
    assert content.startswith(b"%PDF") and b"provenance.json" in content
    assert b"Mine & yours" in content
    assert len(content) < 1_000_000


@pytest.mark.parametrize("ending", ["pdf", "md", "html", "png", "svg"])
def test_a_comparison_and_what_a_variant_lacks(full, report, tmp_path, ending):
    """The second variant was not analysed by all: what it lacks is said, and the rest is there."""
    report = report.model_copy(update={"blocks": (*report.blocks, ViewBlock(view="general.centroids"))})
    path, *_ = exported(report, full.variants(), tmp_path / f"both.{ending}", difference=True)
    if ending in ("md", "html"):
        text = path.read_text()
        assert "Not computed yet: general.centroid_trajectory" in text
        assert "seed1 − seed0" in text
    assert path.stat().st_size > 1_000


def test_what_is_stale_is_flagged(workspace, tmp_path, monkeypatch):
    views = (ViewBlock(view="modular_addition.neuron_map"),)
    report = Report(name="mine", title="T", family=FAMILY, blocks=views)
    analyzer = registry().analyzer("modular_addition.neuron_activations")
    monkeypatch.setattr(type(analyzer), "version", analyzer.version + 1)
    (page,) = exported(report, workspace.variants()[:1], tmp_path / "r.html")
    assert 'role="alert">Stale: modular_addition.neuron_activations' in page.read_text()
    (path, _) = exported(report, workspace.variants()[:1], tmp_path / "r.md")
    assert "> **Stale:** modular_addition.neuron_activations" in path.read_text()
    assert json.loads((tmp_path / "r_files" / "provenance.json").read_text())["variants"][0]["analyzers"][
        "modular_addition.neuron_activations"
    ]["stale"]


def test_what_cannot_be_exported_is_told(full, report, variants, tmp_path):
    foreign = report.model_copy(update={"family": "sorting"})
    with pytest.raises(InvalidSetting, match="is of family sorting"):
        exported(foreign, variants, tmp_path / "r.html")
    unknown = report.model_copy(update={"blocks": (ViewBlock(view="fourier.clock_circle"),)})
    with pytest.raises(UnknownName, match="no view 'fourier.clock_circle'. Did you mean 'fourier.class_circle'"):
        exported(unknown, variants, tmp_path / "r.html")
    lacking = report.model_copy(update={"blocks": (ViewBlock(view="general.centroids"),)})
    with pytest.raises(ArtifactError, match="Nothing of report mine can be drawn. Not computed yet"):
        exported(lacking, variants[1:], tmp_path / "r.html")
    with pytest.raises(InvalidSetting, match="A difference is that of two variants; found 1"):
        exported(report, variants[:1], tmp_path / "r.html", difference=True)
    with pytest.raises(InvalidSetting, match=r"r.docx ends in '.docx'; what is written ends in .html"):
        exported(report, variants[:1], tmp_path / "r.docx")
    assert list(tmp_path.iterdir()) == []


def test_a_control_that_a_variant_cannot_have_is_left_and_told(variants, tmp_path):
    block = ViewBlock(view="modular_addition.neuron_map", controls={"neuron": 4242, "colours": "of this epoch"})
    report = Report(name="mine", title="T", family=FAMILY, blocks=(block,))
    path, _ = exported(report, variants[:1], tmp_path / "r.md")
    assert "must be at most 31, not 4242" in path.read_text()
