"""The run folder: every path in it, and how its files are written and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tinysight.errors import CheckpointError, RecipeError, unknown
from tinysight.recipe import Recipe
from tinysight.run import checkpoints, forms, making, manifest, metrics, reads
from tinysight.run.checkpoints import Checkpoint, Unfinished
from tinysight.run.lock import only_trainer
from tinysight.run.log import logging_to
from tinysight.run.manifest import Checked

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RunFolder"]

# Of recipe.json, which `train` writes out in full; later versions may add fields.
ALWAYS = {"data", "epochs", "format", "model", "name", "seed"}


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run, and its reading and writing."""

    path: Path

    @classmethod
    @contextmanager
    def made(cls, stem: str, out: str | Path | None = None) -> Iterator[RunFolder]:
        """Make an empty run folder: `out`, or the next free `runs/<stem>-NNN`; train in it alone.

        Raises:
            UsageError: `out` is a file or is not empty.
            ResourceError: the folder cannot be written.
        """
        with making.made(stem, out) as path:
            yield cls(path)

    @staticmethod
    def check(out: str | Path | None) -> None:
        """Refuse at once what `made` would refuse later.

        Raises:
            UsageError, ResourceError: see `made`.
        """
        making.check(out)

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
                if (path / "manifest.json").is_file() or (path / "data.json").is_file():
                    raise CheckpointError(f"{path / 'recipe.json'} is missing: no whole run")
                if path.is_file() and (path.parent / "manifest.json").is_file():
                    raise CheckpointError(f"{path} is a file of the run {path.parent}; give that")
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

    def training(self) -> AbstractContextManager[None]:
        """Be the only one who trains in this folder while entered.

        Raises:
            CheckpointError: another process trains in it.
        """
        return only_trainer(self.path)

    def logging(self, say: Callable[[str], object]) -> AbstractContextManager[None]:
        """Write what happens while entered to log.txt; see `run.log`."""
        return logging_to(self.path / "log.txt", say)

    def write(self, files: Mapping[str, bytes | str]) -> None:
        """Write several files, given by their paths below the folder, as one change.

        Raises:
            ResourceError: they cannot be written; all are as they were, or all as they were to be.
        """
        raw = {k: v.encode() if isinstance(v, str) else v for k, v in files.items()}
        manifest.write(self.path, raw)

    def read(self, name: str) -> bytes:
        """Read a file, given by its path below the folder, checked by its SHA-256 sum.

        Raises:
            CheckpointError: missing, not readable, or not what was written.
        """
        return manifest.read(self.path, name)

    def verify(self) -> list[Checked]:
        """Read every file and say of each what is wrong with it.

        Raises:
            CheckpointError: the manifest itself is missing or damaged.
        """
        return manifest.verify(self.path)

    def write_json(self, name: str, value: Any) -> None:
        """Write `<name>.json`, atomically."""
        self.write({f"{name}.json": json.dumps(value, indent=2, allow_nan=False) + "\n"})

    def has_json(self, name: str) -> bool:
        """Say whether the run has a `<name>.json`, whole or not.

        Raises:
            CheckpointError: the manifest is damaged.
        """
        return manifest.has(self.path, f"{name}.json")

    def read_json(self, name: str, form: type[BaseModel] | None = None) -> Any:
        """Read `<name>.json`; with a `form`, its fields and their types are checked.

        Raises:
            CheckpointError: missing, not what was written, not JSON, or not of that form.
        """
        return manifest.read_json(self.path, f"{name}.json", form)

    def data(self) -> dict[str, Any]:
        """Read data.json, checked: every field that `train` writes and later stages use.

        Raises:
            CheckpointError: missing or damaged.
        """
        return self.read_json("data", forms.Data)

    def state(self, tag: str) -> dict[str, Any]:
        """Read the state of a checkpoint ("last" or "best") without its weights.

        Raises:
            CheckpointError: missing or damaged.
        """
        return checkpoints.said(self.path, tag)["state"]

    def digest(self, tag: str) -> str:
        """Return the SHA-256 sum of a checkpoint's weights, unread.

        Raises:
            CheckpointError: missing or damaged.
        """
        weights = checkpoints.said(self.path, tag)["weights"]
        return manifest.digest(self.path, f"checkpoints/{weights}")

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

    def metrics(self) -> list[dict[str, float]]:
        """Return the rows of metrics.csv, one an epoch, every value a number.

        Raises:
            CheckpointError: it is not what was written, lacks columns, or has a row that is none.
        """
        return metrics.parse(self._metrics(), self.metrics_csv)

    def keep_metrics(self, epochs: int) -> None:
        """Drop the rows of metrics.csv after those of the first `epochs`."""
        text = self._metrics()
        if (kept := metrics.first(text, epochs)) != text:
            self.write({"metrics.csv": kept})

    def save_checkpoint(
        self,
        tags: tuple[str, ...],
        tensors: Mapping[str, Tensor],
        state: Mapping[str, Any],
        *,
        training: Unfinished | None = None,
        row: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        """Write the weights once and point each of the `tags` ("last", "best") at them.

        Args:
            training: what the training needs to go on; is kept with "last".
            row: of metrics.csv, which is written with them; the first row's keys are the columns.
            recipe: by which it was trained, where that may be another than the run had.

        Raises:
            ResourceError: they cannot be written; the checkpoints before stand.
        """
        beside = {"metrics.csv": metrics.with_row(self._metrics(), row).encode()} if row else {}
        if recipe is not None and recipe != self.recipe():
            beside["recipe.json"] = recipe.to_json().encode()
        checkpoints.save(self.path, tags, tensors, state, training=training, beside=beside)

    def complete(self, steps_in_all: int, recipe: Recipe) -> None:
        """Record that the training stands at its end, by a recipe that ends there.

        Raises:
            ResourceError: it cannot be recorded.
            CheckpointError: the last checkpoint is damaged.
        """
        last = self.read_json("checkpoints/last")
        last["state"] |= {"stopped": "completed", "steps_in_all": steps_in_all}
        self.write(
            {
                "checkpoints/last.json": json.dumps(last, indent=2, allow_nan=False) + "\n",
                "recipe.json": recipe.to_json(),
            }
        )

    def load_checkpoint(self, tag: str) -> Checkpoint:
        """Read a checkpoint ("last" or "best"), checked by its SHA-256 sums.

        Raises:
            CheckpointError: missing, or not what was written.
        """
        return checkpoints.load(self.path, tag)

    def newest(self, say: Callable[[str], object]) -> Checkpoint | None:
        """Return what a training goes on from; see `run.checkpoints.newest`.

        Raises:
            CheckpointError: there are checkpoints, but none is complete.
        """
        return checkpoints.newest(self.path, say)

    def count_test_read(self, by: str) -> int:
        """Record that the labels of the test split are read now; return how often by now.

        Raises:
            ResourceError: it cannot be recorded.
            CheckpointError: the record so far is damaged.
        """
        reads.add(self.path, by)
        return len(self.test_reads())

    def test_reads(self) -> list[dict[str, str]]:
        """Return every read of the test labels so far.

        Raises:
            CheckpointError: the record is not what was written or has a line that is none.
        """
        return reads.recorded(self.path)

    def _metrics(self) -> str:
        if not manifest.has(self.path, "metrics.csv"):
            return ""
        return forms.text(self.metrics_csv, self.read("metrics.csv"))
