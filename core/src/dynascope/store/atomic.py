"""Files that are there whole or not at all, whatever kills the writer."""

from __future__ import annotations

import json
import os
import platform
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dynascope.errors import WorkspaceError

__all__ = ["hidden_name", "leftovers", "publish", "read_json", "remove_leftovers", "settle", "write_json"]

_HOST = re.sub(r"\W", "_", platform.node()) or "_"


@contextmanager
def publish(path: Path, *, settled: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success sync it and rename it over ``path``.

    A reader sees the old file or the new one, never a part. On failure the temporary file is removed; after
    a kill it stays behind, hidden, until ``remove_leftovers``.

    Args:
        settled: sync the folder, too, so that the new name outlives a power cut. Without it, the caller calls
            ``settle`` when all files in the folder are there.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = hidden_name(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        if settled:
            _sync(path.parent)
    except OSError as error:
        raise WorkspaceError(
            f"Could not write {path}: {error.strerror or error}. Nothing that was there is changed; "
            "free some space or check the permissions, and run the command again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk.

    Raises:
        WorkspaceError: the disk cannot be written to.
    """
    try:
        _sync(folder)
    except OSError as error:
        raise WorkspaceError(f"Could not write {folder}: {error.strerror or error}.") from None


def hidden_name(path: Path) -> Path:
    """Return a temporary name beside ``path`` that tells who writes it: ``.NAME.HOST-PID-RANDOM.tmp``."""
    return path.with_name(f".{path.name}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")


def leftovers(folder: Path) -> dict[Path, str]:
    """Return the temporary files in ``folder`` that nobody here writes, each with the machine that began it.

    The machine is empty where it is this one: its process is dead, and the file can go.
    """
    found = {}
    for path in sorted(folder.glob(".*.tmp")):
        writer = path.name.rsplit(".", 2)[-2].split("-")
        if len(writer) != 3 or not writer[1].isdigit():
            continue
        if writer[0] != _HOST:
            found[path] = writer[0]
        elif not _is_alive(int(writer[1])):
            found[path] = ""
    return found


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that dead processes of this machine left in ``folder``; all others stay."""
    for path, machine in leftovers(folder).items():
        if not machine:
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Publish ``content`` as indented JSON."""
    with publish(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        WorkspaceError: the file is missing, is not JSON (line and column are named), or holds no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkspaceError(f"Could not read {path}: {error.strerror}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} is not valid JSON: {error}. Mend it or restore it from a copy.") from None
    if not isinstance(content, dict):
        raise WorkspaceError(f"{path} must hold a JSON object; it holds a {type(content).__name__}.")
    return content


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
