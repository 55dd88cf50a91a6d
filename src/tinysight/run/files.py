"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from tinysight.errors import ResourceError

__all__ = ["UNFINISHED", "is_there", "sweep", "why", "write_atomic"]

WINDOWS = os.name == "nt"
UNFINISHED = ".*.tmp"  # what a write has at hand; a killed one leaves it behind


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        ResourceError: the disk or the folder does not take it; the old content stands.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        if not WINDOWS:  # where a folder cannot be opened
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()
        raise ResourceError(f"cannot write {path}: {why(error)}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what killed writes left in a folder and below, where no write is under way."""
    for path in folder.rglob(UNFINISHED):
        with contextlib.suppress(OSError):
            path.unlink()


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
