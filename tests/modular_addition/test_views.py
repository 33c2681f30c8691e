"""Pictures of arrays that were made by hand."""

import holoviews as hv
import numpy as np
import pytest
from memory import MemoryFrame, labelled

from dynascope_modular_addition.views import VIEWS

VIEW = {view.name: view for view in VIEWS}
WEIGHTS = "modular_addition.effective_neuron_weights/"
PATTERN = "modular_addition.attention_patterns/pattern"
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
    columns = VIEW["head_frequencies"].columns(MemoryFrame(arrays))
    assert columns["best/best"].tolist() == ["+1", "−2", ""]
    assert columns["share/image"][0].tolist() == [[0.9, 0.1], [0.1, 0.9], [0, 0]]


def test_the_map_of_a_head_is_that_of_the_chosen_one():
    view = VIEW["head_frequencies_over_training"]
    share = {epoch: labelled([[0.9, 0.1 * epoch]], "frequency", "head") for epoch in (0, 1)}
    cells = view.draw(MemoryFrame({SCORES + "share": share}, 0, view.controls(head=1)))
    assert cells.dframe().share.tolist() == [0, 0.1]
