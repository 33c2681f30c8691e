"""One variant on disk: its config, state, metrics, checkpoints and artifacts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.contract.config import Config, identity_digest
from dynascope.errors import CheckpointError, DynascopeError, UnknownName, WorkspaceError
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.artifacts import Artifacts
from dynascope.store.atomic import read_json, write_json
from dynascope.store.checkpoints import CheckpointFolder
from dynascope.store.family_file import DeclaredFamily
from dynascope.store.metrics import MetricsFile
from dynascope.store.probe_file import key_of, probe_folders, read_probe

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr
    from torch import nn

    from dynascope.analysis.plan import Plan
    from dynascope.contract.analyzer import Instrument
    from dynascope.notebook import At, ShownReport
    from dynascope.training.loop import TrainingResult

__all__ = ["Variant"]

log = logging.getLogger(__name__)

FORMAT = 1
Arrays = Mapping[str, "np.ndarray[Any, Any]"]


class Variant:
    """A variant of a family, whether or not it has been trained.

    Args:
        family: the family as the workspace declares it.
        config: all settings.
        folder: ``results/<family>/<variant>``.
    """

    def __init__(self, family: DeclaredFamily, config: Config, folder: Path) -> None:
        self.family, self.config, self.folder = family, config, folder
        self._artifacts: dict[str, Artifacts] = {}  # by probe: who shares a variant shares what was read of it

    @classmethod
    def open(cls, family: DeclaredFamily, folder: Path) -> Variant:
        """Open a variant that has a ``config.json``.

        Raises:
            WorkspaceError: the file is damaged, of a newer format, or its settings no longer fit the family.
        """
        path = folder / "config.json"
        content = read_json(path)
        if content.get("format") != FORMAT:
            raise WorkspaceError(
                f"{path} has format {content.get('format')!r}; this version of Dynascope reads {FORMAT}."
            )
        settings, stated = content.get("settings"), content.get("sha256")
        origin = (content.get("origin") or {}).get("weights_sha256")
        if not isinstance(settings, dict) or identity_digest(family.name, settings, origin) != stated:
            raise WorkspaceError(
                f"{path} was changed after training began: its settings do not have the hash that it states. "
                "Settings are a variant's identity; undo the change, and train another variant instead."
            )
        try:
            config = family.configure(settings)
        except DynascopeError as error:
            raise WorkspaceError(f"{path} no longer fits family {family.name}: {error}") from None
        if content.get("variant") != folder.name:
            raise WorkspaceError(
                f"{folder} holds a copy of variant {content.get('variant')}: a variant's folder has its name. "
                "Rename it back, or move it to another workspace."
            )
        return cls(family, config, folder)

    def save_config(self, **recipe: Any) -> None:
        """Write ``config.json``: the identity, and the recipe that does not change it (length, schedule).

        Raises:
            WorkspaceError: the folder holds another variant.
        """
        path = self.folder / "config.json"
        if path.exists():
            try:
                same = Variant.open(self.family, self.folder).config.digest == self.config.digest
            except WorkspaceError:
                same = False
            if not same:
                raise WorkspaceError(
                    f"{self.folder} holds another variant with the same name, or one that cannot be read; nothing is "
                    "overwritten. Move that folder away, or use another workspace."
                )
        write_json(
            path,
            {
                "format": FORMAT,
                "family": self.family.name,
                "base": self.family.base.name,
                "variant": self.name,
                "sha256": self.identity,
                "settings": self.recipe.get("settings", self.config.settings),
                **recipe,
            },
        )

    def save_recipe(self, **changes: Any) -> None:
        """Change what ``config.json`` holds beside the identity."""
        write_json(self.folder / "config.json", {**self.recipe, **changes})

    @property
    def identity(self) -> str:
        """The SHA-256 that its checkpoints carry.

        It is that of the settings as they were when training began: a setting that the family gains later, with
        a default, changes nothing that was trained.
        """
        return str(self.recipe.get("sha256", self.config.digest))

    @property
    def origin(self) -> dict[str, Any]:
        """Where an imported variant comes from: ``layout``, ``weights_sha256``, ``not_stated``; else empty.

        ``not_stated`` names the settings of ``config`` that nobody knows: they have the family's defaults.
        """
        return dict(self.recipe.get("origin") or {})

    @property
    def name(self) -> str:
        """The variant's name: that of its folder, made of its settings when training began."""
        return self.folder.name

    @property
    def full_name(self) -> str:
        """Its name with its family's: ``<family>/<name>``."""
        return f"{self.family.name}/{self.name}"

    @property
    def recipe(self) -> dict[str, Any]:
        """What ``config.json`` holds; empty where nothing was trained."""
        path = self.folder / "config.json"
        return read_json(path) if path.exists() else {}

    @property
    def metadata(self) -> dict[str, Any]:
        """State, versions, device and timings; empty where nothing was trained."""
        path = self.folder / "metadata.json"
        return read_json(path) if path.exists() else {}

    @property
    def state(self) -> str:
        """``"new"``, ``"training"``, ``"interrupted"``, ``"diverged"``, ``"trained"`` or ``"imported"``.

        A variant whose process was killed says ``"interrupted"``: nobody holds its lock any more.
        """
        state = str(self.metadata.get("state", "new"))
        if state == "training":
            try:
                with self.training_lock(timeout=0):
                    return "interrupted"
            except Timeout:
                pass
        return state

    def training_lock(self, timeout: float) -> FileLock:
        """Return the lock that the one process that trains this variant holds."""
        return FileLock(self.folder / ".training.lock", timeout=timeout)

    @cached_property
    def metrics_file(self) -> MetricsFile:
        """The training metrics, for readers without pandas and for the training loop."""
        return MetricsFile(self.folder / "metrics.csv")

    @cached_property
    def checkpoint_folder(self) -> CheckpointFolder:
        """The weights, by epoch."""
        return self._folder_of("checkpoints")

    @cached_property
    def optimizer_folder(self) -> CheckpointFolder:
        """The optimizer's state, for the epochs that kept it."""
        return self._folder_of("optimizer", remedy="Delete it: training then goes on from an earlier state.")

    @cached_property
    def resume_folder(self) -> CheckpointFolder:
        """Weights and optimizer state in one file, of the moment between checkpoints from which training goes on."""
        return self._folder_of("resume", remedy="Delete it: training then goes on from an earlier state.")

    @cached_property
    def replayed_folder(self) -> CheckpointFolder:
        """Weights of epochs that were replayed; disposable."""
        return self._folder_of("replayed", remedy="Delete it: the epoch is then replayed again.")

    @property
    def folders_of_states(self) -> tuple[CheckpointFolder, ...]:
        """The folders that training writes states to."""
        return self.checkpoint_folder, self.optimizer_folder, self.resume_folder

    @property
    def resumable(self) -> list[int]:
        """The epochs from which training can go on: weights, optimizer state, and all metrics before them."""
        rows = len(self.metrics_file.read()["epoch"])
        states = {*self.resume_folder.epochs(), *(set(self.checkpoints) & set(self.optimizer_folder.epochs()))}
        return sorted(epoch for epoch in states if epoch <= rows)

    def write_resume(self, epoch: int, weights: Arrays, optimizer: Arrays) -> None:
        """Keep the state of an epoch in ``resume_folder``."""
        both = {"weights": weights, "optimizer": optimizer}
        arrays = {f"{part}/{name}": array for part, group in both.items() for name, array in group.items()}
        self.resume_folder.write(epoch, arrays)

    def state_at(self, epoch: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return weights and optimizer state of one of the epochs of ``resumable``.

        Raises:
            CheckpointError: there is no such state, or it is damaged.
        """
        if epoch in self.optimizer_folder.epochs() and epoch in self.checkpoints:
            return self.checkpoint_folder.read(epoch), self.optimizer_folder.read(epoch)
        parts: dict[str, dict[str, Any]] = {"weights": {}, "optimizer": {}}
        for key, array in self.resume_folder.read(epoch).items():
            part, _, name = key.partition("/")
            parts[part][name] = array
        return parts["weights"], parts["optimizer"]

    def forget_files(self) -> None:
        """Look at the files anew: they were deleted, and with them the identity that they carried."""
        for name in ("metrics_file", "checkpoint_folder", "optimizer_folder", "resume_folder", "replayed_folder"):
            self.__dict__.pop(name, None)

    def _folder_of(self, name: str, **remedy: str) -> CheckpointFolder:
        return CheckpointFolder(
            self.folder / name, identity=self.identity, family=self.family.name, variant=self.name, **remedy
        )

    def artifacts_of(self, probe: str | ChosenProbe | None = None) -> Artifacts:
        """Return the artifacts under a probe; the family's default probe if none is named.

        Args:
            probe: as it is written (``"random_pairs:count=500"``), the name of its folder, or the object.

        Raises:
            UnknownName, InvalidSetting: there is no such probe, or it is not at such settings.
        """
        shelf = self.folder / "artifacts"
        default = self.family.probe
        plain = not probe and default.isidentifier()  # checked when the family was read
        key = default if plain else key_of(probe or default, shelf)
        return self._artifacts.setdefault(key, Artifacts(shelf / key))

    def probes(self, plugins: Registry | None = None) -> list[ChosenProbe]:
        """Return the probes, at their settings, under which there are artifacts, the family's default one first.

        One that no active plug-in provides, or whose folder does not say what it is, is left out; ``dynascope
        artifacts verify`` names it.

        Args:
            plugins: the registry; this process' by default.
        """
        found = []
        for folder in probe_folders(self.folder / "artifacts"):
            if Artifacts(folder).analyzers():
                try:
                    found.append(read_probe(folder, plugins or registry()))
                except DynascopeError as error:
                    log.debug("%s is left out: %s", folder, error)
        default = self.artifacts_of().folder.name
        return sorted(found, key=lambda chosen: (chosen.key != default, chosen.key))

    # For notebooks.

    @property
    def metrics(self) -> pd.DataFrame:
        """The training metrics, indexed by epoch."""
        import pandas as pd

        return pd.DataFrame(self.metrics_file.read()).set_index("epoch")

    def table(self, columns: Iterable[str] | None = None, probe: str | ChosenProbe | None = None) -> pd.DataFrame:
        """Return what was measured at each epoch: a row per epoch, a column per number.

        Args:
            columns: ``"<plug-in>.<analyzer>/<array>"``, an analyzer, a column of the metrics, a setting; by default
                the metrics and all scalars. An array with one axis gives a column per coordinate.
            probe: under which the arrays were made, as for ``artifacts_of``; the family's default by default.

        Returns:
            A frame with the index ``family, variant, epoch``. ``attrs["units"]`` maps columns to units.

        Raises:
            UnknownName: a column that is not there.
            InvalidSetting: an array with several axes.
        """
        from dynascope.store.table import table_of

        return table_of([self], columns, probe)

    def series(self, columns: Iterable[str] | None = None, probe: str | ChosenProbe | None = None) -> xr.Dataset:
        """Return the same as ``table`` as an xarray dataset over ``epoch``, in which arrays keep their axes.

        Args:
            columns, probe: as for ``table``; arrays may have any number of axes.

        Raises:
            UnknownName: a column that is not there.
            InvalidSetting: an array of more than 65,536 numbers at each epoch; two axes of one name that cannot be
                joined; more than fits into memory.
        """
        from dynascope.store.dataset import series_of

        return series_of(self, columns, probe)

    @property
    def checkpoints(self) -> list[int]:
        """The epochs that have a checkpoint, ascending."""
        return self.checkpoint_folder.epochs()

    def weights(self, epoch: int, *, verify: bool = True) -> Mapping[str, Any]:
        """Return the weights after ``epoch`` updates as numpy arrays: any epoch that training has passed.

        Where no checkpoint has it, it is replayed from the nearest earlier state; a warning in the log says by how
        much that differs from what was recorded, where it does (on another machine).

        Args:
            verify: after a replay, go on to the next checkpoint and compare.

        Raises:
            CheckpointError: the epoch was never reached, or the checkpoint is damaged.
        """
        for folder in (self.checkpoint_folder, self.replayed_folder):
            if epoch in folder.epochs():
                return folder.read(epoch)
        from dynascope.training.replay import replay

        moment = replay(self, epoch, verify=verify)
        if not moment.check.exact:
            log.warning("The replay of %s, epoch %d, is %s.", self.name, epoch, moment.check.summary)
        return moment.weights

    def model(self, epoch: int) -> nn.Module:
        """Return the TransformerLens module of a checkpoint.

        Raises:
            CheckpointError: there is no such checkpoint, it is damaged, or it does not fit the family.
        """
        import torch

        weights = {name: torch.from_numpy(array) for name, array in self.weights(epoch).items()}
        try:
            return self.family.base.hooked(self.config, weights)
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(
                f"{self.checkpoint_folder.file(epoch)} does not fit family {self.family.name}: {error}"
            ) from None

    @property
    def artifacts(self) -> Artifacts:
        """The artifacts under the family's default probe: ``artifacts[epoch][analyzer][array]``."""
        return self.artifacts_of()

    def at(self, epoch: int) -> At:
        """Return this variant at one epoch, for drawing: ``variant.at(9100).view("neuron_map", neuron=5)``.

        Raises:
            UnknownName: the variant has no such checkpoint.
        """
        from dynascope.notebook import At

        if epoch not in self.checkpoints:
            raise UnknownName(f"checkpoint of {self.name}", str(epoch), [str(one) for one in self.checkpoints])
        return At(self, epoch)

    def run_with_cache(self, epoch: int, probe: str | ChosenProbe | None = None, **options: Any) -> tuple[Any, Any]:
        """Run the model of a checkpoint on the inputs of a probe, and return its output and all activations.

        Args:
            epoch: of the checkpoint.
            probe: whose inputs, as it is written, or the object; the family's default by default.
            options: as TransformerLens' ``run_with_cache`` takes them: ``names_filter``, ...

        Returns:
            The output, ``"row ..."``, and the ``ActivationCache``.

        Raises:
            CheckpointError: there is no such checkpoint, or it is damaged.
            UnknownName, InvalidSetting: there is no such probe, or it does not fit the variant.
        """
        import torch

        chosen = probe if isinstance(probe, ChosenProbe) else registry().choose(probe or self.family.probe)
        inputs = torch.from_numpy(chosen.make(self.config).inputs)
        with torch.no_grad():
            output, cache = self.model(epoch).run_with_cache(inputs, **options)  # type: ignore[operator]
        return output, cache

    def report(self, name: str = "") -> ShownReport:
        """Return a report laid on this variant: it shows itself in a notebook, and is saved as a file.

        Args:
            name: of a report of the workspace, or one that a plug-in ships; the family's own by default.

        Raises:
            UnknownName: there is none of this name.
            WorkspaceError: its file is damaged.
        """
        from dynascope.notebook import ShownReport
        from dynascope.store.reports import Reports

        workspace = self.folder.parents[2]
        reports = Reports(workspace / "model_families" / self.family.name / "reports", self.family, registry())
        return ShownReport(self, reports.open(name or self.family.base.default_report))

    def train(self, **options: Any) -> TrainingResult:
        """Train this variant, or continue it, with a bar.

        Args:
            options: as for ``dynascope.train``.
        """
        from dynascope.notebook.bars import epochs_counted
        from dynascope.training.loop import train

        epochs = int(options.get("epochs") or self.recipe.get("epochs") or self.config.training.epochs)
        with epochs_counted(self.name, epochs) as told:
            return train(self, **{"progress": told, **options})

    def analyze(self, **options: Any) -> Plan:
        """Compute what is missing or stale of this variant, with a bar.

        Args:
            options: as for ``dynascope.analyze``.
        """
        from dynascope.analysis.run import analyze
        from dynascope.notebook.bars import counted

        with counted(self.name) as told:
            return analyze(self, **{"progress": told, **options})

    def measure(
        self, analyzer: Instrument, epochs: Sequence[int] | None = None, probe: str | None = None, **options: Any
    ) -> xr.Dataset:
        """Try an analyzer that is no plug-in yet: measure checkpoints by it, and store nothing.

        Args:
            analyzer: an object, as a plug-in would provide it.
            epochs: at which; the last checkpoint by default.
            probe: under which; the family's default by default.
            options: further ones of ``dynascope.analyze``.

        Returns:
            Its arrays, labelled.

        Raises:
            PluginError: its declaration breaks a rule.
            AnalysisError: it failed; the message names the epoch.
        """
        from dynascope.notebook.trying import tried

        return tried(self, analyzer, epochs, probe, **options)

    def _repr_html_(self) -> str:
        from dynascope.notebook.tables import variant_table

        return variant_table(self)

    def __repr__(self) -> str:
        return f"<variant {self.name} of {self.family.name}: {self.state}, {len(self.checkpoints)} checkpoints>"
