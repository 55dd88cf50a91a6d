"""The run folder: every path in it, and how its files are written and checked.

A checkpoint `last` or `best` is a small JSON file that names a file of weights with its SHA-256
sum. The weights are written first, under a new name, and the JSON then replaces the old one in a
single rename, so that at every moment each checkpoint is complete: the old or the new.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinysight.errors import CheckpointError, ResourceError, UsageError, unknown
from tinysight.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint", "RunFolder", "write_atomic"]

CHECKPOINT_FORMAT = 1


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        ResourceError: the disk or the folder does not take it; the old content stands.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        temporary = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and the state that was written beside them."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run, and its reading and writing."""

    path: Path

    @classmethod
    def create(cls, stem: str, out: str | Path | None = None) -> RunFolder:
        """Make an empty run folder: `out`, or the next free `runs/<stem>-NNN`.

        Raises:
            UsageError: `out` is a file or is not empty.
            ResourceError: the folder cannot be written.
        """
        try:
            if out is not None:
                path = Path(out)
                if path.is_file():
                    raise UsageError(f"--out {path} is a file; name a new or empty folder")
                if path.is_dir() and any(path.iterdir()):
                    raise UsageError(f"--out {path} is not empty; name a new or empty folder")
                path.mkdir(parents=True, exist_ok=True)
            else:
                path = _next_free(Path("runs"), stem)
        except OSError as error:
            raise ResourceError(f"cannot make the run folder: {error}") from None
        return cls(path)

    @classmethod
    def open(cls, run: str | Path) -> RunFolder:
        """Find a run by its path, or by its name below `runs/`.

        Raises:
            UnknownName: there is no such run; names the nearest.
        """
        for path in (Path(run), Path("runs") / run):
            if (path / "recipe.json").is_file():
                return cls(path)
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

    def read_json(self, name: str) -> Any:
        """Read `<name>.json`.

        Raises:
            CheckpointError: missing, or not JSON.
        """
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CheckpointError(f"{path} is missing") from None
        except ValueError as error:
            raise CheckpointError(f"{path} is not JSON: {error}") from None

    def recipe(self) -> Recipe:
        """Return the run's recipe."""
        return Recipe.from_json(self.path / "recipe.json")

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add a row to metrics.csv; the first row's keys are the columns."""
        new = not self.metrics_csv.exists()
        with self.metrics_csv.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def metrics(self) -> list[dict[str, float]]:
        """Return the rows of metrics.csv, one an epoch, every value a number.

        They end before a row that a killed process left half written.
        """
        if not self.metrics_csv.exists():
            return []
        rows: list[dict[str, float]] = []
        with self.metrics_csv.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                try:
                    rows.append({name: float(value) for name, value in row.items()})
                except (TypeError, ValueError):
                    break
        return rows

    def save_checkpoint(
        self, tags: tuple[str, ...], tensors: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        """Write the weights once and point each of the `tags` ("last", "best") at them."""
        from safetensors.torch import save

        raw = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
        digest = hashlib.sha256(raw).hexdigest()
        folder = self.path / "checkpoints"
        weights = f"weights-{digest[:12]}.safetensors"
        write_atomic(folder / weights, raw)
        manifest = {"format": CHECKPOINT_FORMAT, "files": {weights: digest}, "state": dict(state)}
        for tag in tags:
            write_atomic(folder / f"{tag}.json", json.dumps(manifest, indent=2) + "\n")
        used = {f for p in folder.glob("*.json") for f in json.loads(p.read_text())["files"]}
        for path in folder.glob("weights-*.safetensors"):
            if path.name not in used:
                path.unlink()

    def load_checkpoint(self, tag: str) -> Checkpoint:
        """Read a checkpoint ("last" or "best"), its digest checked.

        Raises:
            CheckpointError: missing, of a newer format, or not what was written.
        """
        from safetensors.torch import load

        path = self.path / "checkpoints" / f"{tag}.json"
        manifest = self.read_json(f"checkpoints/{tag}")
        if manifest.get("format") != CHECKPOINT_FORMAT:
            raise CheckpointError(
                f"{path} has format {manifest.get('format')!r}; "
                f"this version reads {CHECKPOINT_FORMAT}"
            )
        ((name, expected),) = manifest["files"].items()
        file = path.parent / Path(name).name
        try:
            raw = file.read_bytes()
        except FileNotFoundError:
            raise CheckpointError(f"{file} is missing; {path} names it") from None
        found = hashlib.sha256(raw).hexdigest()
        if found != expected:
            raise CheckpointError(
                f"{file} is damaged: sha256 {expected[:16]}… expected, {found[:16]}… found"
            )
        return Checkpoint(load(raw), manifest["state"])

    def count_test_read(self, by: str) -> int:
        """Record that the labels of the test split are read now; return how often by now."""
        reads = self.test_reads()
        reads.append({"by": by, "at": datetime.now(UTC).isoformat(timespec="seconds")})
        self.write_json("evaluation/test_reads", reads)
        return len(reads)

    def test_reads(self) -> list[dict[str, str]]:
        """Return every read of the test labels so far."""
        if not (self.path / "evaluation" / "test_reads.json").exists():
            return []
        return self.read_json("evaluation/test_reads")


def _next_free(root: Path, stem: str) -> Path:
    """Make the next free `stem-NNN`; the making itself decides a race."""
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
