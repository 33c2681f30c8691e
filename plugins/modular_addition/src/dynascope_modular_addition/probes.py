"""Probes of modular arithmetic: all pairs, and three ways to choose some of them."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import Field, field_validator

from dynascope import Batch, Config, InvalidSetting, Lines, Probe, ProbeSettings
from dynascope_modular_addition.pair_text import parse_pairs, write_pairs

__all__ = ["FULL_GRID", "PAIRS", "PROBES", "RANDOM_PAIRS", "RESIDUE_CLASSES", "pair_tokens", "right_answers"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
NEEDS = ("cyclic_group",)
MOST_IN_A_TITLE = 3


def pair_tokens(p: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the tokens ``a b =`` of every pair, ``"pair position"``, a-major: row ``a * p + b``."""
    a, b = np.divmod(np.arange(p * p, dtype=np.int64), p)
    return np.stack([a, b, np.full_like(a, p)], axis=1)


def right_answers(config: Config, a: Array, b: Array) -> Array:
    """Return the right answer to each pair, ``"pair"``."""
    answers: Array = (a + b) % config.parameters.p
    return answers


def _full_grid(config: Config) -> Batch:
    p = config.parameters.p
    return Batch(pair_tokens(p), {"a": np.arange(p), "b": np.arange(p)})


def _some(config: Config, rows: Array) -> Batch:
    """Return a batch of some pairs: one axis, whose coordinates are ``a * p + b``."""
    rows = np.sort(rows)
    return Batch(pair_tokens(config.parameters.p)[rows], {"pair": rows})


class RandomPairs(ProbeSettings):
    """How many pairs, and which draw."""

    count: int = Field(ge=1, description="how many pairs, at most p * p")
    seed: int = Field(0, ge=0, lt=2**32, description="of the draw; a smaller count draws the first of the same pairs")


def _random_pairs(config: Config, settings: RandomPairs) -> Batch:
    p = config.parameters.p
    if settings.count > p * p:
        raise InvalidSetting(f"Probe random_pairs: p = {p} has {p * p} pairs; count must not exceed that, and is "
                             f"{settings.count}.")  # fmt: skip
    # The legacy generator: its stream is frozen, whatever the version of numpy.
    order = np.random.RandomState(settings.seed).permutation(p * p)
    return _some(config, order[: settings.count].astype(np.int64))


class ResidueClasses(ProbeSettings):
    """Which answers."""

    residues: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        min_length=1, description="right answers, numbers below p, separated by commas: 0,3"
    )

    @field_validator("residues")
    @classmethod
    def _each_once(cls, residues: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({residue for residue in residues if residues.count(residue) > 1})
        if twice:
            raise ValueError(f"each residue is named once; {twice[0]} is given {residues.count(twice[0])} times")
        return tuple(sorted(residues))


def _residue_classes(config: Config, settings: ResidueClasses) -> Batch:
    p = config.parameters.p
    beyond = [residue for residue in settings.residues if residue >= p]
    if beyond:
        raise InvalidSetting(f"Probe residue_classes: the residues of p = {p} are 0 to {p - 1}; found {beyond[0]}.")
    a, b = np.divmod(np.arange(p * p, dtype=np.int64), p)
    return _some(config, np.flatnonzero(np.isin(right_answers(config, a, b), settings.residues)))


class Pairs(ProbeSettings):
    """The pairs themselves, in ascending order: two lists of the same pairs are one probe."""

    pairs: Annotated[str, Lines((".csv", ".txt"))] = Field(
        description="pairs, 'a b', 'a,b' or 'a+b', with lines or ';' between them; # begins a comment"
    )

    @field_validator("pairs")
    @classmethod
    def _in_order(cls, text: str) -> str:
        try:
            return write_pairs(parse_pairs(text))
        except InvalidSetting as error:
            raise ValueError(str(error)) from None


def _pairs(config: Config, settings: Pairs) -> Batch:
    p = config.parameters.p
    pairs = parse_pairs(settings.pairs)
    beyond = next(((a, b) for a, b in pairs if max(a, b) >= p), None)
    if beyond is not None:
        raise InvalidSetting(
            f"Probe pairs: the numbers of p = {p} are 0 to {p - 1}; the pair {beyond[0]}+{beyond[1]} is out of range."
        )
    return _some(config, np.array([a * p + b for a, b in pairs], dtype=np.int64))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _some_of(parts: list[str]) -> str:
    return ", ".join(parts[:MOST_IN_A_TITLE]) + (", …" if len(parts) > MOST_IN_A_TITLE else "")


def _random_title(settings: RandomPairs) -> str:
    return f"{_counted(settings.count, 'random pair')} (seed {settings.seed})"


def _residues_title(settings: ResidueClasses) -> str:
    return f"Pairs whose answer is {' or '.join(map(str, settings.residues))}"


def _pairs_title(settings: Pairs) -> str:
    parts = settings.pairs.split(";")
    return f"{_counted(len(parts), 'chosen pair')} ({_some_of(parts)})"


FULL_GRID = Probe("full_grid", "All pairs (a, b)", _full_grid, NEEDS, description="Every pair of numbers, p * p rows.")
RANDOM_PAIRS = Probe(
    "random_pairs", "Random pairs", _random_pairs, NEEDS, RandomPairs, _random_title,
    "Some of the pairs, drawn without replacement.",
)  # fmt: skip
RESIDUE_CLASSES = Probe(
    "residue_classes", "Residue classes", _residue_classes, NEEDS, ResidueClasses, _residues_title,
    "The pairs whose right answer is one of some residues.",
)  # fmt: skip
PAIRS = Probe(
    "pairs", "Chosen pairs", _pairs, NEEDS, Pairs, _pairs_title, "The pairs that are listed, or read from a file."
)
PROBES = (FULL_GRID, PAIRS, RANDOM_PAIRS, RESIDUE_CLASSES)
