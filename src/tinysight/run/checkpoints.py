"""Checkpoints: weights, what a training needs to go on, and the JSON that names both.

`best` is what the recipe chose so far, `last` where the training stands, `before` what `last` was
before: it is gone on from where `last` is damaged. Each is a small JSON file that names a file of
weights and, but for `best`, one of the training's other tensors. They are changed as one, see
`run.manifest`, so that at every moment all are the old or all the new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinysight.errors import CheckpointError
from tinysight.run import forms, manifest
from tinysight.run.files import is_there

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint", "Unfinished", "load", "newest", "said", "save"]

FOLDER = "checkpoints"
GOES_ON = ("last", "before")  # the newer first


@dataclass(frozen=True)
class Unfinished:
    """What a training needs, beside its weights, to go on where it stood.

    Attributes:
        tensors: of the optimiser, say.
        numbers: plain values: the step, say.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and what was written beside them.

    Attributes:
        digest: the SHA-256 sum of the file of weights.
        training: what it can be gone on from with, where that was kept.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    digest: str
    training: Unfinished | None = None


def save(
    run: Path,
    tags: tuple[str, ...],
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Any],
    *,
    training: Unfinished | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Write the weights once, point each of the `tags` at them and drop what none names now.

    Args:
        training: is kept with `last`.
        beside: further files of the run that are to be changed with them.

    Raises:
        ResourceError: they cannot be written; the checkpoints before stand.
    """
    files = dict(beside or {})
    weights = _add(files, "weights", tensors)
    chosen = {"weights": weights, "state": dict(state)}
    unfinished = chosen
    if training is not None:
        other = _add(files, "training", training.tensors)
        unfinished = chosen | {"training": other, "numbers": training.numbers}
    there, damaged = {}, False
    for tag in ("best", *GOES_ON):
        try:
            there |= {tag: said(run, tag)} if _has(run, tag) else {}
        except CheckpointError:  # whoever reads it will be told; what it named is left alone
            damaged = True
    if "last" in tags and "last" in there:
        there["before"] = there["last"]
        files[_name("before")] = _json(there["before"])
    for tag in tags:
        there[tag] = unfinished if tag == "last" else chosen
        files[_name(tag)] = _json(there[tag])
    unused = [] if damaged else _unused(run, there.values())
    manifest.write(run, files, [name for name in unused if name not in files])


def load(run: Path, tag: str) -> Checkpoint:
    """Read a checkpoint, checked by its sums; while the run still trains, the newest.

    Raises:
        CheckpointError: missing, or not what was written.
    """
    found = said(run, tag)
    while True:
        try:
            return _loaded(run, found)
        except CheckpointError:
            # Since it was read, the training may have replaced it and what it names.
            before, found = found, said(run, tag)
            if found == before:
                raise


def newest(run: Path, say: Callable[[str], object]) -> Checkpoint | None:
    """Return what a training goes on from: `last`, or the one before where that is damaged.

    None where nothing was saved yet. What is damaged is given up for good: `last` is then the one
    before, and a damaged `best` is none.

    Args:
        say: is told of what is damaged.

    Raises:
        CheckpointError: none of them is complete.
        ResourceError: the run cannot be written.
    """
    wrong: dict[str, CheckpointError] = {}
    found: Checkpoint | None = None
    for tag in ("best", *GOES_ON):
        if found or not _has(run, tag):
            continue
        try:
            loaded = load(run, tag)
        except CheckpointError as error:
            wrong[tag] = error
        else:
            found = loaded if tag in GOES_ON else None
    if found is None and GOES_ON[0] in wrong:
        raise CheckpointError(
            f"{wrong[GOES_ON[0]]}; no checkpoint is whole: train anew with --recipe {run}"
        )
    if "best" in wrong:
        say(f"{wrong['best']}; it is given up")
    if "last" in wrong:
        say(f"{wrong['last']}; going on from the checkpoint before it")
    if wrong:
        _give_up(run, wrong)
    return found


def said(run: Path, tag: str) -> dict[str, Any]:
    """Read what a checkpoint says of itself: the files that it names, and `state`.

    Raises:
        CheckpointError: missing or damaged.
    """
    path = run / _name(tag)
    if is_there(run / "diverged.json") and not is_there(path):
        raise CheckpointError(
            f"{path} is missing: the training diverged before an epoch was complete; "
            f"{run / 'diverged.json'} says where"
        )
    return manifest.read_json(run, _name(tag), forms.Checkpoint)


def _has(run: Path, tag: str) -> bool:
    """Say whether the run has a checkpoint of this name, damaged or not.

    Raises:
        CheckpointError: the manifest is damaged.
    """
    return manifest.has(run, _name(tag))


def _give_up(run: Path, tags: Collection[str]) -> None:
    """Let go of damaged checkpoints; in the place of `last` comes the one before."""
    files = {_name("last"): manifest.read(run, _name("before"))} if "last" in tags else {}
    kept = [said(run, tag) for tag in ("best", "before") if tag not in tags and _has(run, tag)]
    if "last" not in tags:
        kept.append(said(run, "last"))
    unused = _unused(run, kept)
    manifest.write(run, files, [*(_name(t) for t in tags if t != "last"), *unused])


def _unused(run: Path, kept: Iterable[Mapping[str, Any]]) -> list[str]:
    """The files of tensors that none of these checkpoints names."""
    used = {f"{FOLDER}/{found[k]}" for found in kept for k in ("weights", "training") if k in found}
    return [n for n in manifest.names(run) if n.endswith(".safetensors") and n not in used]


def _add(files: dict[str, bytes], kind: str, tensors: Mapping[str, Tensor]) -> str:
    """Put tensors among the files to be written; return the name of theirs."""
    from safetensors.torch import save as serialise

    # Weights of two names are written twice: the format refuses them otherwise.
    written: dict[str, Tensor] = {}
    places: set[int] = set()
    for key, value in tensors.items():
        plain = value.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        written[key] = plain.clone() if place in places else plain
        places.add(place)
    raw = serialise(written)
    name = f"{kind}-{hashlib.sha256(raw).hexdigest()[:12]}.safetensors"
    files[f"{FOLDER}/{name}"] = raw
    return name


def _loaded(run: Path, found: Mapping[str, Any]) -> Checkpoint:
    tensors, digest = _tensors(run, found["weights"])
    training = None
    if "training" in found:
        training = Unfinished(_tensors(run, found["training"])[0], found["numbers"])
    return Checkpoint(tensors, found["state"], digest, training)


def _tensors(run: Path, name: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file, and its SHA-256 sum."""
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    raw = manifest.read(run, f"{FOLDER}/{name}")
    file = run / FOLDER / name
    try:
        found = parse(raw)
        names = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")], object_pairs_hook=list)
    except (SafetensorError, KeyError) as error:  # KeyError: a type of number unknown here
        raise CheckpointError(f"{file} is not a safetensors file: {error}") from None
    keys = [key for key, _ in names]
    if len(keys) != len(set(keys)):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise CheckpointError(f"{file} is not a safetensors file: it names {twice} twice")
    return found, hashlib.sha256(raw).hexdigest()


def _name(tag: str) -> str:
    return f"{FOLDER}/{tag}.json"


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, indent=2, allow_nan=False).encode() + b"\n"
