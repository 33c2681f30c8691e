"""Importing a run: read, adopted by a family, checked against its recorded losses, and stored like any variant."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from dynascope.contract.config import NOT_IDENTITY, Config, identity_digest
from dynascope.contract.family import Family
from dynascope.contract.layout import Adopted, ForeignRun, Layout, Snapshot
from dynascope.digest import digest_of
from dynascope.errors import ExchangeError, WorkspaceError
from dynascope.exchange.check import Check, Evaluator, as_record, check_losses
from dynascope.exchange.layouts import layout_named, recognised
from dynascope.store.atomic import remove_leftovers, write_json
from dynascope.store.checkpoints import CheckpointFolder
from dynascope.store.family_file import DeclaredFamily, FamilyFile
from dynascope.store.metrics import COLUMNS
from dynascope.store.variant import FORMAT, Variant
from dynascope.store.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = ["Imported", "import_run"]

MARK = ".importing.json"
"""In a folder whose import was begun and not ended."""
SHIFTS = (0, 1, -1)
"""Updates by which a recorded loss may be later than its epoch says, where the layout does not fix it."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Imported:
    """What an import came to.

    Attributes:
        variant: in the workspace.
        check: whether the recorded losses are those of the weights.
        notes: sentences for the user.
        is_new: False where it had been imported before.
        declared: the name of the family that was declared for it in the workspace; empty if none was needed.
    """

    variant: Variant
    check: Check
    notes: tuple[str, ...]
    is_new: bool
    declared: str = ""


def import_run(
    workspace: Workspace,
    path: str | Path,
    *,
    layout: str | None = None,
    family: str | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Import a run of another program as a variant.

    Everything is read and checked before anything is written. A variant is there when its ``config.json`` is, which
    comes last; calling this again after a crash completes it.

    Args:
        workspace: where it is stored.
        path: a file or folder, or a folder that holds exactly one run.
        layout: the name of its layout; recognised by content by default.
        family: a family of the workspace; that of the layout, or the one that can adopt the weights, by default. Where
            the widths are not its defaults, a family adapted to them is declared in the workspace.
        name: the variant's; made of the settings that are known, and ``_imported-LAYOUT``, by default.
        settings: what the source does not state, as settings of the family.
        progress: called with what is done, the snapshots done, and those in all.

    Raises:
        ExchangeError: nothing that can be imported; an architecture that no family has; files that are damaged, or hold
            code; the name is taken.
        UnknownName, InvalidSetting: an unknown layout, family or setting, a value that breaks its rule.
    """
    stated = dict(settings or {})
    place, reader, owner = _found(workspace, Path(path).expanduser(), layout)
    run = reader.read(place)
    if not run.snapshots:
        raise ExchangeError(f"{place} holds no weights.")
    declared = workspace.family(family) if family is not None else None
    candidates = [declared.base] if declared else [owner] if owner else _families(workspace)
    adopting = _Adopting(run, stated, candidates, progress or (lambda what, done, total: None))
    snapshots = adopting.in_order()
    config, known, notes = adopting.settled(snapshots)

    measured: dict[int, dict[str, float]] = {}
    digests: dict[int, str] = {}
    evaluator = Evaluator(adopting.family, config) if adopting.split_known(known) or run.metrics else None
    for epoch, snapshot in snapshots:
        adopting.progress("reading", len(digests), len(snapshots))
        weights = adopting.weights(snapshot)
        digests[epoch] = digest_of(_arrays(weights))
        if evaluator is not None:
            measured[epoch] = evaluator.measure(weights)
    check = adopting.check(evaluator, snapshots, measured)
    home = declared if declared is not None else _family_for(workspace, adopting.family, config)
    origin = {
        "layout": reader.name,
        "weights_sha256": digests[snapshots[0][0]],
        "not_stated": sorted(
            name for name, value in config.identity.items() if name not in known and value is not None
        ),
    }
    config = Config(home.name, config.parameters, config.architecture, config.training)
    folder = workspace.variant_folder(home.name, name or _name(config, home, origin))
    variant = Variant(home, config, folder)
    declares = not (workspace.path / "model_families" / home.name / "family.json").exists()
    finished = Imported(
        variant, check, (*run.notes, *notes, *check.notes), is_new=True, declared=home.name if declares else ""
    )
    if _is_there(variant, origin, digests):
        return Imported(variant, check, (), is_new=False)
    if declares:
        workspace.declare(home)
    rows = _metrics(run, check, measured if adopting.split_known(known) else {})
    _store(finished, config, origin, adopting, snapshots, rows, _record(place, origin, digests, finished))
    return finished


def _found(workspace: Workspace, path: Path, layout: str | None) -> tuple[Path, Layout, Family | None]:
    if layout is None:
        return recognised(path, workspace.plugins)
    reader, owner = layout_named(layout, workspace.plugins)
    if not path.exists():
        raise ExchangeError(f"There is nothing at {path} to import.")
    return path, reader, owner


def _families(workspace: Workspace) -> list[Family]:
    return [provided.item for provided in workspace.plugins.all("families").values()]


class _Adopting:
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
        raise ExchangeError(f"{snapshot.source} cannot be imported. {' '.join(refusals)}")

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
            ExchangeError: an epoch that is not known, or two snapshots of one epoch.
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
            if epoch in found:
                raise ExchangeError(
                    f"{found[epoch].source} and {snapshot.source} are both of epoch {epoch}. Move one of them away."
                )
            found[epoch] = snapshot
        return sorted(found.items())

    def configure(self, *settings: Mapping[str, Any]) -> Config:
        """Return a config of the family: later settings win."""
        merged: dict[str, Any] = {}
        for some in settings:
            merged.update(some)
        return self.family.configure(merged)

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
            evaluator = Evaluator(self.family, config)
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


def _family_for(workspace: Workspace, base: Family, config: Config) -> DeclaredFamily:
    """Return the family of the workspace with this architecture, or one to be declared, adapted to it."""
    wanted = config.architecture
    usual = [base.configure().architecture, *(base.configure(preset=name).architecture for name in base.presets)]
    if wanted in usual:
        return workspace.family(base.name)
    for other in workspace.families():
        if other.base.name == base.name and other.configure().architecture == wanted:
            return other
    default = usual[0].model_dump(mode="json")
    settings = {name: value for name, value in wanted.model_dump(mode="json").items() if value != default[name]}
    text = config.name_without(set(config.settings) - set(settings))
    title = f"{base.title}, {', '.join(f'{name} {value}' for name, value in settings.items())}"
    return DeclaredFamily(base, FamilyFile(name=f"{base.name}_{text}", base=base.name, title=title, settings=settings))


def _name(config: Config, family: DeclaredFamily, origin: Mapping[str, Any]) -> str:
    """Return the default name: of the settings that somebody states and the family does not."""
    given = {name for name, value in family.file.settings.items() if config.settings.get(name) == value}
    text = config.name_without({*origin["not_stated"], *given})
    ending = f"imported-{origin['layout']}"
    return ending if text == "default" else f"{text}_{ending}"


def _is_there(variant: Variant, origin: Mapping[str, Any], digests: Mapping[int, str]) -> bool:
    """Tell whether exactly this import is there already.

    Raises:
        ExchangeError: something else has the name.
    """
    folder = variant.folder
    elsewhere = f"{folder} {{}}; nothing is overwritten. Choose another name with --name."
    if not (folder / "config.json").exists():
        if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
            raise ExchangeError(elsewhere.format("exists, and was not begun by an import"))
        return False
    try:
        there = Variant.open(variant.family, folder)
    except WorkspaceError as error:
        raise ExchangeError(elsewhere.format(f"holds something that cannot be read ({error})")) from None
    if not there.origin:
        raise ExchangeError(elsewhere.format("holds a variant that was trained here"))
    same = (
        there.origin.get("weights_sha256") == origin["weights_sha256"] and there.config.digest == variant.config.digest
    )
    folder_of = there.checkpoint_folder
    if not same or {epoch: folder_of.digest(epoch) for epoch in there.checkpoints} != dict(digests):
        raise ExchangeError(elsewhere.format("holds another import, or one of fewer checkpoints"))
    return True


def _metrics(run: ForeignRun, check: Check, measured: Mapping[int, Mapping[str, float]]) -> list[dict[str, float]]:
    """Return the rows of ``metrics.csv``: what is recorded, at its true epochs, and what the weights give where not."""
    rows: dict[int, dict[str, float]] = {}
    for recorded in run.metrics:
        epoch = int(recorded["epoch"]) + check.shift
        if epoch >= 0:
            rows[epoch] = {name: float(recorded.get(name, math.nan)) for name in COLUMNS} | {"epoch": epoch}
    for epoch, computed in measured.items():
        row = rows.setdefault(epoch, dict.fromkeys(COLUMNS, math.nan) | {"epoch": epoch})
        row.update({name: value for name, value in computed.items() if math.isnan(row[name])})
    return [rows[epoch] for epoch in sorted(rows)]


def _record(place: Path, origin: Mapping[str, Any], digests: Mapping[int, str], result: Imported) -> dict[str, Any]:
    return {
        **origin,
        "source": place.resolve().name,
        "weights": {str(epoch): digest for epoch, digest in digests.items()},
        "notes": list(result.notes),
        "check": as_record(result.check),
    }


def _store(
    result: Imported,
    config: Config,
    origin: Mapping[str, Any],
    adopting: _Adopting,
    snapshots: Sequence[tuple[int, Snapshot]],
    rows: Iterable[Mapping[str, float]],
    record: Mapping[str, Any],
) -> None:
    """Write the variant; its ``config.json``, by which it is one, comes last."""
    variant = result.variant
    identity = identity_digest(config.family, config.settings, str(origin["weights_sha256"]))
    try:
        variant.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"Could not make the folder {variant.folder}: {error.strerror}.") from None
    try:
        with variant.training_lock(timeout=0.5):
            write_json(variant.folder / MARK, {"layout": origin["layout"]})
            checkpoints = CheckpointFolder(
                variant.folder / "checkpoints", identity=identity, family=config.family, variant=variant.name
            )
            remove_leftovers(variant.folder)
            remove_leftovers(checkpoints.path)
            for epoch in set(checkpoints.epochs()) - {epoch for epoch, _ in snapshots}:
                checkpoints.remove(epoch)  # of an earlier, unfinished import
            for number, (epoch, snapshot) in enumerate(snapshots):
                adopting.progress("writing", number, len(snapshots))
                checkpoints.write(epoch, _arrays(adopting.weights(snapshot)))
            adopting.progress("writing", len(snapshots), len(snapshots))
            with variant.metrics_file.appending(from_epoch=0) as metrics:
                for row in rows:
                    metrics.append(row)
                metrics.sync()
            last = snapshots[-1][0]
            write_json(
                variant.folder / "metadata.json",
                {
                    "state": "imported",
                    "epoch": last,
                    "updated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                    "versions": {
                        name: metadata.version(name) for name in ("dynascope", "torch", "numpy", "safetensors")
                    },
                    "origin": record,
                },
            )
            write_json(
                variant.folder / "config.json",
                {
                    "format": FORMAT,
                    "family": config.family,
                    "base": variant.family.base.name,
                    "variant": variant.name,
                    "sha256": identity,
                    "settings": config.settings,
                    "epochs": last,
                    "schedule": [epoch for epoch, _ in snapshots],
                    "keep_optimizer": "none",
                    "origin": origin,
                },
            )
            (variant.folder / MARK).unlink(missing_ok=True)
    except Timeout:
        raise ExchangeError(f"{variant.folder} is being written by another process. Wait for it, or stop it.") from None


def _arrays(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: tensor.detach().contiguous().numpy() for name, tensor in sorted(weights.items())}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 20 else f"[{len(value)} values]"
