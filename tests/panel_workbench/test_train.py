"""The page that trains: a form that is checked as it is filled in, and the jobs and curves that follow."""

import json
import time

import numpy as np
import pytest
from pages import texts
from tiny import FAMILY

from dynascope import InvalidSetting, UnknownName, Workspace, registry, train
from dynascope.analysis.plan import plan
from dynascope.store.atomic import write_json
from dynascope_workbench.page import Workbench
from dynascope_workbench.session import Session
from dynascope_workbench.texts import in_bytes, in_time
from dynascope_workbench.train import Train
from dynascope_workbench.train.curves import MOST_POINTS, Curves, thinned
from dynascope_workbench.train.estimate import Estimates, experience_of
from dynascope_workbench.train.order import order_of, seeds_axis

SMALL = {"p": "7", "train_fraction": "0.5", "d_model": "8", "n_heads": "1", "d_head": "4", "d_mlp": "8", "epochs": "30"}
PAIRS = [f"{name}={value}" for name, value in SMALL.items()]


@pytest.fixture
def page(workspace):
    return Train(Session(workspace, registry()))


def fill(page, **values):
    for name, text in values.items():
        box = page.fields[name].box
        box.param.update(**{page.fields[name]._value: text})


def followed(page, job, seconds=90):
    end = time.monotonic() + seconds
    while job.state == "running":
        assert time.monotonic() < end, job.log
        time.sleep(0.2)
        page.jobs.refresh()
    page.jobs.refresh()


def test_the_form_holds_the_familys_settings_and_what_the_preset_says(page):
    assert page.fields["p"].text == "113"
    assert page.fields["betas"].text == "0.9,0.98"
    assert page.fields["optimizer"].box.options == ["adamw", "adam", "sgd"]
    assert page.fields["train_pairs"].text == "null"
    assert page.fields["train_pairs"].box.value_input == ""
    assert page.form.pairs == []
    assert "the modulus" in page.fields["p"].box.description
    assert "default 113" in page.fields["p"].box.description
    page.preset.value = "demo"
    assert (page.fields["p"].text, page.form.pairs) == ("53", [])
    assert page.note.object == "p53_seed999_dseed598_frac0.5_wd2 (new)"
    assert page._kept.data["epoch"][0] == 0
    assert page._kept.data["epoch"][-1] == 2500


def test_what_differs_from_the_preset_is_marked_and_alone_is_passed_with_a_way_back(page):
    page.preset.value = "demo"
    fill(page, p="59", optimizer="sgd", learning_rate="1e-2")
    assert page.form.pairs == ["p=59", "optimizer=sgd", "learning_rate=1e-2"]
    assert page.order.variants[0].config.training.learning_rate == 0.01
    assert page.fields["p"].box.helper_text == "instead of 53"
    assert page.fields["p"].back.sx["visibility"] == "visible"
    assert page.fields["seed"].back.sx["visibility"] == "hidden"
    assert page.order.words[:3] == ("--preset=demo", "--", FAMILY)
    page.fields["p"].back.clicks += 1
    assert page.form.pairs == ["optimizer=sgd", "learning_rate=1e-2"]
    page.back.clicks += 1
    assert page.form.pairs == []
    assert page.order.command == f"dynascope train --preset=demo -- {FAMILY}"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p", "1", "must be ≥ 2"),
        ("p", "", "a value is needed"),
        ("p", "5,7", "one value goes here; several go below: p=0.5,1"),
        ("train_fraction", "most", "must be a number"),
        ("betas", "0.9,2", "must be < 1"),
        ("p", "--overwrite", "must be a whole number"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_can_be_started(page, workspace, name, text, said):
    fill(page, **{name: text})
    assert page.fields[name].box.error_state
    assert page.fields[name].box.helper_text == said
    assert [other for other, field in page.fields.items() if getattr(field.box, "error_state", False)] == [name]
    assert page.note.severity == "error"
    assert page.note.object.startswith(name.replace("_", " "))
    assert page.start.disabled
    page.start.clicks += 1
    assert not workspace.jobs.list()
    page.fields[name].reset()
    page.check()
    assert not page.start.disabled
    assert not page.fields[name].box.error_state


def test_two_wrong_settings_are_named_in_one_sentence_and_rules_of_several_too(page):
    fill(page, p="1", warmup="-1")
    assert page.note.object == "2 settings are wrong: p, warmup."
    page.back.clicks += 1
    fill(page, train_pairs="3,3")
    assert "train_pairs must be different rows" in page.note.object
    assert page.start.disabled


def test_what_is_wrong_in_the_other_boxes_is_said_there(page):
    for box, text, said in (
        (page.schedule, "0:x", "neither an epoch nor a range"),
        (page.schedule, "--overwrite", "neither an epoch nor a range"),
        (page.seeds, "some", "seeds are written 0-9"),
        (page.varied, "weight_dcay=1,2", "Did you mean 'weight_decay'"),
        (page.varied, "--overwrite", "settings with several values are written"),
    ):
        box.value_input = text
        assert box.error_state, text
        assert said in box.helper_text
        assert page.start.disabled
        box.value_input = ""
        assert not box.error_state
        assert not page.start.disabled


def test_seeds_are_ranges_counts_and_lists():
    assert [seeds_axis(text) for text in ("0-9", "10", "3,5", "2 - 4", "4:8")] == ["0:10", "0:10", "3,5", "2:5", "4:8"]
    for wrong in ("9-0", "0", "-1", "x", "--overwrite"):
        with pytest.raises(InvalidSetting, match="seeds are written"):
            seeds_axis(wrong)


def test_many_variants_are_those_that_the_command_would_train(page, run, workspace):
    fill(page, **SMALL)
    page.seeds.value_input, page.varied.value_input = "0-2", "weight_decay=0.5,1 optimizer=adam,sgd"
    names = [variant.name for variant in page.order.variants]
    assert len(names) == len(set(names)) == 12
    words = [word for word in page.order.words if not word.startswith("p=7")]
    assert "--seeds=0:3" in words
    said = json.loads(run("train", "--dry-run", "--json", "-w", workspace.path, *page.order.words))
    assert sorted(row["variant"] for row in said["variants"]) == sorted(f"{FAMILY}/{name}" for name in names)
    assert [row["checkpoints"] for row in said["variants"]] == [len(page.order.kept)] * 12
    assert "12 (12 new)" in page.facts.object


def test_nothing_of_a_form_becomes_an_option_or_the_name_of_a_file(shared, tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text("parameters: {seed: {values: [1, 2]}}")
    for options in (
        {"varied": f"seed={file}"},
        {"schedule": "--overwrite"},
        {"preset": "--overwrite"},
        {"seeds": "--grid"},
        {"varied": "--overwrite=x"},
    ):
        with pytest.raises((InvalidSetting, UnknownName)):
            order_of(shared, FAMILY, PAIRS, **options)
    for family in ("--overwrite", "../..", "x"):
        with pytest.raises((InvalidSetting, UnknownName)):
            order_of(shared, family, [])
    order = order_of(shared, FAMILY, PAIRS, varied="optimizer=adam,sgd", seeds="0-1", schedule="every:10")
    assert order.words[order.words.index("--") + 1 :] == (FAMILY, *PAIRS)
    assert order.words[: order.words.index("--")] == (
        "--schedule=every:10",
        "--seeds=0:2",
        '--grid=optimizer="adam","sgd"',
    )


def test_a_list_is_one_value_also_beside_several_of_another(shared):
    order = order_of(shared, FAMILY, [*PAIRS, "train_pairs=1,2,3", "betas=0.9,0.95"], seeds="0-1")
    assert [variant.config.parameters.train_pairs for variant in order.variants] == [(1, 2, 3)] * 2
    assert order.variants[0].config.training.betas == (0.9, 0.95)
    assert "train_pairs=[1,2,3]" in order.words


def test_more_than_a_thousand_variants_are_not_started_by_a_form(shared):
    with pytest.raises(InvalidSetting, match="1,001 variants; at most 1,000"):
        order_of(shared, FAMILY, PAIRS, seeds="0-1000")


def test_a_variant_is_trained_and_analysed_by_jobs_and_its_curves_are_followed(page, workspace):
    fill(page, **SMALL)
    went = []
    page.session.go = lambda name, **state: went.append((name, state))
    page.start.clicks += 1
    analysis, training = (seen.job for seen in page.jobs.seen)
    assert (training.arguments[0], analysis.arguments[:2]) == ("train", ["analyze", "--follow"])
    assert "p=7" in training.command
    followed(page, training)
    followed(page, analysis)
    assert (training.state, analysis.state) == ("done", "done"), training.log + analysis.log
    assert page.curves.source.data["epoch"][-1] == 30
    assert page.curves.panel.visible
    (variant,) = [one for one in workspace.variants() if one.config.parameters.p == 7]
    work = plan(variant, registry())
    assert (work.missing, work.stale) == (0, 0)
    row = page.jobs._rows[training.id]
    assert (row._state.label, row._bar.value) == ("done", 100)
    assert row._title.object == f"train {variant.name}"
    row._buttons["explore"].clicks += 1
    row._buttons["analyse"].clicks += 1
    assert went == [("explore", {"variant": variant.full_name}), ("analyze", {"variant": variant.full_name})]
    page.check()
    assert page.note.object.endswith("(trained)")
    assert "nothing to do" in page.facts.object


def test_a_training_is_paused_and_continued_to_the_same_bits_and_its_analysis_with_it(page, workspace, tmp_path):
    settings = {**SMALL, "epochs": "4000"}
    fill(page, **settings)
    page.schedule.value_input = "0,4000"
    page.start.clicks += 1
    analysis, training = (seen.job for seen in page.jobs.seen)
    end = time.monotonic() + 60
    while training.progress is None or training.progress.done < 50:
        assert time.monotonic() < end, training.log
        time.sleep(0.05)
    page.jobs.refresh()
    row = page.jobs._rows[training.id]
    assert row._buttons["cancel"].label == "pause"
    row._buttons["cancel"].clicks += 1
    followed(page, training)
    (variant,) = [one for one in workspace.variants() if one.config.parameters.p == 7]
    paused = variant.metadata["epoch"]
    assert 0 < paused < 4000
    assert row._state.label == "paused"
    assert row._text.object == f"paused at epoch {paused:,} of 4,000"
    assert row._bar.value == round(100 * training.progress.done / 4000)
    followed(page, analysis)
    row._buttons["continue"].clicks += 1
    again = page.jobs.seen[0].job
    assert again.id != analysis.id
    assert again.arguments == analysis.arguments
    followed(page, training)
    followed(page, again)
    assert training.state == "done", training.log
    other = Workspace.create(tmp_path / "other")
    whole = other.new_variant(FAMILY, {name: float(v) if "." in v else int(v) for name, v in settings.items()})
    train(whole, schedule="0,4000")
    for name, weights in whole.weights(4000).items():
        assert weights.tobytes() == variant.weights(4000)[name].tobytes()


def test_a_job_that_fails_says_why_and_its_bar_stays_where_it_was(page, workspace):
    job = page.session.start("train", ["no_such_family"])
    followed(page, job)
    row = page.jobs._rows[job.id]
    assert (row._state.label, row._bar.value) == ("failed", 0)
    assert "There is no family 'no_such_family'" in row._text.object
    assert not row._buttons["explore"].visible
    assert row._buttons["continue"].visible


def test_any_training_is_followed_also_one_that_another_page_started(page, workspace):
    job = workspace.jobs.start("train", [FAMILY, *PAIRS, "seed=5"])
    followed(page, job)
    page.jobs.refresh()
    page.jobs._rows[job.id]._buttons["curves"].clicks += 1
    assert page.curves.choice.value == job.variants[0]
    assert page.curves.source.data["epoch"].tolist() == list(range(31))


def test_curves_of_any_length_are_a_thousand_points_and_begin_anew_with_another_variant(shared):
    for log in (False, True):
        picked = thinned(np.arange(40_000), log=log)
        assert len(picked) <= MOST_POINTS
        assert (picked[0], picked[-1]) == (0, 39_999)
    assert len(thinned(np.arange(40_000), log=True)[:100]) == 100
    assert thinned(np.arange(40_000), log=True)[99] < 200  # the beginning is kept, where the axis is wide
    curves = Curves(shared)
    first, second = (variant.full_name for variant in shared.variants())
    curves.follow([first, second])
    one = curves.source.data["train_loss"].tolist()
    curves.choice.value = second
    two = curves.source.data["train_loss"].tolist()
    assert len(one) == len(two) == 41
    assert one != two
    assert two == shared.variant(second).metrics_file.read()["train_loss"].tolist()
    source = curves.source
    curves.log_epoch.value = True
    assert curves.source is source
    assert len(curves._figures) == 2


def test_time_and_disk_are_told_by_what_one_of_the_same_size_took(workspace):
    variant = workspace.variants()[0]
    known = experience_of([variant])
    assert known.epoch == pytest.approx(variant.metadata["seconds"] / 40)
    assert known.weights == variant.checkpoint_folder.file(40).stat().st_size
    assert known.optimizer == variant.optimizer_folder.file(40).stat().st_size
    pairs = [
        f"{name}={value}" for name, value in variant.config.settings.items() if value is not None and name != "betas"
    ]
    pairs = [pair for pair in pairs if not pair.startswith(("seed=", "epochs="))]
    order = order_of(workspace, FAMILY, [*pairs, "seed=7", "epochs=400"], schedule="every:100")
    estimates = Estimates(workspace, lambda: None)
    assert not estimates.ask(order)
    assert f"by what {variant.name[:3]}" in estimates.time(order)
    said, fits = estimates.disk(order, analysed=False)
    assert fits
    assert said.startswith(in_bytes(5 * (known.weights + known.optimizer) + 401 * 70))
    assert "of results" in estimates.disk(order, analysed=True)[0]


def test_a_variant_that_was_continued_took_the_time_of_its_last_part_for_that_part(workspace):
    variant = workspace.variants()[0]
    happened = {**variant.metadata, "seconds": 10.0, "epoch": 40, "from_epoch": 35}
    write_json(variant.folder / "metadata.json", happened)
    assert experience_of([variant]).epoch == 2.0


def test_sizes_that_no_file_tells_are_asked_of_a_process(workspace):
    told = []
    estimates = Estimates(workspace, lambda: told.append(True))
    order = order_of(workspace, FAMILY, PAIRS, schedule="every:10")
    assert "being worked out" in estimates.disk(order, analysed=False)[0]
    assert "not known" in estimates.time(order)
    assert estimates.ask(order)
    end = time.monotonic() + 60
    while not told:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert estimates.of(order).weights > 1000
    estimates.forget()
    assert estimates.of(order).weights > 1000
    huge = order_of(workspace, FAMILY, [*PAIRS[:-1], "epochs=1000000000"], schedule="every:1000")
    said, fits = estimates.disk(huge, analysed=False)
    assert "It will not fit" in said
    assert not fits


def test_times_and_bytes_in_words():
    assert [in_time(seconds) for seconds in (0.2, 40, 600, 7200, 3600 * 72)] == [
        "1 s",
        "40 s",
        "10 min",
        "2.0 h",
        "3.0 days",
    ]
    assert [in_bytes(count) for count in (400, 5e6, 2.345e9, 1.5e12)] == ["0.4 kB", "5 MB", "2.35 GB", "1.5 TB"]


def test_it_is_one_of_the_pages(shared):
    tab = Workbench(Session(shared, registry()))
    tab.session.go("train")
    assert tab.pages["train"].family.value == FAMILY
    assert "Presets: demo, miscope, nanda." in texts(tab._holders["train"])


def test_a_server_that_only_shows_trains_nothing(workspace, monkeypatch):
    page = Train(Session(workspace, registry()))
    monkeypatch.setenv("DYNASCOPE_READ_ONLY", "1")
    page.start.clicks += 1
    assert "DYNASCOPE_READ_ONLY=1" in page.note.object
    assert not workspace.jobs.list()
    assert Train(Session(workspace, registry())).start.disabled
