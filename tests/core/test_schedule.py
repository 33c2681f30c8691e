import pytest

from dynascope import InvalidSetting
from dynascope.training import parse_schedule


@pytest.mark.parametrize(
    ("text", "last", "epochs"),
    [
        ("0:300:100", 300, [0, 100, 200, 300]),
        ("5", 10, [0, 5, 10]),
        ("10", 10, [0, 10]),
        ("0:4", 3, [0, 1, 2, 3]),
        (" 8:11 , 2 , 2", 10, [0, 2, 8, 9, 10]),
    ],
)
def test_lists_and_ranges(text, last, epochs):
    assert parse_schedule(text, last) == epochs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is neither an epoch nor a range"),
        ("1,,2", "'' is neither an epoch nor a range"),
        ("a:b", "'a:b' is neither"),
        ("-5", "'-5' is neither"),
        ("0:10:0", "the range '0:10:0' is empty"),
        ("10:5", "the range '10:5' is empty"),
        ("0:200:50", "reaches epoch 150, but training ends at epoch 100"),
        ("101", "reaches epoch 101"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_clear_error(text, message):
    with pytest.raises(InvalidSetting, match=message):
        parse_schedule(text, 100)
