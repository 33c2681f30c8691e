from typing import Literal

import pytest
from pydantic import Field

from dynascope import InvalidSetting, Training, UnknownName, registry
from dynascope.contract.setting import settings_of


@pytest.fixture
def family():
    return registry().family("modular_addition_1layer")


def test_the_name_holds_the_labelled_parameters_and_what_is_not_the_default(family):
    assert family.configure().name == "p113_seed999_dseed598"
    settings = {"p": 53, "train_fraction": 0.5, "weight_decay": 2, "d_mlp": 256}
    assert family.configure(settings).name == "p53_seed999_dseed598_frac0.5_d_mlp256_wd2"


def test_every_parameter_that_changes_what_is_trained_changes_identity_and_name(family):
    changes = {
        "p": 7, "seed": 1, "data_seed": 1, "train_fraction": 0.4, "train_pairs": [0, 1], "recipe": "nanda",
        "d_model": 8, "n_heads": 2,
        "d_head": 8, "d_mlp": 8, "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.5,
        "betas": [0.9, 0.99], "warmup": 10, "dtype": "float64", "device": "cuda",
    }  # fmt: skip
    assert set(changes) == set(family.configure().identity)
    configs = [family.configure(), *(family.configure({name: value}) for name, value in changes.items())]
    assert len({config.digest for config in configs}) == len(configs)
    assert len({config.name for config in configs}) == len(configs)


def test_the_length_is_not_part_of_the_identity(family):
    assert family.configure({"epochs": 5}).digest == family.configure({"epochs": 9}).digest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p": 1}, "p: input should be greater than or equal to 2, got 1"),
        ({"p": 7.5}, "p: input should be a valid integer.*got 7.5"),
        ({"p": "seven"}, "p: input should be a valid integer, got 'seven'"),
        ({"p": True}, "p: input should be a valid integer, got True"),
        ({"train_fraction": 0}, "train_fraction: input should be greater than 0, got 0"),
        ({"train_fraction": 1.0}, "train_fraction: input should be less than 1, got 1.0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"recipe": "other"}, "recipe: input should be 'miscope' or 'nanda', got 'other'"),
        ({"p": 1, "d_mlp": 0}, "p: .*got 1; d_mlp: .*got 0"),
    ],
)
def test_a_value_that_breaks_its_rule_is_named_with_its_rule(family, settings, message):
    with pytest.raises(InvalidSetting, match=message) as caught:
        family.configure(settings)
    assert "modular_addition_1layer" in str(caught.value)


def test_an_unknown_parameter_and_preset_suggest_the_nearest(family):
    with pytest.raises(
        UnknownName, match=r"no parameter of family modular_addition_1layer named 'sede'. Did you mean 'seed'"
    ):
        family.configure({"sede": 1})
    with pytest.raises(UnknownName, match=r"Did you mean 'nanda'"):
        family.configure(preset="nnda")


def test_hints_do_not_mind_case_and_order_numbers_as_numbers(family):
    with pytest.raises(UnknownName, match=r"'P'. Did you mean 'p'"):
        family.configure({"P": 7})
    error = UnknownName("checkpoint", "2501", ["0", "100", "20", "2500"])
    assert "Did you mean '2500'? Choices: 0, 20, 100, 2500." in str(error)


class Fancy(Training):
    """A family that changes a default, and has a field of each kind."""

    learning_rate: float = Field(0.1, gt=0)
    tied: bool = False
    decay: Literal["cosine", "none"] | None = None


class Described(type(registry().family("modular_addition_1layer"))):
    Training = Fancy


def test_what_each_setting_may_be_is_read_off_its_field():
    found = {one.name: one for one in settings_of(Described())}
    assert list(found)[:2] == ["p", "seed"]
    assert (found["p"].kind, found["p"].rule, found["p"].default) == ("whole", "≥ 2", 113)
    assert (found["optimizer"].kind, found["optimizer"].choices) == ("choice", ("adamw", "adam", "sgd"))
    assert (found["decay"].kind, found["decay"].choices) == ("choice", (None, "cosine", "none"))
    assert (found["tied"].kind, found["betas"].kind, found["betas"].default) == ("switch", "text", [0.9, 0.999])
    assert (found["train_fraction"].kind, found["train_fraction"].rule) == ("number", "> 0, < 1")
    assert found["seed"].rule == "≥ 0"  # not that it is below 2**63


def test_a_field_that_only_changes_a_default_keeps_the_words_of_the_one_it_overrides():
    found = {one.name: one for one in settings_of(Described())}
    assert (found["learning_rate"].description, found["learning_rate"].default) == ("step size of the optimizer", 0.1)


def test_what_is_wrong_is_told_by_setting():
    with pytest.raises(InvalidSetting) as wrong:
        Described().configure({"p": 1, "betas": [0.5, 3], "optimizer": "adamw"})
    assert wrong.value.problems == {
        "p": "input should be greater than or equal to 2",
        "betas": "input should be less than 1",
    }
    with pytest.raises(InvalidSetting, match=r"family modular_addition_1layer: train_pairs must be different") as wrong:
        Described().configure({"train_pairs": [3, 3]})
    assert wrong.value.problems == {}
