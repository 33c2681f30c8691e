import pytest

from dynascope_workbench.epoch.cursor import Cursor, nearest


@pytest.mark.parametrize(
    ("epoch", "index"), [(-5, 0), (0, 0), (4, 0), (5, 0), (6, 1), (10, 1), (54, 1), (56, 2), (100, 2), (1e9, 2)]
)
def test_the_nearest_checkpoint_and_of_two_equally_near_the_earlier(epoch, index):
    assert nearest([0, 10, 100], epoch) == index


def test_a_jump_moves_the_index():
    cursor = Cursor(epochs=[0, 10, 100])
    cursor.jump(70.3)
    assert (cursor.index, cursor.epoch) == (2, 100)


def test_a_cursor_without_checkpoints_stays_where_it_is():
    cursor = Cursor()
    cursor.jump(10)
    assert (cursor.index, cursor.epoch) == (0, 0)
