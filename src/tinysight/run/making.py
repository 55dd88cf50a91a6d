"""Where a new run folder may be, and making it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from tinysight.run import folders
from tinysight.run.files import make_folder, why
from tinysight.run.lock import LOCK, TRAINER, only_trainer, system_lock, take_abandoned
from tinysight.run.manifest import PENDING

__all__ = ["check", "made"]

ROOT, WHAT = "runs", "run folder"

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
IMPORTED = "network.*.py"  # what a network of the user's own imports


def check(out: str | Path | None) -> None:
    """Refuse at once what `made` would refuse later.

    Raises:
        UsageError, ResourceError: see `made`.
    """
    folders.check(out, ROOT, what=WHAT, is_empty=_is_empty)


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
    path = Path(ROOT) if out is None else Path(out)
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
                    raise folders.not_empty(path)
                for file in left:
                    file.unlink()
        except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
            raise folders.not_made(path, why(error), WHAT) from None
        yield path


def _is_empty(path: Path) -> bool:
    if not any(path.iterdir()):
        return True
    with _unborn(path) as unborn:
        return unborn


@contextmanager
def _unborn(path: Path) -> Iterator[bool]:
    """Hold a folder if it is what is left of a training that was stopped before it began."""
    if path.is_dir() and all(map(_of_the_beginning, path.iterdir())):
        with take_abandoned(path) as taken:
            yield taken and all(map(_of_the_beginning, path.iterdir()))
    else:
        yield False


def _of_the_beginning(path: Path) -> bool:
    return path.name in BEGINNING or any(fnmatch(path.name, p) for p in (PENDING, IMPORTED))


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
    """Make the next free `stem-NNN`; clear away what is left of those that never began."""
    for path in root.iterdir():
        with suppress(OSError), _unborn(path) as unborn:  # it may be somebody else's
            if unborn:
                shutil.rmtree(path)
    return folders.next_free(root, folders.plain_stem(stem))
