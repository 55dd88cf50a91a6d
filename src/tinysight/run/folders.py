"""New folders: where one may be, and making it with the next free number."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from tinysight.errors import ResourceError, UsageError
from tinysight.run.files import make_folder, sync, why

__all__ = ["check", "new", "next_free", "not_empty", "not_made", "plain_stem"]


def _is_empty(path: Path) -> bool:
    return not any(path.iterdir())


def check(
    out: str | Path | None,
    root: str,
    *,
    what: str = "folder",
    is_empty: Callable[[Path], bool] = _is_empty,
    full: str = "is not empty",
) -> None:
    """Refuse at once what making a folder would refuse later.

    Args:
        out: the folder that is to be made; None: one below `root`.
        what: it is called in messages.
        is_empty: says whether a folder that is there may be taken.
        full: what is said of one that may not.

    Raises:
        UsageError: `out` is a file or is not empty.
        ResourceError: the folder cannot be written.
    """
    if out is not None and not (isinstance(out, str | os.PathLike) and os.fspath(out)):
        raise UsageError(f"out must be the path of a new or empty folder, got {out!r}")
    path = Path(root) if out is None else Path(out)
    try:
        if path.is_file():
            raise UsageError(f"--out {path} is a file; name a new or empty folder")
        if out is not None and path.is_dir() and not is_empty(path):
            raise not_empty(path, full)
        there = next(p for p in (path, *path.absolute().parents) if p.exists())
        if not there.is_dir():
            raise not_made(path, f"{there} is a file", what)
        effective = os.access in os.supports_effective_ids
        if not os.access(there, os.W_OK | os.X_OK, effective_ids=effective):
            raise not_made(path, f"{there} cannot be written", what)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise not_made(path, why(error), what) from None


def new(root: str, stem: str, out: str | Path | None) -> Path:
    """Make an empty folder, `out` or the next free `<root>/<stem>-NNN`; return its path.

    Raises:
        UsageError, ResourceError: see `check`.
    """
    check(out, root)
    path = Path(root) if out is None else Path(out)
    try:
        make_folder(path)
        return next_free(path, plain_stem(stem)) if out is None else path
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise not_made(path, why(error)) from None


def plain_stem(name: str) -> str:
    """Return a name as the beginning of a folder's: a DataSet's name is free."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:100].strip("-.") or "run"


def next_free(root: Path, stem: str) -> Path:
    """Make the next free `stem-NNN`; the making itself decides a race.

    Raises:
        OSError: it cannot be made.
    """
    numbered = re.compile(rf"{re.escape(stem)}-(\d+)")
    taken = [int(m[1]) for p in root.iterdir() if (m := numbered.fullmatch(p.name))]
    number = max(taken, default=0) + 1
    while True:
        path = root / f"{stem}-{number:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            sync(root)
            return path


def not_made(path: Path, said: str, what: str = "folder") -> ResourceError:
    """Return the error for a folder that cannot be made."""
    from tinysight.pictures.formats import printable  # loads numpy and PIL

    return ResourceError(
        f"cannot make the {what} {printable(str(path), 200)}: {said}; name another with --out"
    )


def not_empty(path: Path, full: str = "is not empty") -> UsageError:
    """Return the error for a folder that holds something."""
    return UsageError(f"--out {path} {full}; name a new or empty folder")
