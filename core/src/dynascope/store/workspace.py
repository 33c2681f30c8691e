"""The workspace: the folder that holds ``model_families/`` and ``results/``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynascope.contract.chosen_probe import ChosenProbe
from dynascope.contract.config import Config
from dynascope.errors import DynascopeError, InvalidSetting, UnknownName, WorkspaceError
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.comparisons import Comparisons
from dynascope.store.family_file import DeclaredFamily, as_provided, read_family_file, write_family_file
from dynascope.store.probe_file import key_of
from dynascope.store.reports import Reports
from dynascope.store.variant import Variant

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from dynascope.jobs import Jobs

__all__ = ["Unreadable", "Workspace", "find_workspace"]


@dataclass(frozen=True)
class Unreadable:
    """A family or variant of the workspace that cannot be read: a row with its error, not the end of the list."""

    name: str
    error: str


class Workspace:
    """A folder of families and variants.

    Args:
        path: a folder made by ``create`` (``dynascope init``).
        plugins: the registry; this process' by default.

    Raises:
        WorkspaceError: the folder is not a workspace.
    """

    def __init__(self, path: str | Path, plugins: Registry | None = None) -> None:
        self.path = Path(path).expanduser().resolve()
        if not (self.path / "model_families").is_dir():
            what = "does not exist" if not self.path.exists() else "has no folder 'model_families'"
            raise WorkspaceError(
                f"{self.path} is not a workspace: it {what}. "
                f"Name one with --workspace or DYNASCOPE_WORKSPACE, or make one with `dynascope init {path}`."
            )
        self._plugins = plugins

    @classmethod
    def create(cls, path: str | Path, plugins: Registry | None = None) -> Workspace:
        """Make a workspace, or complete one: a ``family.json`` for each family that has none.

        Raises:
            WorkspaceError: ``path`` is a file, or cannot be written to.
        """
        folder = Path(path).expanduser().resolve()
        try:
            (folder / "model_families").mkdir(parents=True, exist_ok=True)
            (folder / "results").mkdir(exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"Could not make a workspace at {folder}: {error.strerror}.") from None
        workspace = cls(folder, plugins)
        for provided in workspace.plugins.all("families").values():
            file = workspace._family_file(provided.name)
            if not file.exists():
                write_family_file(file, as_provided(provided.item))
        return workspace

    @property
    def plugins(self) -> Registry:
        """The registry."""
        return self._plugins or registry()

    @property
    def jobs(self) -> Jobs:
        """The jobs, by id: training, analysis and other work in processes of their own."""
        from dynascope.jobs import Jobs

        return Jobs(self.path)

    # Families.

    def families(self) -> list[DeclaredFamily]:
        """Return the families that can be used here, sorted: declared in the workspace, or by a plug-in."""
        return [family for family in self._all_families() if isinstance(family, DeclaredFamily)]

    def broken_families(self) -> list[Unreadable]:
        """Return the ``family.json`` files that cannot be used, with the reason."""
        return [family for family in self._all_families() if isinstance(family, Unreadable)]

    def family(self, name: str) -> DeclaredFamily:
        """Return one family: as its ``family.json`` declares it, or else as its plug-in provides it.

        Raises:
            UnknownName: there is no such family.
            WorkspaceError: its ``family.json`` cannot be used.
        """
        file = self._family_file(name)
        if file.exists():
            return read_family_file(file, self.plugins)
        known = {provided.name: provided.item for provided in self.plugins.all("families").values()}
        if name not in known:
            raise UnknownName("family", name, {*known, *self._declared_names()})
        return as_provided(known[name])

    def declare(self, family: DeclaredFamily) -> None:
        """Write a family's ``family.json``, if it has none."""
        file = self._family_file(family.name)
        if not file.exists():
            write_family_file(file, family)

    def reports(self, family: str) -> Reports:
        """Return the reports of a family: saved choices of views, and those that plug-ins ship.

        Raises:
            UnknownName: there is no such family.
            InvalidSetting: the name cannot be a folder's.
        """
        folder = _inside(self.path / "model_families", family) / "reports"
        return Reports(folder, self.family(family), self.plugins)

    def _all_families(self) -> list[DeclaredFamily | Unreadable]:
        names = {*self._declared_names(), *(provided.name for provided in self.plugins.all("families").values())}
        found: list[DeclaredFamily | Unreadable] = []
        for name in sorted(names):
            try:
                found.append(self.family(name))
            except DynascopeError as error:
                found.append(Unreadable(name, str(error)))
        return found

    def _family_file(self, name: str) -> Path:
        return _inside(self.path / "model_families", name) / "family.json"

    def _declared_names(self) -> list[str]:
        return sorted(file.parent.name for file in (self.path / "model_families").glob("*/family.json"))

    # Variants.

    def new_variant(self, family: str, settings: Mapping[str, Any] | None = None, preset: str | None = None) -> Variant:
        """Return the variant with these settings, whether or not it exists on disk yet.

        Raises:
            UnknownName, InvalidSetting: an unknown family, preset or setting; a value that breaks its rule.
        """
        declared = self.family(family)
        config = declared.configure(settings, preset)
        folder = self._variant_folder(config)
        if not (folder / "config.json").exists():
            # It may have been trained under another name: a family's defaults, which names leave out, can change.
            for other in self.variants(declared.name):
                if other.config.digest == config.digest and not other.origin:
                    return other
        return Variant(declared, config, folder)

    def variants(self, family: str | None = None, **settings: Any) -> list[Variant]:
        """Return the variants on disk, sorted by family and name; ``p=113`` keeps those with that setting.

        Raises:
            UnknownName: no variant has such a setting.
        """
        found = [entry for entry in self._all_variants() if isinstance(entry, Variant)]
        known = {name for variant in found for name in variant.config.settings}
        for name in settings:
            if found and name not in known:
                raise UnknownName("setting of a variant", name, known)
        return [
            variant
            for variant in found
            if (family is None or variant.family.name == family)
            and all(variant.config.settings.get(name) == value for name, value in settings.items())
            and not set(settings) & set(variant.origin.get("not_stated", ()) if settings else ())
        ]

    def table(
        self,
        variants: Iterable[str | Variant] | None = None,
        columns: Iterable[str] | None = None,
        probe: str | ChosenProbe | None = None,
    ) -> pd.DataFrame:
        """Return what was measured at each epoch of many variants, in one table.

        It is read from the stacked series: one file for each variant and analyzer, however many checkpoints there are.

        Args:
            variants: names or variants; all that can be read by default.
            columns, probe: as in ``Variant.table``.

        Returns:
            A frame with the index ``family, variant, epoch``; NaN where a variant has no value.

        Raises:
            UnknownName: no such variant, or a column that no variant has.
            InvalidSetting: an array with several axes.
        """
        from dynascope.store.table import table_of

        return table_of(self._chosen(variants), columns, probe)

    def series(
        self,
        variants: Iterable[str | Variant] | None = None,
        columns: Iterable[str] | None = None,
        probe: str | ChosenProbe | None = None,
    ) -> xr.Dataset:
        """Return what was measured at each epoch of many variants as an xarray dataset: arrays keep their axes.

        It is read from the stacked series, as ``table`` is.

        Args:
            variants: names or variants; all that can be read by default. One that is named twice counts once.
            columns, probe: as in ``Variant.series``.

        Returns:
            A dataset with the dimensions ``variant`` and ``epoch``, and those of the arrays. Each axis has all the
            coordinates that any of the variants has; NaN where a variant has no value. Along ``variant`` stand its
            ``family``, and the settings that were asked for.

        Raises:
            UnknownName: no such variant, or a column that no variant has.
            InvalidSetting: an array of more than 65,536 numbers at each epoch; axes that cannot be joined; more than
                fits into memory.
        """
        from dynascope.store.dataset import dataset_of

        return dataset_of(self._chosen(variants), columns, probe)

    def _chosen(self, variants: Iterable[str | Variant] | None) -> list[Variant]:
        chosen = self.variants() if variants is None else variants
        return [one if isinstance(one, Variant) else self.variant(one) for one in chosen]

    def comparisons(self, family: str | None = None, probe: str | ChosenProbe | None = None) -> Comparisons:
        """Return what was measured over variants of a family beside each other.

        Args:
            family: its name; the only one that has variants by default.
            probe: under which, as in ``Variant.artifacts_of``; the family's default probe by default.

        Raises:
            InvalidSetting: there are variants of several families, or of none.
            UnknownName: there is no such family or probe.
        """
        names = [family] if family is not None else sorted({folder.parent.name for folder in self._variant_folders()})
        if len(names) != 1:
            raise InvalidSetting(f"Name a family; {', '.join(names) or 'none'} has variants here.")
        declared = self.family(names[0])
        folder = _inside(self.path / "results", declared.name) / "comparisons"
        return Comparisons(folder / key_of(probe or declared.probe, folder))

    def variant_names(self) -> list[str]:
        """Return the names of the variants on disk, ``<family>/<name>``, sorted; none of them is opened."""
        return [f"{folder.parent.name}/{folder.name}" for folder in self._variant_folders()]

    def broken_variants(self) -> list[Unreadable]:
        """Return the result folders that cannot be read, with the reason."""
        return [entry for entry in self._all_variants() if isinstance(entry, Unreadable)]

    def variant(self, name: str) -> Variant:
        """Return a variant by name, or by ``<family>/<name>`` where two families have the name.

        Raises:
            UnknownName: there is no such variant.
            WorkspaceError: its files cannot be read.
        """
        family, _, short = name.rpartition("/")
        named: Path | None = None
        with suppress(InvalidSetting):  # what cannot be a folder's name is none of a variant's either
            named = self.variant_folder(family, short)
        if named is not None and (named / "config.json").exists():  # without a look at the other thousand
            return self._open(named)
        folders = [
            folder for folder in self._variant_folders() if folder.name == short and family in ("", folder.parent.name)
        ]
        if len(folders) > 1:
            choices = " or ".join(f"{folder.parent.name}/{folder.name}" for folder in folders)
            raise InvalidSetting(f"{len(folders)} variants are named {short!r}. Say which: {choices}.")
        if not folders:
            names = [folder.name for folder in self._variant_folders()]
            if family:
                names = [f"{folder.parent.name}/{folder.name}" for folder in self._variant_folders()]
            raise UnknownName("variant", name, names)
        return self._open(folders[0])

    def _all_variants(self) -> list[Variant | Unreadable]:
        found: list[Variant | Unreadable] = []
        for folder in self._variant_folders():
            try:
                found.append(self._open(folder))
            except DynascopeError as error:
                found.append(Unreadable(f"{folder.parent.name}/{folder.name}", str(error)))
        return found

    def _variant_folders(self) -> list[Path]:
        return sorted(file.parent for file in (self.path / "results").glob("*/*/config.json"))

    def _open(self, folder: Path) -> Variant:
        return Variant.open(self.family(folder.parent.name), folder)

    def _variant_folder(self, config: Config) -> Path:
        return self.variant_folder(config.family, config.name)

    def variant_folder(self, family: str, name: str) -> Path:
        """Return the folder that a variant of this name has, whether or not it exists.

        Raises:
            InvalidSetting: a name that cannot be a folder's.
        """
        return _inside(_inside(self.path / "results", family), name)

    def _repr_html_(self) -> str:
        from dynascope.notebook.tables import workspace_table

        return workspace_table(self)

    def __repr__(self) -> str:
        return (
            f"<workspace {self.path}: {len(self._declared_names())} families, {len(self._variant_folders())} variants>"
        )


def find_workspace(path: str | Path | None = None) -> Path:
    """Return the workspace that was named, or ``DYNASCOPE_WORKSPACE``, or the one here, or ``./workspace``."""
    if path is not None:
        return Path(path)
    named = os.environ.get("DYNASCOPE_WORKSPACE")
    if named:
        return Path(named)
    here = Path.cwd()
    return here if (here / "model_families").is_dir() else here / "workspace"


def _inside(folder: Path, name: str) -> Path:
    """Join a name to a folder; a name that would leave it is refused."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InvalidSetting(f"{name!r} cannot be a folder's name: it must not be empty, '.', '..' or hold a slash.")
    return folder / name
