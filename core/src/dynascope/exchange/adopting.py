"""A run on its way into a family: epochs, settings and split settled, losses compared, before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dynascope.contract.config import NOT_IDENTITY, Config
from dynascope.contract.family import Family
from dynascope.contract.layout import Adopted, ForeignRun, Snapshot
from dynascope.errors import ExchangeError, InvalidSetting
from dynascope.exchange.check import Check, Evaluator, check_losses
from dynascope.store.checkpoints import LAST_EPOCH

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Adopting", "Progress"]

SHIFTS = (0, 1, -1)
"""Updates by which a recorded loss may be later than its epoch says, where the layout does not fix it."""

Progress = Callable[[str, int, int], None]


class Adopting:
    """One run on its way into a family: everything that is worked out before something is written."""

    def __init__(
        self, run: ForeignRun, stated: Mapping[str, Any], families: Sequence[Family], progress: Progress
    ) -> None:
        self.run, self.stated, self.progress = run, dict(stated), progress
        self.facts = {**run.facts, **stated}
        self.family = families[0]
        self.first = self._first_adopted(families)
        self.split_names: frozenset[str] = frozenset()
        self.split_found = False

    def _first_adopted(self, families: Sequence[Family]) -> Adopted:
        snapshot = self.run.snapshots[0]
        state = snapshot.read()
        refusals = []
        for family in families:
            try:
                adopted = family.adopt(state, self.facts)
            except ExchangeError as error:
                refusals.append(str(error))
                continue
            self.family = family
            return adopted
        where = snapshot.source + (f" with {self.run.facts_from}" if self.run.facts_from else "")
        raise ExchangeError(f"{where} cannot be imported. {' '.join(refusals)}")

    def weights(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """Return a snapshot's weights in the family's names.

        Raises:
            ExchangeError: they are of another shape than the first ones, or are not numbers.
        """
        try:
            adopted = self.family.adopt(snapshot.read(), self.facts)
        except ExchangeError as error:
            raise ExchangeError(f"{snapshot.source}: {error}") from None
        shapes = {name: tuple(tensor.shape) for name, tensor in self.first.weights.items()}
        for name, tensor in adopted.weights.items():
            if tuple(tensor.shape) != shapes.get(name):
                raise ExchangeError(
                    f"{snapshot.source} is not of the same run as {self.run.snapshots[0].source}: {name} is of shape "
                    f"{tuple(tensor.shape)} instead of {shapes.get(name)}. Import them one by one."
                )
            if not tensor.isfinite().all():
                raise ExchangeError(f"{snapshot.source}: {name} holds numbers that are not finite.")
        return dict(adopted.weights)

    def in_order(self) -> list[tuple[int, Snapshot]]:
        """Return the snapshots by epoch, ascending.

        Raises:
            ExchangeError: an epoch that is not known or that no checkpoint can have, or two snapshots of one epoch.
        """
        found: dict[int, Snapshot] = {}
        only = len(self.run.snapshots) == 1
        for snapshot in self.run.snapshots:
            epoch = snapshot.epoch
            if epoch is None and only and isinstance(self.stated.get("epochs"), int):
                epoch = int(self.stated["epochs"])
            if epoch is None:
                raise ExchangeError(
                    f"The epoch of {snapshot.source} is not known: its name has none, such as epoch_500 or step500. "
                    "Rename the file" + (", or state epochs=N." if only else ".")
                )
            if not 0 <= epoch <= LAST_EPOCH:
                raise ExchangeError(
                    f"{snapshot.source} is of epoch {epoch}; checkpoints have epochs from 0 to {LAST_EPOCH}. If that "
                    "number does not count updates, correct it, or rename the file."
                )
            if epoch in found:
                raise ExchangeError(
                    f"{found[epoch].source} and {snapshot.source} are both of epoch {epoch}. Move one of them away."
                )
            found[epoch] = snapshot
        return sorted(found.items())

    def configure(self, *settings: Mapping[str, Any]) -> Config:
        """Return a config of the family: later settings win.

        Raises:
            ExchangeError: the source states what no variant can have.
        """
        merged: dict[str, Any] = {}
        for some in settings:
            merged.update(some)
        try:
            return self.family.configure(merged)
        except InvalidSetting as error:
            raise self._unusable(error) from None

    def evaluator(self, config: Config) -> Evaluator:
        """Return what measures weights on the split of a config.

        Raises:
            ExchangeError: the source states what no variant can have.
        """
        try:
            return Evaluator(self.family, config)
        except InvalidSetting as error:
            raise self._unusable(error) from None

    def _unusable(self, error: InvalidSetting) -> ExchangeError:
        where = self.run.facts_from or self.run.snapshots[0].source
        return ExchangeError(
            f"With what {where} states: {error} Correct it there, or state what is right as KEY=VALUE."
        )

    def settled(self, snapshots: Sequence[tuple[int, Snapshot]]) -> tuple[Config, set[str], list[str]]:
        """Return the config, the settings that somebody states, and notes; looks for the split where none is stated."""
        adopted = dict(self.first.settings)
        self.family.configure(self.stated)  # unknown settings and bad values, said of what the user wrote
        for name, value in self.stated.items():
            if name in adopted and adopted[name] != value:
                raise ExchangeError(f"{name}={value} was stated, but the source says {adopted[name]}. Leave it out.")
        base = {**adopted, **self.stated, "epochs": max(snapshots[-1][0], 1)}
        known = {name for name in base if name not in NOT_IDENTITY}
        config = self.configure(base)
        notes = list(self.first.notes)
        guesses = iter(self.family.splits(config, self.run.train_rows, self.run.test_rows))
        first_guess = next(guesses, None)
        self.split_names = frozenset(first_guess or ())
        if self.run.train_rows is not None:
            if first_guess is None:
                raise ExchangeError(
                    f"The source states its split, and family {self.family.name} cannot take it over: losses by split "
                    "would be wrong."
                )
            if not self._fits_what_was_stated(first_guess):
                words = ", ".join(f"{name}={_short(value)}" for name, value in first_guess.items())
                raise ExchangeError(
                    f"The examples that the source lists as trained on are those of {words}. State no other."
                )
            known |= self.split_names
            self.split_found = True
            return self.configure(base, first_guess), known, notes
        if not self.split_names or self.split_known(known) or not self.run.metrics:
            if self.split_names and not self.split_known(known):
                notes.append(
                    "The split is not known, and there are no losses to find it by: what depends on train and test "
                    f"examples is of the family's default split. State {self._missing(known)}."
                )
            return config, known, notes
        fitting = [guess for guess in (first_guess or {}, *guesses) if self._fits_what_was_stated(guess)]
        return self._look_for_split(base, known, notes, fitting, snapshots)

    def _fits_what_was_stated(self, guess: Mapping[str, Any]) -> bool:
        return all(self.stated.get(name, value) == value for name, value in guess.items())

    def split_known(self, known: set[str]) -> bool:
        """Tell whether everything that decides the split is known."""
        return self.split_found or self.split_names <= known

    def _missing(self, known: set[str]) -> str:
        return " ".join(f"{name}=..." for name in sorted(self.split_names - known))

    def _look_for_split(
        self,
        base: dict[str, Any],
        known: set[str],
        notes: list[str],
        guesses: Sequence[Mapping[str, Any]],
        snapshots: Sequence[tuple[int, Snapshot]],
    ) -> tuple[Config, set[str], list[str]]:
        tried = [snapshots[0], snapshots[-1]] if len(snapshots) > 1 else list(snapshots)
        loaded = [(epoch, self.weights(snapshot)) for epoch, snapshot in tried]
        for number, guess in enumerate(guesses):
            self.progress("looking for the split", number, len(guesses))
            config = self.configure(base, guess)
            evaluator = self.evaluator(config)
            check = self._compared(evaluator, {epoch: evaluator.measure(one) for epoch, one in loaded}, loaded)
            if check.agreeing and check.agreeing == check.epochs:
                words = ", ".join(f"{name}={_short(value)}" for name, value in guess.items())
                notes.append(f"The source does not state its whole split; {words} reproduces the recorded losses.")
                self.split_found = True
                return config, known | set(guess), notes
        notes.append(
            f"The source does not state its whole split, and none of {len(guesses)} that were tried reproduces its "
            f"losses. State {self._missing(known)} if you know it."
        )
        return self.configure(base), known, notes

    def check(
        self,
        evaluator: Evaluator | None,
        snapshots: Sequence[tuple[int, Snapshot]],
        measured: dict[int, dict[str, float]],
    ) -> Check:
        """Compare the recorded losses with those of all snapshots."""
        if evaluator is None:
            return Check("not recorded")
        epoch, snapshot = snapshots[0]
        return self._compared(evaluator, measured, [(epoch, self.weights(snapshot))])

    def _compared(
        self,
        evaluator: Evaluator,
        measured: Mapping[int, Mapping[str, float]],
        loaded: Sequence[tuple[int, Mapping[str, Tensor]]],
    ) -> Check:
        updated = None
        if not self.run.metrics_epoch_known and loaded[0][0] == 0:
            updated = evaluator.after_one_update(loaded[0][1])
        return check_losses(
            measured,
            updated,
            self.run.metrics,
            resolution=self.run.resolution,
            shifts=(0,) if self.run.metrics_epoch_known else SHIFTS,
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 20 else f"[{len(value)} values]"
