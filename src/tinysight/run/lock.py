"""One trainer in a run folder at a time."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinysight.errors import CheckpointError
from tinysight.run.files import write_atomic

__all__ = ["LOCK", "TRAINER", "abandoned", "only_trainer"]

LOCK, TRAINER = ".training.lock", ".trainer.json"
NAMED = 1.0  # seconds in which one that has just taken a folder has said who it is


@contextmanager
def only_trainer(run: Path) -> Iterator[None]:
    """Be the only trainer of a run while entered; what a dead one held is taken over.

    The lock is the system's, which gives it free when its process ends, however that ends. Where a
    file system has no locks, the process that the folder names decides, if it is of this machine.

    Raises:
        CheckpointError: another process trains in it.
        ResourceError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock, trainer = FileLock(run / LOCK), run / TRAINER
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _taken(run) from None
    except (OSError, NotImplementedError):
        if _alive(trainer):
            raise _taken(run) from None
    try:
        write_atomic(trainer, json.dumps({"pid": os.getpid(), "host": platform.node()}) + "\n")
        yield
    finally:
        trainer.unlink(missing_ok=True)
        lock.release()


def abandoned(run: Path) -> bool:
    """Say whether a training was begun in this folder of which the process is gone."""
    from filelock import FileLock, Timeout

    if not (run / LOCK).is_file():
        return False
    lock = FileLock(run / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except (OSError, NotImplementedError):
        return not _alive(run / TRAINER)
    lock.release()
    return True


def _taken(run: Path) -> CheckpointError:
    until = time.monotonic() + NAMED
    pid, host = _trainer(run / TRAINER)
    while pid is None and time.monotonic() < until:
        time.sleep(NAMED / 20)
        pid, host = _trainer(run / TRAINER)
    who = f"process {pid}" if pid else "another process"
    where = f" on {host}" if host and host != platform.node() else ""
    return CheckpointError(f"{run} is being trained by {who}{where}; wait for it, or stop it")


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
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
