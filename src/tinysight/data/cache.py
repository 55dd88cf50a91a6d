"""Decoded data sets on disk: written once, then memory-mapped, checked at every opening.

An entry is a small JSON manifest that names a safetensors file with its SHA-256 sum; the manifest
is replaced last, in one rename, so an entry is whole or not there. There is one entry for each
source and way of reading it: when the source changes, its entry is replaced.

The cache is the folder in TINYSIGHT_CACHE, else `tinysight` in the user's cache folder. It can be
deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tinysight.data.prepared import Part, Prepared
from tinysight.errors import ResourceError
from tinysight.places import cache_folder
from tinysight.run import write_atomic

__all__ = ["cache_folder", "cached"]

FORMAT = 2  # to be raised whenever reading gives other pixels, digests or fields
LEFT_OVER = 3600.0  # seconds; nobody writes an entry for so long
FIELDS = ("name", "title", "classes", "fingerprints", "source", "notes", "mirror")


class _DamagedError(Exception):
    """An entry is there but is not what was written."""


def cached(
    name: str, way: Any, identity: Any, build: Callable[[], Prepared]
) -> tuple[Prepared, tuple[str, ...]]:
    """Return the entry of a source, or build and write it; and notes on what went wrong.

    Args:
        name: for people who look into the folder.
        way: plain values that name the source and how it is read; one entry for each.
        identity: plain values that change when the source's content does.
        build: decodes the source.
    """
    try:
        folder = cache_folder()
    except RuntimeError as error:  # no home folder
        return build(), (f"not cached: {error}",)
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:40]}-{_digest(way)[:16]}"
    # Another Pillow may decode or resample differently in the last bit.
    key = _digest([FORMAT, PIL.__version__, identity])
    notes: list[str] = []
    try:
        if found := _open(folder, stem, key):
            return found, ()
    except _DamagedError as damage:
        notes.append(f"the cached copy was damaged ({damage}) and was made anew")
    prepared = build()
    try:
        _write(folder, stem, key, prepared)
        # Opened again, so that the memory of the decoded copy is freed.
        return _open(folder, stem, key) or prepared, tuple(notes)
    except (OSError, SafetensorError, ResourceError, _DamagedError) as error:
        notes.append(f"not cached, the next start decodes again: {error}")
        return prepared, tuple(notes)


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _open(folder: Path, stem: str, key: str) -> Prepared | None:
    """The entry, memory-mapped; None if there is none for this key."""
    try:
        manifest = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        if manifest["key"] != key:
            return None
        path = folder / Path(manifest["file"]).name
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != manifest["sha256"]:
            raise _DamagedError(
                f"sha256 {manifest['sha256'][:16]}… expected, {found[:16]}… found in {path}"
            )
        return _load(path)
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _DamagedError(f"{folder / stem}.json: {type(error).__name__} {error}") from None


def _load(path: Path) -> Prepared:
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["tinysight"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    parts = {}
    for split in said["splits"]:
        own = {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith(f"{split}.")}
        files = own.pop("files", None)
        names = () if files is None else tuple(_text(files).split("\0"))
        masks = own.pop("masks", None)
        parts[split] = Part(**own, files=names, masks=None if masks is None else masks.bool())
    fields = {name: said[name] for name in FIELDS}
    for name in ("classes", "notes"):
        fields[name] = tuple(fields[name])
    return Prepared(**fields, parts=parts)


def _write(folder: Path, stem: str, key: str, prepared: Prepared) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for split, part in prepared.parts.items():
        for name in ("images", "labels", "digests", "pictures"):
            tensors[f"{split}.{name}"] = getattr(part, name)
        if part.files:
            raw = "\0".join(part.files).encode("utf-8", "surrogateescape")
            tensors[f"{split}.files"] = torch.from_numpy(np.frombuffer(raw, np.uint8).copy())
        if part.masks is not None:
            tensors[f"{split}.masks"] = part.masks.to(torch.uint8)
    said = {name: getattr(prepared, name) for name in FIELDS} | {"splits": list(prepared.parts)}
    handle, temporary = tempfile.mkstemp(prefix=f".{stem}.", dir=folder)
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={"tinysight": json.dumps(said)})
        with Path(temporary).open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        data = f"{stem}-{digest[:12]}.safetensors"
        Path(temporary).replace(folder / data)
    finally:
        Path(temporary).unlink(missing_ok=True)
    manifest = {"key": key, "file": data, "sha256": digest}
    write_atomic(folder / f"{stem}.json", json.dumps(manifest, indent=2) + "\n")
    for old in folder.glob(f".{stem}.*"):  # of a process that was killed
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > LEFT_OVER:
                old.unlink()
    for old in folder.glob(f"{stem}-*.safetensors"):
        if old.name != data:
            try:
                old.unlink()
            except OSError:  # in use on Windows; the next write tries again
                continue


def _text(raw: torch.Tensor) -> str:
    return raw.numpy().tobytes().decode("utf-8", "surrogateescape")
