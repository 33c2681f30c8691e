"""The page that compares, without a browser."""

import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest
from pages import texts
from panel.io.location import Location
from reached import store_milestones
from tiny import FAMILY, TINY

from dynascope import View, Workspace, compare, registry, train
from dynascope.plugins import Provided, Registry
from dynascope_workbench.compare import Compare
from dynascope_workbench.compare.alignment import Alignment, Track, distance
from dynascope_workbench.compare.differences import differing, short_titles
from dynascope_workbench.compare.measures import arrays_of, line_of
from dynascope_workbench.compare.milestones import GROKKING, marks_of
from dynascope_workbench.compare.variant_rows import compared, rows_of
from dynascope_workbench.compare.variants_table import VariantsTable, keeps
from dynascope_workbench.page import Workbench
from dynascope_workbench.session import Session

LOSSES, MAP = "training.losses", "modular_addition.neuron_map"
EMBEDDING = "fourier.embedding_frequencies"


@pytest.fixture
def named(workspace):
    """The variants of the workspace that a test may change, by name."""
    return Session(workspace, registry()).variants()


def opened(workspace, plugins=None, views=(LOSSES, MAP)):
    page = Compare(Session(workspace, plugins or registry()))
    page.views.value = list(views)
    return page


def heads(page):
    return [head.text for head in page._heads.values()]


def cards(page, view):
    return list(page.rows[view].cards.values())


def epochs_of(page, view=LOSSES):
    """Where the epoch line of each column stands."""
    return [card.drawing._lines[0].location for card in cards(page, view)]


# Alignment.


def test_the_same_epoch_is_the_union_of_the_checkpoints_and_the_nearest_of_each():
    one, other = Track("one", [0, 10, 20], 12), Track("other", [0, 15, 40], None)
    alignment = Alignment((one, other))
    assert alignment.positions == [0, 10, 15, 20, 40]
    assert [alignment.epoch(one, at) for at in alignment.positions] == [0, 10, 10, 20, 20]
    assert [alignment.epoch(other, at) for at in alignment.positions] == [0, 15, 15, 15, 40]


def test_aligned_variants_are_as_far_from_their_own_milestone():
    early, late, never = (
        Track("early", [0, 10, 20], 10),
        Track("late", [0, 50, 100], 100),
        Track("never", [0, 30], None),
    )
    alignment = Alignment((never, early, late), aligned=True)
    assert alignment.reference is early
    assert alignment.positions == [-100, -50, -10, 0, 10, 20]
    assert (alignment.epoch(early, 0), alignment.epoch(late, 0)) == (10, 100)
    assert (alignment.epoch(early, -50), alignment.epoch(late, -50)) == (0, 50)
    assert alignment.epoch(never, 20) == 30  # at the epoch of the first that has reached it: 30


def test_alignment_on_what_nobody_has_reached_is_the_same_epoch():
    alignment = Alignment((Track("a", [0, 5], None), Track("b", [], None)), aligned=True)
    assert alignment.reference is None
    assert alignment.positions == [0, 5]
    assert alignment.epoch(alignment.tracks[1], 5) is None


def test_distances_in_words():
    assert [distance(at, "grokking") for at in (-1300, 0, 5)] == [
        "1,300 before grokking",
        "at grokking",
        "5 after grokking",
    ]


def test_milestones_are_found_by_what_they_are(workspace, named):
    variant = next(iter(named.values()))
    assert marks_of(variant) == {}
    store_milestones(variant, test_accuracy=20, train_accuracy=3)
    found = marks_of(variant)
    assert found[GROKKING] == 20
    assert found["general.milestones/epoch_reached[milestone=train_accuracy]"] == 3
    assert np.isnan(found["general.milestones/epoch_reached[milestone=test_below_uniform]"])
    assert len(found) == 3  # thresholds and values are no epochs


def test_a_damaged_milestone_is_left_out(named):
    variant = next(iter(named.values()))
    store_milestones(variant, test_accuracy=20)
    (file,) = (variant.artifacts.folder / "general.milestones").glob("*.h5")
    file.write_bytes(b"not HDF5")
    assert marks_of(variant) == {}


# What differs.


def test_settings_that_differ_and_those_that_are_shared(workspace, named):
    different, same = differing(list(named.values()))
    assert different == {"seed": ["0", "1"]}
    assert same["p"] == "11" and same["family"] == FAMILY and "seed" not in same
    assert list(short_titles(named).values()) == ["seed 0", "seed 1"]
    one = dict(list(named.items())[:1])
    assert list(short_titles(one).values()) == [next(iter(named)).partition("/")[2]]


def test_a_long_list_of_training_pairs_is_cut(workspace):
    pairs = list(range(0, 121, 2))
    variants = [workspace.new_variant(FAMILY, {**TINY, **more}) for more in ({}, {"train_pairs": pairs})]
    different, _ = differing(variants)
    assert different["train_pairs"][0] == "–"
    assert len(different["train_pairs"][1]) == 48 and different["train_pairs"][1].endswith("…")


# The table.


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("> 0.5", [False, True, False]),
        ("<=0.5", [True, False, False]),
        ("0.5", [True, False, False]),
        ("!= 0.5", [False, True, False]),
        ("> 1e-1", [True, True, False]),
        ("> ", [True, True, True]),
        ("high", [True, True, True]),
    ],
)
def test_numbers_are_compared_and_what_is_missing_is_not_kept(text, kept):
    assert keeps(pd.Series([0.5, 2.0, np.nan]), text).tolist() == kept


def test_text_is_searched_as_it_stands():
    assert keeps(pd.Series(["a.b", "aXb", "A.B"]), "A.b").tolist() == [True, False, True]


def test_the_rows_say_what_the_files_say(workspace, named):
    rows = rows_of(workspace, named)
    assert [row.name for row in rows] == sorted(named)
    metrics = named[rows[1].name].metrics_file.read()
    for column in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert rows[1].facts[column] == metrics[column][-1]
    assert (rows[1].facts["state"], rows[1].facts["epoch"], rows[1].settings["seed"]) == ("trained", 40.0, 1)


def test_the_last_value_of_a_metric_is_the_last_that_was_measured(workspace, named):
    name, variant = next(iter(named.items()))
    before = rows_of(workspace, named)[0].facts
    with variant.metrics_file.path.open("a") as file:
        file.write("41,0.25,,1.0,\n42,0.1")  # test metrics are not measured at 41; 42 is being written
    after = rows_of(workspace, named)[0].facts
    assert after["train_loss"] == 0.25
    assert after["test_loss"] == before["test_loss"]
    assert name == rows_of(workspace, named)[0].name


def test_metrics_that_have_not_changed_are_read_once(workspace, named, monkeypatch):
    from dynascope_workbench.compare import variant_rows

    rows_of(workspace, named)
    before = variant_rows._last_of.cache_info()
    rows_of(workspace, named)
    after = variant_rows._last_of.cache_info()
    assert (after.misses, after.hits - before.hits) == (before.misses, len(named))


def test_a_variant_that_cannot_be_read_is_a_row_that_says_so_and_is_not_chosen(workspace, named):
    folder = next(iter(named.values())).folder
    (folder / "config.json").write_text("{")
    page = opened(workspace)
    (row,) = [row for row in page.table._rows if row.error]
    assert (row.facts["state"], row.name.partition("/")[2]) == ("broken", folder.name)
    assert "error" in page.table.columns.value
    assert page.table.note.object == "1 variants, and 1 that cannot be read"
    page.table.grid.selection = [0, 1]
    assert page.table.chosen == list(page._variants)
    assert len(page.table.grid.selection) == 1


def test_what_differs_stands_first_and_the_rest_can_be_shown(workspace):
    table = VariantsTable(Session(workspace, registry()))
    table.look(table.session.variants())
    frame = table.grid.value
    assert list(frame.columns[:4]) == ["name", "variant", "seed", "state"]
    assert "p" not in table.columns.value and "p" in table.columns.options
    assert "p" in table.grid.hidden_columns
    table.columns.value = [*table.columns.value, "p"]
    assert "p" not in table.grid.hidden_columns
    assert frame["test loss"].dtype.kind == "f"


def test_milestones_and_what_was_compared_are_columns(fully_analysed):
    session = Session(Workspace(fully_analysed), registry())
    table = VariantsTable(session)
    variants = session.variants()
    table.look(variants)
    stored = compared(session.workspace, variants)
    first = next(iter(variants))
    value = session.workspace.comparisons().read("fourier.variants/key_frequencies").values[0]
    assert stored["fourier.variants/key_frequencies"][first] == value
    assert {"key frequencies", "classification", "test_accuracy reached"} <= set(table.columns.value) | {
        title.replace(" ", "_", 1) for title in table.columns.value
    }
    assert table.grid.value["key frequencies"][0] == value


def test_it_is_filtered_and_sorted_over_all_pages(workspace):
    table = VariantsTable(Session(workspace, registry()))
    table.look(table.session.variants())
    table.grid.page_size = 1
    table.grid.filters = [{"field": "seed", "type": "like", "value": "> 0"}]
    assert table.grid.current_view["seed"].tolist() == [1]
    table.grid.filters = []
    table.grid.sorters = [{"field": "seed", "dir": "desc"}]
    assert table.grid.current_view["seed"].tolist() == [1, 0]


def test_at_most_four_are_chosen_and_the_first_goes(workspace, named):
    folder = next(iter(named.values())).folder
    for seed in (2, 3, 4):
        settings = {**TINY, "seed": seed, "epochs": 2}
        train(workspace.new_variant(FAMILY, settings), schedule="0,2")
    page = opened(workspace)
    names = list(page._variants)
    page.table.grid.selection = [0, 1, 2]
    page.table.grid.selection = [0, 1, 2, 3]
    assert page.table.chosen == names[:4]
    page.table.grid.selection = [0, 1, 2, 3, 4]
    assert page.table.chosen == names[1:]
    assert page.table.grid.selection == [1, 2, 3, 4]
    assert list(page.rows[LOSSES].cards) == names[1:]
    assert folder.name == names[0].partition("/")[2]


# Side by side.


def test_two_variants_are_shown_at_first_with_the_familys_first_views(workspace):
    page = Compare(Session(workspace, registry()))
    assert list(page.chosen) == list(page._variants)
    assert page.views.value == list(workspace.reports(FAMILY).usual().views)[:2]
    assert all(len(row.cards) == 2 for row in page.rows.values())
    assert "seed" in page._differences[0].object and "p = 11" in page._differences[1].object


def test_the_slider_moves_every_column(workspace):
    page = opened(workspace)
    assert page.player.epochs == [0, 20, 40] and epochs_of(page) == [40, 40]
    page.player.index = 1
    assert epochs_of(page) == [20, 20]
    assert heads(page) == ["epoch 20", "epoch 20"]


def test_variants_are_aligned_on_their_own_grokking(workspace, named):
    for variant, at in zip(named.values(), (20, 12), strict=True):
        store_milestones(variant, test_accuracy=at)
    page = opened(workspace)
    assert heads(page) == ["epoch 40 · 20 after grokking", "epoch 40 · 28 after grokking"]
    page.align.value = "grokking"
    assert page.player.epochs == [-20, -12, 0, 8, 20, 28]
    assert page.position == 20  # where the first was
    page.player.index = 2
    assert heads(page) == ["epoch 20 · at grokking", "epoch 20 · 8 after grokking · nearest to 12"]
    page.player.index = 1
    assert epochs_of(page) == [0, 0]
    assert page.overlay._sources[1].data["at"][0] == -12
    assert page.overlay._pictures[True].line.location == -12


def test_a_variant_that_has_not_grokked_says_so_and_is_shown_at_the_same_epoch(workspace, named):
    first, second = named.values()
    store_milestones(first, train_accuracy=3)
    store_milestones(second, test_accuracy=20)
    page = opened(workspace)
    page.align.value = "grokking"
    assert "seed 0: has not reached grokking" in page._note.object
    page.player.index = 0
    assert heads(page) == ["epoch 0 · grokking not reached", "epoch 0 · 20 before grokking"]
    page.align.value = "general.milestones/epoch_reached[milestone=train_accuracy]"
    assert "seed 1: has not reached train accuracy" in page._note.object


def test_a_control_that_is_changed_in_one_column_changes_the_others(workspace):
    page = opened(workspace)
    one, other = cards(page, MAP)
    one.controls.neuron = 7
    assert other.controls.neuron == 7
    other.controls.neuron = 3
    assert one.controls.neuron == 3
    page._chose(next(iter(page.chosen)), {"neuron": 5, "epoch": 19})
    assert (one.controls.neuron, other.controls.neuron, epochs_of(page)) == (5, 5, [20, 20])
    assert one.error == other.error == ""


def test_equal_colours_mean_equal_values_in_all_columns(workspace):
    from bokeh.models import ContinuousColorMapper

    page = opened(workspace)
    mappers = [next(iter(card.drawing.root.select({"type": ContinuousColorMapper}))) for card in cards(page, MAP)]
    alone = []
    for variant in page.chosen.values():
        alone.append(variant.artifacts.range("modular_addition.neuron_activations/activation"))
    assert len({(one.low, one.high) for one in mappers}) == 1
    assert mappers[0].high >= 0.999 * max(mapper.high for mapper in mappers)
    assert alone[0] != alone[1]


def test_a_view_that_raises_in_one_column_leaves_the_others(workspace, caplog):
    caplog.set_level(logging.CRITICAL)

    def draw(frame):
        import holoviews as hv

        if frame.variant_name.startswith("p11_seed1"):
            raise ZeroDivisionError("on purpose")
        return hv.Curve([1, 2, 3])

    found = registry()
    kept = [entry for kind in ("families", "probes", "analyzers", "views") for entry in found.all(kind).values()]
    view = View("fragile", "Fragile", draw, reads=("metrics",), columns=lambda frame: {})
    page = opened(
        workspace, Registry(found.plugins, [*kept, Provided("views", "fragile", "b", "dist", "1.0", view)]),
        [LOSSES, "b.fragile"],
    )  # fmt: skip
    good, bad = cards(page, "b.fragile")
    assert (good.error, bad.error) == ("", "ZeroDivisionError: on purpose")
    page.player.index = 0
    assert epochs_of(page) == [0, 0]
    assert good.drawing is not None


def test_what_is_not_computed_is_said_in_its_card(workspace, named):
    _, second = named.values()
    shutil.rmtree(second.artifacts.folder / "modular_addition.neuron_activations")
    page = opened(workspace)
    good, lacking = cards(page, MAP)
    assert good.drawing is not None and lacking.drawing is None
    assert "Not computed yet" in texts(lacking.panel)


def test_a_variant_that_vanished_is_named_and_the_others_go_on(workspace, named):
    page = opened(workspace)
    gone, kept = page.chosen
    shutil.rmtree(named[gone].folder)
    page.player.index = 0  # a card may fail, the page does not
    page.opened({})
    assert list(page.chosen) == [kept]
    assert page._note.object == f"No longer in this workspace: {gone}."


def test_a_variant_without_checkpoints_says_so(workspace, named):
    shutil.rmtree(next(iter(named.values())).folder / "checkpoints")
    page = opened(workspace)
    assert heads(page) == ["no checkpoint yet", "epoch 40"]
    assert page.player.epochs == [0, 20, 40]


# Over training.


def test_metrics_and_scalars_are_offered_and_read(named):
    variant = next(iter(named.values()))
    offered = arrays_of(variant, registry())
    assert offered[f"{EMBEDDING}/gini"] == []
    assert offered[f"{EMBEDDING}/power_share"] == [f"frequency={k}" for k in range(1, 6)]
    assert "fourier.neuron_frequencies/fraction" not in offered  # it has two axes
    line = line_of(variant, f"{EMBEDDING}/power_share", "frequency=3")
    stored = variant.artifacts.series(f"{EMBEDDING}/power_share", frequency=3)
    np.testing.assert_allclose(line.values, stored.values)
    assert line.epochs.tolist() == [0, 20, 40]
    metric = line_of(variant, "test_loss")
    np.testing.assert_array_equal(metric.values, variant.metrics_file.read()["test_loss"])
    assert metric.unit == "nats"


def test_an_overlay_has_a_line_for_each_variant(workspace):
    page = opened(workspace)
    overlay = page.overlay
    figures = [picture.figure for picture in overlay._pictures.values()]
    for source, variant in zip(overlay._sources, page.chosen.values(), strict=False):
        np.testing.assert_array_equal(source.data["value"], variant.metrics_file.read()["test_loss"])
    assert [item.visible for item in overlay._pictures[True]._items] == [True, True, False, False]
    assert [item.label.value for item in overlay._pictures[True]._items[:2]] == ["seed 0", "seed 1"]
    overlay.quantity.value = f"{EMBEDDING}/power_share"
    overlay.place.value = "frequency=2"
    assert not overlay.log.value
    assert [figure.visible for figure in figures] == [True, False]
    assert len(overlay._sources[1].data["value"]) == 3
    assert [picture.figure for picture in overlay._pictures.values()] == figures
    page._jump(13.0)
    assert page.position == 20 and figures[0].select_one({"name": "position"}).location == 20


def test_a_line_that_cannot_be_read_is_told_and_the_other_is_drawn(workspace, named):
    _, second = named.values()
    second.metrics_file.path.write_text("nothing\n")
    page = opened(workspace)
    assert "seed 1:" in page.overlay._note.object and "is not a metrics file" in page.overlay._note.object
    assert len(page.overlay._sources[0].data["value"]) == 41
    assert len(page.overlay._sources[1].data["value"]) == 0


# The address, and other pages.


def test_the_address_restores_the_page_and_names_nothing_unknown(workspace, named):
    for variant in named.values():
        store_milestones(variant, test_accuracy=20)
    page = opened(workspace)
    location = Location(search="?page=compare")
    page.follow_address(location)
    second = list(page._variants)[1]
    page.choose([second])
    page.views.value = [MAP]
    page.align.value = "grokking"
    page.player.index = 0
    page.overlay.quantity.value = "train_loss"
    again = Compare(Session(workspace, registry()))
    again.follow_address(Location(search=location.search))
    assert (list(again.chosen), again.views.value, again.align.value) == ([second], [MAP], "grokking")
    assert (again.position, again.overlay.quantity.value) == (-20, "train_loss")
    other = Compare(Session(workspace, registry()))
    other.follow_address(
        Location(search="?page=compare&variants=../../etc,x&views=../x&align=../y&epoch=1e9x&quantity=../z&at=q=1")
    )
    assert list(other.chosen) == list(other._variants)
    assert (other.align.value, other.position, other.overlay.quantity.value) == ("epoch", 40, "test_loss")


def test_the_address_of_another_page_is_not_followed(workspace):
    page = Compare(Session(workspace, registry()))
    page.follow_address(Location(search=f"?page=explore&variants={list(page._variants)[1]}&epoch=0"))
    assert len(page.chosen) == 2 and page.position == 40


def test_other_pages_lead_here_and_it_leads_to_explore(shared):
    tab = Workbench(Session(shared, registry()), Location(search="?page=plugins"))
    names = list(tab.session.variants())
    tab.session.go("compare", variants=names[1:])
    page = tab.pages["compare"]
    assert list(page.chosen) == names[1:]
    tab.session.go("compare", variant=names[0], epoch=19)
    assert list(page.chosen) == names
    assert page.position == 20
    asked = {}
    page.session.go = lambda name, **state: asked.update(page=name, **state)
    page._explore(names[1])
    assert asked == {"page": "explore", "variant": names[1], "epoch": 20}


class Recorded(Session):
    """A session that notes the job that is started in place of starting it."""

    def start(self, command, arguments):
        self.job = type("Job", (), {"id": 1, "state": "running", "words": [command, *arguments]})()
        return self.job


def test_what_is_measured_over_variants_is_computed_by_a_click(workspace, named):
    table = VariantsTable(Recorded(workspace, registry()))
    table.look(named)
    assert table.completion.panel.visible and table.completion.lacking == list(named)
    table.completion.start()
    words = table.session.job.words
    assert words[0] == "analyze" and "fourier.variants" in words and words[-2:] == list(named)
    table.completion.follow()
    assert table.completion.button.disabled  # it goes on
    compare(list(named.values()))
    table.session.job.state = "done"
    table.completion.follow()
    assert "key frequencies" in table.grid.value.columns and not table.completion.panel.visible


def test_variants_that_were_not_analysed_are_not_asked_for(workspace):
    train(workspace.new_variant(FAMILY, {**TINY, "seed": 7, "epochs": 2}), schedule="0,2")
    table = VariantsTable(Recorded(workspace, registry()))
    table.look(Session(workspace, registry()).variants())
    assert not any("seed7" in name for name in table.completion.lacking)


def test_two_tabs_do_not_share_their_state(shared):
    one, other = (opened(shared) for _ in range(2))
    one.choose(list(one._variants)[:1])
    one.player.index = 0
    assert len(other.chosen) == 2 and other.position == 40


def test_a_workspace_without_variants_says_what_to_do(tmp_path):
    page = Compare(Session(Workspace.create(tmp_path / "w"), registry()))
    assert "Train one here, or with `dynascope train FAMILY`." in texts(page.panel())


def test_families_may_differ_and_that_is_said(workspace, named):
    folder = workspace.path / "model_families"
    shutil.copytree(folder / FAMILY, folder / "other")
    declared = json.loads((folder / "other" / "family.json").read_text())
    (folder / "other" / "family.json").write_text(json.dumps({**declared, "name": "other"}))
    train(workspace.new_variant("other", {**TINY, "epochs": 2}), schedule="0,2")
    page = opened(workspace)
    page.choose([next(iter(named)), next(name for name in page._variants if name.startswith("other/"))])
    assert f"{FAMILY}</td><td>other" in page._differences[0].object
    assert "family" in page.table.columns.value
    assert page.player.epochs == [0, 2, 20, 40]


def test_nothing_is_written_where_things_are_compared(shared):
    def state():
        return {path: path.stat().st_mtime_ns for path in shared.path.rglob("*") if path.is_file()}

    before = state()
    page = opened(shared)
    page.player.index = 0
    page.choose(list(page._variants)[:1])
    assert state() == before
