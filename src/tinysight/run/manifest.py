"""manifest.json: every file of a run with its SHA-256 sum, which every load is checked by.

Several files are changed as one. First the new content of each is written beside it, under a hidden
name. Then the manifest that has the new sums takes the place of the old one: from that moment all
of them are changed. Then they get their names. Who reads in between, or after that was cut off,
finds the content that the manifest names under the one name or the other; the next writer puts the
names in order, and clears away what no manifest names.

The manifest is JSON whose first field is the sum of all the rest of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from tinysight.errors import CheckpointError, ResourceError
from tinysight.run import forms
from tinysight.run.files import is_there, put, sync, why
from tinysight.run.lock import system_lock
from tinysight.run.sums import NAME, Sums, content, load, short, sum_of, text

__all__ = ["PENDING", "Checked", "digest", "has", "names", "read", "read_json", "verify", "write"]

PENDING = ".*.pending"  # contents that do not have their names yet
WAIT = 60.0  # seconds for another process that is writing in the run
KEPT = ("checkpoints", "evaluation")  # folders in which a run has nothing but its own

Change = Callable[[bytes], bytes]


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
    while True:
        now = load(run)
        expected = now.files.get(name)
        if expected is None:
            if not is_there(path):
                raise CheckpointError(f"{path} is missing")
            raise CheckpointError(f"{path} {_stray(run)}")
        raw = None
        for place in (path, _pending(path), path):  # it may get its name between two looks
            raw = content(place)
            if raw is not None and sum_of(raw) == expected:
                return raw
        if now == load(run):
            break  # else another process has changed it meanwhile
    if raw is None:
        raise CheckpointError(f"{path} is missing; {run / NAME} names it: restore it from a copy")
    raise CheckpointError(
        f"{path} is damaged: sha256 {short(expected)} expected, {short(sum_of(raw))} found; "
        "restore it from a copy"
    )


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
    """Write several files of a run, and drop others, as one change.

    Args:
        files: by their paths below the run folder their contents, or what makes the new one of the
            old, which is empty where there is none.
        drop: paths below it.

    Raises:
        ResourceError: the disk or the folder does not take them; all is then as it was before, or
            all as it was to be.
        CheckpointError: the manifest is damaged.
    """
    if not run.is_dir():
        raise ResourceError(f"cannot write in {run}: the folder is not there; was it moved?")
    with _alone(run):
        before = _settled(run)
        contents = {
            name: given
            if isinstance(given, bytes)
            else given(read(run, name) if name in before.files else b"")
            for name, given in files.items()
        }
        sums = {name: str(sum_of(raw)) for name, raw in contents.items()}
        kept = {name: sum_ for name, sum_ in before.files.items() if name not in drop}
        after = Sums(kept | sums, tuple(sorted(drop)))
        path = run / NAME
        try:
            for name, raw in contents.items():
                path = run / name
                put(_pending(path), raw)
            _sync(run, contents)
            path = run / NAME
            put(_pending(path), text(after))
            _pending(path).replace(path)  # from here on all of it is changed
            sync(run)
        except BaseException as error:
            with suppress(CheckpointError, ResourceError):
                _settled(run)
            if isinstance(error, OSError | ValueError):  # ValueError: a path with a zero byte
                raise ResourceError(f"cannot write {path}: {why(error)}") from None
            raise
        _settle(run, after, contents)


def names(run: Path) -> list[str]:
    """Return the paths of a run's files below its folder, sorted; of none where it has none yet.

    Raises:
        CheckpointError: the manifest is damaged.
    """
    return sorted(load(run).files) if is_there(run / NAME) else []


def has(run: Path, name: str) -> bool:
    """Say whether a run has a file of this name, whole or not; reading it says so.

    Raises:
        CheckpointError: the manifest is damaged.
    """
    return is_there(run / name) or name in names(run)


def digest(run: Path, name: str) -> str:
    """Return the sum that a file of a run is to have.

    Raises:
        CheckpointError: the manifest is missing or damaged, or does not name it.
    """
    found = load(run).files.get(name)
    if found is None:
        raise CheckpointError(f"{run / name} is missing")
    return found


def verify(run: Path) -> list[Checked]:
    """Read every file of a run and say of each what is wrong with it; and of what is no file of it.

    Raises:
        CheckpointError: the manifest itself is missing or damaged.
    """
    found = []
    for name in sorted(load(run).files):
        path = run / name
        try:
            found.append(Checked(path, len(read(run, name)), None))
        except CheckpointError as error:
            if name in load(run).files:  # a training may have dropped it since
                found.append(Checked(path, 0, str(error).removeprefix(f"{path} ")))
    there = [p for folder in KEPT for p in sorted((run / folder).rglob("[!.]*")) if p.is_file()]
    known = load(run).files
    return found + [
        Checked(path, path.stat().st_size, _stray(run))
        for path in there
        if path.relative_to(run).as_posix() not in known and is_there(path)
    ]


def _settled(run: Path) -> Sums:
    """The manifest, after what a killed writer left is put in order.

    Raises:
        CheckpointError: the manifest is damaged.
        ResourceError: a name cannot be given, or a file not removed.
    """
    now = load(run) if is_there(run / NAME) else Sums()
    written = []
    for pending in run.rglob(PENDING):
        path = pending.with_name(pending.name.removeprefix(".").removesuffix(".pending"))
        name = path.relative_to(run).as_posix()
        if name in now.files and sum_of(content(pending)) == now.files[name]:
            written.append(name)
        else:
            _remove(pending)
    _settle(run, now, written)
    return now


def _settle(run: Path, now: Sums, written: Iterable[str]) -> None:
    """Give contents that were written their names, and remove what was dropped.

    Raises:
        ResourceError: a name cannot be given, or a file not removed.
    """
    for name in written:
        path = run / name
        try:
            _pending(path).replace(path)
        except OSError as error:
            raise ResourceError(f"cannot write {path}: {why(error)}") from None
    gone = [name for name in now.dropped if name not in now.files]
    for name in gone:
        _remove(run / name)
    _sync(run, [*written, *gone])


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ResourceError(f"cannot remove {path}: {why(error)}") from None


def _sync(run: Path, changed: Iterable[str]) -> None:
    """Bring the names in the folders of these files through to the disk.

    Raises:
        ResourceError: they cannot be.
    """
    for folder in sorted({(run / name).parent for name in changed}):
        try:
            if folder.is_dir():
                sync(folder)
        except OSError as error:
            raise ResourceError(f"cannot write in {folder}: {why(error)}") from None


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Be the only writer of a run, where its file system has locks."""
    from filelock import Timeout

    lock = system_lock(run / ".manifest.lock")
    try:
        lock.acquire(timeout=WAIT)
    except Timeout:
        raise ResourceError(
            f"cannot write in {run}: another process has been writing there for {WAIT:.0f} s"
        ) from None
    except (OSError, NotImplementedError, ValueError):
        pass  # no locks here; or no writing either, of which the write has more to say
    try:
        yield
    finally:
        lock.release()


def _pending(path: Path) -> Path:
    """The new content of a file until it gets its name; one name for each, so that it is found."""
    return path.with_name(f".{path.name}.pending")


def _stray(run: Path) -> str:
    return f"is not named by {run / NAME}: it is no file of this run; remove it"
