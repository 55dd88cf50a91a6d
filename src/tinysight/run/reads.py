"""The record of every read of the test labels: a line of JSON each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tinysight.errors import CheckpointError
from tinysight.run import forms, manifest

__all__ = ["add", "recorded"]

NAME = "evaluation/test_reads.jsonl"


def add(run: Path, by: str) -> None:
    """Record a read that is made now.

    Raises:
        ResourceError: it cannot be recorded.
        CheckpointError: the record so far is damaged.
    """
    read = {"by": by, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    line = json.dumps(read).encode() + b"\n"
    manifest.write(run, {NAME: lambda before: before + line})


def recorded(run: Path) -> list[dict[str, str]]:
    """Return the reads so far, oldest first.

    Raises:
        CheckpointError: the record is not what was written, or has a line that is none.
    """
    if NAME not in manifest.names(run):
        return []
    path, reads = run / NAME, []
    for at, line in enumerate(forms.text(path, manifest.read(run, NAME)).splitlines(), 1):
        try:
            read = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path}: line {at} is not JSON: {error}") from None
        forms.check(path, read, forms.Read)
        reads.append(read)
    return reads
