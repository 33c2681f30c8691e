"""What number tokens contribute at ``=`` in a one-layer transformer: scores, neurons, logits.

The stream before attention is the same at ``=`` for every pair. Number tokens reach it through the heads only: as
keys of the one query there is, and as values that pass through W_V and W_O. Weights are those of linear layers,
``"out in"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["OneLayerTransformer", "answer_scores", "neuron_inputs"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class OneLayerTransformer:
    """What a family states when it is a one-layer transformer without layer norm that answers at its last position.

    Attributes:
        n_heads: the number of heads, which the flat weights do not show.
        answer_token: the token at the last position, the same in every row.
    """

    n_heads: int
    answer_token: int


def answer_scores(answer: Array, numbers: Array, query: Array, query_bias: Array, key: Array, n_heads: int) -> Array:
    """Return the attention score q_= . K(t) of each number token t, without its position, ``"number head"``.

    Position and the key's bias add a constant to all tokens of a head, which is no part of any frequency.

    Args:
        answer: the stream at ``=`` before attention, ``"d"``.
        numbers: embeddings of the number tokens, ``"number d"``.
        query, query_bias, key: ``"head*d_head d"``, ``"head*d_head"``, ``"head*d_head d"``.
        n_heads: the number of heads.

    Source: Nanda et al. 2023, section 4.2 and appendix: the score is a function of one token, as the query is fixed.
    """
    q = (query @ answer + query_bias).reshape(n_heads, 1, -1)
    direction = (q @ key.reshape(n_heads, q.shape[-1], -1))[:, 0] / q.shape[-1] ** 0.5
    return numbers @ direction.T


def neuron_inputs(numbers: Array, attention: Array, value: Array, output: Array, neuron_input: Array) -> Array:
    """Return ``sum_h A_h W_E W_V^h W_O^h W_in``: what a number token adds to each neuron's input, ``"number neuron"``.

    Args:
        numbers: embeddings of the number tokens, ``"number d"``.
        attention: the attention A_h that a number token receives from ``=``, ``"head"``.
        value, output, neuron_input: ``"head*d_head d"``, ``"d head*d_head"``, ``"neuron d"``.
    """
    of_head = np.repeat(attention, len(value) // len(attention))
    return ((numbers @ value.T) * of_head) @ output.T @ neuron_input.T
