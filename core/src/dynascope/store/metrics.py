"""Training metrics: an append-only CSV, one row per measured epoch, readable while it grows."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from dynascope.digest import digest_of
from dynascope.errors import WorkspaceError
from dynascope.store.atomic import publish

__all__ = ["COLUMNS", "MetricsFile", "MetricsTail", "MetricsWriter"]

COLUMNS = ("epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy")
"""Losses in nats (mean over the split), accuracies in 0..1, all of the weights after ``epoch`` updates.

A value that was not measured is an empty cell on disk and NaN for readers.
"""


class MetricsFile:
    """The metrics of one variant.

    Args:
        path: the CSV file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns, each ``"epoch"``; empty arrays where nothing was written yet.

        A last line without its line end is being written, or was cut off by a crash, and is left out.

        Raises:
            WorkspaceError: the file is not a metrics file; the line is named.
        """
        rows = self._rows()
        table = np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS))
        columns = {name: table[:, index] for index, name in enumerate(COLUMNS)}
        columns["epoch"] = columns["epoch"].astype(np.int64)
        return columns

    def at(self, epochs: Sequence[int]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns at these epochs, each ``"epoch"``; NaN where nothing was measured.

        Only the lines of these epochs are parsed: they are where the epochs say, unless the file has gaps.

        Raises:
            WorkspaceError: as ``read``.
        """
        lines = self._lines()
        places: Sequence[int] | dict[int, int] = range(1, len(lines))
        if len(lines) > 1 and not lines[-1].startswith(f"{len(lines) - 2},"):
            places = {int(row[0]): place for place, row in enumerate(self._rows(), start=1)}
        table = np.full((len(epochs), len(COLUMNS)), math.nan)
        for row, epoch in enumerate(epochs):
            place = places.get(epoch) if isinstance(places, dict) else epoch + 1 if epoch < len(places) else None
            if place is not None:
                table[row] = self._row(lines, place)
        columns = {name: table[:, index] for index, name in enumerate(COLUMNS)}
        columns["epoch"] = np.array(epochs, dtype=np.int64)
        return columns

    def digest(self, until: int) -> str:
        """Return the SHA-256 of the lines up to an epoch, which is included."""
        lines = self._lines()
        count = until + 2
        if len(lines) < count or not lines[count - 1].startswith(f"{until},"):
            count = 1 + sum(row[0] <= until for row in self._rows())
        return digest_of(lines[:count])

    def appending(self, from_epoch: int) -> MetricsWriter:
        """Drop the rows from ``from_epoch`` on, and return a writer that continues there."""
        kept = [row for row in self._rows() if row[0] < from_epoch]
        with publish(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([int(row[0]), *map(_cell, row[1:])] for row in kept)
        return MetricsWriter(self.path)

    def rows_of(self, lines: Sequence[str], *, begins: bool) -> np.ndarray[Any, Any]:
        """Return lines of this file as numbers, ``"line column"``.

        Args:
            lines: that follow each other.
            begins: whether the first of them holds the names of the columns.

        Raises:
            WorkspaceError: as ``read``.
        """
        if begins:
            self._check_names(lines)
        rows = [self._row(lines, place) for place in range(int(begins), len(lines))]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS))

    def _rows(self) -> list[Sequence[float]]:
        lines = self._lines()
        return [self._row(lines, place) for place in range(1, len(lines))]

    def _lines(self) -> list[str]:
        """Return the lines, from the names of the columns to the last one that is complete."""
        if not self.path.exists():
            return []
        try:
            text = self.path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise WorkspaceError(f"{self.path} is not a metrics file: {error}.") from None
        lines = text[: text.rfind("\n") + 1].splitlines()
        self._check_names(lines)
        return lines

    def _check_names(self, lines: Sequence[str]) -> None:
        if lines and tuple(lines[0].split(",")) != COLUMNS:
            raise WorkspaceError(f"{self.path} is not a metrics file: its first line must be {','.join(COLUMNS)!r}.")

    def _row(self, lines: Sequence[str], place: int) -> Sequence[float]:
        try:
            row = [float(cell) if cell else math.nan for cell in lines[place].split(",")]
        except ValueError:
            row = []
        if len(row) != len(COLUMNS) or math.isnan(row[0]):
            raise WorkspaceError(
                f"{self.path}, line {place + 1}: expected {len(COLUMNS)} numbers, found {lines[place]!r}."
            )
        return row


class MetricsTail:
    """The metrics of a variant that is in training, for those who look again and again: each line is read once.

    Args:
        file: the metrics.
    """

    _table: np.ndarray[Any, Any]

    def __init__(self, file: MetricsFile) -> None:
        self._file = file
        self._table: np.ndarray[Any, Any]
        self._begin(0)

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what ``MetricsFile.read`` returns.

        Raises:
            WorkspaceError: as ``MetricsFile.read``; of a line that was added.
        """
        try:
            with self._file.path.open("rb") as opened:
                status = os.fstat(opened.fileno())
                if status.st_ino != self._inode or status.st_size < self._position:
                    self._begin(status.st_ino)  # training went on from an earlier epoch, or began again
                opened.seek(self._position)
                found = opened.read()
        except FileNotFoundError:
            self._begin(0)
            found = b""
        whole = found[: found.rfind(b"\n") + 1]
        if whole:
            lines = whole.decode("utf-8", errors="replace").splitlines()
            rows = self._file.rows_of(lines, begins=self._position == 0)
            self._table = np.concatenate([self._table, rows])
            self._position += len(whole)
        columns = {name: self._table[:, index] for index, name in enumerate(COLUMNS)}
        columns["epoch"] = columns["epoch"].astype(np.int64)
        return columns

    def _begin(self, inode: int) -> None:
        self._inode, self._position = inode, 0
        self._table = np.empty((0, len(COLUMNS)))


class MetricsWriter:
    """Appends rows. Each row is handed to the operating system at once; ``sync`` puts them on the disk."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("a", encoding="utf-8", buffering=1)

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, row: Mapping[str, float]) -> None:
        """Append one row with the keys of ``COLUMNS``."""
        cells = [str(int(row["epoch"])), *(_cell(float(row[name])) for name in COLUMNS[1:])]
        with self._telling():
            self._file.write(",".join(cells) + "\n")

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        with self._telling():
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WorkspaceError(
                f"Could not write {self._file.name}: {error.strerror}. What was written before is kept; free some "
                "space, and run the command again to continue."
            ) from None


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
