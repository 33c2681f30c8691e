"""``probe.json``: which probe, at which settings, the artifacts of a folder were made under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dynascope.contract.chosen_probe import KEY, ChosenProbe
from dynascope.errors import DynascopeError, UnknownName, WorkspaceError
from dynascope.plugins.discovery import registry
from dynascope.plugins.registry import Registry
from dynascope.store.atomic import read_json, write_json

__all__ = ["PROBE_FILE", "choose_probe", "key_of", "probe_folders", "read_probe", "write_probe", "written_probe"]

PROBE_FILE = "probe.json"
FORMAT = 1


def write_probe(folder: Path, chosen: ChosenProbe) -> None:
    """Say in a folder of artifacts which probe they are of, before the first of them is written.

    A folder that is named like the probe itself needs no file: the probe is at no settings.

    Raises:
        WorkspaceError: the disk is full or cannot be written to.
    """
    if chosen.settings is None or not chosen.given:
        return
    content = {
        "format": FORMAT,
        "probe": chosen.name,
        "plugin": chosen.plugin,
        "settings": chosen.settings.model_dump(mode="json"),
        "text": chosen.text,
    }
    path = folder / PROBE_FILE
    try:
        if read_json(path) == content:
            return
    except WorkspaceError:  # it is not there, or damaged
        pass
    write_json(path, content)


def read_probe(folder: Path, plugins: Registry) -> ChosenProbe:
    """Return the probe that the artifacts of a folder were made under.

    Raises:
        UnknownName: no plug-in provides it any more, or it has lost a setting.
        InvalidSetting: its settings break a rule now.
        WorkspaceError: the folder does not say, or says what its name contradicts.
    """
    found = KEY.fullmatch(folder.name)
    if found is None:
        raise WorkspaceError(f"{folder} is no folder of artifacts: it is not named like a probe.")
    if found[2] is None:
        return plugins.choose(folder.name)
    path = folder / PROBE_FILE
    content = read_json(path)
    settings = content.get("settings")
    if content.get("format") != FORMAT or content.get("probe") != found[1] or not isinstance(settings, dict):
        raise WorkspaceError(
            f"{path} must hold format {FORMAT}, the probe {found[1]!r} and its settings; it holds format "
            f"{content.get('format')!r} and the probe {content.get('probe')!r}. Restore it from a copy, or analyse "
            "again with --probe."
        )
    provided = plugins.find("probes", found[1])
    chosen = ChosenProbe.of(provided.item, settings, provided.plugin)
    if chosen.key != folder.name:
        raise WorkspaceError(
            f"{path} holds settings that belong to {chosen.key}, and not to {folder.name}: it was changed, or the "
            "defaults of the probe were. Undo that, or analyse again with --probe."
        )
    return chosen


def written_probe(folder: Path) -> str:
    """Return the probe of a folder of artifacts as it is written, without asking its plug-in.

    Raises:
        WorkspaceError: the folder does not say.
    """
    found = KEY.fullmatch(folder.name)
    return str(read_json(folder / PROBE_FILE).get("text")) if found is not None and found[2] else folder.name


def probe_folders(shelf: Path) -> list[Path]:
    """Return the folders of artifacts on a shelf, one for each probe, sorted; what else lies there is left out."""
    if not shelf.is_dir():
        return []
    return sorted(entry for entry in shelf.iterdir() if KEY.fullmatch(entry.name) and entry.is_dir())


def key_of(probe: str | ChosenProbe, shelf: Path) -> str:
    """Return the name of a probe's folder on a shelf.

    Args:
        probe: as it is written, the name of a folder, or the object.
        shelf: the folder that has one for each probe.

    Raises:
        UnknownName, InvalidSetting: there is no such probe, or it is not at such settings.
    """
    if isinstance(probe, ChosenProbe):
        return probe.key
    found = KEY.fullmatch(probe)
    if found is not None and (found[2] is not None or (shelf / probe).is_dir()):
        return probe
    return registry().choose(probe).key


def choose_probe(probe: str | ChosenProbe, plugins: Registry, family_folder: Path) -> ChosenProbe:
    """Return the probe that is meant.

    Args:
        probe: as it is written, the name of a folder of the family's variants or comparisons, or the object.
        plugins: the registry.
        family_folder: ``results/<family>``.

    Raises:
        UnknownName, InvalidSetting: there is no such probe, or it is not at such settings.
        WorkspaceError: a folder of that name does not say what its probe is.
    """
    if isinstance(probe, ChosenProbe):
        return probe
    found = KEY.fullmatch(probe)
    if found is None or found[2] is None:
        return plugins.choose(probe)
    errors: list[DynascopeError] = []
    for folder in _named(family_folder, probe):
        try:
            return read_probe(folder, plugins)
        except DynascopeError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    raise UnknownName("probe with artifacts", probe, {folder.name for folder in _all(family_folder)})


def _named(family_folder: Path, key: str) -> Iterator[Path]:
    yield from sorted(family_folder.glob(f"*/artifacts/{key}"))
    yield from family_folder.glob(f"comparisons/{key}")


def _all(family_folder: Path) -> Iterable[Path]:
    for shelf in (*family_folder.glob("*/artifacts"), family_folder / "comparisons"):
        yield from probe_folders(shelf)
