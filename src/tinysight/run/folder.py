"""The run folder: every path in it, and how its files are written and checked."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tinysight.errors import CheckpointError, RecipeError, ResourceError, UsageError, unknown
from tinysight.recipe import Recipe
from tinysight.run import checkpoints, forms, reads
from tinysight.run.checkpoints import Checkpoint
from tinysight.run.files import is_there, read_text, why, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RunFolder"]

# Of recipe.json, which `train` writes out in full; later versions may add fields.
ALWAYS = {"data", "epochs", "format", "model", "name", "seed"}

# Of metrics.csv. What reads it counts on these; more are welcome.
COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss_running",
    "train_accuracy_running",
    "train_loss_clean",
    "train_accuracy_clean",
    "validation_loss",
    "validation_accuracy",
    "pictures_per_second",
    "seconds",
)


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run, and its reading and writing."""

    path: Path

    @classmethod
    def create(cls, stem: str, out: str | Path | None = None) -> RunFolder:
        """Make an empty run folder: `out`, or the next free `runs/<stem>-NNN`.

        An empty recipe.json claims it, made by one process alone; the first write replaces it.

        Raises:
            UsageError: `out` is a file or is not empty.
            ResourceError: the folder cannot be written.
        """
        cls.check(out)
        path = Path("runs") if out is None else Path(out)
        try:
            if out is None:
                path = _next_free(path, stem)
            path.mkdir(parents=True, exist_ok=True)
            (path / "recipe.json").touch(exist_ok=False)
        except FileExistsError:
            raise _taken(path) from None
        except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
            raise _not_made(path, why(error)) from None
        return cls(path)

    @classmethod
    def check(cls, out: str | Path | None) -> None:
        """Refuse at once what `create` would refuse later.

        Raises:
            UsageError, ResourceError: see `create`.
        """
        if out is not None and not (isinstance(out, str | os.PathLike) and os.fspath(out)):
            raise UsageError(f"out must be the path of a new or empty folder, got {out!r}")
        path = Path("runs") if out is None else Path(out)
        try:
            if path.is_file():
                raise UsageError(f"--out {path} is a file; name a new or empty folder")
            if out is not None and path.is_dir() and any(path.iterdir()):
                raise _taken(path)
            there = next(p for p in (path, *path.absolute().parents) if p.exists())
            if not there.is_dir():
                raise _not_made(path, f"{there} is a file")
            effective = os.access in os.supports_effective_ids
            if not os.access(there, os.W_OK | os.X_OK, effective_ids=effective):
                raise _not_made(path, f"{there} cannot be written")
        except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
            raise _not_made(path, why(error)) from None

    @classmethod
    def open(cls, run: str | Path) -> RunFolder:
        """Find a run by its path, or by its name below `runs/`.

        Raises:
            UnknownName: there is no such run; names the nearest.
            CheckpointError: it may not be looked into.
        """
        for path in (Path(run), Path("runs") / run):
            try:
                if (path / "recipe.json").is_file():
                    return cls(path)
                if (path / "data.json").is_file():
                    raise CheckpointError(f"{path / 'recipe.json'} is missing: no whole run")
            except PermissionError:
                raise CheckpointError(f"{path} cannot be read: Permission denied") from None
            except OSError:  # a name that no file system takes
                continue
        known = [p.parent.name for p in Path("runs").glob("*/recipe.json")]
        raise unknown("run", str(run), known)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def metrics_csv(self) -> Path:
        """A row an epoch."""
        return self.path / "metrics.csv"

    @property
    def report_html(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    def evaluation(self, split: str) -> Path:
        """Return the folder of the evaluation on a split."""
        return self.path / "evaluation" / split

    @property
    def figures(self) -> Path:
        """The figures of the report, as files."""
        return self.path / "evaluation" / "figures"

    def write_json(self, name: str, value: Any) -> None:
        """Write `<name>.json`, atomically."""
        write_atomic(
            self.path / f"{name}.json", json.dumps(value, indent=2, allow_nan=False) + "\n"
        )

    def has_json(self, name: str) -> bool:
        """Say whether there is a `<name>.json`, readable or not."""
        return is_there(self.path / f"{name}.json")

    def read_json(self, name: str, form: type[BaseModel] | None = None) -> Any:
        """Read `<name>.json`; with a `form`, its fields and their types are checked.

        Raises:
            CheckpointError: missing, not readable, not JSON, or not of that form.
        """
        return forms.read(self.path / f"{name}.json", form)

    def data(self) -> dict[str, Any]:
        """Read data.json, checked: every field that `train` writes and later stages use.

        Raises:
            CheckpointError: missing or damaged.
        """
        return self.read_json("data", forms.Data)

    def state(self, tag: str) -> dict[str, Any]:
        """Read the state of a checkpoint ("last" or "best") without its weights.

        Raises:
            CheckpointError: missing, of a newer format, or damaged.
        """
        return checkpoints.manifest(self.path, tag)["state"]

    def recipe(self) -> Recipe:
        """Return the run's recipe.

        Raises:
            CheckpointError: missing or damaged.
        """
        path, fields = self.path / "recipe.json", self.read_json("recipe")
        if not isinstance(fields, dict) or not fields.keys() >= ALWAYS:
            raise CheckpointError(
                f"{path} is damaged: a recipe written out in full is expected, with "
                f"{', '.join(sorted(ALWAYS))}"
            )
        try:
            return Recipe(**fields)
        except RecipeError as error:
            raise CheckpointError(f"{path} is damaged: {error}") from None

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add a row to metrics.csv; the first row's keys are the columns.

        Raises:
            ResourceError: it cannot be written; the rows before stand.
        """
        old = read_text(self.metrics_csv) if is_there(self.metrics_csv) else ""
        new = io.StringIO(newline="")
        writer = csv.DictWriter(new, fieldnames=list(row))
        if not old:
            writer.writeheader()
        writer.writerow(row)
        write_atomic(self.metrics_csv, old + new.getvalue())

    def metrics(self) -> list[dict[str, float]]:
        """Return the rows of metrics.csv, one an epoch, every value a number.

        A last row that was cut short is left out.

        Raises:
            CheckpointError: it is not readable, lacks columns, or has a row that is none.
        """
        if not is_there(self.metrics_csv):
            return []
        text = read_text(self.metrics_csv)
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            lines, columns = list(reader), reader.fieldnames or []
        except csv.Error as error:
            raise CheckpointError(f"{self.metrics_csv} is not CSV: {error}") from None
        lacking = [name for name in COLUMNS if name not in columns]
        if lacking:
            raise CheckpointError(f"{self.metrics_csv} lacks the columns {', '.join(lacking)}")
        rows: list[dict[str, float]] = []
        for at, line in enumerate(lines, 1):
            try:
                row = {name: float(value) for name, value in line.items()}
            except (TypeError, ValueError):
                row = {}
            if row and math.isfinite(row["epoch"]):
                rows.append(row)
            elif at < len(lines):
                raise CheckpointError(f"{self.metrics_csv}: row {at} is not numbers, one a column")
        return rows

    def save_checkpoint(
        self, tags: tuple[str, ...], tensors: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        """Write the weights once and point each of the `tags` ("last", "best") at them.

        Raises:
            ResourceError: they cannot be written; the checkpoints before stand.
        """
        checkpoints.save(self.path, tags, tensors, state)

    def load_checkpoint(self, tag: str) -> Checkpoint:
        """Read a checkpoint ("last" or "best"), its digest checked.

        Raises:
            CheckpointError: missing, of a newer format, or not what was written.
        """
        return checkpoints.load(self.path, tag)

    def count_test_read(self, by: str) -> int:
        """Record that the labels of the test split are read now; return how often by now.

        Raises:
            ResourceError: it cannot be recorded.
        """
        reads.add(self._test_reads, by)
        return len(self.test_reads())

    def test_reads(self) -> list[dict[str, str]]:
        """Return every read of the test labels so far.

        Raises:
            CheckpointError: the record is not readable or has a line that is none.
        """
        return reads.recorded(self._test_reads)

    @property
    def _test_reads(self) -> Path:
        return self.path / "evaluation" / "test_reads.jsonl"


def _not_made(path: Path, said: str) -> ResourceError:
    from tinysight.pictures.formats import printable  # loads numpy and PIL

    return ResourceError(
        f"cannot make the run folder {printable(str(path), 200)}: {said}; name another with --out"
    )


def _taken(path: Path) -> UsageError:
    return UsageError(f"--out {path} is not empty; name a new or empty folder")


def _next_free(root: Path, stem: str) -> Path:
    """Make the next free `stem-NNN`; the making itself decides a race."""
    stem = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:100].strip("-.") or "run"
    )  # a DataSet's name is free
    root.mkdir(parents=True, exist_ok=True)
    numbered = re.compile(rf"{re.escape(stem)}-(\d+)")
    taken = [int(m[1]) for p in root.iterdir() if (m := numbered.fullmatch(p.name))]
    number = max(taken, default=0) + 1
    while True:
        path = root / f"{stem}-{number:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path
