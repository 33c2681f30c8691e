"""Which frequencies the gradient of the training loss drives, at each place of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, Gradient, Loss, Output, Step
from dynascope_fourier import fourier_basis
from dynascope_fourier.reading import finite, in_double, number_rows
from dynascope_fourier.spectra import frequency_power
from dynascope_modular_addition.paths import answer_scores, neuron_inputs

__all__ = ["GradientEnergy", "agreement"]

Array = np.ndarray[Any, Any]

PATHS = {
    "embedding": "the gradient itself, over the numbers",
    "query": "score that a number has at the answer position, by head",
    "key": "score that a number has at the answer position, by head",
    "value": "what a number adds to each neuron's input, through the heads",
    "attention_output": "what a number adds to each neuron's input, through the heads",
    "neuron_input": "what a number adds to each neuron's input, through the heads",
    "neuron_output": "what a neuron gives to each class, W_out W_U",
    "unembedding": "the gradient itself, over the classes",
}
OVER = Loss(over="train")


class GradientEnergy(Analyzer):
    """Energy per frequency of the gradient of the train loss at each weight, and how alike the spectra are.

    A gradient at W_in or W_V is no function of a number by itself. It is taken to one along the path on which numbers
    reach the weight: the change of the score q_= . K(t), of what a number adds to each neuron's input,
    ``sum_h A_h W_E W_V^h W_O^h W_in``, or of W_out W_U, when that weight alone moves by its gradient. A_h is the mean
    attention from the answer position to a number. Of embedding and unembedding it is the gradient itself.

    The energy of a frequency is the sum over features of the squared components at its cosine and sine. Two spectra
    agree by the cosine of their amplitudes, ``sum_k sqrt(share_k share'_k)``: 1 where they are the same, 0 where no
    frequency is in both. Energies of different sites have different units; shares and agreement have none.

    Paths:
        embedding, unembedding: the gradient itself, of a number or a class.
        query, key: the change of the score q_= . K(t), by head.
        value, attention_output, neuron_input: the change of what a number adds to each neuron's input.
        neuron_output: the change of W_out W_U.

    Parameters:
        loss_over: the rows that the loss is the mean over.
    """

    name = "gradient_energy"
    title = "Gradient energy"
    description = "Energy per frequency of the train loss' gradient at each weight, and agreement between weights."
    citation = (
        "After the gradient energies of the MIScope workbench, which multiplies W_E with the gradient at W_in "
        "directly: a path on which no number reaches a neuron of this architecture."
    )
    needs = ("cyclic_group", "one_layer_transformer")
    reads = (*PATHS, "position_embedding", "query_bias", "attention_pattern", *(Gradient(site, OVER) for site in PATHS))
    parameters = {"loss_over": "train"}
    outputs = {
        "site": Output(("site",), "str", "1", "the weight, by the family's common name"),
        "path": Output(("site",), "str", "1", "what the gradient at it is a change of"),
        "gradient_norm": Output(("site",), "float64", "nats", "Frobenius norm of the gradient at the weight"),
        "energy": Output(
            ("site", "frequency"), "float64", "1", "squared norm of the change at the frequency", {"frequency": 1}
        ),
        "share": Output(
            ("site", "frequency"),
            "float32",
            "1",
            "that over all frequencies; NaN where the gradient is 0",
            {"frequency": 1},
        ),
        "other_site": Output(("other_site",), "str", "1", "the site that is compared with"),
        "agreement": Output(
            ("site", "other_site"), "float64", "1", "cosine of the amplitude spectra; NaN where a gradient is 0"
        ),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        energy = np.stack([_energy(matrix) for matrix in _changes(step).values()])
        total = energy.sum(axis=1, keepdims=True)
        share = np.full_like(energy, np.nan)
        np.divide(energy, total, out=share, where=total > 0)
        sites = np.array(list(PATHS))
        return {
            "site": sites,
            "path": np.array(list(PATHS.values())),
            "gradient_norm": np.array(
                [np.linalg.norm(step[Gradient(site, OVER)].astype(np.float64)) for site in PATHS]
            ),
            "energy": energy,
            "share": share,
            "other_site": sites,
            "agreement": agreement(share),
        }


def agreement(share: Array) -> Array:
    """Return the cosine of every two amplitude spectra, ``"site site"``.

    Args:
        share: of the energy, ``"site frequency"``.
    """
    amplitude = np.sqrt(share)
    cosine: Array = np.clip(amplitude @ amplitude.T, 0, 1)
    return cosine


def _energy(matrix: Array) -> Array:
    """Return the energy of each frequency in a matrix ``"element feature"``."""
    return frequency_power(np.square(fourier_basis(len(matrix)) @ matrix).sum(axis=1))


def _changes(step: Step) -> dict[str, Array]:
    """Return the gradient at each site as a function of a number or of a class, ``"element feature"``."""

    def gradient(name: str) -> Array:
        return finite(step[Gradient(name, OVER)], f"the gradient at {name}").astype(np.float64)

    circuit, group = step.context["one_layer_transformer"], step.context["cyclic_group"]
    elements = slice(group.first_token, group.first_token + group.order)
    numbers = number_rows(step, "embedding")
    answer = in_double(step, "embedding")[circuit.answer_token] + in_double(step, "position_embedding")[-1]
    query, bias, key = (in_double(step, read) for read in ("query", "query_bias", "key"))
    attention = finite(step["attention_pattern"], "attention_pattern")[:, :, :-1].mean(axis=(0, 2), dtype=np.float64)
    value, output, inner = (in_double(step, read) for read in ("value", "attention_output", "neuron_input"))
    heads = circuit.n_heads
    return {
        "embedding": gradient("embedding")[elements],
        "query": answer_scores(answer, numbers, gradient("query"), np.zeros_like(bias), key, heads),
        "key": answer_scores(answer, numbers, query, bias, gradient("key"), heads),
        "value": neuron_inputs(numbers, attention, gradient("value"), output, inner),
        "attention_output": neuron_inputs(numbers, attention, value, gradient("attention_output"), inner),
        "neuron_input": neuron_inputs(numbers, attention, value, output, gradient("neuron_input")),
        "neuron_output": number_rows(step, "unembedding") @ gradient("neuron_output"),
        "unembedding": gradient("unembedding")[elements],
    }
