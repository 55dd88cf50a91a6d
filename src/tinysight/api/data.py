"""Data sets as the verbs have them: read with progress, fetched, added, checked, removed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinysight import data as datasets
from tinysight.data.dataset import DataSet
from tinysight.data.published import PUBLISHED, named, store
from tinysight.errors import DataError, UnknownName, UsageError, unknown
from tinysight.pictures.formats import printable
from tinysight.progress import Progress, megabytes
from tinysight.recipe import Data, Recipe
from tinysight.run import RunFolder

__all__ = [
    "add_data",
    "fetch_data",
    "found_again",
    "load_data",
    "read",
    "reload",
    "remove_data",
    "unlike",
    "verify_data",
]


def load_data(source: Any, *, quiet: bool = False, **options: Any) -> DataSet:
    """Read a data set: a name, a path, arrays or a torch Dataset; shows how far it is.

    A published data set that is named and not on this machine is downloaded.

    Takes the fields of `recipe.Data` (size, label, validation_share, test_share, split_seed)
    and the further arguments of `data.load`.

    Raises:
        UnknownName: no such data set, or no such argument.
        DataError: it cannot be read; the message says where and why.

    >>> digits = load_data("digits")
    >>> digits.shape, len(digits.classes)
    ((32, 32, 1), 10)
    """
    further = set(inspect.signature(datasets.load).parameters) - {"source", "settings"}
    for key in options:
        if key not in Data.model_fields and key not in further:
            raise unknown("argument of load_data", key, [*Data.model_fields, *further])
    fields = {k: options.pop(k) for k in list(options) if k in Data.model_fields}
    settings = Recipe(data=fields).data
    return read(source, settings, quiet=quiet, **options)


def fetch_data(name: str, *, quiet: bool = False) -> Path:
    """Download a published data set, where it is not on this machine already; return its path.

    Raises:
        UnknownName: no published data set has this name.
        DataError, ResourceError, UsageError: see `data.published.download`.
    """
    progress = Progress(quiet=quiet)
    with progress.moving(f"fetching {name}") as moved:
        return store.fetch(name, progress=moved, say=progress.say)


def add_data(name: str, source: str | Path, *, quiet: bool = False) -> Path:
    """Take a published data set from a path of the user's; return what is read from now on.

    Raises:
        UnknownName, UsageError, DataError, ResourceError: see `data.published.store.add`.
    """
    progress = Progress(quiet=quiet)
    with progress.moving(f"taking {name}") as moved:
        return store.add(name, Path(source), check=_other_than(name, progress), progress=moved)


def verify_data(name: str, *, quiet: bool = False) -> tuple[store.Checked, ...]:
    """Read the files of a published data set in full and say of each whether it is that one.

    Raises:
        UnknownName: no published data set has this name.
    """
    progress = Progress(quiet=quiet)
    with progress.moving(f"checking {name}") as moved:
        return store.verify(name, check=_other_than(name, progress), progress=moved)


def remove_data(name: str) -> int:
    """Delete the archives of a published data set; return the bytes that are freed.

    What was added from a path of the user's stays there.

    Raises:
        UnknownName, ResourceError: see `data.published.store.remove`.
    """
    return store.remove(name)


def read(source: Any, settings: Data, *, quiet: bool, **options: Any) -> DataSet:
    """Return a data set, fetched before if it is a published one that is not here.

    Args as for `data.load`.
    """
    misfit = options.keys() & {"value_range", "layout"}  # `load` refuses them with a name
    missing = isinstance(source, str) and source in PUBLISHED and store.locate(source) is None
    if missing and not misfit:
        if Path(source).is_dir():
            raise UsageError(
                f"{source} is the name of a published data set, which is not on this machine, and "
                f"of a folder here; give ./{source} for the folder, or run: tinysight data fetch "
                f"{source}"
            )
        known = PUBLISHED[source]
        Progress(quiet=quiet).say(
            f"{known.title} is not on this machine: {megabytes(known.bytes)} to download to "
            f"{store.data_folder()}"
        )
        fetch_data(source, quiet=quiet)
    with Progress(quiet=quiet).counting("reading pictures") as counter:
        return datasets.load(source, settings, **{"progress": counter, **options})


def reload(folder: RunFolder, settings: Data, source: Any) -> DataSet:
    """Return the data set of a run from where it was, or from `source`, checked by its digests.

    Raises:
        DataError: it is not there, or not what the run was trained on.
    """
    data = found_again(folder, settings, source)
    if changed := unlike(data, folder.data()):
        raise DataError(
            f"{data.name} is not what {folder.path} was trained on: it differs in "
            f"{', '.join(changed)}"
        )
    return data


def found_again(
    folder: RunFolder,
    settings: Data,
    source: Any,
    *,
    given: tuple[str, str] = ("evaluate(run, data=...)", "data=PATH, or --data PATH"),
    quiet: bool = False,
) -> DataSet:
    """Return the data set of a run from where it was, or from `source`, whatever it is now.

    Args:
        given: how one that was in memory is given again, and one that has moved.

    Raises:
        DataError: it is not there.
    """
    said = folder.data()["source"]
    origin = said.get("origin") if source is None else source
    if origin is None:
        raise DataError(
            f"the data of {folder.path} was in memory when it was trained; give it again: "
            f"{given[0]}"
        )
    if isinstance(origin, DataSet):
        return origin
    try:
        with Progress(quiet=quiet).counting("reading pictures") as counter:
            return datasets.load(origin, settings, progress=counter, **said.get("options", {}))
    except UnknownName:
        raise DataError(
            f"the data of {folder.path} is not at {origin}; say where it is now: {given[1]}"
        ) from None


def unlike(data: DataSet, said: Mapping[str, Any]) -> list[str]:
    """Return in what a data set differs from the one of which data.json says so."""
    changed = []
    for name, before in said["splits"].items():
        now = data.split(name)
        if before and (now is None or now.digest != before["digest"]):
            count = len(now) if now else 0
            others = f"not the same {count:,}" if count == before["n"] else f"{count:,} now"
            changed.append(f"{name} ({before['n']:,} pictures then, {others})")
    if list(data.classes) != said["classes"]:
        if sorted(data.classes) == sorted(said["classes"]):
            changed.append("the order of the classes")
        else:
            gone = [name for name in said["classes"] if name not in data.classes]
            new = [name for name in data.classes if name not in said["classes"]]
            changed.append(f"the class names ({_named(gone)} then, {_named(new)} now)")
    return changed


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return printable(", ".join(names[:3]), 100) + more or "none"


def _other_than(name: str, progress: Progress) -> Callable[[Path], str | None]:
    """What says of a path that it is another data set than a canonical one."""

    def check(path: Path) -> str | None:
        with progress.counting("reading pictures") as counter:
            return named.other_than(name, path, progress=counter)

    return check
