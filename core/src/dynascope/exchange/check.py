"""Are the recorded losses those of the weights? The one test that split, architecture and epochs were understood."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from dynascope.contract.config import Config
from dynascope.contract.family import Family
from dynascope.store.metrics import COLUMNS
from dynascope.training.stack import Stack

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Check", "Comparison", "Evaluator", "as_record", "check_losses"]

LOSSES = ("train_loss", "test_loss")
TOLERANCE = 1e-5
"""Relative; float32 forward passes of other machines and batch orders stay well below."""
SMALL, SMALL_TOLERANCE = 1e-2, 1e-4
"""A loss below ``SMALL`` is exp(-margin): an error of 1e-5 in a margin of 15 is one of 1e-5 relative, and grows."""


@dataclass(frozen=True)
class Comparison:
    """One recorded loss against the one computed from the weights.

    Attributes:
        epoch: updates behind the weights.
        column: ``train_loss`` or ``test_loss``.
        how: ``recorded`` at this epoch; ``continued`` from the two epochs before, where recording ended one update
            earlier and nothing else can be compared; ``updated``: computed after one update from the initial weights.
        computed, recorded: in nats.
        agrees: whether they differ by no more than rounding.
    """

    epoch: int
    column: str
    how: Literal["recorded", "continued", "updated"]
    computed: float
    recorded: float
    agrees: bool

    @property
    def difference(self) -> float:
        """The relative difference."""
        return abs(self.computed - self.recorded) / abs(self.recorded) if self.recorded else math.inf


@dataclass(frozen=True)
class Check:
    """What comparing came to.

    Attributes:
        status: ``reproduced``, ``partly``, ``not reproduced``, ``not comparable`` (no recorded loss is of weights that
            are there) or ``not recorded``.
        shift: the updates by which a recorded loss is later than the source's own epoch says.
        epochs, agreeing: how many were compared, and how many agree in every recorded loss.
        checkpoints, uncompared: how many there are, and how many of them could not be compared.
        comparisons: each one.
        notes: sentences for the user.
    """

    status: Literal["reproduced", "partly", "not reproduced", "not comparable", "not recorded"]
    shift: int = 0
    epochs: int = 0
    agreeing: int = 0
    checkpoints: int = 0
    uncompared: int = 0
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def largest_difference(self) -> float:
        """The largest relative difference where both agree; 0 if none does."""
        return max((one.difference for one in self.comparisons if one.agrees and one.difference < 1), default=0.0)

    @property
    def sentence(self) -> str:
        """One line for the user."""
        if self.status == "not recorded":
            return "The source records no losses: nothing shows that split and architecture were understood."
        if self.status == "not comparable":
            return "No recorded loss belongs to weights that are there: it could not be checked."
        left = ""
        if self.uncompared:
            left = (
                f" {self.uncompared} of {self.checkpoints} checkpoints could not be compared: no loss is recorded of "
                "their epochs."
            )
        ways = {one.how for one in self.comparisons if one.agrees}
        how = ""
        if ways == {"updated"}:
            how = ", after one update from the initial weights"
        elif ways == {"continued"}:
            how = ", as the continuation of the recorded curve by one update"
        if self.status == "reproduced":
            return (
                f"Recorded losses are reproduced from the weights at {self.agreeing} of {self.epochs} epochs "
                f"compared{how}; largest relative difference {self.largest_difference:.1e}.{left}"
            )
        worst = max((one for one in self.comparisons if not one.agrees), key=lambda one: one.difference)
        return (
            f"Recorded losses are NOT reproduced from the weights: {self.agreeing} of {self.epochs} epochs agree; at "
            f"epoch {worst.epoch} the {worst.column.replace('_', ' ')} is {worst.computed:.6g}, recorded is "
            f"{worst.recorded:.6g}. "
            "Split, epochs or architecture differ from those of the run: state what is known as KEY=VALUE "
            f"(train_fraction=0.3 data_seed=598), or do not trust what depends on it.{left}"
        )


class Evaluator:
    """Computes losses and accuracies of weights on the split of one config, on the CPU wherever they were trained."""

    def __init__(self, family: Family, config: Config) -> None:
        self.stack = Stack(family, [replace(config, training=config.training.model_copy(update={"device": "cpu"}))])

    def measure(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the metrics of ``weights``, with the columns of ``metrics.csv`` but ``epoch``."""
        self.stack.restore(0, [{name: tensor.numpy() for name, tensor in weights.items()}], [{}])
        return dict(zip(COLUMNS[1:], self.stack.evaluate().flatten().tolist(), strict=True))

    def after_one_update(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the metrics after the first update of a training that starts from ``weights``."""
        self.stack.restore(0, [{name: tensor.numpy() for name, tensor in weights.items()}], [{}])
        self.stack.step(test=False)
        return dict(zip(COLUMNS[1:], self.stack.evaluate().flatten().tolist(), strict=True))


def check_losses(
    measured: Mapping[int, Mapping[str, float]],
    updated: Mapping[str, float] | None,
    rows: Sequence[Mapping[str, float]],
    *,
    resolution: float = 0.0,
    shifts: Iterable[int] = (0,),
) -> Check:
    """Compare recorded with computed losses, under each shift of the recorded epochs, and return the best.

    Args:
        measured: the losses of the weights, by epoch.
        updated: those after one update from epoch 0; None where they are not wanted.
        rows: the recorded ones, with the source's own epochs.
        resolution: half of the last recorded decimal.
        shifts: updates by which a recorded loss may be later than its epoch says.
    """
    recorded = {
        int(row["epoch"]): row for row in rows if any(not math.isnan(row.get(name, math.nan)) for name in LOSSES)
    }
    if not recorded:
        return Check("not recorded")
    checks = [_compared(measured, updated, recorded, resolution, shift) for shift in shifts]
    best = max(checks, key=lambda one: (one.agreeing / max(one.epochs, 1), one.agreeing, -abs(one.shift)))
    # Without any agreement, the source's own epochs are what is reported.
    return best if best.agreeing else checks[0]


def _compared(
    measured: Mapping[int, Mapping[str, float]],
    updated: Mapping[str, float] | None,
    recorded: Mapping[int, Mapping[str, float]],
    resolution: float,
    shift: int,
) -> Check:
    def stated(epoch: int, column: str) -> float:
        row = recorded.get(epoch - shift)
        return math.nan if row is None else float(row.get(column, math.nan))

    comparisons: list[Comparison] = []

    def compare(epoch: int, how: Literal["recorded", "continued", "updated"], row: Mapping[str, float]) -> None:
        for column in LOSSES:
            value = stated(epoch, column)
            if how == "continued":
                value = 2 * stated(epoch - 1, column) - stated(epoch - 2, column)
            if not math.isnan(value):
                agrees = _agree(row[column], value, resolution)
                comparisons.append(Comparison(epoch, column, how, row[column], value, agrees))

    for epoch, row in sorted(measured.items()):
        compare(epoch, "recorded", row)
    if updated is not None and 1 not in measured:
        compare(1, "updated", updated)
    if not comparisons:
        for epoch, row in sorted(measured.items()):
            compare(epoch, "continued", row)
    epochs = {one.epoch for one in comparisons}
    wrong = {one.epoch for one in comparisons if not one.agrees}
    if not epochs:
        return Check("not comparable", shift)
    status: Literal["reproduced", "partly", "not reproduced"] = (
        "reproduced" if not wrong else "partly" if len(wrong) < len(epochs) else "not reproduced"
    )
    notes = [_other_epoch(epoch, row, recorded, resolution, shift) for epoch, row in sorted(measured.items())]
    uncompared = set(measured) - {0 if one.how == "updated" else one.epoch for one in comparisons}
    return Check(
        status,
        shift,
        len(epochs),
        len(epochs - wrong),
        len(measured),
        len(uncompared),
        tuple(comparisons),
        tuple(note for note in notes if note),
    )


def _other_epoch(
    epoch: int, row: Mapping[str, float], recorded: Mapping[int, Mapping[str, float]], resolution: float, shift: int
) -> str:
    """Say where weights reproduce the losses of the neighbouring epoch instead of their own."""

    def agrees(at: int) -> bool:
        other = recorded.get(at - shift, {})
        pairs = [(row[name], other[name]) for name in LOSSES if not math.isnan(other.get(name, math.nan))]
        return len(pairs) == len(LOSSES) and all(_agree(*pair, resolution) for pair in pairs)

    if agrees(epoch):
        return ""
    found = next((at for at in (epoch + 1, epoch - 1) if agrees(at)), None)
    if found is None:
        return ""
    return (
        f"The weights of epoch {epoch} reproduce the losses recorded after {found} updates: the source probably saved "
        f"them one update {'later' if found > epoch else 'earlier'} than their name says. They are "
        f"kept as epoch {epoch}."
    )


def _agree(computed: float, recorded: float, resolution: float) -> bool:
    tolerance = TOLERANCE if abs(recorded) >= SMALL else SMALL_TOLERANCE
    return abs(computed - recorded) <= tolerance * abs(recorded) + 1.01 * resolution


def as_record(check: Check) -> dict[str, Any]:
    """Return what ``metadata.json`` holds of a check."""
    return {
        "status": check.status,
        "sentence": check.sentence,
        "epochs_compared": check.epochs,
        "epochs_agreeing": check.agreeing,
        "checkpoints_not_compared": check.uncompared,
        "largest_relative_difference": check.largest_difference,
        "recorded_losses_shifted_by": check.shift,
        "comparisons": [
            {
                "epoch": one.epoch,
                "column": one.column,
                "how": one.how,
                "computed": one.computed,
                "recorded": one.recorded,
                "agrees": one.agrees,
            }
            for one in check.comparisons
        ],
    }
