import math

import numpy as np
import pytest

from dynascope import WorkspaceError
from dynascope.store.metrics import COLUMNS, MetricsFile, MetricsTail


def row(epoch):
    return {"epoch": epoch, "train_loss": 1 / 3, "test_loss": 2.5e-8, "train_accuracy": 1.0, "test_accuracy": 0.5}


@pytest.fixture
def file(tmp_path):
    return MetricsFile(tmp_path / "metrics.csv")


def test_rows_come_back_to_the_last_bit_and_are_readable_while_written(file):
    with file.appending(0) as writer:
        writer.append(row(0))
        writer.append(row(1))
        columns = file.read()
    assert tuple(columns) == COLUMNS
    np.testing.assert_array_equal(columns["epoch"], [0, 1])
    assert columns["train_loss"][1] == 1 / 3
    assert columns["test_loss"][0] == 2.5e-8


def test_continuing_drops_the_rows_from_there_on(file):
    with file.appending(0) as writer:
        for epoch in range(5):
            writer.append(row(epoch))
    with file.appending(3) as writer:
        writer.append(row(3))
    np.testing.assert_array_equal(file.read()["epoch"], [0, 1, 2, 3])


def test_a_line_that_was_cut_off_is_left_out_and_written_over(file):
    with file.appending(0) as writer:
        writer.append(row(0))
    file.path.write_text(file.path.read_text() + "1,0.33")
    np.testing.assert_array_equal(file.read()["epoch"], [0])
    with file.appending(1) as writer:
        writer.append(row(1))
    np.testing.assert_array_equal(file.read()["epoch"], [0, 1])


def test_what_was_not_measured_is_an_empty_cell(file):
    with file.appending(0) as writer:
        writer.append({**row(0), "test_loss": math.nan, "test_accuracy": math.nan})
        writer.append(row(1))
    with file.appending(1) as writer:
        writer.append(row(1))
    assert file.path.read_text().splitlines()[1] == "0,0.3333333333333333,,1.0,"
    np.testing.assert_array_equal(file.read()["test_loss"], [math.nan, 2.5e-8])


def test_no_file_is_no_rows(file):
    assert len(file.read()["epoch"]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "is not a metrics file"), (",".join(COLUMNS) + "\n1,2,x,4,5\n", "line 2: expected 5")],
)
def test_a_file_of_another_kind_is_one_clear_error(file, text, message):
    file.path.write_text(text)
    with pytest.raises(WorkspaceError, match=message):
        file.read()


def test_a_tail_holds_what_the_file_holds_while_it_grows_and_when_it_begins_again(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    tail = MetricsTail(file)
    assert tail.columns()["epoch"].tolist() == []

    def same():
        read, tailed = file.read(), tail.columns()
        assert set(read) == set(tailed)
        for name, column in read.items():
            np.testing.assert_array_equal(tailed[name], column)
        return tailed["epoch"].tolist()

    with file.appending(0) as writer:
        for epoch in range(3):
            writer.append({**dict.fromkeys(COLUMNS, 0.5), "epoch": epoch})
        assert same() == [0, 1, 2]
        writer.append({**dict.fromkeys(COLUMNS, math.nan), "epoch": 3})
        assert same() == [0, 1, 2, 3]
    with file.path.open("a") as half:
        half.write("4,0.5,0.")
    assert same() == [0, 1, 2, 3]
    with file.appending(2) as writer:
        writer.append({**dict.fromkeys(COLUMNS, 0.25), "epoch": 2})
    assert same() == [0, 1, 2]
    assert tail.columns()["train_loss"].tolist() == [0.5, 0.5, 0.25]


def test_a_tail_says_which_line_is_none_of_a_metrics_file(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.path.write_text("something else\n1,2\n")
    with pytest.raises(WorkspaceError, match="first line"):
        MetricsTail(file).columns()
