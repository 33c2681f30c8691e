"""Clock or pizza: whether the embedding lies on circles, and which algorithm each of them serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dynascope import Analyzer, ForwardPass, InvalidSetting, Output, Step
from dynascope_fourier.addition import by_sum
from dynascope_fourier.basis import component_frequencies, fourier_basis
from dynascope_fourier.reading import check_full_grid, finite, number_rows
from dynascope_fourier.spectra import CONSTANT, frequency_power

__all__ = ["ClockPizza", "algorithm_shares", "component_circularity"]

Array = np.ndarray[Any, Any]

EMBEDDING = "embedding"
COMPONENTS = 4
"""Principal components that circularity is the mean of."""
ROUNDING = 1e-7
"""The share of the largest singular value below which there is nothing."""
SHARES = ("clock", "pizza", "clock_of_pairs", "pizza_of_pairs")
CIRCLE, COMPONENT = {"circle": 1}, {"principal_component": 1}
"""Both are counted from 1."""


class ClockPizza(Analyzer):
    """Circularity of the embedding, and how well each of its circles' logits fit the algorithms "clock" and "pizza".

    The number tokens' embeddings are centred, and their first principal components taken as vectors v of unit norm over
    the numbers. A component's circularity is ``min(1, max_k 2 |sum_t v_t exp(2 pi i k t / p)|^2 / p)``: 1 for a cosine
    of one frequency. ``circularity`` is the mean of the first four; at least 0.995 is called circular.

    A circle is what the embeddings are in the plane of one frequency; the strongest ones are looked at. The model is
    run with embeddings that keep this plane alone (and the mean), and its logits are compared with
    ``clock(a, b, c) = cos(w (a + b - c))`` and ``pizza(a, b, c) = |cos(w (a - b) / 2)| (|cos(w (a + b - c) / 2)| -
    |sin(w (a + b - c) / 2)|)`` at its frequency, both sides with mean 0 and deviation 1 over all triples. The share
    that is explained is then 2 r - 1 with r their correlation: 1 for equality, negative where r is below one half. The
    ideal "pizza" transformer scores 0.80 for clock and 0.99 for pizza.

    With ``isolation`` "components" a circle is a pair of principal components, as published: the first and the second,
    the third and the fourth, and so on. That is the same where circles differ in size; where two are about equal they
    share components, and no pair is a circle. ``circle_purity``, the share of its variance at its frequency, says so.

    Neurons that a circle does not reach are constant, and may still prefer some classes. What every pair gives a class
    alike is part of ``clock`` and ``pizza``, as published; ``clock_of_pairs`` and ``pizza_of_pairs`` leave it out.

    Models of the kind "pizza" show power of W_E at 2k (or p - 2k) beside k. Both may be among the circles here, and not
    both are key circles: that does not follow from the embedding without a look at the logits, in
    ``fourier.logit_structure``. A circle whose logits fit neither algorithm may be such a companion.

    Parameters:
        circles: how many are looked at, the strongest first.
        isolation: what a circle is: plane, the plane of one frequency, or components, two principal components.
    """

    name = "clock_pizza"
    title = "Clock or pizza"
    description = "Circularity of the embedding; per circle, how well its logits fit the algorithms clock and pizza."
    citation = (
        "Zhong et al. 2023 (arXiv 2306.17844): circularity, isolated circles and both formulas from the paper and its "
        "code, pizza rewritten as a product. Circles by frequency, and logits of pairs, are ours."
    )
    needs = ("cyclic_group",)
    reads = (EMBEDDING, ForwardPass())
    probe_axes = ("a", "b")
    parameters = {"circles": 3, "isolation": "plane"}
    outputs = {
        "circularity": Output((), "float64", "1", "mean circularity of the first four principal components"),
        "component_circularity": Output(
            ("principal_component",), "float64", "1", "circularity of each; NaN without variance", COMPONENT
        ),
        "component_frequency": Output(
            ("principal_component",), "int32", "1", "its strongest frequency; 0 without variance", COMPONENT
        ),
        "component_share": Output(
            ("principal_component",), "float64", "1", "its share of the embedding's variance", COMPONENT
        ),
        "circle_frequency": Output(("circle",), "int32", "1", "its frequency; 0 where there is no circle", CIRCLE),
        "circle_share": Output(("circle",), "float64", "1", "its share of the embedding's variance", CIRCLE),
        "circle_purity": Output(("circle",), "float64", "1", "share of its variance at its frequency", CIRCLE),
        "clock": Output(
            ("circle",), "float64", "1", "share of the isolated logits that clock explains; NaN if constant", CIRCLE
        ),
        "pizza": Output(
            ("circle",), "float64", "1", "share of the isolated logits that pizza explains; NaN if constant", CIRCLE
        ),
        "clock_of_pairs": Output(
            ("circle",), "float64", "1", "the same of the logits less each class' mean over the pairs", CIRCLE
        ),
        "pizza_of_pairs": Output(
            ("circle",), "float64", "1", "the same of the logits less each class' mean over the pairs", CIRCLE
        ),
    }

    def analyze(self, step: Step) -> Mapping[str, Any]:
        check_full_grid(step)
        group = step.context["cyclic_group"]
        numbers = number_rows(step, EMBEDDING)
        mean, count = numbers.mean(axis=0), int(self.parameters["circles"])
        isolate = {"plane": frequency_circles, "components": component_circles}.get(str(self.parameters["isolation"]))
        if isolate is None:
            raise InvalidSetting(f"isolation is plane or components; found {self.parameters['isolation']!r}.")
        centred = numbers - mean
        power = float(np.sum(centred**2))
        found = {
            "circle_frequency": np.zeros(count, dtype=np.int32),
            "circle_share": np.zeros(count),
            **{name: np.full(count, np.nan) for name in ("circle_purity", *SHARES)},
        }
        embedding = step[EMBEDDING].copy()
        for index, circle in enumerate(isolate(centred, count)):
            k, purity = strongest_frequency(circle)
            embedding[group.first_token : group.first_token + group.order] = mean + circle
            logits = finite(step.forward({EMBEDDING: embedding}), "the logits of one circle")
            size = float(np.square(logits, dtype=np.float64).sum())
            of_pairs = logits - logits.mean(axis=0, dtype=np.float64)
            shares = (*algorithm_shares(logits, k, size), *algorithm_shares(of_pairs, k, size))
            measured = (k, np.sum(circle**2) / power, purity, *shares)
            for name, value in zip(found, measured, strict=True):
                found[name][index] = value
        return {**components(centred), **found}


def components(centred: Array) -> dict[str, Any]:
    """Return circularity, frequency and share of the first principal components, and their mean circularity.

    Args:
        centred: the embeddings less their mean, ``"number feature"``.
    """
    left, singular, _ = _principal(centred)
    circularity, frequency, share = np.full(COMPONENTS, np.nan), np.zeros(COMPONENTS, np.int32), np.zeros(COMPONENTS)
    for index in range(min(COMPONENTS, len(singular))):
        circularity[index], frequency[index] = component_circularity(left[:, index])
        share[index] = singular[index] ** 2 / np.sum(singular**2)
    return {
        "circularity": np.nanmean(circularity) if len(singular) else np.nan,
        "component_circularity": circularity,
        "component_frequency": frequency,
        "component_share": share,
    }


def _principal(centred: Array) -> tuple[Array, Array, Array]:
    """Return the singular vectors and values, without those that rounding leaves."""
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    rank = int(np.count_nonzero(singular > ROUNDING * singular[0]))
    return left[:, :rank], singular[:rank], right[:rank]


def component_circles(centred: Array, count: int) -> Iterator[Array]:
    """Yield the embeddings in each of the first pairs of principal components, as long as there are any."""
    left, singular, right = _principal(centred)
    for first in range(0, min(2 * count, len(singular)), 2):
        pair = slice(first, first + 2)
        yield (left[:, pair] * singular[pair]) @ right[pair]


def frequency_circles(centred: Array, count: int) -> Iterator[Array]:
    """Yield the embeddings at each of the strongest frequencies, as long as there are any."""
    p = len(centred)
    basis, of = fourier_basis(p), component_frequencies(p)
    component = basis @ centred
    power = frequency_power(np.sum(component**2, axis=1))
    for index in np.argsort(-power, kind="stable")[:count]:
        if power[index] > ROUNDING**2 * power.sum():
            mine = of == index + 1
            yield basis[mine].T @ component[mine]


def strongest_frequency(circle: Array) -> tuple[int, float]:
    """Return the frequency with the most power, and its share of it."""
    power = frequency_power(np.sum((fourier_basis(len(circle)) @ circle) ** 2, axis=1))
    strongest = int(power.argmax())
    return strongest + 1, float(power[strongest] / power.sum())


def component_circularity(component: Array) -> tuple[float, int]:
    """Return how circular a component is, and its strongest frequency.

    Args:
        component: over the numbers, of unit norm and mean 0.
    """
    p = len(component)
    power = 2 * np.abs(np.fft.rfft(component)[1:]) ** 2 / p
    k = int(power.argmax()) + 1
    return min(1.0, float(power[k - 1])), k


def algorithm_shares(logits: Array, k: int, size: float = 0.0) -> tuple[float, float]:
    """Return the shares of the logits that clock and pizza explain at frequency k; NaN where the logits are constant.

    Both formulas are a function of a - b times one of a + b - c, so that two products give their inner products with
    the p^3 logits.

    Args:
        logits: ``"pair class"``, a-major.
        k: the frequency.
        size: the sum of squares of what the logits were before a mean was taken from them: what rounding leaves of it
            is constant.
    """
    p = logits.shape[1]
    element = np.arange(p)
    # by sum and a: b = sum - a, and a - b = 2 a - sum.
    distance = np.abs(np.cos(np.pi * (k * (2 * element - element[:, None]) % p) / p))
    centred = by_sum(logits.astype(np.float64) - logits.mean(dtype=np.float64), p)
    plain, weighted = centred.sum(axis=1), np.einsum("sa,sac->sc", distance, centred)
    turn = (element[:, None] - element) % p  # a + b - c, by sum and class
    half = np.pi * (k * element % p) / p
    # A function of a + b - c has the same mean and square at every pair.
    around = np.abs(np.cos(half)) - np.abs(np.sin(half))
    forms = ((np.cos(2 * half), plain, 1.0, 1.0), (around, weighted, distance.mean(), np.square(distance).mean()))
    norm = float(np.vdot(centred, centred))
    varies = norm > CONSTANT**2 * max(size, float(np.square(logits, dtype=np.float64).sum()))
    found = []
    for wave, summed, first, second in forms:
        variance = np.square(wave).mean() * second - (wave.mean() * first) ** 2
        # The logits have mean 0, so the mean of the formula needs not be taken from it.
        product = float(np.vdot(wave[turn], summed))
        found.append(2 * product / (p**3 * variance * norm) ** 0.5 - 1 if varies else np.nan)
    return found[0], found[1]
