"""Where the parquet files of a table lie, and which split each is of.

A folder holds shards named by their split (`train-00000-of-00002.parquet`), directly, in `data/`,
in `plain_text/`, in `default/`, or in its only folder that has any; or folders named by split. A
single file is a table without splits: all of it is train.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tinysight.data.dataset import quoted
from tinysight.data.readers.folder import is_run
from tinysight.data.reading import SPLIT_NAMES
from tinysight.errors import DataError

__all__ = ["find_shards"]

USUAL = ("data", "plain_text", "default")
_SPLIT = re.compile(r"([a-z]+)([-_.].*)?\.parquet", re.IGNORECASE)
_SERIES = re.compile(r".*-(\d+)-of-(\d+)\.parquet", re.IGNORECASE)


def find_shards(path: Path) -> dict[str, list[Path]]:
    """Return the shards of a .parquet file or of a folder, by split; empty if a folder has none.

    Raises:
        DataError: several sub-folders have shards, a shard of a series is missing, or train is.
    """
    if path.is_file():
        return {"train": [path]}
    places = [path, *(path / name for name in USUAL)]
    place = next((p for p in places if _shards(p)), None)
    if place is None:
        inside = [p for p in _listed(path)[0] if _shards(p)]
        if len(inside) > 1:
            raise DataError(
                f"{path} holds several tables: {quoted([p.name for p in inside])}; name one, "
                f"e.g. {inside[0]}"
            )
        if not inside:
            return {}
        place = inside[0]
    shards = _shards(place)
    for split, files in shards.items():
        _check_series(split, files, place)
    if "train" not in shards:
        raise DataError(
            f"{place} has tables of {', '.join(shards)} but none of train; add train.parquet"
        )
    return shards


def _listed(path: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the parquet files in a folder, sorted; none if it may not be looked into."""
    folders, files = [], []
    if is_run(path):  # its tables are predictions
        return folders, files
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(Path(entry.path))
                elif entry.name.lower().endswith(".parquet"):
                    files.append(Path(entry.path))
    except OSError:  # who needs it will say so
        return [], []
    return sorted(folders), sorted(files)


def _shards(path: Path) -> dict[str, list[Path]]:
    """The parquet files of a folder by split; by the name of the file, or of its folder."""
    found: dict[str, list[Path]] = {}
    folders, tables = _listed(path)
    for file in tables:
        match = _SPLIT.fullmatch(file.name)
        if match and (split := SPLIT_NAMES.get(match[1].lower())):
            found.setdefault(split, []).append(file)
    if not found:
        for folder in folders:
            if (split := SPLIT_NAMES.get(folder.name.lower())) and split not in found:
                # metadata.parquet stands beside pictures that are files of their own.
                files = [f for f in _listed(folder)[1] if f.stem != "metadata"]
                found |= {split: files} if files else {}
    return {s: found[s] for s in ("train", "validation", "test") if s in found}


def _check_series(split: str, files: Iterable[Path], place: Path) -> None:
    """Refuse `train-00000-of-00002` without its second half."""
    numbers: dict[int, set[int]] = {}
    for file in files:
        if match := _SERIES.fullmatch(file.name):
            numbers.setdefault(int(match[2]), set()).add(int(match[1]))
    for n, here in numbers.items():
        if absent := sorted(set(range(n)) - here):
            raise DataError(
                f"{place}: {split} lacks shard {', '.join(map(str, absent[:10]))} of {n} "
                f"(numbered from 0); {len(here)} are there: fetch the others"
            )
