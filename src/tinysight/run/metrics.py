"""metrics.csv: a row an epoch, for people, for pandas and for the report."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinysight.errors import CheckpointError

__all__ = ["first", "parse", "with_row"]

# What reads it counts on these; more are welcome.
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


def with_row(text: str, row: Mapping[str, Any]) -> str:
    """Return the file with one more row; the first row's keys are the columns.

    To a file that an earlier version began, with other columns, the row adds what it has of those.
    """
    columns = next(csv.reader(io.StringIO(text, newline="")), None) or list(row)
    new = io.StringIO(newline="")
    writer = csv.DictWriter(new, fieldnames=columns, restval=math.nan, extrasaction="ignore")
    if not text:
        writer.writeheader()
    writer.writerow(row)
    return text + new.getvalue()


def first(text: str, epochs: int) -> str:
    """Return the file with the rows of its first `epochs` alone."""
    lines = text.splitlines(keepends=True)
    return "".join(lines[: epochs + 1]) if epochs else ""


def parse(text: str, path: Path) -> list[dict[str, float]]:
    """Return the rows, every value a number.

    Raises:
        CheckpointError: columns are lacking, or a row is none.
    """
    if not text:
        return []
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        lines, columns = list(reader), reader.fieldnames or []
    except csv.Error as error:
        raise CheckpointError(f"{path} is not CSV: {error}") from None
    lacking = [name for name in COLUMNS if name not in columns]
    if lacking:
        raise CheckpointError(f"{path} lacks the columns {', '.join(lacking)}")
    rows: list[dict[str, float]] = []
    for at, line in enumerate(lines, 1):
        try:
            row = {name: float(value) for name, value in line.items()}
        except (TypeError, ValueError):
            row = {}
        if not row or not math.isfinite(row["epoch"]):
            raise CheckpointError(f"{path}: row {at} is not numbers, one a column")
        rows.append(row)
    return rows
