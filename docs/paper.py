"""The run of Nanda et al. 2023 (arXiv 2301.05217) beside ours: what `make paper` writes into docs/paper.

    python docs/paper.py WORKSPACE [--digitised FOLDER]

The workspace holds `dynascope train modular_addition_1layer --preset nanda`, as far as it has been trained, analysed.
With a folder of the paper's curves read off its figures (CSV files with the columns series, epoch, value), the whole
test loss up to epoch 2,000 is compared too.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from figures import Figure, draw_views

import dynascope
from dynascope import Variant

DOCS = Path(__file__).parent

NEVER = "not reached"
NOT_YET = "—"
MEASURES = "fourier.progress_measures"
EARLY = 2_000
"""Until here two trainings from one seed stay together; later, the order of float32 sums sets them apart."""
PUBLISHED_TEST_LOSS = ((1_340, 25.88), (1_830, 25.43), (4_380, 22.18), (6_091, 18.79), (8_090, 11.94))
PHASE_EPOCHS = {"memorisation_ends_all": 1_300, "cleanup_starts": 9_299, "cleanup_ends": 10_500}
KEY = (14, 35, 41, 42, 52)


class Run:
    """Our training: its arrays at the last checkpoint, and over all of them.

    Args:
        variant: analysed.
    """

    def __init__(self, variant: Variant) -> None:
        self.artifacts, self.metrics = variant.artifacts, variant.metrics
        self.epoch = variant.checkpoints[-1]

    def last(self, array: str, **at: int | str) -> np.ndarray:
        """Return an array at the last checkpoint, or the one over the series."""
        return self.artifacts.read(array, self.epoch, **at).values

    def curve(self, array: str, **at: int | str) -> tuple[np.ndarray, np.ndarray]:
        """Return epochs and values of a number over the checkpoints."""
        found = self.artifacts.series(array, **at)
        return found["epoch"].values, found.values

    def key_frequencies(self) -> list[int]:
        """Return the key frequencies."""
        found = self.artifacts.read("fourier.neuron_frequencies/is_key", self.epoch)
        return [int(k) for k in found["frequency"].values[found.values > 0]]

    def boundary(self, name: str) -> float:
        """Return where a phase ends, NaN where it does not."""
        at = list(self.last("fourier.phases/boundary")).index(name)
        return float(self.last("fourier.phases/epoch_reached")[at])


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        what: is compared.
        paper: what it is there.
        source: T, stated in the paper or its notebook; F, read off its figures.
        ours: says what it is in a run.
    """

    what: str
    paper: str
    source: str
    ours: Callable[[Run], str]


def number(value: float) -> str:
    """Write a number with three digits."""
    if not np.isfinite(value):
        return NEVER
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{value:.2e}"


def epoch(value: float) -> str:
    """Write an epoch."""
    return f"{value:,.0f}" if np.isfinite(value) else NEVER


def final(array: str, **at: int | str) -> Callable[[Run], str]:
    """Return what writes a number of the last checkpoint."""
    return lambda run: number(float(run.last(array, **at)))


def lowest(array: str, extreme: str = "min", **at: int | str) -> Callable[[Run], str]:
    """Return what writes the smallest or largest value over the checkpoints, and where it is."""

    def write(run: Run) -> str:
        epochs, values = run.curve(array, **at)
        place = int(np.nanargmin(values) if extreme == "min" else np.nanargmax(values))
        return f"{number(values[place])} at {epoch(epochs[place])}"

    return write


def at_epoch(at: int) -> Callable[[Run], str]:
    """Return what writes the test loss of an epoch."""
    return lambda run: f"{run.metrics.test_loss[at]:.2f}" if at in run.metrics.index else NOT_YET


def first(losses: str) -> Callable[[Run], str]:
    """Return what writes where the test loss first falls below a level, once it has been above uniform."""
    level = float(losses)

    def write(run: Run) -> str:
        below = run.metrics.index[run.metrics.test_loss < level]
        return epoch(float(below[0])) if len(below) else NEVER

    return write


def clusters(run: Run) -> str:
    """Write the neurons of each key frequency, and those of none."""
    size = run.artifacts.read("fourier.neuron_frequencies/cluster_size", run.epoch)
    of = ", ".join(f"{k}: {int(size.sel(frequency=k))}" for k in run.key_frequencies())
    return f"{of}; in no cluster: {int(len(run.last('fourier.neuron_frequencies/cluster')) - size.values.sum())}"


def heads(run: Run) -> str:
    """Write the best frequency of each head."""
    return ", ".join(map(str, run.last("modular_addition.attention_frequencies/best_frequency")))


def fits(run: Run) -> str:
    """Write the share of each head's attention that waves of a less waves of b explain, at its best frequency."""
    share = run.last("modular_addition.attention_patterns/best_fit_share")
    return ", ".join(f"{one:.1%}" for one in share)


def compositions(run: Run) -> str:
    """Write how well waves of a + b fit the neurons' projections, cosine and sine of each key frequency."""
    found = run.artifacts.read("modular_addition.neuron_composition/explained", run.epoch)
    return "; ".join(
        f"{k}: " + ", ".join(f"{100 * float(one):.1f}" for one in found.sel(frequency=k).values)
        for k in run.key_frequencies()
    )


def ablations(names: str) -> Callable[[Run], str]:
    """Return what writes the losses over all pairs of some ablations, where they were measured."""

    def write(run: Run) -> str:
        found = run.artifacts.read("modular_addition.ablations/loss", run.epoch, split="all")
        return " / ".join(number(float(found.sel(ablation=name))) for name in names.split(", "))

    return write


def weights(name: str) -> Callable[[Run], str]:
    """Return what writes the sum of squares of one weight."""
    return lambda run: number(float(run.last("general.weight_spectra/sum_of_squares", weight=name)))


def total_at(at: int) -> Callable[[Run], str]:
    """Return what writes the sum of the squares of all weights at a checkpoint."""

    def write(run: Run) -> str:
        epochs, values = run.curve("general.weight_spectra/total_sum_of_squares")
        return f"{values[list(epochs).index(at)]:,.0f}" if at in epochs else NOT_YET

    return write


def ratio(run: Run) -> str:
    """Write the largest ratio of test loss to restricted loss."""
    epochs, restricted = run.curve(f"{MEASURES}/restricted_loss", split="all")
    _, test = run.curve(f"{MEASURES}/loss", split="test")
    place = int(np.argmax(test / restricted))
    return f"{number(test[place] / restricted[place])} at {epoch(epochs[place])}"


def outside(run: Run) -> str:
    """Write the share of W_L that is not at key frequencies, of its norm and of its sum of squares."""
    share = float(run.last("modular_addition.neuron_logit_frequencies/residual"))
    return f"{share:.2%} ({share**2:.2%})"


def singles(run: Run) -> str:
    """Write the excluded loss of each key frequency."""
    loss = run.artifacts.read(f"{MEASURES}/excluded_loss_single", run.epoch, split="train")
    return ", ".join(f"{k}: {number(float(loss.sel(frequency=k)))}" for k in run.key_frequencies())


ROWS = (
    Row("train / test loss before training", "4.764052 / 4.768347", "T", lambda run: " / ".join(
        f"{run.metrics[f'{split}_loss'][0]:.6f}" for split in ("train", "test"))),
    *(Row(f"test loss at epoch {at:,}", f"{loss}", "F", at_epoch(at)) for at, loss in PUBLISHED_TEST_LOSS),
    Row("highest test loss", "25.9 at 1,340", "F", lambda run: (
        f"{run.metrics.test_loss.max():.1f} at {epoch(run.metrics.test_loss.idxmax())}")),
    Row("memorisation ends: smallest excluded loss (all frequencies, train)", "0.311 at 1,300", "F",
        lowest(f"{MEASURES}/excluded_loss_all", split="train")),
    Row("cleanup starts: test loss below ln 113", "9,299", "F", lambda run: epoch(run.boundary("cleanup_starts"))),
    Row("cleanup ends: test accuracy 99 %", "10,500", "F", lambda run: epoch(run.boundary("cleanup_ends"))),
    *(Row(f"test loss below {level}", at, "F", first(level))
      for level, at in (("0.01", "10,726"), ("1e-5", "12,952"), ("1e-6", "13,690"))),
    Row("key frequencies", ", ".join(map(str, KEY)), "T", lambda run: ", ".join(map(str, run.key_frequencies()))),
    Row("neurons per frequency, share at least 0.85", "14: 44, 35: 93, 41: 145, 42: 87, 52: 64; in no cluster: 79",
        "T", clusters),
    Row("best frequency of each head", "35, 42, 52, 42", "T", heads),
    Row("attention fitted by waves of a less waves of b: variance explained", "99.0%, 98.5%, 99.1%, 97.9%", "T", fits),
    Row("neurons along W_L fitted by waves of a + b: % of the variance explained, cosine and sine",
        "14: 93.2, 93.5; 35: 96.8, 96.5; 41: 97.0, 97.0; 42: 96.4, 96.4; 52: 97.4, 98.2", "T", compositions),
    Row("train loss at the end", "9.9e-8", "F", final(f"{MEASURES}/loss", split="train")),
    Row("test loss at the end", "3.0e-7", "F", final(f"{MEASURES}/loss", split="test")),
    Row("loss over all pairs at the end", "2.4e-7", "T", final(f"{MEASURES}/loss", split="all")),
    Row("restricted loss over all pairs at the end", "5.55e-8", "T", final(f"{MEASURES}/restricted_loss", split="all")),
    Row("the same, keeping 2x2 blocks of each key frequency", NOT_YET, "",
        final(f"{MEASURES}/restricted_loss_2x2", split="all")),
    Row("the same, keeping 3x3 blocks", "7.24e-8", "T", final(f"{MEASURES}/restricted_loss_3x3", split="all")),
    Row("loss of the trigonometric fit over all pairs at the end", "4.7e-8", "T",
        final(f"{MEASURES}/trig_fit_loss", split="all")),
    Row("smallest restricted loss over all pairs", "1.3e-8 at 12,500", "F",
        lowest(f"{MEASURES}/restricted_loss", split="all")),
    Row("largest ratio of test to restricted loss", "1.9e4 at 10,200", "F", ratio),
    Row("excluded loss (all frequencies, train): largest", "13.6 at 10,300", "F",
        lowest(f"{MEASURES}/excluded_loss_all", "max", split="train")),
    Row("excluded loss (all frequencies, train) at the end", "5.99", "F",
        final(f"{MEASURES}/excluded_loss_all", split="train")),
    Row("accuracy of the same logits (train) at the end", "1.6 %", "F",
        lambda run: f"{float(run.last(f'{MEASURES}/excluded_accuracy_all', split='train')):.1%}"),
    Row("the same loss, only the directions cos(w(a + b - c)): at the end", "6.53", "F",
        final(f"{MEASURES}/excluded_loss_all_3d", split="train")),
    Row("excluded loss (key frequencies, train) at the end", NOT_YET, "",
        final(f"{MEASURES}/excluded_loss", split="train")),
    Row("excluded loss of each key frequency (train) at the end",
        "14: 2.8e-4, 35: 6.3e-4, 41: 1.6e-3, 42: 0.072, 52: 0.033", "F", singles),
    Row("variance of the logits that the formula explains, with the key frequencies", "95 %", "T",
        lambda run: f"{float(run.last(f'{MEASURES}/trig_fit_explained')):.1%}"),
    Row("norm of W_L outside the key frequencies, over its norm (and squared)", "below 0.55 %", "T", outside),
    Row("loss over all pairs without what the MLP's skip carries / with its mean", "9.12e-7 / 7.25e-7", "T",
        ablations("skip of MLP zeroed, skip of MLP averaged")),
    Row("loss with neurons on the key directions of W_L / off them", "1.19e-7 / 5.27", "T",
        ablations("neurons on directions, neurons off directions")),
    Row("loss without the heads", "24.3", "T", ablations("heads zeroed")),
    Row("sum of squared weights at epoch 0", "1,783", "F", total_at(0)),
    Row("the same at epoch 1,000", "3,648", "F", total_at(1_000)),
    Row("the same at the end", "955.5", "F", final("general.weight_spectra/total_sum_of_squares")),
    Row("of W_E (with the row of =) at the end", "164.4", "F", weights("embed.weight")),
    Row("of W_in at the end", "155.0", "F", weights("blocks.0.mlp.in.weight")),
    Row("of W_U at the end", "150.4", "F", weights("unembed.weight")),
)  # fmt: skip

FIGURES = (
    ("losses", "fourier.progress_losses", {"excluded": "all frequencies"}),
    ("cluster-sizes", "fourier.cluster_sizes", {}),
    ("embedding-over-training", "fourier.embedding_spectrum_over_training", {}),
    ("clusters", "fourier.neuron_clusters", {}),
    ("circle", "fourier.class_circle", {}),
    ("heads", "modular_addition.head_frequencies", {}),
)
"""Name of the file, view, and its controls; each at the last checkpoint."""


def table(run: Run) -> str:
    """Return the comparison in Markdown."""
    lines = [
        f"| | paper | | ours, epoch {run.epoch:,} |",
        "|---|---|---|---|",
        *(f"| {row.what} | {row.paper} | {row.source} | {row.ours(run)} |" for row in ROWS),
    ]
    return "\n".join(lines) + "\n"


def deviations(run: Run, folder: Path) -> float:
    """Return the largest relative deviation of the logarithm of the test loss from the paper's, up to ``EARLY``.

    What was read off the figure at the jump of the first hundred epochs is uncertain by more than it says: an epoch
    has a width there.
    """
    found = []
    with (folder / "trig_loss.csv").open() as file:
        for line in csv.DictReader(file):
            at = round(float(line["epoch"]))
            if line["series"] == "test_loss" and 100 <= at <= EARLY and at in run.metrics.index:
                found.append(abs(np.log(run.metrics.test_loss[at]) / np.log(float(line["value"])) - 1))
    return max(found)


def main() -> None:
    """Write the table, draw the figures, and say how far the run is from the paper's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--digitised", type=Path, help="the paper's curves, read off its figures")
    arguments = parser.parse_args()
    (variant,) = dynascope.open(arguments.workspace).variants()
    run = Run(variant)
    (DOCS / "paper" / "table.md").write_text(table(run))
    print(table(run))
    common = sorted(set(run.key_frequencies()) & set(KEY))
    print(f"{len(common)} of the paper's five key frequencies: {', '.join(map(str, common))}.")
    for name, published in PHASE_EPOCHS.items():
        print(f"{name}: {run.boundary(name) / published - 1:+.1%} of the paper's {published:,}.")
    if arguments.digitised is not None:
        print(f"log test loss up to epoch {EARLY:,}: within {deviations(run, arguments.digitised):.2%} of the figure.")
    figures = [Figure(name, variant.name, view, run.epoch, controls) for name, view, controls in FIGURES]
    draw_views(arguments.workspace, figures, DOCS / "images" / "paper")


if __name__ == "__main__":
    main()
