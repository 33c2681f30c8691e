import pytest

from dynascope import InvalidSetting, UnknownName
from dynascope.schedule import grokking
from dynascope.training import parse_schedule


@pytest.mark.parametrize(
    ("text", "last", "epochs"),
    [
        ("0:300:100", 300, [0, 100, 200, 300]),
        ("5", 10, [0, 5, 10]),
        ("10", 10, [0, 10]),
        ("0:4", 3, [0, 1, 2, 3]),
        (" 8:11 , 2 , 2", 10, [0, 2, 8, 9, 10]),
        ("every:4", 10, [0, 4, 8, 10]),
        ("powers", 20, [0, 1, 2, 4, 8, 16, 20]),
        ("powers:10", 1000, [0, 1, 10, 100, 1000]),
        ("log:4", 1000, [0, 1, 10, 100, 1000]),
        ("every:5,7", 10, [0, 5, 7, 10]),
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
        ("every", "'every' needs its step"),
        ("log:1", "at least 2 points"),
        ("powers:1", "a base of at least 2"),
        ("lgo", "There is no schedule 'lgo'. Did you mean 'log'"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_clear_error(text, message):
    with pytest.raises((InvalidSetting, UnknownName), match=message):
        parse_schedule(text, 100)


def test_grokking_is_dense_where_it_is_told_to_be():
    text = grokking(25_000, memorised=200, moving=(7_000, 17_000))
    chosen = parse_schedule("grokking", 25_000, family=text)
    assert chosen == parse_schedule(text, 25_000)
    moving = [epoch for epoch in chosen if 7_000 <= epoch < 17_000]
    assert 50 <= len(moving) <= 60
    assert len([epoch for epoch in chosen if epoch < 200]) == 20
    assert len(chosen) < 100


def test_a_family_schedule_is_clipped_to_a_short_training():
    assert parse_schedule("0:400:100", 250, clip=True) == [0, 100, 200, 250]
    assert parse_schedule("grokking", 250, family="0:400:100") == [0, 100, 200, 250]
