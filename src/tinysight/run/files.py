"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from tinysight.errors import ResourceError

__all__ = ["is_there", "is_unfinished", "make_folder", "put", "sync", "why", "write_atomic"]

WINDOWS = os.name == "nt"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        ResourceError: the disk or the folder does not take it.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.tmp"
    try:
        put(temporary, raw)
        temporary.replace(path)
        sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError | ValueError):  # ValueError: a path with a zero byte
            raise ResourceError(f"cannot write {path}: {why(error)}") from None
        raise


def is_unfinished(name: str) -> bool:
    """Say whether `write_atomic` gave a file this name while it wrote: it was killed then."""
    return name.startswith(".") and name.endswith(".tmp")


def put(path: Path, raw: bytes) -> None:
    """Write a file through to the disk, in a folder that is made where there is none.

    Raises:
        OSError, ValueError: it cannot be; a part may stand.
    """
    make_folder(path.parent)
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, through to the disk.

    Raises:
        OSError, ValueError: it cannot be made.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sync(folder: Path) -> None:
    """Bring the names in a folder through to the disk.

    Raises:
        OSError: it cannot be.
    """
    if WINDOWS:  # where a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def why(error: OSError | ValueError) -> str:
    """Return what the system said, without its number and the path."""
    return getattr(error, "strerror", None) or str(error)


def is_there(path: Path) -> bool:
    """Say whether there is such a file; one that may not be looked at is: reading it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
