"""What tests of downloads share: a file, how patiently it is asked for, and what is on disk."""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

from tinysight.data.published import Remote
from tinysight.data.published.download import Patience

ARCHIVE = gzip.compress(random.Random(0).randbytes(300_000))
SIZE = len(ARCHIVE)
OTHER = gzip.compress(random.Random(1).randbytes(SIZE))[:SIZE]
ADD = "tinysight data add NAME --from PATH"

# Enough for a busy machine where nothing shall time out.
PATIENT = Patience(connect=60, read=60, tries=6, backoff=0.01, longest=0.02, slow=0)
HASTY = Patience(connect=60, read=0.3, tries=40, backoff=0.01, longest=0.02, slow=0)
ONCE = Patience(connect=60, read=60, tries=1, backoff=0.01, slow=0)


def remote(*urls: str, content: bytes = ARCHIVE, size: int | None = SIZE) -> Remote:
    return Remote("a.tar.gz", urls, size, hashlib.sha256(content).hexdigest())


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def left(target: Path, content: bytes) -> None:
    """Leave a part of an earlier attempt."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part_of(target).write_bytes(content)


def files(target: Path) -> set[str]:
    return {p.name for p in target.parent.iterdir()} - {"a.tar.gz.lock"}
