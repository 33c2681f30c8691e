"""Which of the p * p pairs are trained on: the ways in which programs draw them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dynascope import Config, ExchangeError

__all__ = ["likely_splits", "order_of", "shuffled_pairs"]

FRACTIONS = (0.3, 0.5, 0.4, 0.8, 0.9, 0.7, 0.6, 0.2, 0.25, 0.75)
SEEDS = (598, 0, 42, 999, 1, 2)
"""Fractions and seeds that programs use, the most usual first: tried where a source does not state its split."""


def shuffled_pairs(kind: str, p: int, data_seed: int) -> Tensor:
    """Return all a-major rows in the order of a recipe: ``nanda`` Python's shuffle, ``miscope`` torch's randperm."""
    if kind == "nanda":
        rows = list(range(p * p))
        random.Random(data_seed).shuffle(rows)
        return torch.tensor(rows)
    return torch.randperm(p * p, generator=torch.Generator().manual_seed(data_seed))


def order_of(config: Config) -> tuple[Tensor, Tensor]:
    """Return the a-major rows of the training pairs, and those of the test pairs."""
    p, parameters = config.parameters.p, config.parameters
    if parameters.train_pairs is not None:
        train = torch.tensor(parameters.train_pairs)
        rest = torch.ones(p * p, dtype=torch.bool)
        rest[train] = False
        return train, torch.nonzero(rest).flatten()
    order = shuffled_pairs(config.architecture.recipe, p, parameters.data_seed)
    count = int(parameters.train_fraction * p * p)
    return order[:count], order[count:]


def likely_splits(
    config: Config,
    train_rows: tuple[int, ...] | None,
    test_rows: tuple[int, ...] | None,
) -> Iterator[Mapping[str, Any]]:
    """Return settings of splits: those that give the stated rows, or else those that programs usually draw.

    Where a source states its rows and no seed gives them, they are the setting ``train_pairs``.

    Raises:
        ExchangeError: rows that are not a split of the p * p pairs.
    """
    p, parameters = config.parameters.p, config.parameters
    if train_rows is not None:
        _check_rows(p, train_rows, test_rows)
        wanted = set(train_rows)
        if parameters.train_pairs is not None and set(parameters.train_pairs) == wanted:
            yield {"train_pairs": list(parameters.train_pairs)}
            return
        for fraction in dict.fromkeys((parameters.train_fraction, *FRACTIONS, len(train_rows) / p**2)):
            if int(fraction * p * p) != len(wanted):
                continue
            for seed in dict.fromkeys((parameters.data_seed, parameters.seed, *SEEDS)):
                order = shuffled_pairs(config.architecture.recipe, p, seed)
                if set(order[: len(wanted)].tolist()) == wanted:
                    yield {"data_seed": seed, "train_fraction": fraction}
                    return
        yield {"train_pairs": sorted(train_rows)}
        return
    other = "miscope" if config.architecture.recipe == "nanda" else "nanda"
    for fraction in dict.fromkeys((parameters.train_fraction, *FRACTIONS)):
        for seed in dict.fromkeys((parameters.data_seed, parameters.seed, *SEEDS)):
            yield {"data_seed": seed, "train_fraction": fraction}
    for fraction in dict.fromkeys((parameters.train_fraction, *FRACTIONS)):
        for seed in dict.fromkeys((parameters.data_seed, parameters.seed, *SEEDS)):
            yield {"train_pairs": sorted(shuffled_pairs(other, p, seed)[: int(fraction * p * p)].tolist())}


def _check_rows(p: int, train_rows: tuple[int, ...], test_rows: tuple[int, ...] | None) -> None:
    rows = [*train_rows, *(test_rows or ())]
    if any(not 0 <= row < p * p for row in rows) or len(set(rows)) != len(rows):
        raise ExchangeError(
            f"The source's train and test indices are not a split of the {p * p} pairs: some are outside, or twice."
        )
    if not 0 < len(train_rows) < p * p:
        raise ExchangeError(
            f"The source lists {len(train_rows)} of the {p * p} pairs as trained on; a split leaves some on both sides."
        )
    if test_rows is not None and len(rows) != p * p:
        raise ExchangeError(
            f"The source's train and test indices are {len(rows)} of the {p * p} pairs; losses on the others are not "
            "what it calls test loss."
        )
