"""Importing a run: read, adopted by a family, checked against its recorded losses, and stored like any variant."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from dynascope.contract.config import Config, identity_digest
from dynascope.contract.family import Family
from dynascope.contract.layout import ForeignRun, Layout, Snapshot
from dynascope.digest import digest_of
from dynascope.errors import ExchangeError, WorkspaceError
from dynascope.exchange.adopting import Adopting, Progress
from dynascope.exchange.check import Check, as_record
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
    adopting = Adopting(run, stated, candidates, progress or (lambda what, done, total: None))
    snapshots = adopting.in_order()
    config, known, notes = adopting.settled(snapshots)

    measured: dict[int, dict[str, float]] = {}
    digests: dict[int, str] = {}
    evaluator = adopting.evaluator(config) if adopting.split_known(known) or run.metrics else None
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
    adopting: Adopting,
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
            checkpoints.keep(epoch for epoch, _ in snapshots)  # others are of an earlier, unfinished import
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
