"""Where published data sets lie on this machine.

Archives lie in the folder in TINYSIGHT_DATA, else in `tinysight` in the user's data folder: one
folder for each data set, with its archives as they were published. A data set that is known by
its fingerprint may also lie elsewhere, in whatever layout: then `source.json` says where, and
that is what is read as long as it is there.
"""

from __future__ import annotations

import json
from pathlib import Path

from tinysight.data.published import PUBLISHED, Published
from tinysight.errors import DataError, unknown
from tinysight.pictures.formats import printable
from tinysight.places import data_folder

__all__ = [
    "known_at",
    "locate",
    "own_files",
    "read_at",
    "reference",
    "reference_file",
]

REFERENCE = "source.json"


def locate(name: str) -> Path | None:
    """Return what is to be read for a data set: its archive, their folder, or what was added.

    Nothing is read for it; `ensure` also checks the archives.

    Raises:
        UnknownName: no published data set has this name.
        DataError: the path that was added is no longer there.
    """
    known, folder = known_at(name)
    added = reference(name)
    if added is not None and added.exists():
        return added
    if all((folder / remote.name).is_file() for remote in known.files):
        return read_at(known, folder)
    if added is not None:
        raise DataError(
            f"{name} was added from {printable(str(added))}, which is no longer there; add it "
            f"from where it is now, or run: tinysight data fetch {name}"
        )
    return None


def known_at(name: str) -> tuple[Published, Path]:
    """Return a published data set and the folder of its archives.

    Raises:
        UnknownName: no published data set has this name.
    """
    if name not in PUBLISHED:
        raise unknown("data set", name, PUBLISHED)
    known = PUBLISHED[name]
    return known, data_folder() / known.folder


def read_at(known: Published, folder: Path) -> Path:
    """Return what is read of the archives in a folder: the one archive, or all the folder."""
    return folder / known.files[0].name if len(known.files) == 1 else folder


def reference_file(name: str) -> Path:
    """Return the file in which stands where a data set was added from; it need not exist."""
    return data_folder() / name / REFERENCE


def reference(name: str) -> Path | None:
    """Return the path that a data set was added from, if it was.

    Raises:
        DataError: what was written down of it is damaged.
    """
    path = reference_file(name)
    try:
        found = Path(json.loads(path.read_text(encoding="utf-8"))["path"])
        if not found.is_absolute() or "\0" in str(found):
            raise ValueError("no absolute path")
        return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}); delete it, then run: "
            f"tinysight data add {name} --from PATH"
        ) from None


def own_files(known: Published, folder: Path) -> list[Path]:
    """Return the files that are made here for a data set, cut-off and left-over ones too."""
    found = []
    for remote in known.files:
        found += [folder / f"{remote.name}{end}" for end in ("", ".part", ".lock")]
        found += folder.glob(f".{remote.name}.????????")
    return found
