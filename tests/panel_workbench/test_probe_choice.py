"""Choosing a probe: what fits the family, a box for each setting, checked while it is typed."""

import pytest

from dynascope import Batch, Lines, Probe, ProbeSettings, analyze, registry
from dynascope.plugins import Provided, Registry
from dynascope_workbench.analyze.probes import ProbeChoice
from dynascope_workbench.session import Session

FAMILY = "modular_addition_1layer"
FIVE = "random_pairs:count=5"


@pytest.fixture
def changes():
    return []


@pytest.fixture
def choice(workspace, changes):
    made = ProbeChoice(Session(workspace, registry()), FAMILY, lambda: changes.append(made.text))
    made.for_variants(workspace.variants())
    return made


def said(choice):
    return choice._note.object.replace("\\", "")


def with_probe(probe):
    found = registry()
    kept = [entry for kind in ("families", "probes", "analyzers", "views") for entry in found.all(kind).values()]
    return Registry([], [*kept, Provided("probes", probe.name, "test", "dist", "1.0", probe)])


def test_it_begins_with_the_familys_probe_and_offers_those_that_fit(choice):
    assert choice.text == "full_grid"
    assert said(choice) == "All pairs (a, b): 121 rows."
    assert choice.select.options == {
        "All pairs (a, b)": "full_grid", "Chosen pairs": "pairs", "Random pairs": "random_pairs",
        "Residue classes": "residue_classes",
    }  # fmt: skip
    assert not choice.stored.visible


def test_a_probe_that_needs_what_the_family_does_not_have_is_not_offered(workspace):
    probe = Probe("prompts", "Prompts", lambda config: Batch([[0]], {"row": [0]}), needs=("tokenizer",))
    choice = ProbeChoice(Session(workspace, with_probe(probe)), FAMILY)
    assert "prompts" not in choice.select.options.values()


def test_settings_are_checked_as_they_are_typed_and_it_is_told_once(choice, changes):
    choice.select.value = "random_pairs"
    assert (choice.text, list(choice.boxes)) == (None, ["count", "seed"])
    assert said(choice).startswith("Probe random_pairs: count must be given: how many pairs")
    assert choice.boxes["seed"].value_input == "0"
    assert choice.boxes["count"].helper_text == "how many pairs, at most p * p"
    choice.boxes["count"].value_input = "5"
    assert (choice.text, said(choice)) == (FIVE, "5 random pairs (seed 0): 5 rows.")
    choice.boxes["seed"].value_input = "3"
    assert choice.text == "random_pairs:count=5,seed=3"
    choice.boxes["count"].value_input = "122"
    assert choice.text is None and "p = 11 has 121 pairs; count must not exceed that, and is 122." in choice.error
    assert "(variant p11_seed0" in choice.error
    assert changes == [None, FIVE, "random_pairs:count=5,seed=3", None]


def test_variants_of_other_sizes_have_other_numbers_of_rows(choice, workspace):
    big = workspace.new_variant(FAMILY, {"p": 13})
    choice.for_variants([*workspace.variants(), big])
    assert said(choice) == "All pairs (a, b): 121 to 169 rows, by variant."
    choice.for_variants([])
    choice.select.value = "residue_classes"
    choice.boxes["residues"].value_input = "0,3"
    assert choice.text == "residue_classes:residues=0,3"


@pytest.mark.parametrize(
    ("content", "name", "text", "error"),
    [
        (b"a,b\n2,3\n0,1\n", "hard.csv", "pairs:pairs=0+1;2+3", ""),
        ("\ufeffa,b\r\n1,2".encode(), "bom.csv", "pairs:pairs=1+2", ""),
        (b"\xff\xfe\x00", "odd.csv", None, "odd.csv holds no text (UTF-8)"),
        (b"1 2\n1 2", "twice.txt", None, "the pair 1+2 is given twice, in lines 1 and 2"),
        (b"1" * 2_000_001, "large.csv", None, "large.csv has 2,000,001 bytes"),
    ],
)
def test_pairs_are_typed_or_read_from_a_file(choice, content, name, text, error):
    choice.select.value = "pairs"
    area, button = choice._form.objects
    assert area.rows == 4 and button.accept == ".csv,.txt"
    button.param.update(filename=name, value=content)
    assert choice.text == text
    assert error in choice.error and error in said(choice)


def test_nothing_that_is_typed_reaches_the_file_system(choice, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("1 2")
    choice.select.value = "pairs"
    choice.boxes["pairs"].value_input = f"@{secret}"
    assert choice.text is None and "a pair is written" in choice.error


def test_what_looks_like_a_file_stays_a_text_on_the_way_to_the_job(workspace, tmp_path):
    from typing import Annotated

    from pydantic import Field

    from dynascope.cli.probes import with_files

    class Named(ProbeSettings):
        words: Annotated[str, Lines()] = Field("", description="words")

    probe = Probe("named", "Named", lambda config, settings: Batch([[0]], {"row": [0]}), Settings=Named)
    choice = ProbeChoice(Session(workspace, with_probe(probe)), FAMILY)
    choice.select.value = "named"
    choice.boxes["words"].value_input = "@/etc/passwd"
    assert choice.text == 'named:words="@/etc/passwd"'
    assert with_files(choice.text) == choice.text


def test_what_a_plug_in_raises_is_an_error_of_its_own(workspace):
    def fail(config):
        raise ZeroDivisionError("on purpose")

    choice = ProbeChoice(Session(workspace, with_probe(Probe("broken", "Broken", fail))), FAMILY)
    choice.select.value = "broken"
    assert choice.text is None and choice.error == "Probe broken: ZeroDivisionError: on purpose"


def test_what_variants_were_analysed_under_is_offered_again(choice, workspace):
    variant = workspace.variants()[0]
    analyze(variant, probe=FIVE, analyzers=["general.input_trace"])
    session = choice.session
    assert [one.text for one in variant.probes(session.plugins)] == ["full_grid", FIVE]
    choice.for_variants(workspace.variants())
    assert choice.stored.visible and choice.stored.options == ["–", "5 random pairs (seed 0)"]
    choice.stored.value = "5 random pairs (seed 0)"
    assert (choice.text, choice.select.value, choice.boxes["count"].value_input) == (FIVE, "random_pairs", "5")
    choice.boxes["count"].value_input = "6"
    assert choice.stored.value == "–"
    choice.boxes["count"].value_input = "5"
    assert choice.stored.value == "5 random pairs (seed 0)"
    choice.select.value = "full_grid"
    assert (choice.text, choice.stored.value, choice.boxes) == ("full_grid", "–", {})
