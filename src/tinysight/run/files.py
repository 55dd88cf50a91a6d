"""Files of a run: written whole or not at all, and read with one line for what is wrong."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from tinysight.errors import CheckpointError, ResourceError

__all__ = ["is_there", "read_text", "why", "write_atomic"]

WINDOWS = os.name == "nt"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        ResourceError: the disk or the folder does not take it; the old content stands.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}"
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


def read_text(path: Path) -> str:
    """Read a file of a run as UTF-8.

    Raises:
        CheckpointError: missing, not to be read, or no UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{path} is damaged: no UTF-8 text, first at byte {error.start:,}"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {why(error)}") from None
