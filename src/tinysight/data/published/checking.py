"""Whether a file is the published one, and putting it in its place only if it is."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tinysight.data.published import Remote
from tinysight.errors import ResourceError

__all__ = ["ByteProgress", "disk", "fault", "install"]

# Called with the bytes that are there and the bytes of all, 0 where that is not known.
ByteProgress = Callable[[int, int], object]

CHUNK = 2**20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fault(path: Path, remote: Remote, progress: ByteProgress | None = None) -> str | None:
    """Return what is wrong with a file that shall be the published one; None where nothing is.

    >>> fault(Path("/no/such/file"), Remote("a.zip", ("https://a.example/a.zip",), md5="0" * 32))
    'it is not there'
    """
    try:
        with path.open("rb") as file:
            return _read(file, remote, None, progress)
    except FileNotFoundError:
        return "it is not there"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"


def install(
    source: Path, target: Path, remote: Remote, progress: ByteProgress | None = None
) -> str | None:
    """Copy a file to its final name, in one rename, if it is the published one.

    What is checked is the copy, which no other process has open: whoever writes into the source
    meanwhile cannot change what was checked. Returns what is wrong with it, as `fault` does.

    Raises:
        ResourceError: the disk does not take it.
        OSError: the source cannot be read.
    """
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    with source.open("rb") as file:
        need = os.fstat(file.fileno()).st_size
        try:
            with disk(target, need):
                target.parent.mkdir(parents=True, exist_ok=True)
                copy = temporary.open("xb")
            with copy:

                def write(chunk: bytes) -> None:
                    with disk(target, need):
                        copy.write(chunk)

                if said := _read(file, remote, write, progress):
                    return said
                with disk(target, need):
                    copy.flush()
                    os.fsync(copy.fileno())
            with disk(target, need):
                temporary.replace(target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return None


@contextlib.contextmanager
def disk(target: Path, need: int | None) -> Iterator[None]:
    """Raise what the disk refuses as a ResourceError; `need` is how many bytes are to be written.

    Raises:
        ResourceError: the disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise ResourceError(
                f"{error.filename or target} cannot be written: {error.strerror or error}; set "
                "TINYSIGHT_DATA to a folder that can"
            ) from None
        sizes = "" if need is None else f"{need:,} bytes are needed, "
        with contextlib.suppress(OSError):
            sizes += f"{shutil.disk_usage(target.parent).free:,} are free; "
        raise ResourceError(
            f"the disk of {target.parent} is full: {sizes}make room and run it again; what was "
            "downloaded is kept"
        ) from None


def _read(
    file: BinaryIO,
    remote: Remote,
    write: Callable[[bytes], object] | None,
    progress: ByteProgress | None,
) -> str | None:
    """What is wrong with a file, which is handed to `write` as it is read."""
    size = os.fstat(file.fileno()).st_size
    if remote.size is not None and size != remote.size:
        return f"{remote.size:,} bytes expected, {size:,} found"
    known = {"sha256": remote.sha256, "md5": remote.md5}
    digests: dict[str, Any] = {
        kind: hashlib.new(kind, usedforsecurity=False) for kind, value in known.items() if value
    }
    done = 0
    while chunk := file.read(CHUNK):
        for digest in digests.values():
            digest.update(chunk)
        if write:
            write(chunk)
        done += len(chunk)
        if progress:
            progress(done, size)
    for kind, digest in digests.items():
        if digest.hexdigest() != known[kind]:
            return f"{kind} {known[kind]} expected, {digest.hexdigest()} found"
    return None
