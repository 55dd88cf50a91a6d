"""Which files of networks may be run on this machine: those that its user has named.

A run names the file that its network is in. A run that comes from somebody else could name code
that came with it, so only files are run whose SHA-256 sums the user's data folder has, in
`networks/`, where naming a file puts its sum.
"""

from __future__ import annotations

from pathlib import Path

from tinysight.places import data_folder
from tinysight.run import write_atomic

__all__ = ["add", "knows"]


def knows(digest: str) -> bool:
    """Say whether a file of this sum may be run."""
    return _mark(digest).is_file()


def add(digest: str) -> None:
    """Let a file of this sum be run from now on.

    Raises:
        ResourceError: it cannot be recorded.
    """
    if not knows(digest):
        write_atomic(_mark(digest), "")


def _mark(digest: str) -> Path:
    return data_folder() / "networks" / digest
