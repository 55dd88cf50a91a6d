"""The record of every read of the test labels: a line of JSON each."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from tinysight.errors import CheckpointError, ResourceError
from tinysight.run import forms
from tinysight.run.files import is_there, read_text, why

__all__ = ["add", "recorded"]


def add(path: Path, by: str) -> None:
    """Record a read that is made now.

    Raises:
        ResourceError: it cannot be recorded.
    """
    read = {"by": by, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One unbuffered write to the end, so that none of several evaluations at once is lost.
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(read).encode() + b"\n")
            os.fsync(file.fileno())
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {why(error)}") from None


def recorded(path: Path) -> list[dict[str, str]]:
    """Return the reads so far, oldest first.

    Raises:
        CheckpointError: the record is not readable or has a line that is none.
    """
    reads = []
    for at, line in enumerate(read_text(path).splitlines() if is_there(path) else [], 1):
        try:
            read = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path}: line {at} is not JSON: {error}") from None
        forms.check(path, read, forms.Read)
        reads.append(read)
    return reads
