"""One trainer in a run folder at a time."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tinysight.errors import CheckpointError, ResourceError
from tinysight.run.files import why

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["LOCK", "TRAINER", "only_trainer", "system_lock", "take_abandoned"]

LOCK, TRAINER = ".training.lock", ".trainer.json"
NAMED = 1.0  # seconds in which one that has just taken a folder has said who it is


def system_lock(path: Path) -> FileLock:
    """Return the operating system's lock on a file, which ends with the process that holds it.

    Where the file system has none, taking it is an OSError or a NotImplementedError.
    """
    from filelock import FileLock

    return FileLock(path, fallback_to_soft=False)


@contextmanager
def only_trainer(run: Path) -> Iterator[None]:
    """Be the only trainer of a run while entered; what a dead one held is taken over.

    Where a file system has no locks, the process that the folder names decides, if it is of this
    machine.

    Raises:
        CheckpointError: another process trains in it.
        ResourceError: the folder cannot be written.
    """
    with _taken(run):
        trainer = run / TRAINER
        said = {"pid": os.getpid(), "host": platform.node()}
        try:
            trainer.write_text(json.dumps(said) + "\n")
        except OSError as error:
            raise ResourceError(f"cannot write {trainer}: {why(error)}") from None
        try:
            yield
        finally:
            trainer.unlink(missing_ok=True)


@contextmanager
def take_abandoned(run: Path) -> Iterator[bool]:
    """Hold the folder of a training that was begun and whose process is gone; say if it is one."""
    if not (run / LOCK).is_file():
        yield False
        return
    with ExitStack() as held:
        try:
            held.enter_context(_taken(run, wait=0.0))
        except CheckpointError:
            yield False
        else:
            yield True


@contextmanager
def _taken(run: Path, wait: float = NAMED) -> Iterator[None]:
    """Hold the lock of a run's trainer.

    Args:
        wait: seconds for one that has just taken it to say who it is.

    Raises:
        CheckpointError: another process holds it.
    """
    from filelock import Timeout

    lock = system_lock(run / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _refusal(run, wait) from None
    except (OSError, NotImplementedError):
        if _alive(run / TRAINER):
            raise _refusal(run, 0.0, f"; if it is gone, remove {run / TRAINER}") from None
    try:
        yield
    finally:
        lock.release()


def _refusal(run: Path, wait: float, way_out: str = "") -> CheckpointError:
    trainer, until = run / TRAINER, time.monotonic() + wait
    while not _alive(trainer) and time.monotonic() < until:  # one that is dead was the last
        time.sleep(NAMED / 20)
    pid, host = _trainer(trainer)
    who = f"process {pid}" if pid else "another process"
    where = f" on {host}" if host and host != platform.node() else ""
    return CheckpointError(
        f"{run} is being trained by {who}{where}; wait for it, or stop it{way_out}"
    )


def _trainer(file: Path) -> tuple[int | None, str | None]:
    """Who trains, as far as the folder tells."""
    try:
        said = json.loads(file.read_bytes())
        return int(said["pid"]), str(said["host"])
    except (OSError, ValueError, TypeError, KeyError):
        return None, None


def _alive(file: Path) -> bool:
    """Whether the process that a folder names is running; one of another machine may be."""
    pid, host = _trainer(file)
    if pid is None:
        return False
    if host != platform.node() or os.name == "nt":  # where signal 0 would be Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True
