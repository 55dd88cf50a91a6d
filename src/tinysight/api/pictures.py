"""The pictures that `predict` is given: taken apart, looked for in folders, the rest counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinysight.errors import UsageError
from tinysight.pictures.formats import READ, REFUSED, printable
from tinysight.progress import Progress

__all__ = ["gathered"]


def gathered(pictures: Any, progress: Progress) -> list[Any]:
    """Return the pictures one by one; files in folders that are none are counted and said.

    Raises:
        UsageError: there is none.
    """
    skipped: Counter[str] = Counter()
    found = [p for given in _many(pictures) for p in _walk(given, skipped)]
    if skipped:
        progress.say(_said(skipped))
    if not found:
        endings = ", ".join(sorted(e[1:] for e in READ))
        raise UsageError(f"no picture to classify; looked for files ending in {endings}")
    return found


def _many(pictures: Any) -> list[Any]:
    """What was given as a list: a batch of arrays or tensors (n h w c) taken apart."""
    if isinstance(pictures, torch.Tensor):
        pictures = pictures.cpu().numpy()
    if isinstance(pictures, np.ndarray):
        return list(pictures) if pictures.ndim == 4 else [pictures]
    if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes):
        return [one for given in pictures for one in _many(given)]
    return [pictures]


def _walk(given: Any, skipped: Counter[str]) -> list[Any]:
    """A folder's pictures, sorted; anything else itself. What is skipped is counted by ending."""
    if not (isinstance(given, str | Path) and os.path.isdir(given)):  # noqa: PTH112 - any name
        return [given]
    found = []
    for root, _, names in os.walk(given):
        for file in (Path(root) / name for name in names):
            ending = file.suffix.lower()
            if ending in READ | REFUSED:
                found.append(file)
            else:
                skipped[printable(ending, 12) or "without ending"] += 1
    return sorted(found)


def _said(skipped: Counter[str]) -> str:
    """What was skipped of the folders that were given, in a line."""
    n = skipped.total()
    counted = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    kinds = [f"{count:,} {kind}" for kind, count in counted[:8]]
    what = "1 file that is no picture" if n == 1 else f"{n:,} files that are no pictures"
    return f"skipped {what}: {', '.join(kinds)}{', and others' if len(skipped) > 8 else ''}"
