"""Where a new run folder may be, and making it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from tinysight.errors import ResourceError, UsageError
from tinysight.run.files import make_folder, sync, why
from tinysight.run.lock import LOCK, TRAINER, only_trainer, system_lock, take_abandoned
from tinysight.run.manifest import PENDING

__all__ = ["check", "made"]

# What a folder has before it is a run, which the writing of its recipe.json makes it.
BEGINNING = {
    LOCK,
    TRAINER,
    ".manifest.lock",
    "manifest.json",
    "data.json",
    "model.json",
    "network.py",
}


def check(out: str | Path | None) -> None:
    """Refuse at once what `made` would refuse later.

    Raises:
        UsageError, ResourceError: see `made`.
    """
    if out is not None and not (isinstance(out, str | os.PathLike) and os.fspath(out)):
        raise UsageError(f"out must be the path of a new or empty folder, got {out!r}")
    path = Path("runs") if out is None else Path(out)
    try:
        if path.is_file():
            raise UsageError(f"--out {path} is a file; name a new or empty folder")
        if out is not None and path.is_dir() and any(path.iterdir()):
            with _unborn(path) as unborn:
                if not unborn:
                    raise _not_empty(path)
        there = next(p for p in (path, *path.absolute().parents) if p.exists())
        if not there.is_dir():
            raise _not_made(path, f"{there} is a file")
        effective = os.access in os.supports_effective_ids
        if not os.access(there, os.W_OK | os.X_OK, effective_ids=effective):
            raise _not_made(path, f"{there} cannot be written")
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise _not_made(path, why(error)) from None


@contextmanager
def made(stem: str, out: str | Path | None = None) -> Iterator[Path]:
    """Make an empty run folder, `out` or the next free `runs/<stem>-NNN`; be its only trainer.

    It is a run from the moment at which its recipe.json is written. What is left of one that was
    stopped before that is cleared away.

    Raises:
        UsageError: `out` is a file or is not empty.
        CheckpointError: another process has just begun to train in `out`.
        ResourceError: the folder cannot be written.
    """
    check(out)
    path = Path("runs") if out is None else Path(out)
    with ExitStack() as held:
        try:
            make_folder(path)
            if out is None:
                with _one_at_a_time(path):
                    path = _next_free(path, stem)
                    held.enter_context(only_trainer(path))
            else:
                held.enter_context(only_trainer(path))
                left = [p for p in path.iterdir() if p.name not in (LOCK, TRAINER)]
                if not all(map(_of_the_beginning, left)):
                    raise _not_empty(path)
                for file in left:
                    file.unlink()
        except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
            raise _not_made(path, why(error)) from None
        yield path


@contextmanager
def _unborn(path: Path) -> Iterator[bool]:
    """Hold a folder if it is what is left of a training that was stopped before it began."""
    if path.is_dir() and all(map(_of_the_beginning, path.iterdir())):
        with take_abandoned(path) as taken:
            yield taken and all(map(_of_the_beginning, path.iterdir()))
    else:
        yield False


def _of_the_beginning(path: Path) -> bool:
    return path.name in BEGINNING or fnmatch(path.name, PENDING)


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Let no other process take a folder for abandoned that is being made, where locks work."""
    lock = system_lock(root / ".making.lock")
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _next_free(root: Path, stem: str) -> Path:
    """Make the next free `stem-NNN`; the making itself decides a race."""
    # A DataSet's name is free.
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:100].strip("-.") or "run"
    numbered = re.compile(rf"{re.escape(stem)}-(\d+)")
    for path in root.iterdir():
        with suppress(OSError), _unborn(path) as unborn:  # it may be somebody else's
            if unborn:
                shutil.rmtree(path)
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


def _not_made(path: Path, said: str) -> ResourceError:
    from tinysight.pictures.formats import printable  # loads numpy and PIL

    return ResourceError(
        f"cannot make the run folder {printable(str(path), 200)}: {said}; name another with --out"
    )


def _not_empty(path: Path) -> UsageError:
    return UsageError(f"--out {path} is not empty; name a new or empty folder")
