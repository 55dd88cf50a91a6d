"""Checkpoints: weights, and a manifest that names them with their SHA-256 sum.

A checkpoint `last` or `best` is a small JSON file that names a file of weights. The weights are
written first, under a new name, and the JSON then replaces the old one in a single rename, so that
at every moment each checkpoint is complete: the old or the new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinysight.errors import CheckpointError
from tinysight.run import forms
from tinysight.run.files import is_there, why, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint", "load", "manifest", "save"]

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and the state that was written beside them.

    Attributes:
        digest: the SHA-256 sum of the file of weights.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    digest: str


def save(
    run: Path, tags: tuple[str, ...], tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Write the weights once, point each of the `tags` at them and drop what none names now.

    Raises:
        ResourceError: they cannot be written; the checkpoints before stand.
    """
    from safetensors.torch import save as serialise

    raw = serialise({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
    digest = hashlib.sha256(raw).hexdigest()
    folder = run / "checkpoints"
    weights = f"weights-{digest[:12]}.safetensors"
    write_atomic(folder / weights, raw)
    said = {"format": FORMAT, "files": {weights: digest}, "state": dict(state)}
    for tag in tags:
        write_atomic(folder / f"{tag}.json", json.dumps(said, indent=2) + "\n")
    used = {f for p in folder.glob("*.json") for f in manifest(run, p.stem)["files"]}
    for path in folder.glob("weights-*.safetensors"):
        if path.name not in used:
            path.unlink()


def load(run: Path, tag: str) -> Checkpoint:
    """Read a checkpoint, its digest checked; while the run still trains, the newest.

    Raises:
        CheckpointError: missing, of a newer format, or not what was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    said = manifest(run, tag)
    while True:
        ((name, expected),) = said["files"].items()
        file = run / "checkpoints" / Path(name).name
        try:
            raw = file.read_bytes()
            break
        except FileNotFoundError:
            # Since the manifest was read, the training may have replaced both.
            before, said = said, manifest(run, tag)
            if said["files"] == before["files"]:
                raise CheckpointError(f"{file} is missing; {_path(run, tag)} names it") from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file} cannot be read: {why(error)}") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != expected:
        raise CheckpointError(
            f"{file} is damaged: sha256 {expected[:16]}… expected, {found[:16]}… found"
        )
    try:
        return Checkpoint(parse(raw), said["state"], found)
    except (SafetensorError, KeyError) as error:  # KeyError: a type of number unknown here
        raise CheckpointError(f"{file} is not a safetensors file: {error}") from None


def manifest(run: Path, tag: str) -> dict[str, Any]:
    """Read what a checkpoint says of itself: `files` with their sums, and `state`.

    Raises:
        CheckpointError: missing, of a newer format, or damaged.
    """
    path = _path(run, tag)
    if is_there(run / "diverged.json") and not is_there(path):
        raise CheckpointError(
            f"{path} is missing: the training diverged before an epoch was complete; "
            f"{run / 'diverged.json'} says where"
        )
    said = forms.read(path)
    if isinstance(said, dict) and said.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {said.get('format')!r}; this version reads {FORMAT}"
        )
    forms.check(path, said, forms.Manifest)
    return said


def _path(run: Path, tag: str) -> Path:
    return run / "checkpoints" / f"{tag}.json"
