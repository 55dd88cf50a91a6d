"""manifest.json itself: the SHA-256 sums of a run's files, and one of its own."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tinysight import __version__
from tinysight.errors import CheckpointError
from tinysight.run import forms
from tinysight.run.files import why

__all__ = ["NAME", "Sums", "content", "load", "short", "sum_of", "text"]

NAME, FORMAT = "manifest.json", 2
SEAL, DIGITS = b'{\n  "sha256": "', 64  # how it begins, and the hexadecimal digits after that


@dataclass(frozen=True)
class Sums:
    """What is in a manifest.

    Attributes:
        files: the sum of each.
        dropped: those that the last change took away.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


def load(run: Path) -> Sums:
    """Read a run's manifest.

    Raises:
        CheckpointError: missing, damaged, or of another format.
    """
    path = run / NAME
    raw = content(path)
    if raw is None:
        raise CheckpointError(f"{path} is missing; without it nothing in {run} can be trusted")
    end = len(SEAL) + DIGITS
    expected = raw[len(SEAL) : end].decode("ascii", "replace")
    found = sum_of(raw[: len(SEAL)] + raw[end:])
    if expected != found:
        raise CheckpointError(
            f"{path} is damaged: sha256 {short(expected)} expected, {short(found)} found"
        )
    fields = forms.parse(path, raw)
    if isinstance(fields, dict) and fields.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {fields.get('format')!r}, written by tinysight "
            f"{fields.get('tinysight')!r}; this version, {__version__}, reads {FORMAT}"
        )
    forms.check(path, fields, forms.Manifest)
    return Sums(fields["files"], tuple(fields["dropped"]))


def text(sums: Sums) -> bytes:
    """Return what stands in manifest.json."""
    fields = {
        "sha256": "",
        "format": FORMAT,
        "tinysight": __version__,
        "files": dict(sorted(sums.files.items())),
        "dropped": list(sums.dropped),
    }
    raw = json.dumps(fields, indent=2).encode() + b"\n"
    return SEAL + str(sum_of(raw)).encode() + raw[len(SEAL) :]


def content(path: Path) -> bytes | None:
    """Return a file's content; None where it is missing.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        if stat.S_ISFIFO(path.stat().st_mode):  # which would be waited for
            raise CheckpointError(f"{path} cannot be read: it is a pipe")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {why(error)}") from None


def sum_of(raw: bytes | None) -> str | None:
    """Return the SHA-256 sum of a content."""
    return None if raw is None else hashlib.sha256(raw).hexdigest()


def short(digest: str | None) -> str:
    """Return the beginning of a sum, for people."""
    return f"{digest[:16]}…" if digest else "nothing"
