"""Pictures of arrays that were made by hand."""

import holoviews as hv
import numpy as np
import pytest
from memory import MemoryFrame, labelled

from dynascope_modular_addition.views import VIEWS

VIEW = {view.name: view for view in VIEWS}
WEIGHTS = "modular_addition.effective_neuron_weights/"
PATTERNS = "modular_addition.attention_patterns/"
PATTERN = PATTERNS + "pattern"
SCORES = "modular_addition.attention_frequencies/"

hv.extension("bokeh")


def phases(**choices):
    """Three neurons, two of them of frequency 2 in the end, one of which solves its part."""
    values = {
        "input_phase": [[0, 0, 0], [1.0, -2.0, 0.5]],
        "output_phase": [[0, 0, 0], [2.0, 1.0, -1.0]],
        "input_amplitude": [[0, 0, 9.0], [4.0, 1.0, 0]],
        "output_amplitude": [[0, 0, 0], [3.0, 1.0, 0]],
        "phase_difference": [[0, 0, 0], [0.0, 1.2, 2.0]],
    }
    arrays = {WEIGHTS + name: {0: labelled(value, "frequency", "neuron")} for name, value in values.items()}
    arrays[WEIGHTS + "best_frequency"] = {0: labelled([2, 2, 1], "neuron")}
    view = VIEW["neuron_phases"]
    return MemoryFrame(arrays, 0, view.controls(**choices))


def test_phases_are_those_of_the_frequency_that_most_neurons_have():
    columns = VIEW["neuron_phases"].columns(phases())
    assert columns["phase/phi"].tolist() == [1, -2, 0.5]
    assert columns["phase/upright"].tolist() == [2, 1, -1]
    # Areas beyond the smallest point's are as amplitudes: 4, 1 and 0 of 9.
    np.testing.assert_allclose((columns["phase/size"] - 1.5) / 7.5, [2 / 3, 1 / 3, 0])
    assert VIEW["neuron_phases"].columns(phases(frequency=1))["phase/alpha"].tolist() == [0, 0, 9]


def test_the_other_vertical_axis_is_the_phase_difference():
    columns = VIEW["neuron_phases"].columns(phases(phases="2φ − ψ against φ"))
    assert columns["phase/upright"].tolist() == [0, 1.2, 2]


@pytest.mark.parametrize("choice", ["ψ against φ", "2φ − ψ against φ"])
def test_the_dashed_line_is_where_psi_is_twice_phi(choice):
    ideal = VIEW["neuron_phases"].draw(phases(phases=choice)).get(0)
    covered = 0.0
    for piece in ideal.split():
        (x0, x1), (y0, y1) = piece.dimension_values(0), piece.dimension_values(1)
        covered += x1 - x0
        along = np.linspace(0, 1, 7)
        phi, upright = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
        off = upright - 2 * phi if choice.startswith("ψ") else upright
        np.testing.assert_allclose(np.exp(1j * off), 1, atol=1e-9)
    assert covered == pytest.approx(2 * np.pi)


def test_attention_is_shown_with_a_across_and_b_up():
    pattern = np.zeros((2, 3, 5, 5))
    pattern[1, 0, 3, 4] = 0.9
    stored = labelled(pattern, "head", "source", "a", "b", source=["a", "b", "="])
    view = VIEW["attention_pattern"]
    image = view.draw(MemoryFrame({PATTERN: {0: stored}}, 0, view.controls(head=1)))
    assert image[3, 4] == 0.9
    assert image.dimension_values("attention").sum() == 0.9
    other = MemoryFrame({PATTERN: {0: stored}}, 0, view.controls(head=1, source="b"))
    assert not view.columns(other)["image"][0].any()


def test_heads_are_named_with_frequency_and_sign():
    arrays = {
        SCORES + "share": {0: labelled([[0.9, 0.1, 0], [0.1, 0.9, 0]], "frequency", "head")},
        SCORES + "best_frequency": {0: labelled([1, 2, 0], "head")},
        SCORES + "sign": {0: labelled([1, -1, 0], "head")},
    }
    view = VIEW["head_frequencies"]
    columns = view.columns(MemoryFrame(arrays, 0, view.controls()))
    assert columns["best/best"].tolist() == ["+1", "−2", ""]
    assert columns["share/image"][0].tolist() == [[0.9, 0.1], [0.1, 0.9], [0, 0]]
    fit = {
        PATTERNS + "fit_share": {0: labelled([[0.3, 0.1, 0], [0.1, 0.959, 0]], "frequency", "head")},
        PATTERNS + "best_fit_frequency": {0: labelled([1, 2, 0], "head")},
        PATTERNS + "best_fit_share": {0: labelled([0.3, 0.959, 0], "head")},
    }
    columns = view.columns(MemoryFrame(arrays | fit, 0, view.controls(share_of="the attention's variance")))
    assert columns["best/best"].tolist() == ["1: 30.0%", "2: 95.9%", ""]
    assert columns["share/image"][0].tolist() == [[0.3, 0.1], [0.1, 0.959], [0, 0]]


def test_the_map_of_a_head_is_that_of_the_chosen_one():
    view = VIEW["head_frequencies_over_training"]
    share = {epoch: labelled([[0.9, 0.1 * epoch]], "frequency", "head") for epoch in (0, 1)}
    cells = view.draw(MemoryFrame({SCORES + "share": share}, 0, view.controls(head=1)))
    assert cells.dframe().share.tolist() == [0, 0.1]


def test_a_click_on_a_head_chooses_it_and_the_frequency():
    arrays = {SCORES + "share": {0: labelled([[0.9, 0.1], [0.1, 0.9], [0, 0]], "frequency", "head")}}
    view = VIEW["head_frequencies"]
    frame = MemoryFrame(arrays, 0, view.controls())
    assert view.pick(frame, 2.8, 1.2) == {"head": 1, "frequency": 3}
    for place in ((0.4, 0), (3.6, 0), (1, -0.6), (1, 1.6)):
        assert view.pick(frame, *place) == {}


def test_a_click_on_a_point_chooses_its_neuron():
    pick = VIEW["neuron_phases"].pick
    assert pick(phases(), 1.1, 2.1) == {"neuron": 0}
    assert pick(phases(), 0.5, -1.1) == {"neuron": 2}
    assert pick(phases(), 0, 0) == {}


SITES = ["embedding", "neuron_input"]
GRADIENT = "modular_addition.gradient_energy/"


def gradients(name, **choices):
    """Two weights, three frequencies: at epoch 20 the gradient at the second one is 0."""
    nan = np.nan
    share = {0: [[0.5, 0.3, 0.2], [0, 0.4, 0.6]], 20: [[0.1, 0.9, 0], [nan] * 3]}
    agreement = {0: [[1, 0.75], [0.75, 1]], 20: [[1, nan], [nan, nan]]}
    arrays = {
        GRADIENT + "share": {at: labelled(value, "site", "frequency", site=SITES) for at, value in share.items()},
        GRADIENT + "gradient_norm": {at: labelled([0.5, 0.0], "site", site=SITES) for at in share},
        GRADIENT + "path": {at: labelled(["itself", "through the heads"], "site", site=SITES) for at in share},
        GRADIENT + "agreement": {
            at: labelled(value, "site", "other_site", site=SITES, other_site=SITES) for at, value in agreement.items()
        },
    }
    view = VIEW[name]
    controls = view.controls() if view.controls else None
    for control, value in choices.items():
        controls.param[control].objects = SITES
        setattr(controls, control, value)
    return MemoryFrame(arrays, 0, controls)


def test_the_energy_of_a_gradient_is_in_the_row_of_its_weight():
    view, made = VIEW["gradient_energy"], gradients("gradient_energy")
    image = view.draw(made).get(0)
    table = image.dframe().set_index(["frequency", "row"])
    assert table.loc[(3, 1)].tolist() == [0.6, "neuron input", "through the heads"]
    assert image.opts.get("plot").kwargs["clim"] == (0, 0.9)
    columns = view.columns(made)
    assert columns["norm/norm"].tolist() == ["5.0e-01", "0.0e+00"]
    assert columns["share/image"][0][1].tolist() == [0, 0.4, 0.6]
    assert view.pick(made, 2, 1.3) == {"site": "neuron_input", "frequency": 2}
    for place in ((0.3, 0), (3.6, 0), (1, 1.6), (1, -0.6)):
        assert view.pick(made, *place) == {}


def test_the_map_of_a_gradient_is_that_of_the_chosen_weight():
    made = gradients("gradient_energy_over_training", site="neuron_input")
    table = VIEW["gradient_energy_over_training"].draw(made).dframe()
    np.testing.assert_array_equal(table.share, [0, 0.4, 0.6, np.nan, np.nan, np.nan])


def test_agreement_is_that_of_row_and_column():
    view, made = VIEW["gradient_agreement"], gradients("gradient_agreement")
    image = view.draw(made)
    table = image.dframe().set_index(["across", "up"])
    assert table.loc[("embedding", "neuron input")].agreement == 0.75
    # The scale begins a tenth or less below the least agreement of the training.
    assert image.opts.get("plot").kwargs["clim"] == (0.7, 1)
    assert view.pick(made, 0, 1) == {"site": "neuron_input"}
    assert view.pick(made, 0, 2) == view.pick(made, -1, 0) == {}


def test_agreement_over_training_is_that_with_the_chosen_weight():
    view = VIEW["gradient_agreement_over_training"]
    made = gradients("gradient_agreement_over_training", site="neuron_input")
    table = view.draw(made).dframe()
    assert table.row.tolist() == ["embedding", "neuron input"] * 2
    np.testing.assert_array_equal(table.share, [0.75, 1, np.nan, np.nan])
    assert view.pick(made, 1, 1) == {"epoch": 0, "site": "neuron_input"}
    assert view.pick(made, 19, 0) == {"epoch": 20, "site": "embedding"}
    assert view.pick(made, 1, 2) == view.pick(made, -100, 0) == {}


def clocks(distance, symmetry, **choices):
    arrays = {
        "modular_addition.gradient_symmetricity/symmetricity": symmetry,
        "fourier.distance_irrelevance/correct": distance,
        "fourier.distance_irrelevance/largest_wrong": {at: value / 2 for at, value in distance.items()},
    }
    arrays = {name: {at: labelled(value) for at, value in values.items()} for name, values in arrays.items()}
    return MemoryFrame(arrays, max(distance), VIEW["clock_or_pizza"].controls(**choices))


def test_the_way_between_clock_and_pizza_is_drawn_and_this_epoch_marked():
    view = VIEW["clock_or_pizza"]
    made = clocks({0: 1.0, 10: 0.8, 20: 0.4}, {0: 0.1, 10: 0.5, 20: 0.9})
    columns = view.columns(made)
    assert (columns["here/x"][0], columns["here/y"][0]) == (0.4, 0.9)
    assert columns["note/said"][0] == "epoch 20: 0.40, 0.90"
    points = next(part for part in view.draw(made) if part.label == "checkpoints").dframe()
    assert points[["x", "y", "epoch"]].values.tolist() == [[1, 0.1, 0], [0.8, 0.5, 10], [0.4, 0.9, 20]]
    assert view.pick(made, 0.79, 0.52) == {"epoch": 10}
    assert view.pick(made, 0.6, 0.2) == {}
    other = clocks({0: 1.0, 10: 0.8}, {0: 0.1, 10: 0.5}, irrelevance="of the largest other logit")
    assert view.columns(other)["here/x"][0] == 0.4


def test_a_training_without_gradients_is_no_error():
    view, nothing = VIEW["clock_or_pizza"], {0: np.nan}
    made = clocks(nothing, nothing)
    assert view.columns(made)["note/said"][0] == "epoch 0: no value"
    assert view.pick(made, 0.5, 0.5) == {}
    hv.renderer("bokeh").get_plot(view.draw(made))
    hv.renderer("bokeh").get_plot(VIEW["gradient_symmetricity"].draw(made))


def test_sparsity_is_that_of_the_chosen_components():
    view = VIEW["weight_sparsity"]
    values = dict(zip(view.reads, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
    arrays = {name: {0: labelled(value), 9: labelled(value)} for name, value in values.items()}
    for gini, expected in (("without the constant", [0.1, 0.3]), ("with the constant", [0.2, 0.4])):
        drawn = view.draw(MemoryFrame(arrays, 0, view.controls(gini=gini)))
        assert [part.dimension_values(1)[0] for part in drawn if isinstance(part, hv.Curve)] == [*expected, 0.5]


COMPOSITION = "modular_addition.neuron_composition/"


def composed(view, keys=(1, 3), **choices):
    """Three frequencies at two epochs, of which some are key ones in the end."""
    waves = {"wave": ["cos", "sin"]}
    explained = {0: [[0.1, 0.2], [0.3, 0.4], [0.5, np.nan]], 9: [[0.9, 0.8], [0.3, 0.4], [0.7, np.nan]]}
    flags = np.isin([1, 2, 3], keys).astype(int)
    arrays = {
        COMPOSITION + "explained": {at: labelled(one, "frequency", "wave", **waves) for at, one in explained.items()},
        COMPOSITION + "slope": {at: labelled(np.full((3, 2), 44.6), "frequency", "wave", **waves) for at in explained},
        COMPOSITION + "wave": {at: labelled(["cos", "sin"], "wave", **waves) for at in explained},
        **{
            f"fourier.neuron_frequencies/{name}": {at: labelled(flags, "frequency") for at in explained}
            for name in ("is_key", "cluster_size", "best_size")
        },
    }
    return MemoryFrame(arrays, 9, view.controls(**choices) if view.controls else None)


def test_each_key_frequency_has_a_bar_for_each_wave_of_the_sum():
    view = VIEW["neuron_composition"]
    made = composed(view)
    columns = view.columns(made)
    assert columns["cos/top"].tolist() == [0.9, 0.7]
    assert columns["sin/top"].tolist() == [0.8, 0]
    bars = {part.label: part.dframe() for part in view.draw(made)}
    assert bars["cos"][["top", "slope", "frequency"]].values.tolist() == [[0.9, 44.6, 1], [0.7, 44.6, 3]]
    assert (bars["cos"].right == bars["sin"].left).all()
    assert view.pick(made, 1.3, 0.2) == {"frequency": 3}
    assert view.pick(made, 1.6, 0.2) == view.pick(made, -0.7, 0.2) == view.pick(made, 0, 1.1) == {}


def test_composition_over_training_is_that_of_the_chosen_wave():
    view = VIEW["neuron_composition_over_training"]
    drawn = view.draw(composed(view, wave="sin"))
    curves = [part for part in drawn if isinstance(part, hv.Curve)]
    assert [part.label for part in curves] == ["k = 1"]  # of k = 3 there is no sine
    assert curves[0].dimension_values(1).tolist() == [0.2, 0.8]


def test_without_a_key_frequency_the_views_of_composition_say_so():
    for name in ("neuron_composition", "neuron_composition_over_training"):
        made = composed(VIEW[name], keys=())
        assert "no key frequency" in str(VIEW[name].draw(made).dimension_values("said")[0])
        assert not VIEW[name].columns or VIEW[name].columns(made) == {}


def test_the_loss_of_each_ablation_is_a_bar_for_each_split():
    name, view = "modular_addition.ablations/", VIEW["ablated_losses"]
    axes = {"ablation": ["nothing", "heads zeroed"], "split": ["train", "test", "all"]}
    loss = {0: [[4.0, 4.0, 4.0], [5.0, 5.0, 5.0]], 9: [[1e-7, np.nan, 1e-7], [20.0, np.nan, 20.0]]}
    arrays = {
        name + "loss": {at: labelled(values, "ablation", "split", **axes) for at, values in loss.items()},
        name + "meaning": {at: labelled(["as it is", "without"], "ablation") for at in loss},
        **{name + one: {at: labelled(axes[one], one) for at in loss} for one in axes},
    }
    for epoch in loss:
        made = MemoryFrame(arrays, epoch)
        drawn, columns = view.draw(made), view.columns(made)
        bars = {part.label: part.dframe() for part in drawn}
        for key, values in columns.items():
            split, column = key.split("/")
            np.testing.assert_array_equal(bars[split][column], values)
        assert drawn.opts.get("plot").kwargs["xlim"] == (5e-8, 40)
    assert bars["train"][["right", "ablation", "meaning"]].values.tolist() == [
        [1e-7, "nothing", "as it is"],
        [20, "heads zeroed", "without"],
    ]
    # A split without pairs has no bar; and the first ablation is the highest.
    assert (bars["test"].right == bars["test"].left).all()
    assert bars["all"].top[0] > bars["all"].top[1]
