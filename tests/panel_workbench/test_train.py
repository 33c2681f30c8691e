"""The page that trains: a form that is checked as it is filled in, and the jobs and curves that follow."""

import time

import pytest

from dynascope import registry
from dynascope_workbench.page import Workbench
from dynascope_workbench.session import Session
from dynascope_workbench.train import Train

SMALL = {"p": "7", "train_fraction": "0.5", "d_model": "8", "n_heads": "1", "d_head": "4", "d_mlp": "8", "epochs": "30"}


@pytest.fixture
def page(workspace):
    return Train(Session(workspace, registry()))


def fill(page, **values):
    for name, text in values.items():
        page.fields[name].value_input = text


def test_the_form_holds_the_familys_settings_and_what_the_preset_says(page):
    assert page.fields["p"].value_input == "113"
    assert page.fields["betas"].value_input == "0.9, 0.98".replace(" ", "")
    assert page.settings() == []
    page.preset.value = "demo"
    assert (page.fields["p"].value_input, page.settings()) == ("53", [])
    fill(page, p="59")
    assert page.settings() == ["p=59"]
    assert page._note.object.startswith("p59_seed999_dseed598_frac0.5_wd2 (new): 2,500 epochs, ")
    assert page._kept.data["epoch"][0] == 0 and page._kept.data["epoch"][-1] == 2500


def test_what_is_wrong_is_said_while_it_is_typed_and_nothing_can_be_started(page, workspace):
    for name, text, said in (("p", "1", "greater than or equal to 2"), ("train_fraction", "most", "valid number")):
        page._fill()
        fill(page, **{name: text})
        assert said in page._note.object
        assert page._note.severity == "error" and page.start.disabled
    page._fill()
    page.schedule.value_input = "0:x"
    assert page._note.severity == "error"
    page.start.clicks += 1
    assert not workspace.jobs.list()
    page.schedule.value_input = "0:100:50"
    assert page._kept.data["epoch"][:2] == [0, 50]
    assert not page.start.disabled


def test_a_variant_is_trained_by_a_job_and_its_curves_are_followed(page, workspace):
    fill(page, **SMALL)
    page.start.clicks += 1
    (job,) = workspace.jobs.list()
    assert "p=7" in job.command and page._followed is not None
    end = time.monotonic() + 90
    while job.state == "running":
        assert time.monotonic() < end, job.log
        time.sleep(0.2)
        page.jobs.refresh()
    page.jobs.refresh()
    assert job.state == "done", job.log
    assert page._curves.data["epoch"][-1] == 30
    assert page._live.visible
    assert page._followed.name in {variant.name for variant in workspace.variants()}
    page.check()
    assert "(trained): 30 epochs" in page._note.object
    assert "by what p7" in page._note.object


def test_it_is_one_of_the_pages(shared):
    tab = Workbench(Session(shared, registry()))
    tab.session.go("train")
    assert tab.pages["train"].family.value == "modular_addition_1layer"
