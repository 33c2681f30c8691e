import os

import pytest

from dynascope import WorkspaceError
from dynascope.store.atomic import publish, read_json, remove_leftovers, write_json


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), publish(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_os_error_says_what_to_do(tmp_path):
    with (
        pytest.raises(WorkspaceError, match=r"Could not write .*No space left.*run the command again"),
        publish(tmp_path / "x"),
    ):
        raise OSError(28, "No space left on device")


def test_leftovers_of_dead_writers_go_and_those_of_living_ones_stay(tmp_path):
    with publish(tmp_path / "x.h5") as temporary:
        temporary.touch()
        living = temporary.name
    dead = living.replace(f"-{os.getpid()}-", "-4194305-")  # beyond the largest process number
    elsewhere = dead.replace(".x.h5.", ".x.h5.other_")
    for name in (living, dead, elsewhere):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"x.h5", living, elsewhere}


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"a": 1', "not valid JSON.*line 1"), ("[]", "must hold a JSON object"), ("\xff", "not valid JSON")],
)
def test_a_json_file_that_is_none_is_one_clear_error(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(WorkspaceError, match=message):
        read_json(path)


def test_json_comes_back_as_it_was(tmp_path):
    write_json(tmp_path / "sub" / "x.json", {"a": [1, None], "ü": 0.1})
    assert read_json(tmp_path / "sub" / "x.json") == {"a": [1, None], "ü": 0.1}
