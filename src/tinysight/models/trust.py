"""Which files of networks may be run on this machine: those that its user has named.

A run names the file that its network is in. A run that comes from somebody else could name code
that came with it, so only files are run whose SHA-256 sums stand in `networks.txt` in the user's
data folder, where naming a file puts its sum.
"""

from __future__ import annotations

from pathlib import Path

from tinysight.places import data_folder
from tinysight.run import write_atomic

__all__ = ["add", "knows"]


def knows(digest: str) -> bool:
    """Say whether a file of this sum may be run."""
    return digest in _listed()


def add(digest: str) -> None:
    """Let a file of this sum be run from now on.

    Raises:
        ResourceError: it cannot be recorded.
    """
    known = _listed()
    if digest not in known:
        write_atomic(_file(), "\n".join([*known, digest, ""]))


def _listed() -> list[str]:
    try:
        return _file().read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _file() -> Path:
    return data_folder() / "networks.txt"
