"""Bars of what is under way, in a notebook and in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["counted", "epochs_counted"]


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how many are done, and how many there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield told


@contextmanager
def epochs_counted(what: str, epochs: int) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Yield what is told the metrics of each epoch."""
    with counted(what) as told:
        yield lambda metrics: told(int(metrics["epoch"]), epochs)
