"""Reports as files: what they hold, and what is said of one that is damaged, foreign, or of a later version."""

import json

import pytest

from dynascope import InvalidSetting, Report, TextBlock, UnknownName, ViewBlock, Workspace, WorkspaceError, read_report

FAMILY = "modular_addition_1layer"
REPORT = Report(
    name="mine", title="Mine", family=FAMILY, epochs=(0, 40), probe="random_pairs:count=5",
    blocks=(
        TextBlock(text="# A\n\ntext"),
        ViewBlock(view="training.losses", controls={"log": True, "k": None}, wide=True),
        ViewBlock(view="modular_addition.neuron_map"),
    ),
)  # fmt: skip


@pytest.fixture
def reports(tmp_path):
    return Workspace.create(tmp_path / "w").reports(FAMILY)


def test_a_report_is_read_as_it_was_written(reports):
    path = reports.save(REPORT)
    written = path.read_bytes()
    assert reports.names() == ["mine"]
    assert reports.open("mine") == REPORT == read_report(path)
    reports.save(reports.open("mine"), overwrite=True)
    assert path.read_bytes() == written
    assert json.loads(written)["blocks"][2] == {"view": "modular_addition.neuron_map"}
    assert "name" not in json.loads(written)


def test_the_familys_report_comes_from_a_plug_in(reports):
    usual = reports.usual()
    assert usual is reports.shipped["modular_addition.grokking"] is reports.open("modular_addition.grokking")
    assert len(usual.views) == 6
    with pytest.raises(UnknownName, match="modular_addition.grokking"):
        reports.open("modular_addition.groking")
    with pytest.raises(UnknownName):
        reports.remove("modular_addition.grokking")


def text(blocks, **more):
    stated = {"format": 1, "title": "T", "family": FAMILY, **more}
    return json.dumps({**stated, "blocks": blocks}, indent=1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"title": "T",\n"blocks": [}', r"is not valid JSON: .* line 2"),
        ("[]", "must hold a JSON object"),
        (text([]), r"line 5: blocks: tuple should have at least 1 item"),
        (text([{"view": "training.losses"}, {"neither": 1}]), r'line 9: blocks.1: a block holds a "view" or a "text"'),
        (text([{"view": "losses"}]), r"line 7: blocks.0.view: string should match pattern .*, found 'losses'"),
        (text([{"view": "a.b", "wide": "yes"}]), r"line 8: blocks.0.wide: .*, found 'yes'"),
        (text([{"view": "a.b", "contrls": {}}]), r"line 8: blocks.0.contrls: extra inputs are not permitted"),
        (text([{"view": "a.b"}, {"view": "a.b"}]), r"a view stands in a report once, and a.b stands there again"),
        (text([{"view": "a.b"}], epochs=[3, -1]), r"line 7: epochs.1: .*greater than or equal to 0, found -1"),
        ('{"format": 1, "family": "x",\n "blocks": [{"text": "t"}]}', "line 1: title: field required"),
        (text([{"view": "a.b"}], name="mine"), "line 5: a report is named as its file is"),
        (text([{"view": "a.b"}], format=7), "of format 7; this version of Dynascope reads format 1"),
        (text([{"text": "tab\there"}], title=3), r"line 3: title: .*, found 3"),
    ],
)
def test_a_damaged_report_gives_one_error_with_its_line(reports, content, said):
    reports.folder.mkdir(parents=True)
    path = reports.folder / "mine.json"
    path.write_text(content)
    with pytest.raises(WorkspaceError, match=said) as raised:
        reports.open("mine")
    assert str(path) in str(raised.value)
    assert path.read_text() == content


def test_a_report_of_another_family_is_told(reports):
    reports.save(REPORT.model_copy(update={"family": "sorting"}))
    with pytest.raises(
        WorkspaceError, match="is a report of family sorting; here are those of modular_addition_1layer"
    ):
        reports.open("mine")


def test_a_name_that_is_taken_is_refused(reports):
    reports.save(REPORT)
    with pytest.raises(InvalidSetting, match="There is a report 'mine' already"):
        reports.save(REPORT)
    reports.save(REPORT.model_copy(update={"name": "other"}))
    with pytest.raises(InvalidSetting, match="There is a report 'mine' already"):
        reports.rename("other", "mine")
    reports.rename("other", "third")
    assert reports.names() == ["mine", "third"]
