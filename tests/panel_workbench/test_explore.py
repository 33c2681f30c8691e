"""What Explore does with what is chosen, with two epochs, reports, links, and what is computed meanwhile."""

import shutil

import numpy as np
import pytest
from bokeh.models import BoxAnnotation, GlyphRenderer, LinearColorMapper
from pages import button, texts
from panel.io.location import Location

from dynascope import InvalidSetting, Report, TextBlock, ViewBlock, Workspace, WorkspaceError, registry
from dynascope.drawing.marks import CHOSEN
from dynascope.style import SELECTED_COLOUR
from dynascope_workbench.cards.card import ViewCard
from dynascope_workbench.epoch.cursor import DIFFERENCE, ONE, SIDE_BY_SIDE
from dynascope_workbench.explore import Explore
from dynascope_workbench.session import Session

CLUSTERS, MAP, BARS = "fourier.neuron_clusters", "modular_addition.neuron_map", "fourier.embedding_spectrum"
SIZES, SPECTRA = "fourier.cluster_sizes", "fourier.embedding_spectrum_over_training"
VIEWS = ["training.losses", SIZES, SPECTRA, CLUSTERS, MAP, BARS]


class Recorded(Session):
    """A session that notes the jobs that are started in place of starting them."""

    started: list

    def start(self, command, arguments):
        self.started = [*getattr(self, "started", []), (command, arguments)]
        return type("Started", (), {"id": 1})()


@pytest.fixture
def page(workspace):
    return Explore(Recorded(workspace, registry()), VIEWS)


def card_of(page, name):
    (card,) = [card for card in page.cards if card.provided.id == name]
    return card


def bands(card):
    """The bands that are seen in a card's picture, as (left, right, bottom, top)."""
    found = [band for band in card.drawing.root.select({"type": BoxAnnotation}) if band.visible]
    sides = [(band.left, band.right, band.bottom, band.top) for band in found if band.line_color == SELECTED_COLOUR]
    return [tuple(side if isinstance(side, float) else None for side in each) for each in sides]


def marked(card):
    """The columns of what is marked in a card's picture, of each source that holds something."""
    sources = {one.data_source for one in card.drawing.root.select({"type": GlyphRenderer})}
    columns = [one.data for one in sources if one.name == CHOSEN]
    return [{name: list(values) for name, values in one.items()} for one in columns if len(next(iter(one.values())))]


def test_another_variant_keeps_the_widgets_that_fit_it_and_their_settings(page):
    card = card_of(page, MAP)
    card.controls.neuron = 7
    controls, widgets = card.controls, card._widgets.objects
    page.cursor.variant = next(name for name in page._variants if "seed1" in name)
    assert widgets and card._widgets.objects == widgets
    assert card.controls is controls and card.frame.controls is controls and controls.neuron == 7
    drawing = card.drawing
    controls.neuron = 3
    assert card.drawing is not drawing


def test_a_link_draws_each_picture_once_and_when_the_browser_has_the_page(shared, monkeypatch):
    drawn = []
    draw = ViewCard._drawn
    monkeypatch.setattr(ViewCard, "_drawn", lambda card, *frame, **how: (drawn.append(*frame), draw(card, *frame))[1])
    monkeypatch.setattr("dynascope_workbench.explore.page.fetching", lambda: True)
    page = Explore(Recorded(shared, registry()), VIEWS)
    last = list(page._variants)[-1]
    page.follow_address(Location(search=f"?variant={last}&epoch=0"))
    page.panel()  # without a browser, it is there at once
    assert [(frame.variant.name, frame.epoch) for frame in drawn] == [(last.partition("/")[2], 0)] * len(VIEWS)
    assert all(card.drawing is not None for card in page.cards)


def test_what_is_chosen_is_marked_wherever_it_is(page):
    page.choose({"neuron": 7, "frequency": 3})
    clusters = card_of(page, CLUSTERS)
    order = clusters.provided.item.pick
    (across, up) = sorted(bands(clusters), key=lambda band: band[0] is None)
    rank = round((across[0] + across[1]) / 2)
    assert order(clusters.frame, rank, 3) == {"neuron": 7, "frequency": 3}
    assert up[2:] == (2.5, 3.5)
    assert bands(card_of(page, BARS)) == [(2.5, 3.5, None, None)]
    assert marked(card_of(page, SPECTRA)) == [{"left": [-10.0], "right": [50.0], "bottom": [2.5], "top": [3.5]}]
    assert card_of(page, MAP).controls.neuron == 7
    page.cursor.chosen = {}
    assert not any(bands(card) or marked(card) for card in page.cards)


def test_the_line_of_a_chosen_frequency_is_marked_at_every_checkpoint(page):
    card = card_of(page, SIZES)
    k = next(int(name.removeprefix("k = ").split("#")[0]) for name in card.drawing._sources if name.startswith("k = "))
    page.choose({"frequency": k})
    (points,) = marked(card)
    sizes = card.frame.series("fourier.neuron_frequencies/cluster_size").sel(frequency=k)
    assert points == {"x": [0, 20, 40], "y": sizes.values.tolist()}


def test_a_pair_is_chosen_in_a_map_and_marked_in_it(page):
    card = card_of(page, MAP)
    assert card.provided.item.pick(card.frame, 3.4, 8.6) == {"a": 3, "b": 9}
    assert card.provided.item.pick(card.frame, 3, 11) == {}
    page.choose({"a": 3, "b": 9})
    assert sorted(bands(card), key=str) == [(2.5, 3.5, None, None), (None, None, 8.5, 9.5)]


def test_a_number_that_is_set_in_a_card_is_chosen_in_all(page):
    card_of(page, MAP).controls.neuron = 5
    assert page.cursor.chosen == {"neuron": 5}
    assert "neuron 5" in " ".join(part.label for part in page.choices.panel.select() if hasattr(part, "clicks"))
    button(page.choices.panel, "Let go of neuron 5").clicks += 1
    assert page.cursor.chosen == {}


def test_two_epochs_are_drawn_beside_each_other_and_moved(page):
    page.cursor.index = 0
    page.cursor.mode = SIDE_BY_SIDE
    assert (page.cursor.epoch, page.cursor.other_epoch) == (0, 40)
    card = card_of(page, BARS)
    assert "A · epoch 0" in texts(card.panel) and "B · epoch 40" in texts(card.panel)
    page.cursor.other = 1
    shares = [next(iter(drawing._sources.values())).data["share"] for drawing in card.drawings]
    for epoch, share in zip((0, 20), shares, strict=True):
        np.testing.assert_allclose(share, card.frame.read("fourier.embedding_frequencies/power_share", epoch).values)
    assert "B · epoch 20" in texts(card.panel)
    losses = card_of(page, "training.losses")
    assert len(losses.drawings) == 1
    assert [losses.drawing._lines[0].location, losses.drawing._other_lines[0].location] == [0, 20]
    page.cursor.mode = ONE
    assert len(card.drawings) == 1 and not losses.drawing._other_lines[0].visible


def test_the_difference_is_the_second_epoch_less_the_first(page):
    page.cursor.index = 0
    page.cursor.mode = DIFFERENCE
    card = card_of(page, BARS)
    shares = [card.frame.read("fourier.embedding_frequencies/power_share", epoch).values for epoch in (0, 40)]
    (source,) = [one for one in card.drawing._sources.values() if "share" in one.data]
    np.testing.assert_allclose(source.data["share"], shares[1] - shares[0], atol=1e-7)
    (figure,) = card.drawing.figures
    assert figure.y_range.start == -figure.y_range.end < 0
    clusters = card_of(page, CLUSTERS)
    fractions = [clusters.frame.read("fourier.neuron_frequencies/fraction", epoch).values for epoch in (0, 40)]
    image = clusters.drawing._sources["share#0"].data["image"][0]
    assert sorted(image.ravel()) == pytest.approx(sorted((fractions[1] - fractions[0]).ravel()), abs=1e-6)
    (mapper,) = clusters.drawing.root.select({"type": LinearColorMapper})
    assert (mapper.low, mapper.high) == (-1, 1)


def test_a_report_keeps_views_and_settings_for_any_variant(page, workspace):
    page.board.chooser.value = [BARS, MAP]
    card_of(page, MAP).controls.neuron = 9
    page.reports._ask()
    page.reports._name.value_input = "My look"
    page.reports._keep(overwrite=False)
    family = page.variant.family.name
    saved = workspace.reports(family).open("My look")
    assert [(one.view, one.controls) for one in saved.views.values()] == [(BARS, {}), (MAP, {"neuron": 9})]
    again = Explore(Session(workspace, registry()))
    again.cursor.variant = sorted(again._variants)[1]
    assert again.reports.open("My look")
    assert again.board.chooser.value == [BARS, MAP]
    assert card_of(again, MAP).controls.neuron == 9
    again.reports.choice.value = ""
    assert again.board.chooser.value == list(again.reports.usual().views)


def saved(page, name, title="", epochs=""):
    page.reports._ask()
    for box, text in ((page.reports._name, name), (page.reports._title, title), (page.reports._epochs, epochs)):
        box.value_input = text
    page.reports._keep(overwrite=False)


def test_a_report_keeps_text_width_title_and_epochs_and_shows_them_again(page, workspace):
    page.board.chooser.value = [BARS, MAP]
    page.board.add_text()
    page.board.texts[0].editor.value = "Look at **one** neuron."
    page.board.texts[0].after = BARS
    page.widen(card_of(page, MAP))
    saved(page, "One", "One neuron", "40, 0")
    report = workspace.reports(page.variant.family.name).open("One")
    assert report.title == "One neuron" and report.epochs == (0, 40)
    assert report.blocks == (
        ViewBlock(view=BARS), TextBlock(text="Look at **one** neuron."), ViewBlock(view=MAP, wide=True)
    )  # fmt: skip
    again = Explore(Session(workspace, registry()))
    assert again.reports.open("One")
    assert again.board.blocks() == report.blocks
    assert again.cursor.epoch == 0
    assert (40, "of interest") in again.player.events
    assert "<strong>one</strong>" in again.board.texts[0]._shown.object
    assert [part.css_classes for part in again.board.grid] == [["view-card"], ["text-card"], ["view-card"]]
    again.board.chooser.value = [MAP]
    assert again.board.blocks() == report.blocks[1:]


def test_a_report_can_be_renamed_and_deleted(page, workspace):
    reports = workspace.reports(page.variant.family.name)
    saved(page, "First")
    before = (reports.folder / "First.json").read_bytes()
    page.reports._name.value_input = "Second"
    page.reports._give_name()
    assert reports.names() == ["Second"] and page.reports.name == "Second"
    assert (reports.folder / "Second.json").read_bytes() == before
    page.reports._delete()
    assert reports.names() == [] and page.reports.name == ""


def test_what_is_no_epoch_of_interest_is_told(page, workspace):
    saved(page, "One", epochs="soon")
    assert "Epochs of interest are numbers" in page.reports._said.object
    assert workspace.reports(page.variant.family.name).names() == []


@pytest.mark.parametrize("name", ["", "../../etc", "a/b", ".hidden", "x" * 65])
def test_a_name_that_cannot_be_a_files_is_refused(page, workspace, name):
    page.reports._ask()
    page.reports._name.value_input = name
    page.reports._keep(overwrite=False)
    assert "A report's name holds" in page.reports._said.object
    assert workspace.reports(page.variant.family.name).names() == []


def test_the_address_restores_the_page(page, workspace):
    location = Location()
    page.follow_address(location)
    page.board.chooser.value = [MAP, BARS]
    card_of(page, MAP).controls.colours = "of this epoch"
    page.choose({"neuron": 4, "a": 2})
    page.cursor.index, page.cursor.mode, page.cursor.other = 0, DIFFERENCE, 1
    again = Explore(Session(workspace, registry()))
    again.follow_address(Location(search=location.search))
    assert again.state() == page.state()
    assert again.cursor.chosen == {"neuron": 4, "a": 2}
    assert (again.cursor.epoch, again.cursor.other_epoch, again.cursor.mode) == (0, 20, DIFFERENCE)
    assert (card_of(again, MAP).controls.neuron, card_of(again, MAP).controls.colours) == (4, "of this epoch")


def test_what_is_chosen_is_shown_by_a_card_that_comes_later(page, workspace):
    later = Explore(Session(workspace, registry()), [BARS])
    later.follow_address(Location(search="?chosen=neuron:4"))
    later.board.chooser.value = [BARS, MAP]
    assert card_of(later, MAP).controls.neuron == 4
    page.choose({"neuron": 7})
    page.board.chooser.value = [MAP]
    assert card_of(page, MAP).controls.neuron == 7


def test_an_address_that_makes_no_sense_is_the_usual_page(workspace):
    page = Explore(Session(workspace, registry()))
    page.follow_address(
        Location(search="?report=../x&probe=../../etc&epoch=-3&show=x&b=y&chosen=neuron:99999,;:&settings=a:b=c|"
                 "modular_addition.neuron_map:neuron=zz;colours=../x")
    )  # fmt: skip
    assert [card.provided.id for card in page.cards] == list(page.reports.usual().views)
    assert page.cursor.epoch == 40 and not any(card.error for card in page.cards)


def test_an_epoch_that_was_not_saved_can_be_made(page):
    page.player.wanted = 33
    assert "Epoch 33 was not saved" in texts(page.any_epoch.panel)
    button(page.any_epoch.panel, "Make epoch 33 by replay").clicks += 1
    probe = page.variant.family.probe
    assert page.session.started == [("checkpoints add", [page.cursor.variant, "33", "--analyze", "--probe", probe])]
    page.player.wanted = 41
    assert (
        "Training ended at 40" in texts(page.any_epoch.panel)
        and button(page.any_epoch.panel, "Make epoch 41 by replay") is None
    )
    page.player.wanted = None
    assert texts(page.any_epoch.panel) == ""


def test_what_is_missing_is_computed_by_a_click(page):
    page.board.chooser.value = ["general.answers"]
    button(card_of(page, "general.answers").panel, "Compute").clicks += 1
    analyzers = ["general.input_trace"]
    words = [word for name in analyzers for word in ("--analyzer", name)]
    assert page.session.started == [("analyze", [*words, page.cursor.variant])]


def test_the_list_of_views_says_what_each_needs(page):
    page.panel()  # what is stale and missing is looked at when the page is there
    page._show_chooser()
    rows = {row["id"]: row for row in page.board.chooser.entries}
    assert (rows[BARS]["state"], rows[BARS]["computable"]) == ("", False)
    assert (rows["general.answers"]["state"], rows["general.answers"]["computable"]) == ("missing", True)
    page.board.chooser.compute = {"id": "general.answers", "number": 1}
    assert page.session.started[0][0] == "analyze"


def test_a_checkpoint_that_is_added_appears_and_what_is_computed_is_drawn(workspace, tmp_path):
    whole = shutil.copytree(workspace.path, tmp_path / "whole")
    variant = workspace.variants()[0]
    variant.checkpoint_folder.file(40).unlink()
    for analyzer in variant.artifacts.analyzers():
        variant.artifacts.units(analyzer)[40].path.unlink()
    page = Explore(Session(workspace, registry()), VIEWS)
    page.panel()
    assert page.cursor.epochs == page.player.epochs == [0, 20]
    page.cursor.index = 0
    shutil.copytree(whole, workspace.path, dirs_exist_ok=True)
    curves = card_of(page, SIZES).drawing
    page.look()
    assert page.cursor.epochs == page.player.epochs == [0, 20, 40]
    assert page.cursor.epoch == 0
    assert card_of(page, SIZES).drawing is curves  # it is drawn anew when nothing comes any more
    page.look()
    (x,) = {tuple(one.data["epoch"]) for one in card_of(page, SIZES).drawing._sources.values()}
    assert x == (0, 20, 40)
    page.player.index = 2
    assert all(card.drawing is not None and not card.error for card in page.cards)


def test_a_card_alone_fills_the_window_and_comes_back(page):
    page.panel()
    page.player.window_height = 1000
    card = card_of(page, BARS)
    page.expand(card)
    assert page.cards == [card]
    assert [one.panel.visible for one in page.board._cards.values()].count(True) == 1
    assert card.drawing.figures[0].height == 750
    page.cursor.index = 0
    page.player.escaped += 1
    assert len(page.cards) == len(VIEWS) and all(one.panel.visible for one in page.cards)
    assert card.drawing.figures[0].height == 330
    assert card_of(page, "training.losses").drawing._lines[0].location == 0


def test_the_numbers_of_a_picture_are_a_table(page):
    rows = card_of(page, BARS).numbers().splitlines()
    assert rows[0] == "element,frequency,share" and len(rows) == 6
    assert "activation" in card_of(page, MAP).numbers().splitlines()[0]


def test_a_report_from_a_damaged_file_or_of_another_version_is_told(workspace):
    folder = workspace.reports("modular_addition_1layer").folder
    folder.mkdir()
    (folder / "broken.json").write_text('{"format": 2, "title": "broken", "family": "f", "blocks": []}')
    with pytest.raises(WorkspaceError, match="is a report of format 2"):
        workspace.reports("modular_addition_1layer").open("broken")
    page = Explore(Session(workspace, registry()))
    page.reports.choice.value = "broken"
    assert page.cards


def test_two_reports_of_one_name_are_not_mixed_up(workspace):
    reports = Workspace(workspace.path).reports("modular_addition_1layer")
    report = Report(name="x", title="X", family="modular_addition_1layer", blocks=(ViewBlock(view=BARS),))
    reports.save(report)
    with pytest.raises(InvalidSetting, match="There is a report 'x' already"):
        reports.save(report)
    reports.remove("x")
    assert reports.names() == []


def test_the_first_variant_of_a_workspace_is_shown_with_its_usual_views(analysed, tmp_path):
    page = Explore(Recorded(Workspace.create(tmp_path / "w"), registry()))
    page.panel()
    assert page.cards == []
    shutil.copytree(analysed / "results", tmp_path / "w" / "results", dirs_exist_ok=True)
    page.look()
    assert [card.provided.id for card in page.cards] == list(page.reports.usual().views)
    assert page._bar.visible and not page._empty.visible
    assert page.state()["views"] is None


def test_a_family_that_names_no_views_begins_with_some_that_can_be_drawn(workspace, monkeypatch):
    family = Explore(Recorded(workspace, registry())).variant.family.base
    monkeypatch.setattr(type(family), "default_report", "")
    page = Explore(Recorded(workspace, registry()))
    assert len(page.cards) == 6 and all(card.drawings for card in page.cards)


def test_the_address_of_another_page_does_not_say_what_explore_shows(workspace):
    page = Explore(Recorded(workspace, registry()))
    before = page.state()
    location = Location(search=f"?page=compare&views={BARS}&epoch=0")
    page.follow_address(location)
    assert page.state() == before
    page.opened({})
    assert "views" not in location.query_params and location.query_params["epoch"] == before["epoch"]


def test_keys_are_for_what_is_open(page):
    page.reports.dialog.open = True
    assert not page.player.keys
    drawings = [card.drawing for card in page.cards]
    page.reports._name.value_input = "Mine"
    page.reports._name.param.trigger("enter_pressed")
    assert not page.reports.dialog.open and page.player.keys
    assert page.reports.name == page.state()["report"] == "Mine"
    assert [card.drawing for card in page.cards] == drawings  # nothing is drawn again
