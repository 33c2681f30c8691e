"""What was measured of a variant, in the files of programs that draw curves: TensorBoard, and W&B without a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dynascope.contract.layout import ForeignRun, Layout
from dynascope.errors import ExchangeError

if TYPE_CHECKING:
    from dynascope.store.variant import Variant

__all__ = ["TensorBoard", "WeightsAndBiases"]


class _Logger(Layout):
    """Metrics of every epoch, and every scalar that was measured at the checkpoints; it cannot be read back."""

    writable = True
    readable = False

    def recognises(self, path: Path) -> bool:
        return False

    def read(self, path: Path) -> ForeignRun:
        raise ExchangeError(f"{self.title} holds curves and no weights: it can be written, not imported.")


class TensorBoard(_Logger):
    """Event files."""

    name: ClassVar[str] = "tensorboard"
    title: ClassVar[str] = "a log folder of TensorBoard"

    def write(self, variant: Variant, path: Path, epochs: Sequence[int]) -> tuple[str, ...]:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ExchangeError(
                "TensorBoard's files need tensorboardX, which is not installed. Run: pip install 'dynascope[loggers]'."
            ) from None
        with SummaryWriter(logdir=str(path / variant.name)) as writer:
            settings = "\n".join(f"| {name} | {value} |" for name, value in variant.config.settings.items())
            writer.add_text("settings", f"| setting | value |\n|---|---|\n{settings}")
            count = _tell(variant, epochs, lambda epoch, row: [writer.add_scalar(*one, epoch) for one in row.items()])
        return (f"{count} curves. To see them: tensorboard --logdir, and this folder.",)


class WeightsAndBiases(_Logger):
    """A run that was recorded offline."""

    name: ClassVar[str] = "wandb"
    title: ClassVar[str] = "a folder with an offline run of W&B"

    def write(self, variant: Variant, path: Path, epochs: Sequence[int]) -> tuple[str, ...]:
        try:
            import wandb
        except ImportError:
            raise ExchangeError("W&B's files need wandb, which is not installed. Run: pip install wandb.") from None
        path.mkdir(parents=True)
        run = wandb.init(
            mode="offline", dir=str(path), project=variant.family.name, name=variant.name,
            config=dict(variant.config.settings), settings={"silent": True, "console": "off"},
        )  # fmt: skip
        try:
            count = _tell(variant, epochs, lambda epoch, row: run.log(row, step=epoch))
        finally:
            run.finish()
        return (f"{count} curves, recorded offline. To send them: wandb sync wandb/offline-run-* in there.",)


def _tell(variant: Variant, epochs: Sequence[int], log: Callable[[int, dict[str, float]], object]) -> int:
    """Log each epoch's numbers, those of the checkpoints at ``epochs`` only, and return how many curves there are."""
    curves: set[str] = set()
    for epoch, row in _rows(variant, set(epochs)):
        if row:
            log(epoch, row)
            curves.update(row)
    return len(curves)


def _rows(variant: Variant, epochs: set[int]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the metrics of every epoch, with the scalars of the checkpoints that are chosen."""
    metrics, table = variant.metrics, variant.table().reset_index(["family", "variant"], drop=True)
    scalars = table.loc[table.index.isin(sorted(epochs)), [name for name in table if name not in metrics]]
    for epoch, row in metrics.join(scalars, how="outer").iterrows():
        yield int(epoch), {str(name): float(value) for name, value in row.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
