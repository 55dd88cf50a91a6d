"""Fetch published data sets by name, take them from the user's disk, check and remove them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinysight.data.canonical import CANONICAL
from tinysight.data.published import PUBLISHED, Published
from tinysight.data.published.checking import ByteProgress, disk, fault, install
from tinysight.data.published.download import Patience, download
from tinysight.data.published.places import (
    data_folder,
    known_at,
    locate,
    own_files,
    read_at,
    reference,
    reference_file,
)
from tinysight.errors import DataError, ResourceError, UsageError
from tinysight.pictures.formats import printable
from tinysight.run import Checked, write_atomic

__all__ = [
    "Checked",
    "Status",
    "absent",
    "add",
    "data_folder",
    "ensure",
    "fetch",
    "locate",
    "remove",
    "status",
    "verify",
]

# What a path is instead of the data set that it shall be; None where it is that.
Check = Callable[[Path], str | None]


@dataclass(frozen=True)
class Status:
    """A published data set and whether it is there.

    Attributes:
        path: what would be read; None where it is not there.
        added: whether that is a path of the user's.
        problem: why it cannot be read although it was added; None where it can, or was not.
        size: bytes of its archives on disk, and of parts of them.
        download: bytes that are still to be downloaded; 0 where it is there.
    """

    name: str
    title: str
    path: Path | None
    added: bool
    problem: str | None
    size: int
    download: int


def fetch(
    name: str,
    *,
    progress: ByteProgress | None = None,
    say: Callable[[str], object] | None = None,
    patience: Patience | None = None,
    lock: bool = True,
) -> Path:
    """Return the archives of a data set, downloaded where they are not there or damaged.

    A path that it was added from is forgotten.

    Args:
        progress: called with the bytes that are there of all its archives together.
        say, patience, lock: as `download` takes them.

    Raises:
        UnknownName: no published data set has this name.
        DataError, ResourceError, UsageError: as `download` does.
    """
    known, folder = known_at(name)
    done = 0
    for remote in known.files:
        download(
            remote,
            folder / remote.name,
            progress=_shifted(progress, done, known.bytes),
            say=say,
            patience=patience,
            lock=lock,
            instead=f"if you can get {_files(known)} in another way, give {_it(known)} with: "
            f"tinysight data add {name} --from PATH",
        )
        done += remote.size or 0
        if progress:
            progress(done, known.bytes)
    _forget(name)
    return read_at(known, folder)


def ensure(name: str, *, progress: ByteProgress | None = None) -> Path:
    """Return what is to be read for a data set, its archives checked by their digests.

    Raises:
        UnknownName: no published data set has this name.
        DataError: it is not there, or an archive is not what was published.
    """
    found = locate(name)
    if found is None:
        raise absent(name)
    known, folder = known_at(name)
    if found == read_at(known, folder):
        for checked in verify(name, progress=progress):
            if checked.problem:
                raise DataError(
                    f"{checked.path} is not what was published: {checked.problem}; replace it "
                    f"with: tinysight data fetch {name}"
                )
    return found


def absent(name: str) -> DataError:
    """Return the error for a data set that is not on this machine."""
    return DataError(
        f"{name} is not on this machine; get it with: tinysight data fetch {name}, or give it "
        f"with: tinysight data add {name} --from PATH"
    )


def verify(
    name: str, *, check: Check | None = None, progress: ByteProgress | None = None
) -> tuple[Checked, ...]:
    """Return what is found of each archive of a data set, read in full, or of what was added.

    Args:
        check: as `add` takes it, for a data set that was added; without it such a one is only
            looked for.

    Raises:
        UnknownName: no published data set has this name.
        DataError: what was written down of an added one is damaged; or as `check` says.
    """
    known, folder = known_at(name)
    archives = any((folder / remote.name).exists() for remote in known.files)
    added = reference(name)
    if added is not None and (added.exists() or not archives):
        if not added.exists():
            said = "it is not there"
        else:
            other = check(added) if check else None
            said = f"it is {other}" if other else None
        return (Checked(added, 0, said),)
    found, done = [], 0
    for remote in known.files:
        path = folder / remote.name
        said = fault(path, remote, _shifted(progress, done, known.bytes))
        found.append(Checked(path, _size(path), said))
        done += remote.size or 0
    return tuple(found)


def add(
    name: str,
    source: Path,
    *,
    check: Check | None = None,
    progress: ByteProgress | None = None,
) -> Path:
    """Take a data set from a path of the user's, and return what is to be read for it.

    The published archives, told by their digests, are copied. Another layout of a data set that
    is known by its fingerprint stays where it is, and where that is gets written down.

    Args:
        source: an archive, a folder of the archives, or another layout.
        check: says whether a path is this data set by its fingerprints: None, or else what it is
            instead. It may raise a DataError of its own.

    Raises:
        UnknownName: no published data set has this name.
        UsageError: there is nothing at the path.
        DataError: it is not this data set, or not all of it.
        ResourceError: the disk does not take it.
    """
    known, folder = known_at(name)
    source = source.resolve()
    if not (source.is_file() or source.is_dir()):
        raise UsageError(f"{printable(str(source))}: no such file or folder to take {name} from")
    taken, faults = _take(known, source, folder, progress)
    missing = [f.name for f in known.files if f.name not in taken and fault(folder / f.name, f)]
    if taken and missing:
        why = f" ({faults})" if source.is_dir() and ":" in faults else ""
        raise DataError(
            f"{', '.join(taken)} taken; {known.title} also needs {', '.join(missing)}{why}: add "
            f"{'it' if len(missing) == 1 else 'them'} in the same way"
        )
    if taken:
        _forget(name)
        return read_at(known, folder)
    if name not in CANONICAL or check is None:
        raise DataError(
            f"{printable(str(source))} is not {_files(known)} as published: {faults}; "
            f"{known.title} is taken in no other form"
        )
    if other := check(source):
        raise DataError(
            f"{printable(str(source))} is not {known.title} by its content: it is {other}"
        )
    write_atomic(reference_file(name), json.dumps({"path": os.fspath(source)}) + "\n")
    return source


def remove(name: str) -> int:
    """Delete the archives of a data set, parts of them, and what was written down of it.

    What the user gave by its path stays, as does whatever else lies in the folder. Returns the
    bytes that are freed. The two names of CIFAR-100 have one archive.

    Raises:
        UnknownName: no published data set has this name.
        ResourceError: a file cannot be deleted.
    """
    known, folder = known_at(name)
    places = {folder, reference_file(name).parent}
    for place in places:
        if place.is_symlink():
            raise UsageError(
                f"{place} is a link; what lies behind it is not deleted: delete the link, or what "
                "it leads to, yourself"
            )
    freed = 0
    for path in [*own_files(known, folder), reference_file(name)]:
        try:
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode):
                continue
            path.unlink()
            freed += about.st_size
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ResourceError(f"{path} cannot be deleted: {error.strerror or error}") from None
    for place in places:
        with contextlib.suppress(OSError):  # something else is in it
            place.rmdir()
    return freed


def status() -> tuple[Status, ...]:
    """Return what there is of each published data set."""
    found = []
    for name, known in PUBLISHED.items():
        folder = known_at(name)[1]
        problem, path = None, None
        try:
            path = locate(name)
        except DataError as error:
            problem = str(error)
        size = sum(map(_size, own_files(known, folder)))
        there = sum(
            max(_size(folder / f.name), _size(folder / f"{f.name}.part")) for f in known.files
        )
        found.append(
            Status(
                name,
                known.title,
                path,
                path is not None and path != read_at(known, folder),
                problem,
                size,
                max(0, known.bytes - there) if path is None else 0,
            )
        )
    return tuple(found)


def _forget(name: str) -> None:
    """Read the archives from now on, not the path that was added."""
    path = reference_file(name)
    with disk(path, None):
        path.unlink(missing_ok=True)


def _files(known: Published) -> str:
    """The archives in words."""
    names = [remote.name for remote in known.files]
    return names[0] if len(names) == 1 else f"the files {', '.join(names)}"


def _it(known: Published) -> str:
    return "it" if len(known.files) == 1 else "the folder they are in"


def _take(
    known: Published, source: Path, folder: Path, progress: ByteProgress | None
) -> tuple[list[str], str]:
    """Copy the published archives at a path; which they are, and else what was found."""
    if source.is_dir():
        pairs = [(source / f.name, f) for f in known.files if (source / f.name).is_file()]
    else:
        pairs = [(source, remote) for remote in known.files]
    taken, said = [], {}
    for path, remote in pairs:
        # Looked at before a folder is made for it.
        problem = fault(path, remote) or install(path, folder / remote.name, remote, progress)
        if problem:
            said[remote.name] = problem
        else:
            taken.append(remote.name)
    if source.is_file() and len(said) > 1:
        return taken, said.get(source.name, "it has the digest of none of them")
    if not said:
        return taken, f"it has no file of {'this name' if len(known.files) == 1 else 'these names'}"
    return taken, "; ".join(f"{file}: {problem}" for file, problem in said.items())


def _shifted(progress: ByteProgress | None, done: int, total: int) -> ByteProgress | None:
    """The progress of one of several archives as that of all."""
    return progress and (lambda there, _: progress(done + there, total))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.lstat().st_size
    return 0
