"""The page's logic, without a browser."""

import logging

import panel as pn
import pytest
from pages import button, texts

from dynascope import View, Workspace, registry
from dynascope.plugins import Provided, Registry
from dynascope_workbench.explore import Explore
from dynascope_workbench.page import Workbench, workbench
from dynascope_workbench.session import Session

EPOCHS = [0, 20, 40]


def with_view(view):
    found = registry()
    kept = [entry for kind in ("families", "probes", "analyzers", "views") for entry in found.all(kind).values()]
    return Registry(found.plugins, [*kept, Provided("views", view.name, "broken", "dist", "1.0", view)])


def opened(workspace, plugins=None):
    """Return the page with every view that there is."""
    plugins = plugins or registry()
    return Explore(Session(workspace, plugins), list(plugins.all("views")))


def card_of(page, view):
    (card,) = [card for card in page.cards if card.provided.item.name == view]
    return card


@pytest.fixture
def page(workspace):
    return opened(workspace)


def test_what_was_computed_is_drawn_at_the_last_checkpoint(page):
    assert {card.provided.id for card in page.cards if card.drawing is not None} == {
        "fourier.cluster_sizes",
        "fourier.embedding_gini",
        "fourier.embedding_spectrum_over_training",
        "training.losses",
        "fourier.embedding_spectrum",
        "fourier.neuron_clusters",
        "modular_addition.neuron_map",
    }
    assert all(card.error == "" for card in page.cards)
    assert page.cursor.epochs == page.player.epochs == EPOCHS
    assert page.cursor.index == page.player.index == 2


def test_at_first_the_views_that_the_family_names_are_shown_and_others_can_be_chosen(workspace):
    page = Explore(Session(workspace, registry()))
    assert [card.provided.id for card in page.cards] == list(page.reports.usual().views)
    page.panel()
    page.board.chooser.value = ["training.losses", "modular_addition.neuron_map"]
    assert [card.provided.id for card in page.cards] == page.board.chooser.value
    assert [part.css_classes for part in page.board.grid] == [["text-card"], ["view-card"], ["view-card"]]
    page.player.index = 1
    assert card_of(page, "losses").drawing._lines[0].location == 20


def test_what_is_picked_in_one_view_is_chosen_in_all(page):
    page.choose({"neuron": 7, "epoch": 19, "frequency": 10_000})
    neuron_map = card_of(page, "neuron_map")
    assert (neuron_map.controls.neuron, neuron_map._widgets[0].value, page.cursor.epoch) == (7, 7, 20)
    clusters = card_of(page, "neuron_clusters")
    frame = clusters.frame
    picked = clusters.provided.item.pick(frame, 3.2, 5.1)
    best = frame.read("fourier.neuron_frequencies/best_frequency", epoch=frame.epochs[-1]).values
    rank = sorted(best).index(best[picked["neuron"]])
    assert picked["frequency"] == 5 and rank <= 3
    assert clusters.provided.item.pick(frame, -3, 5) == {}


def test_the_player_moves_every_view(page):
    page.player.index = 1
    assert page.cursor.epoch == 20
    assert card_of(page, "losses").drawing._lines[0].location == 20


def test_a_click_on_a_curve_moves_the_player(page):
    card_of(page, "losses").host.choose({"epoch": 13.0})
    assert (page.cursor.epoch, page.player.index) == (20, 1)


def test_another_variant_keeps_the_epoch_and_the_controls(page):
    page.player.index = 1
    neuron = card_of(page, "neuron_map")
    neuron.controls.neuron = 7
    before = neuron.drawing.root
    page.cursor.variant = sorted(page._variants)[1]
    assert page.variant.config.parameters.seed == 1
    assert page.cursor.epoch == 20
    assert neuron.controls.neuron == 7
    assert neuron.drawing.root is not before
    assert all(card.error == "" for card in page.cards)


def test_a_control_redraws_its_view_alone(page):
    before = [card.drawing for card in page.cards]
    card_of(page, "neuron_map").controls.neuron = 5
    kept = [card.drawing is drawing for card, drawing in zip(page.cards, before, strict=True)]
    changed = [card.provided.item.name for card, same in zip(page.cards, kept, strict=True) if not same]
    assert changed == ["neuron_map"]
    assert card_of(page, "neuron_map").controls.param.neuron.bounds == (0, 31)


def test_a_number_that_may_be_left_to_the_view_is_a_list_that_begins_with_automatic(fully_analysed):
    page = opened(Workspace(fully_analysed))
    card = card_of(page, "class_circle")
    choice = next(widget for widget in card._widgets if widget.label == "frequency")
    assert (choice.value, choice.options) == ("automatic", ["automatic", "1", "2", "3", "4", "5"])
    choice.value = "3"
    assert card.controls.frequency == 3
    assert card.drawing.root.xaxis[0].axis_label == "direction of cos 3"
    choice.value = "automatic"
    assert card.controls.frequency is None


def test_a_view_that_raises_shows_its_error_and_the_others_go_on(workspace, caplog):
    caplog.set_level(logging.CRITICAL)

    def draw(frame):
        import holoviews as hv

        if frame.epoch == 20:
            raise ZeroDivisionError("on purpose")
        return hv.Curve([1, 2, 3])

    view = View("fragile", "Fragile", draw, reads=("metrics",), columns=lambda frame: draw(frame) and {})
    page = opened(workspace, with_view(view))
    (card,) = [card for card in page.cards if card.provided.id == "broken.fragile"]
    assert card.error == ""
    page.player.index = 1
    assert card.error == "ZeroDivisionError: on purpose"
    assert "broken.fragile (plug-in dist 1.0) failed at epoch 20" in texts(card.panel)
    assert not any(other.error for other in page.cards if other is not card)
    assert card_of(page, "losses").drawing._lines[0].location == 20
    page.player.index = 2  # and it recovers
    assert card.error == ""
    assert card.drawing is not None


def test_what_was_not_computed_is_named_and_computed_by_a_click(workspace):
    variant = workspace.variants()[0]
    for unit in variant.artifacts.units("fourier.embedding_frequencies").values():
        unit.path.unlink()
    page = opened(workspace)
    card = card_of(page, "embedding_spectrum")
    assert "Not computed yet: fourier.embedding_frequencies." in texts(card.panel)
    assert button(card.panel, "Compute") is not None
    page.player.index = 0
    assert card_of(page, "losses").drawing._lines[0].location == 0


def test_an_epoch_that_was_not_analysed_is_told_in_its_card_alone(workspace):
    variant = workspace.variants()[0]
    variant.artifacts.units("fourier.embedding_frequencies")[20].path.unlink()
    page = opened(workspace)
    page.player.index = 1
    assert "Not computed at epoch 20 yet." in texts(card_of(page, "embedding_spectrum").panel)
    assert not any(card.error for card in page.cards)
    assert card_of(page, "neuron_clusters").drawing is not None
    assert card_of(page, "embedding_spectrum").drawing is None
    page.player.index = 0
    assert card_of(page, "embedding_spectrum").drawing is not None


def test_two_tabs_do_not_share_their_state(shared):
    one, two = (Explore(Session(shared, registry())) for _ in range(2))
    one.player.index = 0
    assert (one.cursor.index, two.cursor.index) == (0, 2)


def test_a_workspace_without_variants_says_what_to_do(tmp_path):
    page = Explore(Session(Workspace.create(tmp_path / "w"), registry()))
    assert "Train one here, or with `dynascope train FAMILY`" in texts(page.panel())
    assert page.cards == [] and not page._bar.visible


def test_no_workspace_is_a_page_that_says_so(tmp_path):
    assert "is not a workspace" in texts(pn.Column(*workbench(str(tmp_path)).main))


def test_the_header_names_the_versions(shared):
    header = texts(pn.Column(*workbench(str(shared.path)).header))
    for part in ("core 0.1.0", "workbench 0.1.0", "fourier 0.1.0", "modular_addition 0.1.0"):
        assert part in header


def test_a_plug_in_that_failed_is_named_in_the_header(shared, install, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    from importlib import metadata

    from dynascope.plugins import discover

    broken = install("raise RuntimeError('boom')", name="boomer")
    found = discover([*metadata.distributions(), broken])
    monkeypatch.setattr("dynascope_workbench.page.registry", lambda: found)
    assert "failed: boomer (see: Plug-ins)" in texts(pn.Column(*workbench(str(shared.path)).header))


def test_the_player_sends_at_once_and_merges():
    from dynascope_workbench.epoch.player import EpochPlayer

    # Panel's own default is 50 ms, which is felt. If this name goes, the player needs another way.
    assert EpochPlayer._debounce == 10
    assert pn.reactive.Syncable._debounce == 50


def test_a_number_out_of_its_bounds_becomes_the_nearest_bound(page):
    card = card_of(page, "neuron_map")
    box = card._widgets[0]
    for typed, shown in ((9999, 31), (-3, 0), (7, 7), (None, 7)):
        box.value = typed
        assert (box.value, card.controls.neuron) == (shown, shown)


def test_a_view_that_reads_what_nobody_provides_says_so(workspace):
    view = View("lost", "Lost", lambda frame: None, reads=("fourier.neuron_frequencies/fractoin",))
    page = opened(workspace, with_view(view))
    (card,) = [card for card in page.cards if card.provided.id == "broken.lost"]
    assert "no array of any installed analyzer named 'fourier.neuron_frequencies/fractoin'" in texts(card.panel)
    assert "Did you mean 'fourier.neuron_frequencies/fraction'?" in texts(card.panel)


def test_the_address_names_variant_epoch_and_views(workspace):
    from panel.io.location import Location

    names = sorted(Explore(Session(workspace, registry()))._variants)
    location = Location(search=f"?variant={names[1]}&epoch=19")
    page = opened(workspace)
    page.follow_address(location)
    assert (page.cursor.variant, page.cursor.epoch) == (names[1], 20)
    page.player.index = 0
    assert {name: location.query_params[name] for name in ("variant", "epoch")} == {"variant": names[1], "epoch": 0}
    page.board.chooser.value = ["training.losses", "modular_addition.neuron_map"]
    again = Explore(Session(workspace, registry()))
    again.follow_address(Location(search=location.search))
    assert [card.provided.id for card in again.cards] == page.board.chooser.value
    assert (again.cursor.variant, again.cursor.epoch) == (names[1], 0)
    other = Explore(Session(workspace, registry()))
    other.follow_address(Location(search="?variant=../../etc&epoch=x&views=../../etc"))
    assert (other.cursor.variant, other.cursor.epoch) == (names[0], 40)
    assert [card.provided.id for card in other.cards] == list(other.reports.usual().views)


def test_a_number_goes_by_its_step():
    import param

    from dynascope_workbench.cards.controls import _number

    class Turn(param.Parameterized):
        azimuth = param.Integer(0, bounds=(-20, 20), step=15)

    controls = Turn()
    assert _number(controls, "azimuth", "azimuth").step == 15


def test_pages_are_made_when_they_are_opened_and_named_in_the_address(shared):
    from panel.io.location import Location

    location = Location(search="?page=plugins")
    tab = Workbench(Session(shared, registry()), location)
    assert list(tab.pages) == ["plugins"]
    assert "embedding_spectrum" in texts(tab._holders["plugins"])
    tab.session.go("explore")
    assert list(tab.pages) == ["plugins", "explore"]
    assert location.query_params["page"] == "explore"


def test_a_page_that_cannot_be_made_is_an_error_in_its_tab(shared, monkeypatch):
    from dynascope import WorkspaceError

    def fail(self, session):
        raise WorkspaceError("This folder has gone.")

    monkeypatch.setattr("dynascope_workbench.plugins.Plugins.__init__", fail)
    tab = Workbench(Session(shared, registry()))
    tab.session.go("plugins")
    assert "This folder has gone." in texts(tab._holders["plugins"])
    tab.session.go("explore")
    assert tab.pages["explore"].cards


def test_a_server_that_only_shows_starts_nothing(shared, monkeypatch):
    from dynascope import InvalidSetting

    monkeypatch.setenv("DYNASCOPE_READ_ONLY", "1")
    with pytest.raises(InvalidSetting, match="DYNASCOPE_READ_ONLY"):
        Session(shared, registry()).start("analyze", [])
    assert not shared.jobs.list()
