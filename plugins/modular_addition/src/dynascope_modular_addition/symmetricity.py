"""Whether a logit moves alike with the embeddings of a and of b."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dynascope import Analyzer, Output, Step
from dynascope_fourier.reading import check_full_grid, finite, in_double, number_rows

__all__ = ["GradientSymmetricity", "drawn_triples"]

Array = np.ndarray[Any, Any]


class GradientSymmetricity(Analyzer):
    """Mean cosine between the gradients of a logit at the embeddings of a and of b, over drawn triples (a, b, c).

    The gradients of logit c on the pair (a, b) are taken at the embeddings before positions are added. It is 1 where a
    logit is a function of the sum of the two embeddings, as for the algorithm "pizza" with uniform attention. The
    triples are the first ``triples`` of all p^3, a-major, in the order of Python's ``random.Random(seed).shuffle``. Of
    more than ``shuffled`` triples, its ``sample`` draws them, which takes no time.

    One triple is one backward pass for the reference; here the chain rule of the architecture is written out, and all
    triples are a few products of matrices: from the class through W_U and the neurons that fire to the stream, through
    W_O to each head, and from there to the two embeddings through values and through scores. Attention and the
    firing neurons are those of the shared pass. The neurons are ReLUs.

    Gradients are exact, in float64. Published for p = 59: 0.994 for the paper's model A (pizza), 0.334 for its model B
    (clock).

    Parameters:
        triples: how many; all, where there are fewer.
        seed: of the shuffle.
        shuffled: up to so many triples (p = 125) all are shuffled, as in the paper's code; of more, ``sample`` draws.
    """

    name = "gradient_symmetricity"
    title = "Gradient symmetricity"
    description = "Mean cosine between the gradients of logit c at the embeddings of a and of b, over drawn triples."
    citation = "Zhong et al. 2023 (arXiv 2306.17844), section 4.1; the triples as in its code."
    needs = ("cyclic_group", "one_layer_transformer")
    reads = (
        *("embedding", "position_embedding", "query", "query_bias", "key", "value", "attention_output"),
        *("neuron_input", "neuron_output", "unembedding", "attention_pattern", "neurons"),
    )
    probe_axes = ("a", "b")
    parameters = {"triples": 100, "seed": 42, "shuffled": 2_000_000}
    outputs = {
        "symmetricity": Output((), "float64", "1", "mean cosine of the triples that have gradients; NaN if none has"),
        "cosine": Output(("triple",), "float64", "1", "cosine of the triple; NaN where a gradient is 0"),
        "triple_a": Output(("triple",), "int32", "1", "its a"),
        "triple_b": Output(("triple",), "int32", "1", "its b"),
        "triple_c": Output(("triple",), "int32", "1", "its c: the class whose logit is differentiated"),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        p = step.context["cyclic_group"].order
        check_full_grid(step)
        a, b, c = drawn_triples(p, *(int(self.parameters[name]) for name in ("triples", "seed", "shuffled"))).T
        at_a, at_b = _gradients(step, a, b, c)
        length = np.linalg.norm(at_a, axis=1) * np.linalg.norm(at_b, axis=1)
        cosine = np.full(len(a), np.nan)
        np.divide((at_a * at_b).sum(axis=1), length, out=cosine, where=length > 0)
        there = np.isfinite(cosine)
        return {
            "symmetricity": cosine[there].mean() if there.any() else np.float64(np.nan),
            "cosine": cosine,
            "triple_a": a.astype(np.int32),
            "triple_b": b.astype(np.int32),
            "triple_c": c.astype(np.int32),
        }


@cache
def drawn_triples(p: int, count: int, seed: int, shuffled: int) -> Array:
    """Return the first triples of all p^3 in the order of Python's shuffle, ``"triple 3"``; all if there are fewer.

    Args:
        p: the modulus.
        count: how many.
        seed: of the shuffle.
        shuffled: the largest number of triples that is shuffled whole; of more, a sample is drawn.
    """
    source, places = random.Random(seed), range(p**3)
    if len(places) > shuffled:
        drawn = source.sample(places, min(count, len(places)))
    else:
        drawn = list(places)
        source.shuffle(drawn)
    triples = np.stack(np.unravel_index(np.array(drawn[:count]), (p, p, p)), axis=1)
    triples.flags.writeable = False
    return triples


def _gradients(step: Step, a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """Return the gradients of logit c at the embeddings of a and of b, each ``"triple d"``, float64."""
    circuit = step.context["one_layer_transformer"]

    pairs = a * step.context["cyclic_group"].order + b
    attention = finite(step["attention_pattern"][pairs], "attention_pattern").astype(np.float64)  # triple head source
    fires = finite(step["neurons"][pairs], "neurons") > 0
    number, position, value = (
        number_rows(step, "embedding"),
        in_double(step, "position_embedding"),
        in_double(step, "value"),
    )
    answer = in_double(step, "embedding")[circuit.answer_token] + position[-1]
    query = (in_double(step, "query") @ answer + in_double(step, "query_bias")).reshape(circuit.n_heads, 1, -1)
    width = query.shape[-1]
    # What a token adds to each head's score is its product with one direction.
    scoring = (query @ in_double(step, "key").reshape(circuit.n_heads, width, -1))[:, 0] / width**0.5  # head d

    at_class = number_rows(step, "unembedding")[c]
    at_stream = at_class + ((at_class @ in_double(step, "neuron_output")) * fires) @ in_double(step, "neuron_input")
    at_heads = (at_stream @ in_double(step, "attention_output")).reshape(len(c), circuit.n_heads, width)
    sources = (number[a] + position[0], number[b] + position[1], np.broadcast_to(answer, (len(c), len(answer))))
    values = [(source @ value.T).reshape(at_heads.shape) for source in sources]
    at_attention = np.stack([(at_heads * each).sum(axis=2) for each in values], axis=2)
    at_score = attention * (at_attention - (attention * at_attention).sum(axis=2, keepdims=True))

    def at_source(source: int) -> Array:
        through_values = (attention[:, :, source, None] * at_heads).reshape(len(c), -1) @ value
        return through_values + at_score[:, :, source] @ scoring

    return at_source(0), at_source(1)
