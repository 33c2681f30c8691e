"""A bundle: variants with what was measured of them, and reports, as one archive that another workspace takes over.

Every file is listed with its size and SHA-256. What is not listed, not as it was listed, or nothing that a workspace
holds, is refused; nothing of a bundle is run.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from dynascope.contract.report import Report
from dynascope.errors import DynascopeError, ExchangeError, UnknownName
from dynascope.store.atomic import hidden_name, leftovers, publish
from dynascope.store.family_file import read_family_file
from dynascope.store.hdf5 import open_trusted
from dynascope.store.probe_file import PROBE_FILE, probe_folders
from dynascope.store.reports import read_report
from dynascope.store.series import SERIES_FILE
from dynascope.store.variant import Variant
from dynascope.store.workspace import Workspace

__all__ = ["MANIFEST", "Bundled", "import_bundle", "is_bundle", "write_bundle"]

FORMAT = 1
MANIFEST = "bundle.json"
CHUNK = 1 << 20
LARGEST_MANIFEST = 64 << 20
PART = r"[\w.+,=-]+"
ALLOWED = re.compile(
    rf"model_families/{PART}/(family\.json|reports/[\w .+-]+\.json)"
    rf"|results/{PART}/{PART}/(config\.json|metadata\.json|metrics\.csv|checkpoints/epoch_\d{{8}}\.safetensors"
    rf"|artifacts/{PART}/(probe\.json|{PART}/{PART}\.h5))"
)
"""What a bundle may hold, by its path in a workspace."""
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Bundled:
    """What a bundle brought.

    Attributes:
        variants: that are in the workspace now.
        is_new: False where all of it was there before.
        notes: sentences for the user.
    """

    variants: tuple[Variant, ...]
    is_new: bool
    notes: tuple[str, ...] = ()


# Writing.


def write_bundle(
    variants: Sequence[Variant],
    path: Path,
    *,
    reports: Sequence[Report] = (),
    epochs: Sequence[int] | None = None,
    told: Told = lambda done, total: None,
) -> list[str]:
    """Write variants of one family with their recipe, metrics, checkpoints and artifacts, and reports, as one archive.

    Args:
        variants: of one family.
        path: of the archive; one that exists is replaced.
        reports: to go with them.
        epochs: the checkpoints that go with them, and what was measured of each; all by default.
        told: called with the files that are done, and those in all.

    Returns:
        Sentences for the user.

    Raises:
        ExchangeError: variants of several families, or none.
        UnknownName: a variant has none of the epochs.
        WorkspaceError: the archive cannot be written.
    """
    families = {one.family.name: one.family for one in variants}
    if len(families) != 1:
        raise ExchangeError(f"A bundle holds variants of one family; these are of {', '.join(families) or 'none'}.")
    ((family, declared),) = families.items()
    content = json.dumps(declared.file.model_dump(mode="json"), indent=2).encode()
    texts: dict[str, bytes | Path] = {f"model_families/{family}/family.json": content}
    for report in reports:
        name = report.name or report.title
        text = json.dumps(report.model_dump(mode="json", exclude_defaults=True) | {"format": 1}, indent=2)
        texts[f"model_families/{family}/reports/{name}.json"] = text.encode()
    files = {f"results/{family}/{one.name}/{inside}": file for one in variants for inside, file in _files(one, epochs)}
    listed: dict[str, dict[str, Any]] = {}
    with publish(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for done, (name, source) in enumerate({**texts, **files}.items()):
            digest, size = hashlib.sha256(), 0
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            # Arrays hardly shrink, and those of artifacts are compressed already.
            entry.compress_type = zipfile.ZIP_STORED if name.endswith((".h5", ".safetensors")) else zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as target:
                for block in [source] if isinstance(source, bytes) else _blocks(source):
                    digest.update(block)
                    size += len(block)
                    target.write(block)
            listed[name] = {"sha256": digest.hexdigest(), "bytes": size}
            told(done + 1, len(texts) + len(files))
        about = {
            "format": FORMAT,
            "family": family,
            "variants": [one.name for one in variants],
            "reports": [report.name or report.title for report in reports],
            "made": {
                "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "dynascope": metadata.version("dynascope"),
            },
            "files": listed,
        }
        archive.writestr(MANIFEST, json.dumps(about, indent=1))
    partly = epochs is not None and any(set(one.checkpoints) - set(epochs) for one in variants)
    return ["What is measured over all checkpoints is stale where some of them are left out."] if partly else []


def _files(variant: Variant, epochs: Sequence[int] | None) -> Iterator[tuple[str, Path]]:
    """Yield the files of a variant that go into a bundle, by their path in its folder."""
    having = variant.checkpoints
    chosen = having if epochs is None else [epoch for epoch in having if epoch in set(epochs)]
    if having and not chosen:
        raise UnknownName(f"checkpoint of {variant.name}", str(list(epochs or ())[:1]), map(str, having))
    for name in ("config.json", "metadata.json", "metrics.csv"):
        if (variant.folder / name).exists():
            yield name, variant.folder / name
    for epoch in chosen:
        file = variant.checkpoint_folder.file(epoch)
        yield f"checkpoints/{file.name}", file
    left_out = {f"{epoch:08d}" for epoch in set(having) - set(chosen)}
    for folder in probe_folders(variant.folder / "artifacts"):
        if (folder / PROBE_FILE).exists():
            yield f"artifacts/{folder.name}/{PROBE_FILE}", folder / PROBE_FILE
        for file in sorted(folder.glob("*/*.h5")):
            if file.name != SERIES_FILE and not file.name.startswith(".") and file.name[:8] not in left_out:
                yield f"artifacts/{folder.name}/{file.parent.name}/{file.name}", file


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(CHUNK):
            yield block


# Reading.


def is_bundle(path: Path) -> bool:
    """Say whether a file is an archive with a manifest."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return MANIFEST in archive.namelist()


def import_bundle(workspace: Workspace, path: Path, told: Told = lambda done, total: None) -> Bundled:
    """Take over what a bundle holds. It is checked as a whole before anything of it is in the workspace.

    Args:
        workspace: where it goes.
        path: of the bundle.
        told: called with the files that are done, and those in all.

    Raises:
        ExchangeError: no bundle, a damaged one, one of a later version, or one that holds what no workspace does; a
            variant of this name, or a family, that is another one here.
        WorkspaceError: it cannot be written.
    """
    _remove_leftovers(workspace.path)
    place = hidden_name(workspace.path / "bundle")
    try:
        with zipfile.ZipFile(path) as archive:
            about = _manifest(archive, path)
            place.mkdir()
            _extract(archive, path, about["files"], place, told)
        return _take_over(workspace, path, about, place)
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise ExchangeError(f"Could not import {path}: {getattr(error, 'strerror', None) or error}.") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        entry = archive.getinfo(MANIFEST)
        if entry.file_size > LARGEST_MANIFEST:
            raise ExchangeError(f"{path} is not a bundle: its {MANIFEST} has {entry.file_size:,} bytes.")
        about = json.loads(archive.read(MANIFEST))
        if about["format"] != FORMAT:
            raise ExchangeError(
                f"{path} is a bundle of format {about['format']!r}; this version of Dynascope reads {FORMAT}."
            )
        files = about["files"]
        family, variants = str(about["family"]), [str(name) for name in about["variants"]]
        listed = {str(name): (str(one["sha256"]), int(one["bytes"])) for name, one in files.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExchangeError(
            f"{path} is not a bundle: its {MANIFEST} is damaged ({type(error).__name__}: {error})."
        ) from None
    for name in listed:
        parts = PurePosixPath(name).parts
        if ALLOWED.fullmatch(name) is None or ".." in parts or parts[1] != family:
            raise ExchangeError(f"{path} is not trusted: it holds {name!r}, which is nothing of family {family}.")
        if parts[0] == "results" and parts[2] not in variants:
            raise ExchangeError(f"{path} is not trusted: it holds {name!r}, which is of none of its variants.")
    there = sorted(one for one in archive.namelist() if one != MANIFEST)
    if there != sorted(listed):
        odd = sorted(set(there) ^ set(listed)) or [name for name in there if there.count(name) > 1]
        raise ExchangeError(f"{path} is damaged: {odd[0]!r} is listed and not there, or there and not listed.")
    return {"family": family, "variants": variants, "files": listed}


def _extract(
    archive: zipfile.ZipFile, path: Path, files: Mapping[str, tuple[str, int]], place: Path, told: Told
) -> None:
    """Extract every file, and check that it is what is listed."""
    for done, (name, (expected, size)) in enumerate(files.items()):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, left = hashlib.sha256(), size
        with archive.open(name) as source, target.open("wb") as opened:
            while block := source.read(CHUNK):
                left -= len(block)
                if left < 0:
                    break
                digest.update(block)
                opened.write(block)
            opened.flush()
            os.fsync(opened.fileno())
        if left or digest.hexdigest() != expected:
            raise ExchangeError(f"{path} is damaged: {name} is not what was bundled. Get it again.")
        if name.endswith(".h5"):
            try:
                open_trusted(target).close()
            except DynascopeError as error:
                raise ExchangeError(f"{path} is not trusted: {str(error).replace(str(place) + '/', '')}") from None
        told(done + 1, len(files))


def _take_over(workspace: Workspace, path: Path, about: Mapping[str, Any], place: Path) -> Bundled:
    family, names, files = about["family"], about["variants"], about["files"]
    declared = read_family_file(place / "model_families" / family / "family.json", workspace.plugins)
    here = workspace.path / "model_families" / family / "family.json"
    notes: list[str] = []
    if here.exists() and (ours := workspace.family(family)).file != declared.file:
        if ours.file.base != declared.file.base:
            raise ExchangeError(
                f"Family {family} adapts {ours.file.base} here, and {declared.file.base} in {path}. Import it into "
                "another workspace."
            )
        notes.append(f"Family {family} is declared otherwise here, and stays so; the variants have their own settings.")
    variants, new = [], []
    for name in names:
        variant = Variant.open(declared, place / "results" / family / name)
        for epoch in variant.checkpoints:
            variant.checkpoint_folder.read(epoch)  # that of this variant, and whole
        target = workspace.variant_folder(family, name)
        if not target.exists():
            new.append((place / "results" / family / name, target))
        elif not _same(target, f"results/{family}/{name}/", files):
            raise ExchangeError(
                f"There is a variant {name} of family {family} already, and it is not that of {path}. Nothing was "
                "changed; import it into another workspace, or move that folder away."
            )
        variants.append(target)
    for file in sorted((place / "model_families" / family / "reports").glob("*.json")):
        notes += _take_report(workspace, family, file)
    if not here.exists():
        here.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / "model_families" / family / "family.json", here)
    for source, target in new:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    opened = tuple(Variant.open(workspace.family(family), target) for target in variants)
    for variant in opened if new else ():
        for folder in probe_folders(variant.folder / "artifacts"):
            artifacts = variant.artifacts_of(folder.name)
            for analyzer in artifacts.analyzers():
                artifacts.refresh_series(analyzer)
    return Bundled(opened, bool(new), tuple(notes))


def _take_report(workspace: Workspace, family: str, file: Path) -> list[str]:
    """Save a report; under another name, where that one has another report."""
    report, reports = read_report(file), workspace.reports(family)
    if report.name not in reports.names():
        reports.save(report)
        return [f"Report {report.name!r} came with it."]
    if reports.open(report.name) == report:
        return []
    number = next(n for n in range(2, 10_000) if f"{report.name[:58]} {n}" not in reports.names())
    name = f"{report.name[:58]} {number}"
    reports.save(report.model_copy(update={"name": name}))
    return [f"There is another report {report.name!r} here: the one that came with it is {name!r}."]


def _same(folder: Path, prefix: str, files: Mapping[str, tuple[str, int]]) -> bool:
    """Say whether all files of a bundle that belong to a folder are there as they were bundled."""
    for name, (expected, size) in files.items():
        if name.startswith(prefix):
            file = folder / name.removeprefix(prefix)
            if not file.is_file() or file.stat().st_size != size:
                return False
            digest = hashlib.sha256()
            for block in _blocks(file):
                digest.update(block)
            if digest.hexdigest() != expected:
                return False
    return True


def _remove_leftovers(folder: Path) -> None:
    """Remove what an import that was killed left."""
    for path, machine in leftovers(folder).items():
        if not machine and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
