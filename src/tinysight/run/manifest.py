"""manifest.json: every file of a run with its SHA-256 sum, which every load is checked by.

Several files are changed as one. The manifest first names, of each of them, the content before and
the one to come; then they are replaced, one by one; then it names what is there now. Whenever that
is cut off, each file is one of the two that the manifest names.

The manifest is JSON whose first field is the sum of all the rest of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from tinysight import __version__
from tinysight.errors import CheckpointError, ResourceError
from tinysight.run import forms
from tinysight.run.files import is_there, sweep, why, write_atomic

__all__ = ["Checked", "digest", "names", "read", "read_json", "verify", "write"]

NAME, FORMAT = "manifest.json", 2
SEAL, DIGITS = b'{\n  "sha256": "', 64  # how it begins, and the hexadecimal digits after that
WAIT = 60.0  # seconds for another process that is writing in the run

Change = Callable[[bytes], bytes]
Sums = dict[str, tuple[str | None, ...]]  # of each file what it may be; None is: not there


class Checked(NamedTuple):
    """What was found of a file.

    Attributes:
        size: bytes; 0 where it cannot be read.
        problem: None where it is as it should be.
    """

    path: Path
    size: int
    problem: str | None


def read(run: Path, name: str) -> bytes:
    """Return the content of a run's file, checked by its sum.

    Raises:
        CheckpointError: missing, not readable, not what was written, or no file of this run.
    """
    path = run / name
    before: Sums | None = None
    while True:
        sums = _load(run)
        if name not in sums:
            if not is_there(path):
                raise CheckpointError(f"{path} is missing")
            raise CheckpointError(
                f"{path} is not named by {run / NAME}: it is no file of this run; remove it"
            )
        raw = _content(path)
        found = _sum(raw)
        if found in sums[name]:
            if raw is None:
                raise CheckpointError(f"{path} is missing")
            return raw
        if sums == before:
            expected = " or ".join(_short(s) for s in sums[name] if s)
            if raw is None:
                raise CheckpointError(f"{path} is missing; {run / NAME} names it")
            raise CheckpointError(
                f"{path} is damaged: sha256 {expected} expected, {_short(found)} found"
            )
        before = sums  # another process may have replaced both since the manifest was read


def read_json(run: Path, name: str, form: type[BaseModel] | None = None) -> Any:
    """Read a JSON file of a run; with a `form`, its fields and their types are checked.

    Raises:
        CheckpointError: as `read`; or not JSON, or not of that form.
    """
    value = forms.parse(run / name, read(run, name))
    if form is not None:
        forms.check(run / name, value, form)
    return value


def write(run: Path, files: Mapping[str, bytes | Change], drop: Collection[str] = ()) -> None:
    """Write several files of a run as one change, in their order, and drop others.

    Args:
        files: by their paths below the run folder their contents, or what makes the new one of the
            old, which is empty where there is none.
        drop: paths below it.

    Raises:
        ResourceError: the disk or the folder does not take them; each is then as it was before or
            as it was to be.
        CheckpointError: the manifest is damaged.
    """
    with _alone(run):
        sums = _settled(run)
        contents = {
            name: given
            if isinstance(given, bytes)
            else given(read(run, name) if name in sums else b"")
            for name, given in files.items()
        }
        new = {name: _sum(raw) for name, raw in contents.items()}
        changed = {
            name: tuple(dict.fromkeys((*sums.get(name, (None,)), new.get(name))))
            for name in (*files, *drop)
        }
        _put(run, sums | changed)
        for name, raw in contents.items():
            write_atomic(run / name, raw)
        for name in drop:
            try:
                (run / name).unlink(missing_ok=True)
            except OSError as error:
                raise ResourceError(f"cannot remove {run / name}: {why(error)}") from None
        kept = {name: said for name, said in sums.items() if name not in drop}
        _put(run, kept | {name: (digest,) for name, digest in new.items()})


def names(run: Path) -> list[str]:
    """Return the paths of a run's files below its folder, sorted; of none where it has none yet.

    Raises:
        CheckpointError: the manifest is damaged.
    """
    return sorted(_load(run)) if is_there(run / NAME) else []


def digest(run: Path, name: str) -> str | None:
    """Return the sum that a file of a run is to have; None where it is not settled.

    Raises:
        CheckpointError: the manifest is missing or damaged, or does not name it.
    """
    said = _load(run).get(name)
    if said is None:
        raise CheckpointError(f"{run / name} is missing")
    return said[0] if len(said) == 1 else None


def verify(run: Path) -> list[Checked]:
    """Read every file of a run and say of each what is wrong with it.

    Raises:
        CheckpointError: the manifest itself is missing or damaged.
    """
    found = []
    for name in sorted(_load(run)):
        path = run / name
        try:
            found.append(Checked(path, len(read(run, name)), None))
        except CheckpointError as error:
            found.append(Checked(path, 0, str(error).removeprefix(f"{path} ")))
    return found


def _load(run: Path) -> Sums:
    path = run / NAME
    raw = _content(path)
    if raw is None:
        raise CheckpointError(f"{path} is missing; without it nothing in {run} can be trusted")
    end = len(SEAL) + DIGITS
    expected = raw[len(SEAL) : end].decode("ascii", "replace")
    found = _sum(raw[: len(SEAL)] + raw[end:])
    if expected != found:
        raise CheckpointError(
            f"{path} is damaged: sha256 {_short(expected)} expected, {_short(found)} found"
        )
    said = forms.parse(path, raw)
    if isinstance(said, dict) and said.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {said.get('format')!r}, written by tinysight "
            f"{said.get('tinysight')!r}; this version, {__version__}, reads {FORMAT}"
        )
    forms.check(path, said, forms.Manifest)
    return {k: tuple(v) if isinstance(v, list) else (v,) for k, v in said["files"].items()}


def _put(run: Path, sums: Sums) -> None:
    files = {n: said if len(said) > 1 else next(iter(said)) for n, said in sorted(sums.items())}
    said = {"sha256": "", "format": FORMAT, "tinysight": __version__, "files": files}
    text = json.dumps(said, indent=2).encode() + b"\n"
    write_atomic(run / NAME, SEAL + str(_sum(text)).encode() + text[len(SEAL) :])


def _settled(run: Path) -> Sums:
    """What the files are, after what a killed writer left is put in order."""
    sweep(run)
    if not is_there(run / NAME):
        return {}
    settled: Sums = {}
    for name, said in _load(run).items():
        now = said[0] if len(said) == 1 else _sum(_content(run / name))
        if now not in said:
            settled[name] = said  # damaged: let whoever reads it be told
        elif now is not None:
            settled[name] = (now,)
    return settled


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Be the only writer of a run, where its file system has locks."""
    from filelock import FileLock, Timeout

    lock = FileLock(run / ".manifest.lock", timeout=WAIT)
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ResourceError(
            f"cannot write in {run}: another process has been writing there for {WAIT:.0f} s"
        ) from None
    except (OSError, NotImplementedError):
        pass  # no locks here; or no writing either, of which the write has more to say
    try:
        yield
    finally:
        lock.release()


def _content(path: Path) -> bytes | None:
    """A file's content; None where it is missing."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {why(error)}") from None


def _sum(raw: bytes | None) -> str | None:
    return None if raw is None else hashlib.sha256(raw).hexdigest()


def _short(digest: str | None) -> str:
    return f"{digest[:16]}…" if digest else "nothing"
